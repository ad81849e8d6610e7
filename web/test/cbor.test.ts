import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../src/bytes.ts";
import { decode, encode, Float, maxDepth, maxElements } from "../src/identity/cbor.ts";
import { because, hex, vectors } from "./vectors.ts";

const v = vectors<{ accepted: { hex: string; means: string }[]; refused: { hex: string; because: string }[] }>(
	"identity/cbor/testdata/cbor.json",
);

test("what Go accepts, in the same spelling", () => {
	assert.ok(v.accepted.length > 0);
	for (const c of v.accepted) {
		const b = hex(c.hex);
		const value = decode(b);
		const isFloat = b[0] === 0xf9 || b[0] === 0xfa || b[0] === 0xfb;
		assert.equal(toHex(encode(isFloat ? new Float(value as number) : value)), c.hex, c.means);
		if (typeof value === "number" || typeof value === "bigint") {
			assert.ok(Object.is(typeof value === "bigint" ? BigInt(c.means) : Number(c.means), value), c.means);
		}
	}
});

test("what Go refuses, for the same reason", () => {
	assert.ok(v.refused.length > 0);
	for (const c of v.refused) assert.throws(() => decode(hex(c.hex)), because("cbor", c.because), c.hex);
});

// Whatever bytes come: refused with a reason, or one spelling.
test("changed bytes", () => {
	for (const c of v.accepted) {
		const b = hex(c.hex);
		for (let i = 0; i < b.length; i++) {
			for (let bit = 0; bit < 8; bit++) {
				const changed = b.slice();
				changed[i]! ^= 1 << bit;
				let value;
				try {
					value = decode(changed);
				} catch (err) {
					because("cbor")(err);
					continue;
				}
				if (!(typeof value === "number" && changed[0]! >= 0xf9)) assert.equal(toHex(encode(value)), toHex(changed));
			}
			assert.throws(() => decode(b.subarray(0, i)), because("cbor"));
		}
	}
});

test("bounds", () => {
	const deep = (n: number) => new Uint8Array(n + 1).fill(0x81, 0, n);
	assert.doesNotThrow(() => encode(decode(deep(maxDepth))));
	assert.throws(() => decode(deep(maxDepth + 1)), because("cbor", "more than 32 levels deep"));
	assert.throws(() => decode(deep(1_000_000)), because("cbor", "more than 32 levels deep"));
	const ring: unknown[] = [];
	ring.push(ring);
	assert.throws(() => encode(ring), because("cbor", "more than 32 levels deep"));
	assert.equal((decode(encode(new Array(maxElements).fill(0))) as unknown[]).length, maxElements);
	assert.throws(() => encode(new Array(maxElements + 1).fill(0)), because("cbor", "65537 members"));
	assert.throws(() => decode(hex("9a00010001")), because("cbor", "65537 members"));
	assert.throws(() => encode(1n << 64n), because("cbor", "outside"));
	assert.throws(() => encode(-(1n << 63n) - 1n), because("cbor", "outside"));
});

test("JavaScript's values", () => {
	const same = (value: unknown, want: string) => assert.equal(toHex(encode(value)), want);
	same({ aa: 3, c: 2, b: 1, not: undefined }, "a361620161630262616103");
	same(new Map([["c", 2], ["b", 1]]), "a2616201616302");
	same(Object.assign(Object.create(null) as object, { a: 1 }), "a1616101");
	same(new Uint8Array([1]).buffer, "4101");
	same(-0, "f98000");
	same(2 ** 53, "fa5a000000");
	same(2n ** 53n, "1b0020000000000000");
	same(0.1, "fb3fb999999999999a");
	same("\ufeffa", "64efbbbf61");
	assert.equal(decode(hex("64efbbbf61")), "\ufeffa");
	for (const none of [undefined, () => 1, Symbol("s"), new Date(0), new Float64Array(1), [undefined], [, 1], "\ud800", new Map([[1, 1]])]) {
		assert.throws(() => encode(none), because("cbor", "write: "));
	}
});

test("a key that is no member of every object", () => {
	const b = encode(new Map([["__proto__", new Map([["evil", true]])]]));
	const o = decode(b) as { [key: string]: unknown };
	assert.equal(o["evil"], undefined);
	assert.equal(Object.getPrototypeOf(o), Object.prototype);
	assert.equal(toHex(encode(o)), toHex(b));
});

test("the result shares no memory", () => {
	const b = hex("4161");
	const got = decode(b) as Uint8Array;
	b[1] = 0;
	assert.equal(got[0], 0x61);
});
