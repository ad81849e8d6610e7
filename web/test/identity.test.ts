import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, toHex } from "../src/bytes.ts";
import { SeaError } from "../src/error.ts";
import { acting, openCertificate, signCertificate } from "../src/identity/cert.ts";
import { checkKey, Pair, verify, work } from "../src/identity/ed25519.ts";
import { Statement } from "../src/identity/statement.ts";
import { because, hex, vectors } from "./vectors.ts";

const keys = vectors<{
	good: { seed: string; entity: string; work: number }[];
	bad: { bytes: string; why: string }[];
}>("identity/testdata/keys.json");
const statements = vectors<{ seed: string; purpose: string; body: string; sig: string; encoded: string; hash: string }[]>(
	"identity/testdata/statements.json",
);
const torsion = vectors<{ name: string; entity: string; purpose: string; body: string; sig: string; valid: boolean }[]>(
	"identity/testdata/torsion.json",
);
const certificates = vectors<
	{ seed: string; node: string; can: string[]; budget: number; from: number; until: number; serial: number; body: string; encoded: string }[]
>("identity/testdata/certificates.json");

test("keys", async () => {
	for (const { seed, entity, work: bits } of keys.good) {
		const pair = await Pair.fromSeed(hex(seed));
		assert.equal(toHex(pair.key), entity);
		assert.equal(await work(pair.key), bits);
	}
	for (const { bytes, why } of keys.bad) {
		if (why === "small order" || why.includes("canonical")) assert.throws(() => checkKey(hex(bytes)), because("key"), why);
		else assert.equal(await holds(hex(bytes)), false, `${why}: nothing verifies under it`);
	}
	const drawn = await Pair.generate(4);
	assert.ok((await work(drawn.key)) >= 4);
	assert.ok(await verify(drawn.key, hex("01"), await drawn.sign(hex("01"))));
});

async function holds(key: Uint8Array): Promise<boolean> {
	try {
		return await verify(key, hex("01"), new Uint8Array(64));
	} catch (err) {
		return !because("key")(err);
	}
}

test("statements", async () => {
	for (const s of statements) {
		const pair = await Pair.fromSeed(hex(s.seed));
		const made = await Statement.sign(pair, s.purpose, hex(s.body));
		assert.equal(toHex(made.sig), s.sig);
		assert.equal(toHex(made.encode()), s.encoded);
		assert.equal(toHex(await made.hash(s.purpose)), s.hash);
		const read = Statement.decode(hex(s.encoded));
		assert.equal(compare(await read.open(s.purpose), hex(s.body)), 0);
		await assert.rejects(read.open("sea/other/1"), because("signature"));
	}
	const pair = await Pair.generate(0);
	assert.throws(() => Statement.decode(hex("83404040")), because("cbor"));
	await assert.rejects(Statement.sign(pair, "Sea", hex("")), because("purpose"));
	await assert.rejects(Statement.sign(pair, "a", new Uint8Array(30)), because("length"));
	await assert.rejects(Statement.sign(pair, "a", new Uint8Array((1 << 20) + 1)), because("length"));
});

test("signatures about which implementations disagree", async () => {
	for (const c of torsion) {
		const s = new Statement(hex(c.entity), hex(c.body), hex(c.sig));
		const open = s.open(c.purpose).then(() => true, (err: unknown) => {
			if (err instanceof SeaError && (err.code === "signature" || err.code === "key")) return false;
			throw err;
		});
		assert.equal(await open, c.valid, c.name);
	}
});

test("signatures that do not hold wait for each other, and not without a bound", async (t) => {
	const pair = await Pair.generate(0);
	const wrong = new Statement(pair.key, hex("01"), await pair.sign(hex("01")));
	const right = await Statement.sign(pair, "sea/test/1", hex("01"));
	const rests = t.mock.method(globalThis, "setTimeout");
	const bad = Array.from({ length: 1000 }, () => wrong.open("sea/test/1").catch((err: SeaError) => err.code));
	assert.deepEqual(new Set(await Promise.all(bad)), new Set(["signature"]));
	const looked = rests.mock.callCount(); // each is followed by a rest
	assert.ok(looked > 0 && looked < 500, `${looked} were looked at by the slower one`);
	assert.equal(await right.open("sea/test/1"), right.body);
});

test("certificates", async () => {
	for (const c of certificates) {
		const read = await openCertificate(Statement.decode(hex(c.encoded)));
		assert.equal(toHex(read.node), c.node);
		assert.deepEqual(read.can, c.can);
		// JSON's numbers are exact up to here.
		if (![c.budget, c.from, c.until, c.serial].every(Number.isSafeInteger)) continue;
		const made = await signCertificate(await Pair.fromSeed(hex(c.seed)), {
			node: hex(c.node), can: c.can,
			budget: BigInt(c.budget), from: BigInt(c.from), until: BigInt(c.until), serial: BigInt(c.serial),
		});
		assert.equal(toHex(made.encode()), c.encoded);
	}
	const [entity, node, other] = await Promise.all([0, 0, 0].map(() => Pair.generate(0)));
	const c = { node: node!.key, can: ["pay"], budget: 1n, from: 100n, until: 200n, serial: 1n };
	const s = await signCertificate(entity!, c);
	assert.equal(compare(await acting(node!.key, s, 100_000), entity!.key), 0);
	assert.equal(compare(await acting(node!.key, s, 200_999), entity!.key), 0);
	for (const [key, shown, now] of [
		[node!.key, s, 99_999], [node!.key, s, 201_000], [other!.key, s, 150_000], [node!.key, null, 150_000],
		[node!.key, new Statement(s.by, s.body, new Uint8Array(64)), 150_000],
	] as const) {
		assert.equal(compare(await acting(key, shown, now), key), 0);
	}
	for (const bad of [{ can: ["b", "a"] }, { can: ["A"] }, { budget: 1n << 62n }, { from: 201n }]) {
		await assert.rejects((async () => signCertificate(entity!, { ...c, ...bad }))(), because("certificate"));
	}
});
