// Runs: entries of one half-chain that one signature covers, each with its body
// behind it. See docs/PROTOCOL.md, part 7.

import { type Bytes, compare, sha256 } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Entry, entry } from "./entry.ts";
import * as Kind from "./kind.ts";
import { type Layout, sig, small } from "./format.ts";
import { type LockTerms, type Settlement, settlement, terms, type Voiding, voiding, type Voucher, voucher } from "./lock.ts";

/** Body is what an entry says beside its fields: what its kind names, and nothing for PAY. */
export interface Body {
	readonly terms?: LockTerms;
	readonly voucher?: Voucher;
	readonly settlement?: Settlement;
	readonly voiding?: Voiding;
}

const bodies: { [kind: number]: [keyof Body, Layout<never>] } = {
	[Kind.lock]: ["terms", terms as Layout<never>],
	[Kind.fold]: ["voucher", voucher as Layout<never>],
	[Kind.settle]: ["settlement", settlement as Layout<never>],
	[Kind.void]: ["voiding", voiding as Layout<never>],
};

/** writeBody appends the bytes whose hash is the entry's body. */
export function writeBody(pieces: Uint8Array[], kind: number, b: Body): void {
	const [name, layout] = bodies[kind] ?? [];
	if (name) layout!.write(pieces, b[name] as never);
}

/** Item is an entry with its body. */
export interface Item {
	readonly entry: Entry;
	/** hash names the entry. */
	readonly hash: Bytes;
	readonly body: Body;
}

/** Run is 1 to 64 items of one half-chain and a signature over the last one's hash. */
export interface Run {
	readonly items: readonly Item[];
	readonly sig: Bytes;
}

/** Found is a run as it came, whose hashes nobody has looked at: see open. */
export interface Found {
	readonly items: { entry: Entry; bytes: Uint8Array; body: Body; bodyBytes: Uint8Array }[];
	readonly sig: Bytes;
}

const count = small(2, 1, 64);

/** found is the layout in which a run is read. */
export const found: Layout<Found> = {
	read(r) {
		const n = count.read(r);
		const items: Found["items"] = [];
		while (items.length < n) items.push(readItem(r));
		return { items, sig: sig.read(r) };
	},
	write() {
		throw new Error("ledger: a run that was not opened is not written");
	},
};

function readItem(r: Parameters<typeof entry.read>[0]): Found["items"][number] {
	const at = r.at;
	const e = entry.read(r);
	const end = r.at;
	const [name, layout] = bodies[e.kind] ?? [];
	const b: Body = name ? { [name]: layout!.read(r) } : {};
	const about = b.voucher ?? b.voiding?.release;
	if (about && (compare(about.line, e.line) !== 0 || about.side !== e.side)) throw r.fail(`the body of entry ${e.seq} is about another half-chain`);
	if (b.voiding?.release && compare(b.voiding.release.lock, b.voiding.lock) !== 0) throw r.fail(`the release of entry ${e.seq} is of another lock`);
	return { entry: e, bytes: r.b.slice(at, end), body: b, bodyBytes: r.b.slice(end, r.at) };
}

/** open checks what the signature of a run covers: links and bodies. It does not verify the signature. SeaError "bad_request". */
export async function open({ items, sig }: Found): Promise<Run> {
	const hashes = await Promise.all(items.map((i) => sha256(i.bytes)));
	for (const [i, { entry: e, bodyBytes }] of items.entries()) {
		const bad = (why: string) => new SeaError("bad_request", `entry ${e.seq}: ${why}`);
		if (bodyBytes.length > 0 && compare(await sha256(bodyBytes), e.body) !== 0) throw bad("its body is not the one that it names");
		const last = items[i - 1]?.entry;
		if (!last) continue;
		if (compare(e.line, last.line) !== 0 || e.side !== last.side || e.epoch !== last.epoch) throw bad("a run over two half-chains, or two epochs");
		if (e.seq !== last.seq + 1n || compare(e.prev, hashes[i - 1]!) !== 0) throw bad("it does not name the entry before it in its run");
	}
	return { items: items.map(({ entry: e, body }, i) => ({ entry: e, body, hash: hashes[i]! })), sig };
}

/** run is the layout in which a run is written. */
export const run: Layout<Run> = {
	read() {
		throw new Error("ledger: a run is read as found, and opened");
	},
	write(pieces, v) {
		count.write(pieces, v.items.length);
		for (const i of v.items) {
			entry.write(pieces, i.entry);
			writeBody(pieces, i.entry.kind, i.body);
		}
		sig.write(pieces, v.sig);
	},
};

export const firstOf = (r: Run): Item => r.items[0]!;
export const lastOf = (r: Run): Item => r.items[r.items.length - 1]!;

/** from is the part of r that begins with its i-th item. The signature still covers it. */
export const from = (r: Run, i: number): Run => ({ items: r.items.slice(i), sig: r.sig });
