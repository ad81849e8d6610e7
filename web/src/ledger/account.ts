// Accounts: what a ledger holds of the line with one peer.

import { type Bytes, toHex } from "../bytes.ts";
import { lineOf, sideOf } from "./entry.ts";
import { type Side, unpack } from "./format.ts";
import { grant, type Grant } from "./grant.ts";
import { type Voucher, voucher } from "./lock.ts";
import { empty, type Lock, type Tally } from "./tally.ts";

/** State says whether a line can be used: fenced is older than what was signed, disputed tells of a peer that contradicts itself. */
export type State = "open" | "fenced" | "disputed";

/** Half is one side's half-chain, its newest grant, and what is promised of its locks. */
export interface Half {
	readonly side: Side;
	readonly tally: Tally;
	/** grant is the newest, as it came; null without one. */
	readonly grant: Bytes | null;
	/** said is the highest voucher of each lock that is not closed, by the lock's id in hex. */
	readonly said: { readonly [lock: string]: Bytes };
}

/** Account is a value, and what the store keeps of a line. */
export interface Account {
	readonly v: 1;
	readonly peer: Bytes;
	readonly line: Bytes;
	readonly mine: Half;
	readonly theirs: Half;
	/** acked is how far the peer has what is ours: entries and grants. */
	readonly acked: { readonly seq: bigint; readonly grant: bigint };
	readonly state: State;
	/** reason is for people, "" of a line that is open. */
	readonly reason: string;
}

/** begun is the account of a line on which nothing was said. */
export async function begun(self: Bytes, peer: Bytes): Promise<Account> {
	const half = (side: Side): Half => ({ side, tally: empty(), grant: null, said: {} });
	const side = sideOf(self, peer);
	return {
		v: 1, peer, line: await lineOf(self, peer), mine: half(side), theirs: half(side === 0 ? 1 : 0),
		acked: { seq: 0n, grant: 0n }, state: "open", reason: "",
	};
}

/** grantOf reads a half's grant, saidOf the highest voucher of a lock. */
export const grantOf = (h: Half): Grant | null => (h.grant ? unpack(h.grant, grant, "grant") : null);

export function saidOf(h: Half, lock: Uint8Array): Voucher | undefined {
	const b = h.said[toHex(lock)];
	return b && unpack(b, voucher, "voucher");
}

/** dueOf is what is promised of a lock and not folded. */
export function dueOf(h: Half, k: Lock): bigint {
	const cum = saidOf(h, k.id)?.cum ?? 0n;
	return cum > k.folded ? cum - k.folded : 0n;
}

/** claimOf is all that may be claimed against the writer of a half-chain. */
export function claimOf(h: Half): bigint {
	return Object.values(h.tally.locks).reduce((sum, k) => sum + dueOf(h, k), h.tally.cum);
}

/** standing is a half whose tally is another; what was said of closed locks is forgotten. */
export function standing(h: Half, tally: Tally): Half {
	const said = Object.fromEntries(Object.entries(h.said).filter(([lock]) => lock in tally.locks));
	return { ...h, tally, said };
}

/** saying is a half with a voucher, if it is the highest of its lock. */
export function saying(h: Half, v: Voucher, b: Bytes): Half {
	return (saidOf(h, v.lock)?.cum ?? 0n) >= v.cum ? h : { ...h, said: { ...h.said, [toHex(v.lock)]: b } };
}

/** limitOf is what a half's grant allows at a time, Unix ms. */
export function limitOf(h: Half, now: number): bigint {
	const g = grantOf(h);
	return !g || (g.expiry !== 0n && BigInt(Math.floor(now / 1000)) >= g.expiry) ? 0n : g.limit;
}

/** undelivered tells whether the peer lacks something. */
export function undelivered(a: Account): boolean {
	return a.state !== "fenced" && (a.acked.seq < a.mine.tally.seq || a.acked.grant < (grantOf(a.mine)?.seq ?? 0n));
}
