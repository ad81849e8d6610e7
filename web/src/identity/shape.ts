// Shapes: what a reader of CBOR expects where, so that each value has one
// spelling and one type (docs/PROTOCOL.md, part 1).

import { type Bytes, utf8 } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { decodeExact, type Exact, Float, type Uint } from "./cbor.ts";

/** Shape gives a value as what it is expected to be, or throws SeaError "cbor" that names it. */
export type Shape<T> = (v: Exact | undefined, name: string) => T;

/** Of is what a shape gives. */
export type Of<S> = S extends Shape<infer T> ? T : never;

/** read reads exactly one value of a shape. Else SeaError "cbor". */
export function read<T>(b: Uint8Array, shape: Shape<T>, name: string): T {
	return shape(decodeExact(b), name);
}

function wrong(name: string, why: string): SeaError {
	return new SeaError("cbor", `${name}: ${why}`);
}

/** uint is an integer from 0 to most, 2^53 - 1 when it is left out. */
export const uint = (most: number = Number.MAX_SAFE_INTEGER): Shape<number> => (v, name) => {
	if (typeof v !== "number" || !Number.isSafeInteger(v) || v < 0 || v > most) {
		throw wrong(name, `not an integer from 0 to ${most}`);
	}
	return v;
};

/** wide is an integer from 0 to 2^64 - 1. */
export const wide: Shape<bigint> = (v, name) => {
	return BigInt(uint64(v, name));
};

/** uint64 is an integer from 0 to 2^64 - 1, and a bigint only above 2^53 - 1: to be compared and given back. */
export const uint64: Shape<Uint> = (v, name) => {
	if ((typeof v !== "number" && typeof v !== "bigint") || v < 0) throw wrong(name, "not an integer from 0 to 2^64 - 1");
	return v;
};

/** bytes is a byte string of least to most bytes, of exactly least when most is left out. */
export const bytes = (least: number, most: number = least): Shape<Bytes> => (v, name) => {
	if (!(v instanceof Uint8Array) || v.length < least || v.length > most) {
		throw wrong(name, least === most ? `not ${least} bytes` : `not ${least} to ${most} bytes`);
	}
	return v as Bytes; // decode made it
};

/** text is a text string of least to most bytes of UTF-8. */
export const text = (least: number, most: number): Shape<string> => (v, name) => {
	if (typeof v !== "string" || v.length > most || v.length * 3 < least) throw wrong(name, "not a text of the right size");
	const n = utf8(v).length;
	if (n < least || n > most) throw wrong(name, `a text of ${n} bytes, not ${least} to ${most}`);
	return v;
};

/** bool is true or false. */
export const bool: Shape<boolean> = (v, name) => {
	if (typeof v !== "boolean") throw wrong(name, "neither true nor false");
	return v;
};

/** orNull is the shape or null. */
export const orNull = <T>(shape: Shape<T>): Shape<T | null> => (v, name) => (v === null ? null : shape(v, name));

/** list is an array of at most most members of one shape. */
export const list = <T>(shape: Shape<T>, most: number): Shape<T[]> => (v, name) => {
	if (!Array.isArray(v) || v.length > most) throw wrong(name, `not a list of at most ${most}`);
	return v.map((member, i) => shape(member, `${name} ${i + 1}`));
};

/** tuple is an array of exactly these members. */
export const tuple = <S extends Shape<unknown>[]>(...shapes: S): Shape<{ [I in keyof S]: Of<S[I]> }> => (v, name) => {
	if (!Array.isArray(v) || v.length !== shapes.length) throw wrong(name, `not an array of ${shapes.length}`);
	return shapes.map((shape, i) => shape(v[i], `${name} ${i + 1}`)) as { [I in keyof S]: Of<S[I]> };
};

type Fields = { [key: string]: Shape<unknown> };
type Optional<F extends Fields> = { [K in keyof F]: undefined extends Of<F[K]> ? K : never }[keyof F];

/** map is a map with exactly these keys; those whose shape is optional may be missing. */
export const map = <F extends Fields>(fields: F): Shape<
	{ [K in Exclude<keyof F, Optional<F>>]: Of<F[K]> } & { [K in Optional<F>]?: Of<F[K]> }
> => (v, name) => {
	if (v === null || typeof v !== "object" || Array.isArray(v) || v instanceof Uint8Array || v instanceof Float) throw wrong(name, "not a map");
	for (const key of Object.keys(v)) {
		if (!Object.hasOwn(fields, key)) throw wrong(name, `a field ${JSON.stringify(key.slice(0, 40))} that is not known here`);
	}
	const made: { [key: string]: unknown } = {};
	for (const [key, shape] of Object.entries(fields)) {
		const member = shape(Object.hasOwn(v, key) ? v[key] : undefined, `${name}: ${key}`);
		if (member !== undefined) made[key] = member;
	}
	return made as never;
};

/** optional is a field that is left out when it has its zero value, which may not be written. */
export const optional = <T>(shape: Shape<T>): Shape<T | undefined> => (v, name) => {
	if (v === undefined) return undefined;
	const zero = v === 0 || v === "" || v === false || v === null || ((v instanceof Uint8Array || Array.isArray(v)) && v.length === 0);
	if (zero) throw wrong(name, "a zero value is written");
	return shape(v, name);
};

/** version is the number 1; any other says that the reader is too old. */
export const version: Shape<1> = (v, name) => {
	if (v !== 1) throw wrong(name, `version ${String(v)} is not known here`);
	return 1;
};
