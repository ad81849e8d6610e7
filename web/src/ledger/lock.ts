// Locks set an amount aside; vouchers, given as a job runs, make it a promise. See
// docs/PROTOCOL.md, part 7.

import { amount, hash, large, type Layout, type LayoutOf, maxAmount, maxTick, maybe, pack, record, sig, side } from "./format.ts";
import { type Bytes } from "../bytes.ts";

/** terms is what a LOCK says beside its amount. */
export const terms = record({
	/** expiry is the tick from which the payer may take back what was not promised. */
	expiry: large(1n, maxTick - 1n),
	/** quote names what was agreed. */
	quote: hash,
	/** hash is the SHA-256 of the preimage that pays it out; zero: vouchers do. */
	hash,
});

/** LockTerms are what a LOCK says beside its amount. */
export type LockTerms = LayoutOf<typeof terms>;

/** voucher is a payer's promise of part of a lock: the highest cum counts. */
export const voucher = record({
	line: hash,
	/** side is the payer's, as it is of a release. */
	side,
	lock: hash,
	cum: large(1n, maxAmount),
	/** fuel is of the job in all. */
	fuel: large(),
	quote: hash,
	sig,
});

/** Voucher is a payer's promise of part of a lock. */
export type Voucher = LayoutOf<typeof voucher>;

/** release is a payee's word that a lock may be closed once cum of it is folded. */
export const release = record({ line: hash, side, lock: hash, cum: amount, sig });

/** Release lets a payer close its lock. */
export type Release = LayoutOf<typeof release>;

/** settlement is what a SETTLE says, voiding what a VOID does. */
export const settlement = record({ lock: hash, preimage: hash });
export const voiding = record({ lock: hash, release: maybe(release) });

export type Settlement = LayoutOf<typeof settlement>;
export type Voiding = LayoutOf<typeof voiding>;

export const voucherPurpose = "sea/voucher/1";
export const releasePurpose = "sea/release/1";

/** signed is what the signature at the end of a record is over. */
export function signed<T extends { sig: Bytes }>(layout: Layout<T>, v: T): Bytes {
	return pack(layout, v).slice(0, -64);
}
