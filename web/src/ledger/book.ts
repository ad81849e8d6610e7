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
import { type Entry } from "./entry.ts";
import * as Kind from "./kind.ts";
import { pack, type Side, unpack } from "./format.ts";
import { found, type Item, lastOf, open, type Run, run } from "./run.ts";
import { type Store } from "./store.ts";

/** Paid is what was paid for something, and in how many parts: of more than 64 the first count. */
export interface Paid {
	readonly sum: bigint;
	readonly parts: number;
	/** seq is the entry of the last of them. */
	readonly seq: bigint;
}

const maxParts = 64;

// Of what a peer has signed so many entries are kept, the newest, in whole runs: the
// newest alone says what it has promised in all. Else a peer could fill the store.
const maxKept = 64n;

// More runs than these do not go at once: as many as a push can have.
const maxTrimmed = 2048;

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

	/** keep keeps an account and what belongs to it, and forgets other records. */
	keep(a: Account, puts: readonly Put[], drops: readonly string[]): Promise<void> {
		return this.store.commit([...puts, [`line/${toHex(a.line)}`, a]], drops);
	}

	/** paid sums what a side has paid for ref. */
	async paid(line: Bytes, side: Side, ref: Bytes): Promise<Paid> {
		const key = paidKey(line, side, ref);
		const [kept] = await this.store.list(key, key, 1);
		return (kept?.[1] as Paid | undefined) ?? { sum: 0n, parts: 0, seq: 0n };
	}

	/** runPuts are the records of a run, after others that are to be kept with it. */
	async runPuts(before: readonly Put[], r: Run): Promise<Put[]> {
		const { line, side, seq } = lastOf(r).entry;
		const puts: Put[] = [[runKey(line, side, seq), pack(run, r)]];
		for (const { entry: e } of r.items) {
			if (!pays(e)) continue;
			const key = paidKey(line, side, e.ref);
			const pending = [...before, ...puts].filter(([k]) => k === key).pop()?.[1] as Paid | undefined;
			const { sum, parts } = pending ?? (await this.paid(line, side, e.ref));
			if (parts < maxParts) puts.push([key, { sum: sum + e.amount, parts: parts + 1, seq: e.seq }]);
		}
		return puts;
	}

	/** trim takes out of puts what goes once a peer's half-chain has come to entry newest, and gives the records that go with it. */
	async trim(line: Bytes, side: Side, newest: bigint, puts: Put[]): Promise<string[]> {
		const last = newest - maxKept;
		if (last < 1n) return [];
		const [first, end] = [runKey(line, side, 1n), runKey(line, side, last)];
		const isOld = ([key, v]: Put) => (key >= first && key <= end) || (key.startsWith("ref/") && (v as Paid).seq <= last);
		const drops = new Set(puts.filter(isOld).map(([key]) => key));
		puts.splice(0, puts.length, ...puts.filter((put) => !isOld(put)));
		const kept = new Set(puts.map(([key]) => key));
		for (const [key, b] of await this.store.list(first, end, maxTrimmed)) {
			drops.add(key);
			for (const { entry: e } of unpack(b as Bytes, found, "run").items) {
				const paid = paidKey(line, side, e.ref);
				if (pays(e) && !kept.has(paid) && (await this.paid(line, side, e.ref)).seq <= last) drops.add(paid);
			}
		}
		return [...drops];
	}

	/** runs are those of a half-chain from the one with entry seq on, most at most. */
	async runs(line: Bytes, side: Side, seq: bigint, most: number): Promise<Run[]> {
		const all = await this.store.list(runKey(line, side, seq), runKey(line, side, (1n << 64n) - 1n), most);
		return Promise.all(all.map(([, b]) => open(unpack(b as Bytes, found, "run"))));
	}

	/** held is entry seq of a half-chain with the run that it is in, undefined of a peer's that is forgotten. */
	async held(line: Bytes, side: Side, seq: bigint): Promise<{ item: Item; run: Run } | undefined> {
		const [r] = await this.runs(line, side, seq, 1);
		const item = r?.items.find((i) => i.entry.seq === seq);
		return r && item && { item, run: r };
	}

	/** item is held of what is there. */
	async item(line: Bytes, side: Side, seq: bigint): Promise<{ item: Item; run: Run }> {
		const found = await this.held(line, side, seq);
		if (!found) throw new SeaError("unavailable", `the ledger's entry ${seq} is missing`);
		return found;
	}

	/** proofPut is the record of two runs that cannot both be: of what is held, if anything is, and what was shown. */
	proofPut(line: Bytes, held: Run | null, shown: Run): Put {
		return [`proof/${toHex(line)}`, { v: 1, held: held && pack(run, held), shown: pack(run, shown) }];
	}
}

const pays = ({ kind }: Entry): boolean => kind !== Kind.lock && kind !== Kind.void;

// A number of 16 digits sorts as it counts. A run stands under its last entry's.
const runKey = (line: Bytes, side: Side, seq: bigint) => `run/${toHex(line)}/${side}/${seq.toString(16).padStart(16, "0")}`;
const paidKey = (line: Bytes, side: Side, ref: Bytes) => `ref/${toHex(line)}/${side}/${toHex(ref)}`;
