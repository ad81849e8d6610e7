// The statements and prices of the market, by the vectors of the Go package.

import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../src/bytes.ts";
import { decodeJob } from "../src/compute/job.ts";
import { SeaError } from "../src/error.ts";
import { decode, encode } from "../src/identity/cbor.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { Statement } from "../src/identity/statement.ts";
import { costOf, covers, withMemory } from "../src/market/price.ts";
import { Refused } from "../src/market/reason.ts";
import { microOf, specOf } from "../src/market/spec.ts";
import { ask, cancel, delivery, type Form, offer, open, order, quote, refusal, sign } from "../src/market/statement.ts";
import { because, hex, vectors } from "./vectors.ts";

const forms = { ask, cancel, delivery, offer, order, quote, refusal } as unknown as { [name: string]: Form<{ v: 1 }> };
const all = vectors<{ name: string; purpose: string; by: string; body: string; statement: string; hash: string }[]>("plugins/market/testdata/statements.json");
const signers = await Promise.all([1, 2].map((x) => Pair.fromSeed(new Uint8Array(32).fill(x))));
const formOf = (purpose: string) => Object.values(forms).find((f) => f.purpose === purpose)!;

test("statements", async () => {
	for (const v of all) {
		const form = formOf(v.purpose);
		const s = Statement.decode(hex(v.statement));
		const { v: _, ...body } = await open(form, s);
		assert.equal(toHex(s.by), v.by);
		assert.equal(toHex(await s.hash(v.purpose)), v.hash);
		const signer = signers.find((p) => toHex(p.key) === v.by)!;
		assert.equal(toHex((await sign(form, signer, body)).encode()), v.statement, v.name);
	}
	const asked = await open(ask, Statement.decode(hex(all.find((v) => v.name === "ask")!.statement)));
	assert.equal(decodeJob(asked.job).limits.fuel, 10_000_000_000n);
});

test("what no statement may say", async () => {
	const signer = signers[0]!;
	for (const v of all) {
		const form = formOf(v.purpose);
		const fields = decode(hex(v.body)) as { [name: string]: unknown };
		const wrong: { [name: string]: unknown }[] = [{ ...fields, v: 2 }, { ...fields, more: 1 }];
		for (const name of Object.keys(fields)) if (!["gib", "slowest", "quantum", "labels", "reason", "resold"].includes(name)) wrong.push({ ...fields, [name]: undefined });
		for (const name of ["fee", "price", "ceiling", "cost", "room", "credit", "gib", "slowest"]) {
			if (name in fields) wrong.push({ ...fields, [name]: 1n << 62n }, { ...fields, [name]: -1 });
		}
		for (const name of ["gib", "slowest", "quantum", "resold"]) wrong.push({ ...fields, [name]: 0 });
		for (const bad of wrong) {
			const s = await Statement.sign(signer, v.purpose, encode(bad));
			await assert.rejects(open(form, s), because("cbor"), `${v.name}: ${JSON.stringify(Object.keys(bad))}`);
		}
		const other = await Statement.sign(signer, "sea/other/1", hex(v.body));
		await assert.rejects(open(form, other), because("signature"));
	}
	const offered = decode(hex(all.find((v) => v.name === "offer with labels")!.body)) as { [name: string]: unknown };
	for (const labels of [["b=1", "a=1"], ["a=1", "a=2"], ["A=1"], ["a"], ["=1"], ["a=\n"], [], Array.from({ length: 17 }, (_, i) => `a${String.fromCharCode(97 + i)}=1`)]) {
		const s = await Statement.sign(signer, offer.purpose, encode({ ...offered, labels }));
		await assert.rejects(open(offer, s), because("cbor"), JSON.stringify(labels));
	}
	const s = await Statement.sign(signer, offer.purpose, encode({ ...offered, free: 2, slots: 1 }));
	await assert.rejects(open(offer, s), because("cbor", "free"));
});

test("prices are rounded up once, on the whole", () => {
	const p = { fee: 250_000n, price: 1_000_000n };
	assert.equal(costOf(p, 0n), 250_000n);
	assert.equal(costOf(p, 1n), 250_001n);
	assert.equal(costOf(p, 5_000_000_001n), 5_250_001n);
	assert.equal(costOf({ fee: 0n, price: (1n << 62n) - 1n }, (1n << 64n) - 1n), undefined);
	for (const credit of [0n, 249_999n, 250_000n, 250_001n, 10_000_000n]) {
		const fuel = covers(p, credit, 1n << 62n);
		if (credit >= p.fee) assert.ok(costOf(p, fuel)! <= credit && costOf(p, fuel + 1n)! > credit, String(credit));
		else assert.equal(fuel, 0n);
	}
	assert.equal(covers({ fee: 0n, price: 0n }, 0n, 7n), 7n);
	assert.equal(withMemory(p, 1n, 1).price, 1_000_001n);
	assert.equal(withMemory(p, 1_000_000n, 16384).price, 2_000_000n);
	assert.equal(withMemory(p, (1n << 62n) - 1n, 65535).price, (1n << 62n) - 1n);
});

test("what to run", async () => {
	const s = await specOf(new Uint8Array(8), { args: ["a"], stdin: "in", files: { "b": "2", "a/x": "1", "c": "" }, maxCredit: 0.25, fuel: 5 });
	assert.deepEqual(s.job.files.map((f) => f.path), ["a/x", "b", "c"]);
	assert.equal(s.blobs.length, 4, "each once, and none for what is empty");
	assert.equal(s.maxCredit, 250_000n);
	assert.equal(s.job.limits.fuel, 5n);
	assert.equal(microOf(0.000001), 1n);
	for (const credits of [-1, NaN, Infinity, 1e12]) assert.throws(() => microOf(credits), because("job"));
	for (const bad of [{ files: { "../x": "" } }, { env: ["A"] }, { args: ["\0"] }]) {
		await assert.rejects(specOf(new Uint8Array(8), bad), (err) => err instanceof Refused && err instanceof SeaError && err.reason === "bad_job");
	}
	await assert.rejects(specOf(new Uint8Array(7), {}), because("job"));
});
