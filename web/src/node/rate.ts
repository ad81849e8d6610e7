// Rate is a token bucket.

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

	/** take tells whether there was a token. */
	take(): boolean {
		this.#fill();
		if (this.#left < 1) return false;
		this.#left--;
		return true;
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
