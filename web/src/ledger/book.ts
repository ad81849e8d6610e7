// Book is a ledger's records in its store. LINE, REF are in hex, SEQ has 16 digits of it:
//
//	self                {v: 1, key}: whose it is
//	line/LINE           the Account
//	run/LINE/SIDE/SEQ   the bytes of a run, under its last entry's number
//	ref/LINE/SIDE/REF   what was paid for REF: a Paid
//	proof/LINE          {v: 1, held, shown}: two runs that cannot both be

import { type Bytes, compare, toHex } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Account } from "./account.ts";
import { Kind } from "./entry.ts";
import { pack, type Side, unpack } from "./format.ts";
import { found, type Item, lastOf, open, type Run, run } from "./run.ts";
import { type Store } from "./store.ts";

/** Paid is what was paid for something, and in how many parts: of more than 64 the first count. */
export interface Paid {
	readonly sum: bigint;
	readonly parts: number;
}

const maxParts = 64;

// The version of the ledger's own record and of accounts.
const version = 1;

/** known is a record of this version; another one is refused by its number. */
function known<T extends { v: number }>(record: unknown): T {
	const { v } = record as T;
	if (v !== version) throw new SeaError("unavailable", `the ledger is of version ${v}, this program reads version ${version}`);
	return record as T;
}

type Put = [string, unknown];

/** Book reads and keeps the records of one ledger. */
export class Book {
	constructor(readonly store: Store) {}

	/** own makes the store one key's, or rejects with "unavailable" when it is another's, or of another version. */
	async own(key: Bytes): Promise<void> {
		const [self] = await this.store.list("self", "self", 1);
		if (!self) return this.store.commit([["self", { v: version, key }]]);
		if (compare(known<{ v: number; key: Bytes }>(self[1]).key, key) !== 0) throw new SeaError("unavailable", "the ledger is another key's");
	}

	/** accounts are all, most at most. */
	async accounts(most: number): Promise<Account[]> {
		const all = await this.store.list("line/", "line/~", most);
		return all.map(([, a]) => known<Account>(a));
	}

	/** keep keeps an account and what belongs to it. */
	keep(a: Account, puts: readonly Put[]): Promise<void> {
		return this.store.commit([...puts, [`line/${toHex(a.line)}`, a]]);
	}

	/** paid sums what a side has paid for ref. */
	async paid(line: Bytes, side: Side, ref: Bytes): Promise<Paid> {
		const key = paidKey(line, side, ref);
		const [kept] = await this.store.list(key, key, 1);
		return (kept?.[1] as Paid | undefined) ?? { sum: 0n, parts: 0 };
	}

	/** runPuts are the records of a run, after others that are to be kept with it. */
	async runPuts(before: readonly Put[], r: Run): Promise<Put[]> {
		const { line, side, seq } = lastOf(r).entry;
		const puts: Put[] = [[runKey(line, side, seq), pack(run, r)]];
		for (const { entry: e } of r.items) {
			if (e.kind === Kind.lock || e.kind === Kind.void) continue;
			const key = paidKey(line, side, e.ref);
			const pending = [...before, ...puts].filter(([k]) => k === key).pop()?.[1] as Paid | undefined;
			const { sum, parts } = pending ?? (await this.paid(line, side, e.ref));
			if (parts < maxParts) puts.push([key, { sum: sum + e.amount, parts: parts + 1 }]);
		}
		return puts;
	}

	/** runs are those of a half-chain from the one with entry seq on, most at most. */
	async runs(line: Bytes, side: Side, seq: bigint, most: number): Promise<Run[]> {
		const all = await this.store.list(runKey(line, side, seq), runKey(line, side, (1n << 64n) - 1n), most);
		return Promise.all(all.map(([, b]) => open(unpack(b as Bytes, found, "run"))));
	}

	/** item is entry seq of a half-chain with the run that it is in. It is there. */
	async item(line: Bytes, side: Side, seq: bigint): Promise<{ item: Item; run: Run }> {
		const [r] = await this.runs(line, side, seq, 1);
		const item = r?.items.find((i) => i.entry.seq === seq);
		if (!r || !item) throw new SeaError("unavailable", `the ledger's entry ${seq} is missing`);
		return { item, run: r };
	}

	/** proofPut is the record of two runs that cannot both be: of what is held, if anything is, and what was shown. */
	proofPut(line: Bytes, held: Run | null, shown: Run): Put {
		return [`proof/${toHex(line)}`, { v: 1, held: held && pack(run, held), shown: pack(run, shown) }];
	}
}

// A number of 16 digits sorts as it counts. A run stands under its last entry's.
const runKey = (line: Bytes, side: Side, seq: bigint) => `run/${toHex(line)}/${side}/${seq.toString(16).padStart(16, "0")}`;
const paidKey = (line: Bytes, side: Side, ref: Bytes) => `ref/${toHex(line)}/${side}/${toHex(ref)}`;
