// Seen remembers keys for a while, in two generations.

/** Seen remembers each key for life to twice life ms, and the newest most to twice most of them. */
export class Seen {
	#young = new Set<string>();
	#old = new Set<string>();
	#since = performance.now();

	constructor(
		readonly life: number,
		readonly most: number,
	) {}

	/** add tells whether a key is new, and remembers it. */
	add(key: string): boolean {
		const now = performance.now();
		if (now - this.#since > this.life || this.#young.size >= this.most) {
			this.#old = now - this.#since > 2 * this.life ? new Set() : this.#young;
			this.#young = new Set();
			this.#since = now;
		}
		if (this.has(key)) return false;
		this.#young.add(key);
		return true;
	}

	has(key: string): boolean {
		return this.#young.has(key) || this.#old.has(key);
	}
}
