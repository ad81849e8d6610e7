// Prices: a fee for each job and so much for each 10^9 fuel, in micro-credits. See
// docs/PROTOCOL.md, part 8.

/** gfuel is the amount of fuel that prices are for. */
export const gfuel = 1_000_000_000n;

/** maxSum is above every amount in a statement. */
export const maxSum = 1n << 62n;

const pagesPerGiB = 16384n;

/** Price is what a seller wants. */
export interface Price {
	readonly fee: bigint;
	readonly price: bigint;
}

/** costOf is the bill for fuel, rounded up to the next micro-credit once; undefined when it is 2^62 or more. */
export function costOf(p: Price, fuel: bigint): bigint | undefined {
	const cost = p.fee + up(fuel * p.price, gfuel);
	return cost < maxSum ? cost : undefined;
}

/** covers is the most fuel, at most most, whose cost is at most credit: 0 when that does not even cover the fee. */
export function covers(p: Price, credit: bigint, most: bigint): bigint {
	if (credit < p.fee) return 0n;
	if (p.price === 0n) return most;
	const fuel = ((credit - p.fee) * gfuel) / p.price;
	return fuel < most ? fuel : most;
}

/** withMemory is the price for a job that may have so many pages of 64 KiB, when a GiB costs more. */
export function withMemory(p: Price, gib: bigint, pages: number): Price {
	const price = p.price + up(gib * BigInt(pages), pagesPerGiB);
	return { fee: p.fee, price: price < maxSum ? price : maxSum - 1n };
}

const up = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;

/** least is the smaller of two. */
export const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
