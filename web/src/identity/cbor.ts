// The one codec of Sea's messages, statements and records: the strict subset of
// CBOR (RFC 8949) of docs/PROTOCOL.md, part 1, in core deterministic encoding.
// What is signed or hashed is kept as the bytes that came, never encoded again.

import { type Bytes, compare, utf8 } from "../bytes.ts";
import { SeaError } from "../error.ts";

/** maxDepth is how many arrays and maps may stand inside each other. */
export const maxDepth = 32;

/** maxElements is how many members one array or pairs one map may have. */
export const maxElements = 65536;

/** Value is what decode gives. Integers above 2^53-1 or below -(2^53-1) are bigints. */
export type Value = null | boolean | number | bigint | string | Uint8Array | Value[] | { [key: string]: Value };

/** Float makes encode write a float where the number alone would be an integer: new Float(1). */
export class Float {
	constructor(readonly value: number) {}
}

// The major types, RFC 8949 §3.1.
const uint = 0;
const negative = 1;
const bytes = 2;
const text = 3;
const array = 4;
const map = 5;
const tag = 6;
const simple = 7;

/** Uint is an unsigned integer: a bigint above 2^53-1, and only there. */
export type Uint = number | bigint;

/**
 * encode gives the one spelling of v. A number that is a safe integer and not -0
 * is written as an integer, every other as the shortest float that keeps it.
 * Objects are maps; their members that are undefined are left out. A Map has text
 * keys. SeaError "cbor" tells what has no place in the subset.
 */
export function encode(v: unknown): Bytes {
	const w = new Writer();
	write(w, v, 0);
	return w.done();
}

/**
 * decode reads exactly one value in its one spelling, and refuses all else with
 * SeaError "cbor". Floats come as numbers. The result shares no memory with b.
 */
export function decode(b: Uint8Array): Value {
	return whole(new Reader(b)) as Value;
}

/** Exact is a Value in which floats are Floats, so that none passes for an integer. */
export type Exact = null | boolean | number | bigint | string | Uint8Array | Float | Exact[] | { [key: string]: Exact };

/** decodeExact is decode for who knows what to expect: see shape.ts. */
export function decodeExact(b: Uint8Array): Exact {
	return whole(new Reader(b, true));
}

function whole(r: Reader): Exact {
	const v = read(r, 0);
	if (r.at !== r.b.length) throw r.fail(r.at, `${r.b.length - r.at} bytes after the value`);
	return v;
}

function refuse(what: string): SeaError {
	return new SeaError("cbor", `write: ${what}`);
}

function write(w: Writer, v: unknown, depth: number): void {
	switch (typeof v) {
		case "boolean":
			return w.byte(v ? 0xf5 : 0xf4);
		case "string":
			return w.text(v);
		case "bigint":
			if (v >= 1n << 64n || v < -(1n << 63n)) throw refuse("an integer outside -2^63 … 2^64-1");
			return v < 0n ? w.head(negative, -1n - v) : w.head(uint, v);
		case "number":
			if (!Number.isSafeInteger(v) || Object.is(v, -0)) return w.float(v);
			return v < 0 ? w.head(negative, -1 - v) : w.head(uint, v);
		case "object":
			break;
		default:
			throw refuse(`${typeof v} has no encoding`);
	}
	if (v === null) return w.byte(0xf6);
	if (v instanceof Float) return w.float(v.value);
	if (v instanceof Uint8Array) return w.bytes(v);
	if (v instanceof ArrayBuffer) return w.bytes(new Uint8Array(v));
	if (depth === maxDepth) throw refuse(`more than ${maxDepth} levels deep`);
	if (Array.isArray(v)) {
		if (v.length > maxElements) throw refuse(`${v.length} members, ${maxElements} at most`);
		w.head(array, v.length);
		for (const member of v) write(w, member, depth + 1);
		return;
	}
	const proto: unknown = Object.getPrototypeOf(v);
	if (v instanceof Map) return pairs(w, [...(v as Map<unknown, unknown>)], depth + 1);
	if (proto !== Object.prototype && proto !== null) {
		throw refuse(`${(v as object).constructor?.name ?? "this object"} has no encoding`);
	}
	pairs(w, Object.entries(v as object).filter(([, member]) => member !== undefined), depth + 1);
}

