// A page with a ledger in IndexedDB. See ledger_test.go.

import { type Bytes, toHex } from "../../src/bytes.ts";
import { Pair } from "../../src/identity/ed25519.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { IdbStore } from "../../src/ledger/store.ts";
import { maxMessage } from "../../src/ledger/message.ts";
import { takePush } from "../../src/ledger/receive.ts";
import { outboxFor, takeAck } from "../../src/ledger/sync.ts";

const pair = (seed: number): Promise<Pair> => Pair.fromSeed(new Uint8Array(32).fill(seed));
const ledger = async (seed: number): Promise<Ledger> => Ledger.open(await pair(seed), await IdbStore.open(`ledger ${seed}`));
const ref = (n: number): Bytes => new Uint8Array(32).fill(n);

let payer: Ledger;
let payee: Ledger;

/** What scripts call. Sums are carried as numbers. */
const test = {
	async open(): Promise<void> {
		payer = await ledger(1);
		payee = await ledger(2);
	},

	/** pay pays each amount for its own number, and says which are kept. */
	async pay(...amounts: number[]): Promise<number> {
		await Promise.all(amounts.map((n) => payer.pay(payee.key, BigInt(n), ref(n))));
		return Number((await payer.line(payee.key)).balance);
	},

	/** refused says why a payment is not made. */
	async refused(n: number): Promise<string> {
		return payer.pay(payee.key, BigInt(n), ref(n)).then(() => "", (err: Error & { code?: string }) => `${err.code}: ${err.message}`);
	},

	async deliver(): Promise<number> {
		for (let push; (push = await outboxFor(payer, payee.key, maxMessage)); ) await takeAck(payer, payee.key, await takePush(payee, payer.key, push));
		return Number((await payee.line(payer.key)).balance);
	},

	async tips(): Promise<string[]> {
		const [a, b] = [await payer.account(payee.key), await payee.account(payer.key)];
		return [toHex(a.mine.tally.tip), toHex(b.theirs.tally.tip)];
	},

	/** paid sums what is kept for a number, read from the store. */
	async paid(n: number): Promise<number> {
		return Number((await payer.paid(payee.key, ref(n))).ours);
	},

	/** runs is how many of the payer's the payee keeps. */
	runs: async (): Promise<number> => (await payee.book.store.list("run/", "run/~", 9999)).length,

	/** rush pays without an end, and keeps in this tab what was promised as soon as it was. */
	rush(): void {
		let n = 0;
		const next = () => void payer.pay(payee.key, 1n, crypto.getRandomValues(new Uint8Array(32))).then(() => {
			localStorage.setItem("promised", String(++n));
			next();
		});
		next();
	},

	promised: (): number => Number(localStorage.getItem("promised")),
	balance: async (): Promise<number> => Number((await payer.line(payee.key)).balance),
};

Object.assign(globalThis, { test });
