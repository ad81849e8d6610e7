// Rate is a token bucket, Rates are those of many who ask.

/** Rate gives out so many tokens a second, and at most burst at once. */
export class Rate {
	#left: number;
	#at = performance.now();

	constructor(
		readonly perSecond: number,
		readonly burst: number,
	) {
		this.#left = burst;
	}

	/** take tells whether there were n tokens, and takes them. */
	take(n = 1): boolean {
		if (!this.fits(n)) return false;
		this.#left -= n;
		return true;
	}

	/** fits tells whether there are n tokens. */
	fits(n: number): boolean {
		this.#fill();
		return this.#left >= n;
	}

	/** full tells whether nothing was taken lately. */
	get full(): boolean {
		this.#fill();
		return this.#left >= this.burst;
	}

	#fill(): void {
		const now = performance.now();
		this.#left = Math.min(this.burst, this.#left + ((now - this.#at) / 1000) * this.perSecond);
		this.#at = now;
	}
}

/** Rates give each who asks so many tokens a second, and remember at most most of them. */
export class Rates {
	readonly #all = new Map<string, Rate>();

	constructor(
		readonly perSecond: number,
		readonly burst: number,
		readonly most: number,
	) {}

	/** take tells whether one had a token, and takes it. While most are remembered who took some lately, others have none. */
	take(key: string): boolean {
		let rate = this.#all.get(key);
		if (!rate) {
			if (this.#all.size >= this.most) for (const [other, r] of this.#all) if (r.full) this.#all.delete(other);
			if (this.#all.size >= this.most) return false;
			this.#all.set(key, (rate = new Rate(this.perSecond, this.burst)));
		}
		return rate.take();
	}
}
