// Which sellers are asked, and in which order: the rule of plugins/market/pick. See
// docs/PROTOCOL.md, part 8, "Finding".

const busyFactor = 2n; // how many times the cheapest's cost a job may cost so that it need not wait for a slot
const firstPlaces = 4; // of those that are asked, for sellers that did well
const badMillis = 3_600_000; // for how long who failed is asked behind all others

/** Dealings are what a buyer has had to do with a seller: row jobs done since the last that failed, at missed, Unix ms. */
export interface Dealings {
	readonly done: number;
	readonly failed: number;
	readonly row: number;
	readonly missed: number;
}

/** Candidate is a seller with so many free slots. */
export interface Candidate {
	readonly free: number;
	/** dealt is undefined of a newcomer. */
	readonly dealt: Dealings | undefined;
	/** turn tells that it is a newcomer that has its turn. */
	turn?: boolean;
}

const good = ({ dealt }: Candidate): boolean => dealt !== undefined && dealt.row > 0;
const bad = ({ dealt }: Candidate, now: number): boolean => dealt?.row === 0 && dealt.failed > 0 && now - dealt.missed < badMillis;
const weigh = (c: Candidate, cost: bigint): bigint => (c.free > 0 ? cost : busyFactor * cost);

/** first orders what is true first. */
const first = (a: boolean | undefined, b: boolean | undefined): number => Number(b ?? false) - Number(a ?? false);

/**
 * prefer orders sellers: those that failed lately behind all others, then by what the
 * job would cost, which counts twice where no slot is free; at one price those with a
 * free slot, then a newcomer whose turn it is, then those who did well, then those
 * with more free slots.
 */
export function prefer(a: Candidate, b: Candidate, costA: bigint, costB: bigint, now: number): number {
	return (
		first(bad(b, now), bad(a, now)) ||
		Number(weigh(a, costA) > weigh(b, costB)) - Number(weigh(a, costA) < weigh(b, costB)) ||
		first(a.free > 0, b.free > 0) || first(a.turn, b.turn) || first(good(a), good(b)) || b.free - a.free
	);
}

/**
 * rank puts sellers in the order in which they are asked: the cheapest four that did
 * well, then the others, the cheapest first; those that are alike stay as they are. When
 * it is a newcomer's turn the cheapest of them with a free slot comes before all.
 */
export function rank<T extends Candidate>(all: readonly T[], cost: (c: T) => bigint, newcomer: boolean, now: number): T[] {
	const sorted = [...all].sort((a, b) => prefer(a, b, cost(a), cost(b), now));
	const turn = newcomer && sorted.find((c) => !c.dealt && c.free > 0);
	if (turn) turn.turn = true;
	const places = new Set(sorted.filter(good).slice(0, firstPlaces));
	return sorted.sort((a, b) => first(a.turn, b.turn) || first(places.has(a), places.has(b)));
}
