// A tally is where a half-chain stands. It follows from its entries alone: whoever
// has the same entries has the same tally. See docs/PROTOCOL.md, part 7, "Locks".

import { type Bytes, compare, sha256, toHex } from "../bytes.ts";
import { type Entry } from "./entry.ts";
import * as Kind from "./kind.ts";
import { isZero, maxAmount, zero } from "./format.ts";
import { type LockTerms, type Settlement, type Voucher } from "./lock.ts";
import { type Body, type Item } from "./run.ts";

/** maxLocks is how many locks a half-chain has at most that are not closed. */
export const maxLocks = 64;

/** Lock is a LOCK of which something may still come: open, or void, when its payer took the rest back. */
export interface Lock {
	/** id is the hash of its entry. */
	readonly id: Bytes;
	readonly seq: bigint;
	readonly ref: Bytes;
	readonly amount: bigint;
	/** folded is the part that is in cum. */
	readonly folded: bigint;
	readonly terms: LockTerms;
	readonly void: boolean;
}

/** Tally is a value; nothing changes one. */
export interface Tally {
	readonly epoch: number;
	readonly seq: bigint;
	readonly cum: bigint;
	/** held is the rest of each open lock. */
	readonly held: bigint;
	/** tip is the hash of the newest entry, zero without one. */
	readonly tip: Bytes;
	/** locks are those that are not closed, by id in hex. */
	readonly locks: { readonly [id: string]: Lock };
}

/** empty is a half-chain that has not begun. */
export const empty = (): Tally => ({ epoch: 1, seq: 0n, cum: 0n, held: 0n, tip: zero(), locks: {} });

/** restOf is what is not folded, byPreimage whether a preimage pays the lock out. */
export const restOf = (k: Lock): bigint => k.amount - k.folded;
export const byPreimage = (k: Lock): boolean => !isZero(k.terms.hash);

/** fits tells whether a voucher is one for the lock. */
export const fits = (v: Voucher, k: Lock): boolean => !byPreimage(k) && v.cum <= k.amount && compare(v.quote, k.terms.quote) === 0;

/** opens tells whether a preimage is the lock's. */
export const opens = async (s: Settlement, k: Lock): Promise<boolean> => byPreimage(k) && compare(await sha256(s.preimage), k.terms.hash) === 0;

/** findLock gives the lock of an id. */
export const findLock = (t: Tally, id: Uint8Array): Lock | undefined => t.locks[toHex(id)];

/** Move is what of an entry changes sums and locks. */
export type Move = Pick<Entry, "kind" | "amount" | "ref" | "tick">;

/** apply gives where a half-chain stands after an item, or in words why it cannot come next. */
export async function apply(t: Tally, { entry: e, hash, body }: Item): Promise<Tally | string> {
	if (e.epoch !== t.epoch) return `entry ${e.seq} is of epoch ${e.epoch}, not ${t.epoch}`;
	if (e.seq !== t.seq + 1n) return `entry ${e.seq} follows entry ${t.seq}`;
	if (compare(e.prev, t.tip) !== 0) return `prev of entry ${e.seq} is not the hash of entry ${t.seq}`;
	const n = await move(t, e, body);
	if (typeof n === "string") return `entry ${e.seq}: ${n}`;
	if (e.cum !== n.cum || e.held !== n.held) return `cum and held of entry ${e.seq} are ${e.cum} and ${e.held}, not ${n.cum} and ${n.held}`;
	return reach(n, e, hash, body);
}

/** reach names an entry as the newest: what move cannot, before all of it is known. */
export function reach(t: Tally, e: Entry, hash: Bytes, body: Body): Tally {
	const n = { ...t, seq: e.seq, tip: hash };
	if (!body.terms) return n;
	return put(n, { id: hash, seq: e.seq, ref: e.ref, amount: e.amount, folded: 0n, terms: body.terms, void: false });
}

/** move carries out what an entry does to sums and locks, or says why it may not. */
export async function move(t: Tally, e: Move, b: Body): Promise<Tally | string> {
	const id = b.voucher?.lock ?? b.settlement?.lock ?? b.voiding?.lock;
	if (!id) {
		if (mostOf(t) + e.amount > maxAmount) return "all that is promised would be 2^62 or more";
		if (e.kind === Kind.pay) return { ...t, cum: t.cum + e.amount };
		if (Object.keys(t.locks).length >= maxLocks) return `${maxLocks} locks are not closed`;
		return { ...t, held: t.held + e.amount };
	}
	const k = findLock(t, id);
	if (!k) return "there is no such lock";
	if (compare(k.ref, e.ref) !== 0) return "its ref is not the lock's";
	if (b.voucher) {
		if (!fits(b.voucher, k)) return "its voucher does not fit its lock";
		if (b.voucher.cum <= k.folded || e.amount !== b.voucher.cum - k.folded) return "amount is not the voucher less what is folded";
		return take(t, k, e.amount);
	}
	if (b.settlement) {
		if (!(await opens(b.settlement, k))) return "its preimage is not the lock's";
		if (e.amount !== k.amount) return "amount is not the lock's";
		return take(t, k, e.amount);
	}
	const release = b.voiding!.release;
	if (e.amount !== restOf(k)) return "amount is not the rest of the lock";
	if (release && release.cum > k.folded) return "the release is above what is folded";
	if (!release && k.void) return "the lock is void already, and there is no release";
	const n = k.void ? t : { ...t, held: t.held - e.amount };
	if (release || (byPreimage(k) && e.tick >= k.terms.expiry)) return without(n, k);
	return put(n, { ...k, void: true });
}

/** mostOf is all that can ever be claimed by what t holds. */
function mostOf(t: Tally): bigint {
	return Object.values(t.locks).reduce((sum, k) => sum + restOf(k), t.cum);
}

/** take makes amount of k part of cum. */
function take(t: Tally, k: Lock, amount: bigint): Tally {
	const n = { ...t, cum: t.cum + amount, held: k.void ? t.held : t.held - amount };
	const folded = k.folded + amount;
	return folded === k.amount ? without(n, k) : put(n, { ...k, folded });
}

const put = (t: Tally, k: Lock): Tally => ({ ...t, locks: { ...t.locks, [toHex(k.id)]: k } });

function without(t: Tally, k: Lock): Tally {
	const { [toHex(k.id)]: _, ...locks } = t.locks;
	return { ...t, locks };
}
