// Memory is the sellers that a buyer has dealt with, over the ends of tabs. Its rule is
// that of plugins/market/pick.

import { type Bytes, fromHex, toHex } from "../bytes.ts";
import { type Store } from "../ledger/store.ts";
import { type Dealings } from "./pick.ts";

const maxDealings = 256; // sellers; who was heard of longest ago goes first
const rememberMillis = 90 * 24 * 3_600_000;
const triedFirst = 16;
const newcomerEvery = 8; // each so many-th job goes to a newcomer

/** Dealing is a seller that is remembered. Times are Unix ms: last when it last did a job, seen when it last did or failed one. */
interface Dealing extends Dealings {
	readonly v: 1;
	readonly last: number;
	readonly seen: number;
}

const key = (seller: string): string => `dealt/${seller}`;
const old = (d: Dealing, now: number): boolean => now - d.seen > rememberMillis;

/** Memory is made by open. */
export class Memory {
	readonly #store: Store;
	readonly #all: Map<string, Dealing>; // by entity in hex

	private constructor(store: Store, all: [string, Dealing][]) {
		this.#store = store;
		this.#all = new Map(all);
	}

	/** open reads what a store has. */
	static async open(store: Store): Promise<Memory> {
		const all = await store.list(key(""), key("~"), maxDealings);
		return new Memory(store, all.map(([k, d]): [string, Dealing] => [k.slice(key("").length), d as Dealing]).filter(([, d]) => d.v === 1));
	}

	/** did takes in that a seller did a job, or failed it. It is kept as far as the store does: nothing but the order of sellers depends on it. */
	async did(seller: Bytes, well: boolean, now = Date.now()): Promise<void> {
		const at = toHex(seller);
		const before = this.#all.get(at);
		const gone = before ? [] : this.#room(now);
		const { done, failed, row, last, missed } = before ?? { done: 0, failed: 0, row: 0, last: 0, missed: 0 };
		const d: Dealing = well
			? { v: 1, done: done + 1, failed, row: row + 1, last: now, missed, seen: now }
			: { v: 1, done, failed: failed + 1, row: 0, last, missed: now, seen: now };
		this.#all.set(at, d);
		await this.#store.commit([[key(at), d]], gone.map(key)).catch(() => {});
	}

	/** #room forgets those that are too old, and if there are too many the one that was heard of longest ago. */
	#room(now: number): string[] {
		const bySeen = [...this.#all].sort(([a, x], [b, y]) => x.seen - y.seen || (a < b ? -1 : 1));
		const young = bySeen.filter(([, d]) => !old(d, now)).length;
		const gone = bySeen.slice(0, bySeen.length - Math.min(young, maxDealings - 1)).map(([at]) => at);
		for (const at of gone) this.#all.delete(at);
		return gone;
	}

	/** with are the dealings with a seller. */
	with(seller: Bytes, now = Date.now()): Dealings | undefined {
		const d = this.#all.get(toHex(seller));
		return d && !old(d, now) ? d : undefined;
	}

	/** newcomer says that the next job is for a seller with whom the buyer has not dealt. */
	newcomer(): boolean {
		const jobs = [...this.#all.values()].reduce((n, d) => n + d.done + d.failed, 0);
		return jobs % newcomerEvery === newcomerEvery - 1;
	}

	/** best are the entities that are tried first, the best first. */
	best(now = Date.now()): Bytes[] {
		return [...this.#all]
			.filter(([, d]) => d.row > 0 && !old(d, now))
			.sort(([a, x], [b, y]) => y.row - x.row || x.failed - y.failed || y.last - x.last || (a < b ? -1 : 1))
			.slice(0, triedFirst)
			.map(([at]) => fromHex(at)!);
	}
}
