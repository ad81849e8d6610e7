import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, concat, fromHex, toHex } from "../src/bytes.ts";
import { SeaError } from "../src/error.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { HashAddress } from "../src/node/addr.ts";
import { type KeyPair, newKeyPair } from "../src/node/noise.ts";
import { fits, hashOf, newReply, newRequest, readReply, readRequest, verifyReply, verifyRequest } from "../src/node/request.ts";
import { failed, result } from "../src/node/rpc.ts";
import { maxRouted, openCall, sealCall } from "../src/node/sealed.ts";
import { because, hex, vectors } from "./vectors.ts";

test("statements of routed calls", async () => {
	const all = vectors<{ name: string; kind: string; by: string; statement: string; hash: string }[]>("node/internal/route/testdata/statements.json");
	assert.ok(all.length > 3);
	for (const v of all) {
		if (v.kind === "request") {
			const r = readRequest(hex(v.statement));
			await verifyRequest(r);
			assert.equal(toHex(r.source), v.by, v.name);
			assert.equal(toHex(await hashOf(r)), v.hash, v.name);
		} else {
			const r = readReply(hex(v.statement));
			await verifyReply(r);
			assert.equal(toHex(r.by), v.by, v.name);
		}
	}
});

test("replies that fit", async () => {
	const [source, end, other] = await Promise.all([0, 0, 0].map(() => Pair.generate(0)));
	const now = Date.now();
	const ask = { id: new Uint8Array(16), to: await HashAddress.ofNode(end!.key), exp: now + 30_000, iat: now, net: "test", not: undefined, body: new Uint8Array(3), scope: "sea:sealed" };
	const request = readRequest((await newRequest(source!, ask)).encoded);
	const says = { id: request.id, to: source!.key, net: "test", req: await hashOf(request), body: new Uint8Array(1), code: 0, text: "" };
	assert.ok(await fits(readReply((await newReply(end!, says)).encoded), request));
	assert.ok(!(await fits(await newReply(other!, says), request)), "another node's");
	assert.ok(!(await fits(await newReply(end!, { ...says, req: new Uint8Array(32) }), request)), "to another request");
	const near = await newRequest(source!, { ...ask, scope: "sea:nearest", body: new Uint8Array(0), not: ask.to });
	assert.ok(readRequest(near.encoded).not!.equals(ask.to));
	assert.ok(await fits(await newReply(other!, { ...says, req: await hashOf(near) }), near), "anybody may be the nearest");
	for (const bad of [{ scope: "x" }, { scope: "sea:nearest" }, { not: ask.to }, { exp: now + 30_001 }, { exp: now - 1 }]) {
		const made = await newRequest(source!, { ...ask, ...bad });
		assert.throws(() => readRequest(made.encoded), because("bad_request"));
	}
});

async function keys(secret: string): Promise<KeyPair> {
	const open = await crypto.subtle.importKey("pkcs8", concat(fromHex("302e020100300506032b656e04220420")!, hex(secret)), "X25519", true, ["deriveBits"]);
	const { x } = await crypto.subtle.exportKey("jwk", open);
	return { public: new Uint8Array(Buffer.from(x!, "base64url")), secret: open };
}

test("sealed calls", async () => {
	const v = vectors<{ [key: string]: string } & { iat_ms: number; exp_ms: number }>("node/internal/sealed/testdata/sealed.json");
	const bound = { net: v["network"]!, source: hex(v["from"]!), to: HashAddress.from(v["to"]!), id: hex(v["id"]!), iat: v.iat_ms, exp: v.exp_ms };
	const mine = await keys(v["x25519_seal_secret"]!);
	const { call, answers } = await openCall(mine, { ...bound, body: hex(v["sealed_call"]!) });
	assert.equal(call!.scope, v["scope"]);
	assert.equal(toHex(call!.body), v["body"]);
	assert.ok(answers);

	const fresh = await newKeyPair();
	const said = { scope: "a:b", body: new Uint8Array(maxRouted) as Bytes, certificate: null };
	const sealed = await sealCall(fresh.public, bound, said);
	const opened = await openCall(fresh, { ...bound, body: sealed.body });
	assert.deepEqual(opened.call, said);
	const hash = new Uint8Array(32);
	const closed = await opened.answers.seal(hash, failed(new SeaError("not_found", "nothing here")));
	const heard = await sealed.answers.open(hash, closed);
	assert.throws(() => result(heard), because("not_found", "nothing here"));
	await assert.rejects(sealed.answers.open(Uint8Array.of(1, ...hash.subarray(1)), closed), because("bad_request"));
	await assert.rejects(openCall(fresh, { ...bound, iat: bound.iat + 1, body: sealed.body }), because("expired"), "another request");
	await assert.rejects(openCall(fresh, { ...bound, body: new Uint8Array(5) }), because("expired"));
	await assert.rejects(sealCall(fresh.public, bound, { ...said, body: new Uint8Array(maxRouted + 1) }), because("too_large"));
});

test("what callers are told", () => {
	assert.deepEqual(failed(new Error("a secret")), { code: 1, text: "", body: new Uint8Array(0) });
	assert.equal(failed(new SeaError("refused", "é".repeat(200))).text.length, 128);
	assert.throws(() => result({ code: 99, text: "a\u0007b", body: new Uint8Array(0) }), because("internal", "a?b"));
});
