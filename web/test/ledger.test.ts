// The formats of the ledger, by the vectors of the Go package.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, sha256, toHex } from "../src/bytes.ts";
import { Pair, verify } from "../src/identity/ed25519.ts";
import { Statement } from "../src/identity/statement.ts";
import { entry, head, headPurpose, lineOf, sideOf } from "../src/ledger/entry.ts";
import { type Layout, pack, unpack } from "../src/ledger/format.ts";
import { grant, grantPurpose } from "../src/ledger/grant.ts";
import { release, releasePurpose, signed, terms, voucher, voucherPurpose } from "../src/ledger/lock.ts";
import { ack, position, push, pushed, recovery } from "../src/ledger/message.ts";
import { open } from "../src/ledger/run.ts";
import { because, hex, vectors } from "./vectors.ts";

interface Vector {
	name: string;
	hex: string;
	sha256?: string;
	given?: { [name: string]: string | number };
}

const all = vectors<Vector[]>("ledger/testdata/vectors.json");

const vector = (name: string) => {
	const v = all.find((v) => v.name === name);
	assert.ok(v, `there is no vector ${name}`);
	return v;
};

const payer = await Pair.fromSeed(new Uint8Array(32).fill(1));
const payee = await Pair.fromSeed(new Uint8Array(32).fill(2));

/** same reads a vector, writes it again, and has every cut and every bit before the signature noticed. */
async function same<T>(name: string, layout: Layout<T>): Promise<T> {
	const b = hex(vector(name).hex);
	const v = unpack(b, layout, name);
	assert.equal(toHex(pack(layout, v)), vector(name).hex, name);
	for (let n = 0; n < b.length; n++) assert.throws(() => unpack(b.subarray(0, n), layout, name), because("bad_request"), `${name}, ${n} bytes`);
	assert.throws(() => unpack(new Uint8Array([...b, 0]), layout, name), because("bad_request"));
	assert.throws(() => unpack(new Uint8Array([2, ...b.subarray(1)]), layout, name), because("bad_request", "version 2"));
	return v;
}

/** given compares what a vector says of its fields. */
function given(name: string, v: { [field: string]: unknown }): void {
	for (const [field, want] of Object.entries(vector(name).given ?? {})) {
		const got = v[field];
		assert.equal(got instanceof Uint8Array ? toHex(got) : String(got), String(want), `${name}: ${field}`);
	}
}

test("lines, entries and heads", async () => {
	const line = await lineOf(payer.key, payee.key);
	assert.equal(toHex(line), vector("line").hex);
	assert.equal(compare(await lineOf(payee.key, payer.key), line), 0);
	assert.equal(sideOf(payer.key, payee.key), 1);
	for (const name of ["entry 1", "entry 3"]) {
		given(name, await same(name, entry));
		assert.equal(toHex(await sha256(hex(vector(name).hex))), vector(name).sha256);
	}
	const h = await same("head 3", head);
	const said = await sha256(pack(entry, h.entry));
	assert.ok(await new Statement(payer.key, said, h.sig).open(headPurpose));
	const made = await Statement.sign(payer, headPurpose, said);
	assert.equal(toHex(made.sig), toHex(h.sig));
});

test("what no entry may say", () => {
	const good = unpack(hex(vector("entry 3").hex), entry, "entry");
	const wrong: [Partial<typeof good>, string][] = [
		[{ epoch: 0 }, "not 1 to 1000"], [{ epoch: 1001 }, "not 1 to 1000"], [{ seq: 0n }, "not 1 to"], [{ seq: 1n << 62n }, "not 1 to"],
		[{ prev: new Uint8Array(32) }, "prev is zero"], [{ amount: 0n }, "not 1 to"], [{ amount: 1n << 62n }, "not 1 to"], [{ amount: 1n << 63n }, "not 1 to"],
		[{ cum: 1n << 62n }, "not 0 to"], [{ held: (1n << 62n) - 1n }, "together"], [{ cum: 1n }, "cum is below"], [{ kind: 2, body: good.ref }, "held is below"],
		[{ kind: 0 }, "not 1 to 5"], [{ kind: 6 }, "not 1 to 5"], [{ tick: 1n << 40n }, "not 0 to"], [{ ref: new Uint8Array(32) }, "ref is zero"],
		[{ body: good.ref }, "body hash"], [{ kind: 5 }, "body hash"], [{ seq: 1n, prev: new Uint8Array(32) }, "in the first entry"],
		[{ seq: 1n, prev: new Uint8Array(32), kind: 5, body: good.ref }, "neither PAY nor LOCK"],
	];
	for (const [change, why] of wrong) {
		assert.throws(() => unpack(pack(entry, { ...good, ...change }), entry, "entry"), because("bad_request", why), JSON.stringify(Object.keys(change)));
	}
});

test("grants, locks and vouchers", async () => {
	const g = await same("grant", grant);
	given("grant", g);
	assert.ok(await new Statement(payee.key, signed(grant, g), g.sig).open(grantPurpose));
	const t = await same("terms of a lock", terms);
	given("terms of a lock", t);
	const v = await same("voucher", voucher);
	given("voucher", v);
	assert.ok(await new Statement(payer.key, signed(voucher, v), v.sig).open(voucherPurpose));
	const r = await same("release", release);
	given("release", r);
	assert.ok(await new Statement(payee.key, signed(release, r), r.sig).open(releasePurpose));
	assert.throws(() => unpack(pack(voucher, { ...v, cum: 0n }), voucher, "voucher"), because("bad_request"));
	given("recovery", await same("recovery", recovery));
});

test("messages", async () => {
	const p = await same("position", position);
	assert.equal(p.head!.entry.seq, 3n);
	assert.ok((await same("position of a grant", position)).grant);
	assert.deepEqual((await same("position of nothing", position)).shown, []);
	given("ack", await same("ack", ack));
	given("ack of a grant", await same("ack of a grant", ack));
	for (const name of ["position of claims", "position after a recovery"]) {
		const b = hex(vector(name).hex);
		const claims = unpack(b, position, name);
		assert.equal(toHex(pack(position, claims)), vector(name).hex);
		assert.ok(claims.shown.length > 0);
	}
	for (const name of ["push", "push of a grant", "push of a lock's life"]) {
		const b = hex(vector(name).hex);
		const { line, grant, runs } = unpack(b, pushed, name);
		const opened = await Promise.all(runs.map(open));
		assert.equal(toHex(pack(push, { line, grant, runs: opened })), vector(name).hex);
		for (const r of opened) {
			const last = r.items[r.items.length - 1]!;
			assert.ok(await verify(payer.key, new Uint8Array([...new TextEncoder().encode(`${headPurpose}\0`), ...last.hash]), r.sig));
		}
		// Whatever bit of a run is changed: it is refused, or its signature no longer holds.
		for (let at = 40; runs.length > 0 && at < b.length; at += 37) {
			const bad = b.slice();
			bad[at]! ^= 1;
			await assert.rejects(async () => {
				const again = await Promise.all(unpack(bad, pushed, name).runs.map(open));
				for (const r of again) await new Statement(payer.key, r.items[r.items.length - 1]!.hash, r.sig).open(headPurpose);
			}, `byte ${at}`);
		}
	}
});
