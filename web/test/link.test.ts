// Links whose other end asks and does not read, or sends more than is read.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes } from "../src/bytes.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { HashAddress } from "../src/node/addr.ts";
import { encodeFrame, type Frame } from "../src/node/frame.ts";
import * as Tag from "../src/node/tag.ts";
import { type Session } from "../src/node/hello.ts";
import { Inbox } from "../src/node/inbox.ts";
import { Link, type Owner } from "../src/node/link.ts";
import { type Wire } from "../src/node/wire.ts";

const none = new Uint8Array(0);

/** deaf is a link over a wire that takes nothing, and a way to say something over it. */
async function deaf(serve: () => Promise<Bytes>) {
	const { key } = await Pair.generate(0);
	let hear: (m: Bytes) => void = () => {};
	const wire: Wire = {
		lanes: 1, remote: "",
		buffered: () => 1 << 30,
		send: () => {},
		drained: () => new Promise(() => {}),
		start: (message) => void (hear = (m) => message(m, 0)),
		close: () => {},
	};
	const owner: Owner = { frame: () => {}, serve, message: async () => {}, opened: () => {}, down: () => {} };
	const session = { peer: { addr: await HashAddress.ofNode(key) }, initiator: false, seal: async (f: Bytes) => f, open: async (m: Bytes) => m };
	const link = new Link(owner, session as unknown as Session, new Inbox(wire));
	void link.run();
	const say = async (f: Frame) => {
		hear(encodeFrame(f));
		await new Promise((resolve) => setImmediate(resolve));
	};
	return { link, say };
}

test("who asks and does not read is let go of", async () => {
	const { link, say } = await deaf(() => new Promise(() => {}));
	for (let id = 0; !link.alive.aborted; id++) {
		assert.ok(id < 20_000, "answers wait without a bound");
		await say([Tag.request, id, "x", none]);
	}
	assert.match(link.why, /does not read/);
});

test("answers that wait have a bound, beyond which calls are busy", async () => {
	let open = () => {};
	const gate = new Promise<void>((resolve) => (open = resolve));
	const { link, say } = await deaf(async () => {
		await gate;
		return new Uint8Array(1 << 20);
	});
	for (let id = 0; id < 100; id++) await say([Tag.request, id, "x", none]);
	open();
	await new Promise((resolve) => setImmediate(resolve));
	assert.ok(link.waiting > 15 << 20 && link.waiting < 17 << 20, `${link.waiting} bytes`);
	assert.equal(link.alive.aborted, false);
	link.end(0);
});

test("who sends crumbs is cut off before they fill the memory", async () => {
	let closed = false;
	let hear: (m: Bytes) => void = () => {};
	const inbox = new Inbox({
		lanes: 1, remote: "",
		buffered: () => 0,
		send: () => {},
		drained: async () => {},
		start: (message) => void (hear = (m) => message(m, 0)),
		close: () => void (closed = true),
	});
	for (let n = 0; !closed; n++) {
		assert.ok(n < 400_000, "they are kept without a bound");
		hear(new Uint8Array(1));
	}
	assert.match(inbox.why, /more than it may/);
});
