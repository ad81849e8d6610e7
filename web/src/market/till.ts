// Till keeps what a seller has taken, so that a tab that was closed, reloaded or has
// crashed finds it again: an order before it is answered, and a delivery before it is
// shown. It goes when it is paid or refused; what is written off leaves its sum.

import { type Bytes, toHex } from "../bytes.ts";
import { type Blob } from "../compute/blob.ts";
import { SeaError } from "../error.ts";
import { type Store } from "../ledger/store.ts";
import { type Quote } from "./statement.ts";

/** SaleRecord is what is kept of an order, until it is paid or refused. */
export interface SaleRecord {
	readonly v: 1;
	/** taken is when, Unix ms. */
	readonly taken: number;
	readonly order: Bytes;
	readonly buyer: Bytes;
	readonly at: string;
	readonly job: Bytes;
	readonly quote: Quote;
	readonly quoted: Bytes;
	/** output is there once it is delivered. */
	readonly output?: Output;
}

/** Output is what was delivered, with both statements encoded. */
export interface Output {
	readonly stdout: Bytes;
	readonly stderr: Bytes;
	readonly outcome: Bytes;
	/** shared are the outcome and the files, for the buyer to fetch. */
	readonly shared: readonly (readonly [Blob, Bytes])[];
	readonly fuel: bigint;
	readonly cost: bigint;
	readonly receipt: Bytes;
	readonly delivery: Bytes;
}

/** Lost is a bill that was written off: it takes room until it is paid, or until then, Unix ms. */
export interface Lost {
	readonly order: Bytes;
	readonly buyer: Bytes;
	readonly due: bigint;
	readonly until: number;
}

const saleKey = (order: Bytes) => `sale/${toHex(order)}`;
const lostKey = (order: Bytes) => `lost/${toHex(order)}`;

/** Till has as much as its Seller, whose bounds are its own. */
export class Till {
	constructor(readonly store: Store) {}

	/** sales and lost are what an earlier run has left, at most so many, oldest first. "unavailable" when they are of another version. */
	async sales(most: number): Promise<SaleRecord[]> {
		const all = (await this.store.list("sale/", "sale/~", most)).map(([, r]) => r as SaleRecord);
		if (all.some((r) => r.v !== 1)) throw new SeaError("unavailable", "the sales are kept by another version");
		return all.sort((a, b) => a.taken - b.taken);
	}

	async lost(most: number): Promise<Lost[]> {
		const all = (await this.store.list("lost/", "lost/~", most)).map(([, l]) => l as Lost);
		return all.sort((a, b) => a.until - b.until);
	}

	/** keep keeps a sale. SeaError "engine" when it cannot. */
	async keep(r: SaleRecord): Promise<void> {
		try {
			await this.store.commit([[saleKey(r.order), r]]);
		} catch (err) {
			throw new SeaError("engine", `the sale cannot be kept: ${err instanceof Error ? err.message : String(err)}`);
		}
	}

	/** end forgets a sale. What cannot be forgotten is looked at again in the next run. */
	async end(order: Bytes): Promise<void> {
		await this.store.commit([], [saleKey(order)]).catch(() => {});
	}

	/** lose forgets a sale, and keeps what it leaves. */
	async lose(l: Lost): Promise<void> {
		await this.store.commit([[lostKey(l.order), l]], [saleKey(l.order)]).catch(() => {});
	}

	/** found forgets what was lost. */
	async found(order: Bytes): Promise<void> {
		await this.store.commit([], [lostKey(order)]).catch(() => {});
	}
}
