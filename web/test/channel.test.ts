// Channels, with Go nodes as members.

import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, utf8 } from "../src/bytes.ts";
import { type Channel } from "../src/channel.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { Statement } from "../src/identity/statement.ts";
import { HashAddress } from "../src/node/addr.ts";
import { decodeFrame, encodeFrame, type Framed } from "../src/node/frame.ts";
import { idOf, newPublish, openPublish, openRecord, places } from "../src/node/gossip.ts";
import { Sea } from "../src/sea.ts";
import { because, hex, vectors } from "./vectors.ts";

const urls = (process.env["SEA_URLS"] ?? "").split(" ");
const addrs = (process.env["SEA_NODES"] ?? "").split(" ").map((a) => HashAddress.from(a));

test("what members sign", async () => {
	const v = vectors<{ channel: string; places: string[]; author: string; message: string; id: string; record: string }>("node/internal/gossip/testdata/channel.json");
	assert.deepEqual((await places(v.channel)).map(String), v.places);
	const f = decodeFrame(hex(v.message)) as Framed<32>;
	assert.equal(await idOf(f), v.id);
	const m = await openPublish(f, "sea");
	assert.equal(toHex(m.author), v.author);
	assert.deepEqual([m.scope, new TextDecoder().decode(m.body), m.num], ["text", "hello", 7]);
	await assert.rejects(openPublish(f, "other"), because("bad_request"));
	const other = [...f] as Framed<32>;
	other[5] = new Uint8Array(64);
	await assert.rejects(openPublish(other, "sea"), because("signature"));
	const record = Statement.decode(hex(v.record));
	assert.equal(toHex(record.by), v.author);
	await assert.rejects(openRecord(record, "sea", hex(v.places[0]!)), because("bad_request", "does not hold now"));
	const pair = await Pair.generate(0);
	const made = await newPublish(pair, { iat: Date.now(), net: "n", num: 1, body: hex("01"), chan: hex(v.places[0]!), scope: "a" });
	assert.deepEqual((await openPublish(decodeFrame(encodeFrame(made)) as Framed<32>, "n")).author, pair.key);
});

test("a channel of two Go nodes and two of ours", async () => {
	const id = `test ${Math.random()}`;
	const seas = await Promise.all([0, 1].map(async () => new Sea({ signer: await Pair.generate(0), network: "test", work: 0 })));
	const [a, b] = seas as [Sea, Sea];
	const [one, two] = [a.join(id), b.join(id)];
	assert.equal(one.channelId(), id);
	// Without WebRTC each of ours reaches Go nodes only.
	await a.goOnline(urls);
	await b.goOnline(urls);
	const connected = Promise.all([one, two].map((c) => new Promise<void>((resolve) => c.on("connect", resolve))));
	for (const n of addrs.slice(0, 2)) await (await a.node()).call(n, "join", utf8(id));
	await connected;
	assert.ok(one.connected());

	for (const size of [10, 30_000]) {
		const value = { text: "hello", bytes: new Uint8Array(size) };
		const heard: [string, string][] = [];
		const listeners: [Channel, string, (value: never) => void][] = [];
		const all = new Promise<void>((resolve) => {
			const note = (who: string) => (got: unknown, author: HashAddress) => {
				assert.deepEqual(got, value);
				heard.push([who, String(author)]);
				if (heard.length === 5) resolve();
			};
			listeners.push([one, "back", note("one") as never], [two, "back", note("two") as never], [two, "there", note("two there") as never]);
			for (const [c, name, listener] of listeners) c.on(name, listener);
		});
		// Two nodes say it back to both of ours; the other one hears it itself.
		await one.send("there", value);
		await all;
		const from = addrs.slice(0, 2).map(String);
		assert.deepEqual(heard.map(([who, author]) => `${who} ${author}`).sort(), [
			...from.flatMap((n) => [`one ${n}`, `two ${n}`]), `two there ${a.localId()}`,
		].sort());
		for (const [c, name, listener] of listeners) c.off(name, listener);
	}

	assert.throws(() => a.join(""), because("bad_request"));
	await assert.rejects(one.send("there", new Uint8Array(70_000)), because("too_large"));
	await assert.rejects(one.send("Bad", 1), because("bad_request"));
	const over = Promise.allSettled(Array.from({ length: 40 }, () => one.send("x", 1)));
	assert.ok((await over).some((r) => r.status === "rejected" && because("busy")(r.reason)));
	const gone = new Promise<void>((resolve) => one.on("disconnect", resolve));
	one.disconnect();
	await gone;
	await assert.rejects(one.send("there", 1), because("unreachable"));
	two.disconnect();
	for (const s of seas) s.goOffline();
});