/** pairs writes a map's pairs in the bytewise order of their encoded keys. */
function pairs(w: Writer, all: [unknown, unknown][], depth: number): void {
	if (all.length > maxElements) throw refuse(`${all.length} members, ${maxElements} at most`);
	const sorted = all.map(([name, member]) => {
		if (typeof name !== "string") throw refuse("map key is not text");
		const key = new Writer();
		key.text(name);
		return { key: key.done(), member };
	});
	sorted.sort((a, b) => compare(a.key, b.key));
	w.head(map, sorted.length);
	for (const { key, member } of sorted) {
		w.raw(key);
		write(w, member, depth);
	}
}

function read(r: Reader, depth: number): Exact {
	const at = r.at;
	const { major, n } = r.head();
	switch (major) {
		case uint:
			return n;
		case negative: {
			const v = -1n - BigInt(n);
			if (v < -(1n << 63n)) throw r.fail(at, "integer below -2^63");
			return v >= Number.MIN_SAFE_INTEGER ? Number(v) : v;
		}
		case bytes:
			return r.take(at, n).slice();
		case text:
			return r.text(at, n);
		case tag:
			throw r.fail(at, `tag ${n}: tags are not used`);
		case simple:
			return r.simple(at);
	}
	if (depth === maxDepth) throw r.fail(at, `more than ${maxDepth} levels deep`);
	if (n > maxElements) throw r.fail(at, `${n} members, ${maxElements} at most`);
	const count = Number(n);
	const rest = r.b.length - r.at;
	if (major === array) {
		if (count > rest) throw r.fail(at, `array of ${count} members in ${rest} bytes`); // each takes a byte or more
		const list: Exact[] = [];
		for (let i = 0; i < count; i++) list.push(read(r, depth + 1));
		return list;
	}
	if (count > rest / 2) throw r.fail(at, `map of ${count} pairs in ${rest} bytes`);
	return readPairs(r, count, depth + 1);
}

/** readPairs reads a map. That its keys are in order also shows that none comes twice. */
function readPairs(r: Reader, count: number, depth: number): Exact {
	const made: { [key: string]: Exact } = {};
	let last: Uint8Array | undefined;
	for (let i = 0; i < count; i++) {
		const at = r.at;
		const { major, n } = r.head();
		if (major !== text) throw r.fail(at, "map key is not text");
		const name = r.text(at, n);
		const key = r.b.subarray(at, r.at);
		const order = last ? compare(key, last) : 1;
		if (order <= 0) throw r.fail(at, order === 0 ? "map key comes twice" : "map keys are out of order");
		last = key;
		// Defined and not set, for a key "__proto__" would set something else.
		Object.defineProperty(made, name, { value: read(r, depth), enumerable: true, writable: true, configurable: true });
	}
	return made;
}

/** Writer collects bytes. */
export class Writer {
	#b = new Uint8Array(64);
	#n = 0;

	/** done gives what was written; nothing may be written after it. */
	done(): Bytes {
		return this.#b.subarray(0, this.#n);
	}

