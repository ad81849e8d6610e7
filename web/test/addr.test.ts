import assert from "node:assert/strict";
import { test } from "node:test";
import { HashAddress } from "../src/node/addr.ts";
import { because, hex, vectors } from "./vectors.ts";

const v = vectors<{
	make: { text: string; address: string }[];
	dist: { name: string; a: string; b: string; logDist: number; dist: string; f32: string }[];
	text: { valid: { text: string; address: string }[]; invalid: string[] };
}>("node/addr/testdata/address.json");

test("make", async () => {
	assert.ok(v.make.length > 0);
	for (const { text, address } of v.make) {
		assert.equal((await HashAddress.make(text)).toString(), address);
		assert.equal((await HashAddress.make(new TextEncoder().encode(text))).toString(), address);
		assert.equal((await HashAddress.make(new TextEncoder().encode(text).buffer)).toString(), address);
	}
});

test("distances", () => {
	assert.ok(v.dist.length > 0);
	for (const c of v.dist) {
		const a = HashAddress.from(c.a);
		const b = HashAddress.from(c.b);
		for (const [x, y] of [[a, b], [b, a]] as const) {
			assert.equal(x.logDist(y), c.logDist, c.name);
			assert.equal(x.dist(y), Number(c.dist), c.name);
			assert.equal(Math.fround(x.dist(y)), x.dist(y), c.name);
			assert.equal(x.equals(y), c.logDist === 224, c.name);
		}
		const view = new DataView(new ArrayBuffer(4));
		view.setFloat32(0, a.dist(b));
		assert.equal(view.getUint32(0), parseInt(c.f32, 16), c.name);
		assert.equal(Math.sign(a.compareTo(a, b)), c.logDist === 224 ? 0 : -1, c.name);
		assert.equal(Math.sign(a.compareTo(b, a)), c.logDist === 224 ? 0 : 1, c.name);
	}
});

test("text and bytes", () => {
	for (const { text, address } of v.text.valid) assert.equal(HashAddress.from(text).toString(), address);
	for (const text of v.text.invalid) assert.throws(() => HashAddress.from(text), because("address"), text);
	assert.throws(() => HashAddress.from(new Uint8Array(27)), because("address", "27 bytes"));
	const b = hex(v.text.valid[0]!.address);
	const a = HashAddress.from(b);
	b[0]! ^= 1;
	new Uint8Array(a.getArrayBuffer())[0]! ^= 1;
	assert.equal(a.toString(), v.text.valid[0]!.address, "an address shares no memory");
	assert.ok(HashAddress.from(a.getArrayBuffer()).equals(a));
});

test("randomise", () => {
	const a = HashAddress.from(v.dist[v.dist.length - 1]!.a);
	for (let j = 0; j < 224; j++) {
		assert.equal(a.flip(j).randomise(j + 1).logDist(a), j);
		assert.ok(a.randomise(j).logDist(a) >= j);
	}
	assert.ok(a.randomise(224).equals(a));
	assert.ok(!a.randomise(0).equals(a.randomise(0)));
	for (const bit of [-1, 225, 0.5, NaN]) assert.throws(() => a.randomise(bit), RangeError);
	for (const bit of [-1, 224]) assert.throws(() => a.flip(bit), RangeError);
});

test("nodes and channels", async () => {
	const key = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
	assert.equal((await HashAddress.ofNode(key)).toString(), "8716fda0db7baf6cc459b9fbe025e5d619864254e2e21f33eacbbc10");
	assert.ok((await HashAddress.ofChannel("news")).equals(await HashAddress.make("sea:chan:1news")));
});
