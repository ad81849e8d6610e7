// Entries: the links of a half-chain, each of which says "I have promised you cum
// in all". See docs/PROTOCOL.md, part 7.

import { type Bytes, compare, sha256, utf8 } from "../bytes.ts";
import { amount, hash, isZero, large, type LayoutOf, maxAmount, maxSeq, maxTick, record, type Side, sig, side, small, struct } from "./format.ts";
import * as Kind from "./kind.ts";

/** entrySize is in bytes. */
export const entrySize = 175;

/** entry is the layout of an entry; it checks what can be checked without the others. */
export const entry = record(
	{
		line: hash,
		side,
		/** epoch counts the writer's recoveries, from 1. */
		epoch: small(4, 1, 1000),
		seq: large(1n, maxSeq),
		/** prev is the hash of the entry before. */
		prev: hash,
		/** cum is all that was promised, held the rest of each open lock beside it. */
		cum: amount,
		held: amount,
		/** tick is the writer's clock in 10 s since 1970. */
		tick: large(0n, maxTick - 1n),
		kind: small(1, 1, 5),
		amount: large(1n, maxAmount),
		/** ref is what it is for. */
		ref: hash,
		/** body is the hash of what the kind says beside this. */
		body: hash,
	},
	(e) => {
		const first = e.seq === 1n;
		const moves = e.kind === Kind.pay || e.kind === Kind.settle || e.kind === Kind.fold;
		return (
			(first !== isZero(e.prev) && "prev is zero for the first entry and for no other") ||
			(e.cum + e.held > maxAmount && "cum and held are 2^62 or more together") ||
			(moves && e.cum < e.amount && "cum is below amount") ||
			(e.kind === Kind.lock && e.held < e.amount && "held is below amount in a LOCK") ||
			(first && e.kind !== Kind.pay && e.kind !== Kind.lock && "the first entry is neither PAY nor LOCK") ||
			(first && e.cum + e.held !== e.amount && "cum or held is not amount in the first entry") ||
			(isZero(e.ref) && "ref is zero: a payment names what it is for") ||
			((e.kind === Kind.pay) !== isZero(e.body) && "body hash is zero for PAY and for no other kind")
		);
	},
);

/** Entry is one link of a half-chain. */
export type Entry = LayoutOf<typeof entry>;

/** head is an entry and its writer's signature, which covers all entries up to it. */
export const head = struct({ entry, sig });

/** Head is the newest entry of somebody, signed. */
export type Head = LayoutOf<typeof head>;

/** headPurpose is what heads are signed for: the body is the hash of the entry. */
export const headPurpose = "sea/head/1";

/** lineOf names the account between two keys. */
export function lineOf(a: Uint8Array, b: Uint8Array): Promise<Bytes> {
	const [low, high] = sideOf(a, b) === 0 ? [a, b] : [b, a];
	return sha256(utf8("sea/line/1credit"), low, high);
}

/** sideOf is a's side of the line between a and b. */
export function sideOf(a: Uint8Array, b: Uint8Array): Side {
	return compare(a, b) > 0 ? 1 : 0;
}