	#room(n: number): number {
		const at = this.#n;
		if (at + n > this.#b.length) {
			const larger = new Uint8Array(Math.max(at + n, 2 * this.#b.length));
			larger.set(this.#b);
			this.#b = larger;
		}
		this.#n += n;
		return at;
	}

	byte(x: number): void {
		const at = this.#room(1);
		this.#b[at] = x;
	}

	raw(b: Uint8Array): void {
		const at = this.#room(b.length);
		this.#b.set(b, at);
	}

	/** head writes a head in its shortest form. n is 0 … 2^64-1. */
	head(major: number, n: Uint): void {
		const m = major << 5;
		if (n < 24) return this.byte(m | Number(n));
		const power = n < 0x100 ? 0 : n < 0x10000 ? 1 : n < 0x100000000 ? 2 : 3;
		this.byte(m | (24 + power));
		const size = 1 << power;
		const at = this.#room(size);
		for (let i = size - 1, left = BigInt(n); i >= 0; i--, left >>= 8n) this.#b[at + i] = Number(left & 0xffn);
	}

	bytes(b: Uint8Array): void {
		this.head(bytes, b.length);
		this.raw(b);
	}

	text(s: string): void {
		if (/\p{Surrogate}/u.test(s)) throw refuse("text with half a surrogate pair");
		const b = utf8(s);
		this.head(text, b.length);
		this.raw(b);
	}

	/** float writes the shortest float that keeps f, and not-a-number as f97e00. */
	float(f: number): void {
		const half = toHalf(f);
		const size = half !== undefined ? 2 : Math.fround(f) === f ? 4 : 8;
		this.byte(0xf9 + (size >> 2));
		const at = this.#room(size);
		const view = new DataView(this.#b.buffer);
		if (half !== undefined) view.setUint16(at, half);
		else if (size === 4) view.setFloat32(at, f);
		else view.setFloat64(at, f);
	}
}

/** Reader walks over bytes once. Everything it refuses is SeaError "cbor". */
export class Reader {
	at = 0;
	readonly #view: DataView;

	constructor(
		readonly b: Uint8Array,
		/** exact has floats given as Floats. */
		readonly exact = false,
	) {
		this.#view = new DataView(b.buffer, b.byteOffset, b.byteLength);
	}

	fail(at: number, why: string): SeaError {
		return new SeaError("cbor", `byte ${at}: ${why}`);
	}

	/** head reads a major type and its argument in the shortest spelling. */
	head(): { major: number; n: Uint } {
		const at = this.at;
		const first = this.b[at];
		if (first === undefined) throw this.fail(at, "the value ends early");
		const major = first >> 5;
		const info = first & 0x1f;
		this.at++;
		if (info < 24) return { major, n: info };
		if (info > 27) throw this.fail(at, `indefinite length or reserved head 0x${first.toString(16)}`);
		const size = 1 << (info - 24);
		if (this.b.length - this.at < size) throw this.fail(at, "the head ends early");
		const n = this.#uint(size);
		this.at += size;
		const least = [24, 0x100, 0x10000, 0x100000000][info - 24]!; // the smallest that needs this head
		if (major !== simple && n < least) throw this.fail(at, `${n} is not written in the shortest way`);
		return { major, n };
	}

	#uint(size: number): Uint {
		if (size === 1) return this.#view.getUint8(this.at);
		if (size === 2) return this.#view.getUint16(this.at);
		if (size === 4) return this.#view.getUint32(this.at);
		const n = this.#view.getBigUint64(this.at);
		return n <= Number.MAX_SAFE_INTEGER ? Number(n) : n;
	}

	/** take steps over n bytes of the string whose head is at at. They are b's own. */
	take(at: number, n: Uint): Uint8Array {
		const rest = this.b.length - this.at;
		if (n > rest) throw this.fail(at, `string of ${n} bytes, ${rest} are there`);
		this.at += Number(n);
		return this.b.subarray(this.at - Number(n), this.at);
	}

	/** text is take of UTF-8. */
	text(at: number, n: Uint): string {
		const b = this.take(at, n);
		try {
			return decoder.decode(b);
		} catch {
			throw this.fail(at, "text is not UTF-8");
		}
	}

	/** simple gives the simple value or float whose head was read at at. */
	simple(at: number): boolean | null | number | Float {
		const v = this.#simple(at);
		return this.exact && typeof v === "number" ? new Float(v) : v;
	}

	#simple(at: number): boolean | null | number {
		const info = this.b[at]! & 0x1f;
		if (info >= 20 && info <= 22) return [false, true, null][info - 20]!;
		if (info < 25) throw this.fail(at, `simple value ${info === 24 ? this.b[at + 1] : info}: only false, true and null are used`);
		const view = this.#view;
		const f = info === 25 ? ofHalf(view.getUint16(at + 1)) : info === 26 ? view.getFloat32(at + 1) : view.getFloat64(at + 1);
		const w = new Writer();
		w.float(f);
		if (compare(w.done(), this.b.subarray(at, this.at)) !== 0) {
			throw this.fail(at, info === 25 ? "not-a-number is not written as f97e00" : "float is not written in the shortest way");
		}
		return f;
	}
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** ofHalf is the number that half precision has these bits for. */
function ofHalf(bits: number): number {
	const exponent = (bits >> 10) & 0x1f;
	const mantissa = bits & 0x3ff;
	const sign = bits & 0x8000 ? -1 : 1;
	if (exponent === 0x1f) return mantissa ? NaN : sign * Infinity;
	return sign * (exponent ? mantissa + 0x400 : mantissa) * 2 ** (Math.max(exponent, 1) - 25);
}

/**
 * toHalf gives the bits of f in half precision, or undefined when that loses
 * something: 11 significant bits, exponents from -14 to 15, below that multiples
 * of 2^-24.
 */
function toHalf(f: number): number | undefined {
	const [bits] = new Uint32Array(Float32Array.of(f).buffer);
	const sign = (bits! >>> 16) & 0x8000;
	if (Number.isNaN(f)) return 0x7e00;
	if (Math.abs(f) === Infinity) return sign | 0x7c00;
	const exponent = Math.max(((bits! >>> 23) & 0xff) - 127, -14);
	const mantissa = Math.abs(f) * 2 ** (10 - exponent); // whole if f fits, with its first bit unless it is subnormal
	if (exponent > 15 || mantissa % 1) return undefined;
	return sign | (((exponent + 14) << 10) + mantissa);
}
