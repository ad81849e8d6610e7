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
