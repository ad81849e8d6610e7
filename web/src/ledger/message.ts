// The messages that keep both sides of a line in step. See docs/PROTOCOL.md,
// part 7, "Messages".

import { compare } from "../bytes.ts";
import { head } from "./entry.ts";
import { amount, hash, isZero, large, type Layout, type LayoutOf, many, maxSeq, maybe, message, record, sig, side, small, struct, type Unpacker } from "./format.ts";
import { grant } from "./grant.ts";
import { release, voucher } from "./lock.ts";
import { type Found, found, type Run, run } from "./run.ts";

/** maxMessage is the longest message in bytes, and maxPush the longest push over a link. */
export const maxMessage = 60_000;
export const maxPush = 600_000;

const maxShown = 192;
const maxRuns = 2048;

/** recovery begins a new epoch of a half-chain. Here it is read, and none is signed. */
export const recovery = record({ line: hash, side, epoch: small(4, 2, 1000), seq: large(0n, maxSeq), tip: hash, cum: amount, sig, consent: sig });

/** Shown is what is claimed of a lock of the receiver's, or a recovery. */
export type Shown =
	| { type: 1; voucher: LayoutOf<typeof voucher> }
	| { type: 2; release: LayoutOf<typeof release> }
	| { type: 3; lock: LayoutOf<typeof hash>; preimage: LayoutOf<typeof hash> }
	| { type: 4; recovery: LayoutOf<typeof recovery> };

const things: { [type: number]: Layout<never> } = {
	1: struct({ voucher }) as Layout<never>,
	2: struct({ release }) as Layout<never>,
	3: struct({ lock: hash, preimage: hash }) as Layout<never>,
	4: struct({ recovery }) as Layout<never>,
};

const thing: Layout<Shown> = {
	read(r) {
		const type = small(1, 1, 4).read(r);
		return { type, ...(things[type]!.read(r) as object) } as Shown;
	},
	write(pieces, v) {
		pieces.push(Uint8Array.of(v.type));
		things[v.type]!.write(pieces, v as never);
	},
};

const shown = many(small(1, 1, maxShown), thing);

/** rest is what stands at the end of a position if there is any. */
const rest: Layout<Shown[]> = {
	read: (r) => (r.at < r.b.length ? shown.read(r) : []),
	write: (pieces, all) => void (all.length > 0 && shown.write(pieces, all)),
};

function about(r: Unpacker, line: Uint8Array, parts: ({ line: Uint8Array } | null | undefined)[]): void {
	if (parts.some((p) => p && compare(p.line, line) !== 0)) throw r.fail("it has something of another line");
}

const positionFields = struct({ line: hash, head: maybe(head), grant: maybe(grant), shown: rest });

/** Position is what its sender holds of the receiver's half-chain. */
export type Position = LayoutOf<typeof positionFields>;

/** position is the layout of a Position. */
export const position: Layout<Position> = message(1, {
	read(r) {
		const p = positionFields.read(r);
		const things = p.shown.map((x) => (x.type === 1 ? x.voucher : x.type === 2 ? x.release : x.type === 4 ? x.recovery : null));
		about(r, p.line, [p.head?.entry, p.grant, ...things]);
		return p;
	},
	write: (pieces, v) => positionFields.write(pieces, v),
});

const pushOf = <T>(layout: Layout<T>) => message(2, struct({ line: hash, grant: maybe(grant), runs: many(small(2, 0, maxRuns), layout) }));

/** push is what its sender has signed and the receiver not acknowledged, as it is written. */
export const push = pushOf<Run>(run);

const pushRead = pushOf<Found>(found);

/** pushed is a push as it is read. */
export const pushed: Layout<LayoutOf<typeof pushRead>> = {
	read(r) {
		if (r.b.length > maxPush) throw r.fail(`it has ${r.b.length} bytes, ${maxPush} at most`);
		const p = pushRead.read(r);
		about(r, p.line, [p.grant, ...p.runs.map((x) => x.items[0]!.entry)]);
		return p;
	},
	write: (pieces, v) => pushRead.write(pieces, v),
};

/** ack says how far its sender holds the receiver's half-chain. */
export const ack = message(
	3,
	struct({ line: hash, seq: large(0n, maxSeq), tip: hash, grant: large(0n, maxSeq), terms: hash }, (a) =>
		((a.seq === 0n) !== isZero(a.tip) && "tip is zero when seq is zero and never else") ||
		((a.grant === 0n) !== isZero(a.terms) && "terms are zero when grant is zero and never else"),
	),
);
