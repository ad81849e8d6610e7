// The interface of the first Sea, with a Go node at the other end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SeaError } from "../src/error.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { HashAddress } from "../src/node/addr.ts";
import { Sea } from "../src/sea.ts";
import { because } from "./vectors.ts";

const urls = (process.env["SEA_URLS"] ?? "").split(" ");
const addrs = (process.env["SEA_NODES"] ?? "").split(" ").map((a) => HashAddress.from(a));

const newSea = async () => new Sea({ signer: await Pair.generate(0), network: "test", work: 0 });

/** once resolves with what an event brings. */
const once = (sea: { on(name: string, listener: (value: never) => void): void }, name: string) =>
	new Promise<unknown>((resolve) => sea.on(name, resolve as (value: never) => void));

test("two peers", async () => {
	const [a, b] = [await newSea(), await newSea()];
	assert.throws(() => a.localId(), because("key"));
	await a.ready();
	assert.ok(a.localId() instanceof HashAddress);
	assert.equal(a.online(), false);
	assert.deepEqual(a.connections(), []);

	b.handle("app:add", (x: number, y: number) => x + y);
	b.handle("app:who", function () {
		return this.from.getArrayBuffer();
	});
	b.handle("app:later", async (value: unknown) => ({ value, bytes: new Uint8Array(3) }));
	b.handle("app:no", () => {
		throw new SeaError("refused", "not today");
	});
	b.handle("app:bug", () => {
		throw new TypeError("a secret of the page");
	});
	const online = once(a, "online");
	await a.goOnline([urls[0]!]);
	await b.goOnline(urls[0]!);
	await online;
	assert.ok(a.online());
	assert.ok(a.connections()[0]!.equals(addrs[0]!));

	assert.equal(await a.call(b.localId(), "app:add", 2, 40), 42);
	assert.deepEqual(new Uint8Array((await a.call(b.localId(), "app:who")) as Uint8Array), new Uint8Array(a.localId().getArrayBuffer()));
	assert.deepEqual(await a.call(b.localId(), "app:later", [1, { x: null }]), { value: [1, { x: null }], bytes: new Uint8Array(3) });
	await assert.rejects(a.call(b.localId(), "app:no"), because("refused", "not today"));
	await assert.rejects(a.call(b.localId(), "app:bug"), (err) => err instanceof SeaError && err.code === "internal" && !err.message.includes("secret"));
	await assert.rejects(a.call(b.localId(), "app:none"), because("no_handler"));
	assert.ok(((await a.call(addrs[0]!, "sea:nearest", b.localId())) as HashAddress).equals(b.localId()));

	const offline = once(a, "offline");
	a.goOffline();
	await offline;
	assert.equal(a.online(), false);
	b.goOffline();
});

test("a connection", async () => {
	const a = await newSea();
	await a.ready();
	assert.equal(a.online(), false);
	await a.goOnline(urls[0]!);
	const begun = once(a, "connection");
	assert.equal(await a.call(addrs[0]!, "talk"), null);
	const theirs = await begun;
	assert.ok((theirs as { remoteId(): HashAddress }).remoteId().equals(addrs[0]!));

	const con = a.connect(addrs[0]!);
	await con.ready();
	assert.ok(con.connected());
	const back = once(con, "back");
	await con.send("there", { text: "hello", at: [1, 2.5], raw: new Uint8Array(2) });
	assert.deepEqual(await back, { text: "hello", at: [1, 2.5], raw: new Uint8Array(2) });
	await assert.rejects(con.send("there", () => {}), because("cbor"));
	await assert.rejects(con.send("There", 1), because("bad_request"));

	const nobody = a.connect(addrs[0]!.randomise(0));
	const ended = once(nobody, "disconnect");
	await assert.rejects(nobody.ready(), because("unreachable"));
	await ended;
	await assert.rejects(nobody.send("x", 1), because("unreachable"));

	const gone = once(con, "disconnect");
	con.disconnect();
	await gone;
	assert.equal(con.connected(), false);
	await assert.rejects(con.send("there", 1), because("unreachable"));
	a.goOffline();
});
