// Layouts: fixed-width, big-endian fields that both sides sign and hash. One
// description both reads and writes. See docs/PROTOCOL.md, part 7.

import { type Bytes, concat } from "../bytes.ts";
import { SeaError } from "../error.ts";

/** maxAmount is the largest sum, in micro-credits, that anybody may promise anybody in all. */
export const maxAmount = (1n << 62n) - 1n;

/** maxSeq leaves room above every number that is used. */
export const maxSeq = maxAmount;

/** maxTick is the end of ticks, 10 s each since 1970. */
export const maxTick = 1n << 40n;

/** Unpacker takes fields off bytes that somebody else wrote. What it refuses is SeaError "bad_request". */
export class Unpacker {
	at = 0;

	constructor(
		readonly b: Uint8Array,
		readonly what: string,
	) {}

	fail(why: string): SeaError {
		return new SeaError("bad_request", `${this.what}: ${why}`);
	}

	/** take copies the next n bytes. */
	take(n: number): Bytes {
		if (this.b.length - this.at < n) throw this.fail(`it ends at byte ${this.b.length} of at least ${this.at + n}`);
		this.at += n;
		return this.b.slice(this.at - n, this.at) as Bytes;
	}

	end(): void {
		if (this.at < this.b.length) throw this.fail(`${this.b.length - this.at} bytes too many`);
	}
}

/** Layout is how a value stands in bytes. write appends pieces. */
export interface Layout<T> {
	read(r: Unpacker): T;
	write(pieces: Uint8Array[], v: T): void;
}

/** LayoutOf is what a layout reads. */
export type LayoutOf<L> = L extends Layout<infer T> ? T : never;

/** pack gives the bytes of v. */
export function pack<T>(layout: Layout<T>, v: T): Bytes {
	const pieces: Uint8Array[] = [];
	layout.write(pieces, v);
	return concat(...pieces);
}

/** unpack reads exactly one value, called what in errors. SeaError "bad_request". */
export function unpack<T>(b: Uint8Array, layout: Layout<T>, what: string): T {
	const r = new Unpacker(b, what);
	const v = layout.read(r);
	r.end();
	return v;
}

/** raw is n bytes. */
export const raw = (n: number): Layout<Bytes> => ({ read: (r) => r.take(n), write: (pieces, v) => void pieces.push(v) });

/** hash, key and sig are bytes of one length. */
export const hash = raw(32);
export const key = raw(32);
export const sig = raw(64);

/** small is a number of 1 to 4 bytes, from least to most. */
export const small = (size: 1 | 2 | 4, least = 0, most = 2 ** (8 * size) - 1): Layout<number> => ({
	read(r) {
		const n = r.take(size).reduce((sum, x) => 256 * sum + x, 0);
		if (n < least || n > most) throw r.fail(`byte ${r.at - size}: ${n} is not ${least} to ${most}`);
		return n;
	},
	write: (pieces, v) => void pieces.push(Uint8Array.from({ length: size }, (_, i) => (v / 256 ** (size - 1 - i)) & 255)),
});

/** large is a number of 8 bytes, from least to most. */
export const large = (least = 0n, most = (1n << 64n) - 1n): Layout<bigint> => ({
	read(r) {
		const b = r.take(8);
		const n = new DataView(b.buffer).getBigUint64(0);
		if (n < least || n > most) throw r.fail(`byte ${r.at - 8}: ${n} is not ${least} to ${most}`);
		return n;
	},
	write(pieces, v) {
		const b = new Uint8Array(8);
		new DataView(b.buffer).setBigUint64(0, v);
		pieces.push(b);
	},
});

/** amount is a sum in micro-credits, below 2^62. */
export const amount = large(0n, maxAmount);

/** Side says which of a line's keys is meant: 0 the lower, 1 the higher. */
export type Side = 0 | 1;

export const side = small(1, 0, 1) as Layout<Side>;

/** maybe is a byte 0, or 1 and the value. */
export const maybe = <T>(layout: Layout<T>): Layout<T | null> => ({
	read: (r) => (flag.read(r) ? layout.read(r) : null),
	write(pieces, v) {
		flag.write(pieces, v === null ? 0 : 1);
		if (v !== null) layout.write(pieces, v);
	},
});

const flag = small(1, 0, 1);

/** many is a number of values, which is a count of its own, and those. */
export const many = <T>(count: Layout<number>, layout: Layout<T>): Layout<T[]> => ({
	read: (r) => {
		const n = count.read(r);
		const all: T[] = [];
		while (all.length < n) all.push(layout.read(r));
		return all;
	},
	write(pieces, all) {
		count.write(pieces, all.length);
		for (const v of all) layout.write(pieces, v);
	},
});

/** struct is its fields, one after the other. wrong says what is wrong with them together. */
export const struct = <F extends { [name: string]: unknown }>(
	fields: { [K in keyof F]: Layout<F[K]> },
	wrong: (v: F) => string | false | undefined = () => undefined,
): Layout<F> => ({
	read(r) {
		const v: { [name: string]: unknown } = {};
		for (const [name, layout] of Object.entries(fields)) v[name] = layout.read(r);
		const why = wrong(v as F);
		if (why) throw r.fail(why);
		return v as F;
	},
	write(pieces, v) {
		for (const name of Object.keys(fields) as (keyof F)[]) fields[name].write(pieces, v[name]);
	},
});

/** headed is a layout behind bytes that never change: the version, and of a message its type. */
const headed = <T>(layout: Layout<T>, ...head: number[]): Layout<T> => ({
	read(r) {
		head.forEach((want, i) => {
			const got = r.take(1)[0];
			if (got !== want) throw r.fail(i === 0 ? `version ${got} is not known here, this program reads version ${want}` : `its type is ${got}, not ${want}`);
		});
		return layout.read(r);
	},
	write(pieces, v) {
		pieces.push(Uint8Array.from(head));
		layout.write(pieces, v);
	},
});

/** record is a struct behind its version. */
export const record = <F extends { [name: string]: unknown }>(
	fields: { [K in keyof F]: Layout<F[K]> },
	wrong?: (v: F) => string | false | undefined,
): Layout<F> => headed(struct(fields, wrong), 1);

/** message is a layout behind version and type. */
export const message = <T>(type: number, layout: Layout<T>): Layout<T> => headed(layout, 1, type);

/** isZero tells whether all bytes are 0. */
export const isZero = (b: Uint8Array): boolean => b.every((x) => x === 0);

/** zero is 32 bytes of 0. */
export const zero = (): Bytes => new Uint8Array(32);
