import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { type Bytes, concat, fromHex, toHex } from "../src/bytes.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { Statement } from "../src/identity/statement.ts";
import { openContact, signContact } from "../src/node/contact.ts";
import { initiate, type Party, Refused, respond, Session, type Talk } from "../src/node/hello.ts";
import { Handshake, type KeyPair, newKeyPair } from "../src/node/noise.ts";
import { because, hex, vectors } from "./vectors.ts";

interface Side {
	ed25519_seed: string; node: string; address: string; run: string; agent: string; payload: string; contact_record: string;
	x25519_static_secret: string; x25519_static_public: string; x25519_ephemeral_secret: string;
}
const v = vectors<{
	network: string; prologue: string; clock_ms: number; initiator: Side; responder: Side; messages: string[]; handshake_hash: string;
	sealed: { by: string; bulk_lane: boolean; frame: string; message: string }[];
}>("node/internal/hello/testdata/handshake.json");

/** keys is the X25519 pair of a secret of 32 bytes. */
async function keys(secret: string): Promise<KeyPair> {
	const head = fromHex("302e020100300506032b656e04220420")!;
	const open = await crypto.subtle.importKey("pkcs8", concat(head, hex(secret)), "X25519", true, ["deriveBits"]);
	const { x } = await crypto.subtle.exportKey("jwk", open);
	return { public: new Uint8Array(Buffer.from(x!, "base64url")), secret: open };
}

test("a handshake with every secret", async () => {
	const [a, b] = await Promise.all([v.initiator, v.responder].map(async (side, i) =>
		Handshake.begin(i === 0, hex(v.prologue), await keys(side.x25519_static_secret), await keys(side.x25519_ephemeral_secret)),
	));
	const payloads = ["", v.responder.payload, v.initiator.payload];
	for (const [i, payload] of payloads.entries()) {
		const [from, to] = i === 1 ? [b!, a!] : [a!, b!];
		const message = await from.write(hex(payload));
		assert.equal("01" + toHex(message), v.messages[i]);
		assert.equal(toHex(await to.read(message)), payload);
	}
	assert.equal(toHex(a!.hash), v.handshake_hash);
	assert.equal(toHex(a!.theirs), v.responder.x25519_static_public);
	const [there, back] = await a!.split();
	const proof = {} as never;
	const sides = { initiator: new Session(proof, true, there, back), responder: new Session(proof, false, back, there) };
	for (const s of v.sealed) {
		const by = s.by as "initiator" | "responder";
		const lane = s.bulk_lane ? 1 : 0;
		assert.equal(toHex(await sides[by].seal(hex(s.frame), lane)), s.message);
		const other = sides[by === "initiator" ? "responder" : "initiator"];
		assert.equal(toHex(await other.open(hex(s.message), lane)), s.frame);
	}
	await assert.rejects(sides.initiator.open(hex(v.sealed[0]!.message), 0), because("frame"), "a message that comes again");
});

test("contact records", async () => {
	for (const c of vectors<{ network: string; urls: string[]; caps: string[]; iat_ms: number; exp_ms: number; body: string; statement: string }[]>(
		"node/internal/contact/testdata/contact.json",
	)) {
		const signed = Statement.decode(hex(c.statement));
		const read = await openContact(signed, c.network, c.iat_ms);
		assert.deepEqual(read.urls, c.urls);
		await assert.rejects(openContact(signed, c.network + "x", c.iat_ms), because("contact"));
		await assert.rejects(openContact(signed, c.network, c.exp_ms + 601_000), because("contact"));
		const pair = await Pair.generate(0);
		const made = await signContact(pair, { net: c.network, key: read.key, seal: read.seal, urls: c.urls, caps: c.caps, iat: c.iat_ms, exp: c.exp_ms });
		assert.equal(toHex(made.signed.body), c.body);
	}
});

/** talks are the two ends of a wire in memory. */
function talks(): [Talk, Talk] {
	const boxes = [0, 1].map(() => ({ messages: [] as Bytes[], wake: () => {} }));
	const end = (mine: number): Talk => ({
		send: (m) => {
			boxes[1 - mine]!.messages.push(m);
			boxes[1 - mine]!.wake();
		},
		next: async () => {
			const box = boxes[mine]!;
			while (box.messages.length === 0) await new Promise<void>((resolve) => (box.wake = resolve));
			return box.messages.shift()!;
		},
	});
	return [end(0), end(1)];
}

async function party(over: Partial<Party> = {}): Promise<Party> {
	const pair = await Pair.generate(0);
	const [mine, seal] = [await newKeyPair(), await newKeyPair()];
	const now = Date.now();
	const record = await signContact(pair, { net: over.network ?? "test", key: mine.public, seal: seal.public, urls: [], caps: ["rtc"], iat: now, exp: now + 3_600_000 });
	return { network: "test", work: 0, keys: mine, record, certificate: null, run: new Uint8Array(8), agent: "test", ...over };
}

test("two parties", async () => {
	const [a, b] = [await party(), await party({ agent: "other" })];
	const [here, there] = talks();
	const [one, two] = await Promise.all([initiate(a, here, async () => {}), respond(b, there)]);
	assert.equal(toHex(one.peer.node), toHex(b.record.by));
	assert.equal(toHex(two.peer.node), toHex(a.record.by));
	assert.equal(one.peer.agent, "other");
	const frame = hex("820101");
	assert.deepEqual(await two.open(await one.seal(frame, 1), 1), frame);

	const cases: [string, Partial<Party>, Partial<Party>][] = [
		["another network", {}, { network: "other" }],
		["too little work", { work: 40 }, {}],
		["another's record", {}, { record: (await party()).record }],
	];
	for (const [name, mine, theirs] of cases) {
		const [here, there] = talks();
		const both = await Promise.allSettled([initiate(await party(mine), here, async () => {}), respond(await party(theirs), there)]);
		assert.ok(both[0].status === "rejected" && because("handshake")(both[0].reason), name);
		assert.ok(both[1].status === "rejected" && both[1].reason instanceof Refused, `${name}: the responder is told`);
	}
	mock.timers.enable({ apis: ["Date"], now: Date.now() + 700_000 });
	const late = await party();
	mock.timers.reset();
	const [l, r] = talks();
	const both = await Promise.allSettled([initiate(a, l, async () => {}), respond(late, r)]);
	assert.ok(both[0].status === "rejected", "a record dated ahead by more than ten minutes");
});
