// A peer among Go nodes, over WebSockets.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, compare, toHex, utf8 } from "../src/bytes.ts";
import { SeaError } from "../src/error.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { HashAddress } from "../src/node/addr.ts";
import { type Link } from "../src/node/link.ts";
import { Node } from "../src/node/node.ts";
import { because } from "./vectors.ts";

const urls = (process.env["SEA_URLS"] ?? "").split(" ");
const addrs = (process.env["SEA_NODES"] ?? "").split(" ").map((a) => HashAddress.from(a));

/** joined is a node that is online by the first bootstrap; it goes offline when run is over. */
async function joined(run: (n: Node) => Promise<void>): Promise<void> {
	const n = await Node.create({ signer: await Pair.generate(0), network: "test", work: 0 });
	n.handle("test:echo", (body) => body);
	await n.online([urls[0]!]);
	try {
		await run(n);
	} finally {
		n.offline();
	}
}

const random = (n: number): Bytes => {
	const b = new Uint8Array(n);
	for (let at = 0; at < n; at += 65536) crypto.getRandomValues(b.subarray(at, at + 65536));
	return b;
};

test("calls over a link", () =>
	joined(async (n) => {
		const [first] = [...n.links()];
		assert.ok(first!.addr.equals(addrs[0]!));
		for (const size of [0, 1, 16_000, 16_400, 100_000, 1 << 20]) {
			const body = random(size);
			assert.equal(compare(await n.call(addrs[0]!, "echo", body), body), 0, `${size} bytes`);
		}
		const bodies = Array.from({ length: 12 }, (_, i) => random(50_000 + 1000 * i));
		const answers = await Promise.all(bodies.map((b) => n.call(addrs[0]!, "echo", b)));
		answers.forEach((b, i) => assert.equal(compare(b, bodies[i]!), 0));
		await assert.rejects(n.call(addrs[0]!, "nothing", random(1)), because("no_handler"));
		await assert.rejects(n.call(addrs[0]!, "echo", random((1 << 20) + 1)), because("too_large"));
		await assert.rejects(n.call(addrs[0]!, "Echo", random(1)), because("bad_request"));
		const stop = new AbortController();
		const call = n.call(addrs[0]!, "echo", random(1 << 20), stop.signal);
		stop.abort();
		await assert.rejects(call, because("cancelled"));
		assert.equal(compare(await n.call(addrs[0]!, "back", utf8("hello")), utf8("hello")), 0, "called back");
		const large = random(300_000);
		assert.equal(compare(await n.call(addrs[0]!, "back", large), large), 0, "called back with parts each way");
	}));

test("routed calls", () =>
	joined(async (n) => {
		for (const to of addrs.slice(1)) {
			const body = random(60_000);
			assert.equal(compare(await n.call(to, "echo", body), body), 0);
			assert.equal(compare(await n.call(to, "back", body), body), 0, "called back");
			await assert.rejects(n.call(to, "nothing", random(1)), because("no_handler"));
			// It may have become a neighbour meanwhile, over a relay.
			await n.call(to, "echo", random(65_537)).then(() => assert.ok(n.link(to)), because("too_large"));
		}
		await assert.rejects(n.call(addrs[0]!.randomise(0), "echo", random(1)), (err) => err instanceof SeaError && err.code === "unreachable");
		assert.equal(toHex(await n.call(n.addr, "test:echo", utf8("me"))), toHex(utf8("me")), "itself");
		for (let i = 0; i < 20; i++) {
			const to = n.addr.randomise(0);
			const all = [n.addr, ...addrs].sort((a, b) => to.compareTo(a, b));
			assert.ok((await n.nearest(to)).equals(all[0]!), "the nearest of all");
		}
	}));

test("a peer that others route over", () =>
	joined(async (n) => {
		// Another peer whose only link is to a node of its own cannot be: tabs do not
		// listen. But n is the end of paths that others begin.
		const what = `${n.addr} routed here`;
		const heard = await n.call(addrs[2]!, "ask", utf8(what));
		assert.equal(new TextDecoder().decode(heard), "routed here");
	}));

test("messages, 5 MiB each way", () =>
	joined(async (n) => {
		const [link] = [...n.links()] as [Link];
		const pieces = Array.from({ length: 40 }, (_, i) => random(i % 4 === 0 ? 400_000 : 43_000 + i));
		assert.ok(pieces.reduce((sum, p) => sum + p.length, 0) > 5 << 20);
		let next = 0;
		let slow: (() => void) | undefined;
		const all = new Promise<void>((resolve, reject) => {
			n.watchers.add({
				message: async (_, scope, body) => {
					const want = pieces[next++]!;
					if (scope !== "back" || compare(body, want) !== 0) return reject(new Error(`message ${next} is another one`));
					if (next === 3) await new Promise<void>((go) => (slow = go)); // nothing is lost while this one waits
					if (next === pieces.length) resolve();
				},
			});
		});
		await n.call(addrs[0]!, "talk", random(0));
		link.open();
		for (const p of pieces) {
			await link.message("there", p);
			slow?.();
		}
		await all;
	}));

test("who is not there, and going offline", async () => {
	const n = await Node.create({ signer: await Pair.generate(0), network: "test", work: 0 });
	await assert.rejects(n.online(["ws://127.0.0.1:1", "nonsense:"]), because("unreachable", "ws://127.0.0.1:1"));
	await assert.rejects(n.call(addrs[0]!, "echo", random(1)), because("offline"));
	const other = await Node.create({ signer: await Pair.generate(0), network: "another", work: 0 });
	await assert.rejects(other.online([urls[0]!]), because("unreachable", "network"));
	await n.online([urls[0]!]);
	const [link] = [...n.links()] as [Link];
	const down = new Promise((resolve) => link.alive.addEventListener("abort", resolve));
	n.offline();
	await down;
	assert.ok(!n.isOnline);
	await n.online([urls[1]!]);
	assert.ok(n.isOnline);
	n.offline();
});
