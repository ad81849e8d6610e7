// The end of routed calls: what is carried out, and what is not again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes } from "../src/bytes.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { HashAddress } from "../src/node/addr.ts";
import { type Frame } from "../src/node/frame.ts";
import * as Tag from "../src/node/tag.ts";
import { type Link } from "../src/node/link.ts";
import { newRequest, readReply, type Request } from "../src/node/request.ts";
import { Router } from "../src/node/router.ts";
import { done } from "../src/node/rpc.ts";

/** ended is a router whose node is the end of all paths to it, and a neighbour that hears it. */
async function ended(body: Bytes) {
	const signer = await Pair.generate(0);
	const addr = await HashAddress.ofNode(signer.key);
	let carried = 0;
	const router = new Router({
		addr, signer, network: "n", work: 0, links: () => [], suspect: () => {},
		carryOut: async () => {
			carried++;
			return done(body);
		},
	});
	const frames: Frame[] = [];
	let wake = () => {};
	const strikes: string[] = [];
	const link = {
		addr: HashAddress.from("00".repeat(28)), rtt: 0, since: 0, alive: new AbortController().signal,
		strike: (why: string) => strikes.push(why),
		send: (f: Frame) => {
			frames.push(f);
			wake();
		},
	} as unknown as Link;
	/** ask hands a request in and gives the code of what comes back: of its answer, or of a Nak. */
	const ask = async (r: Request, attempt = 0): Promise<number> => {
		frames.length = 0;
		void router.routed(link, [Tag.routed, 1, 10, attempt, 4, r.encoded]);
		for (;;) {
			for (const f of frames) {
				if (f[0] === Tag.answer) return readReply(f[2]).code;
				if (f[0] === Tag.nak) return f[2];
			}
			await new Promise<void>((resolve) => (wake = resolve));
		}
	};
	return { addr, ask, strikes, carried: () => carried };
}

const request = (by: Pair, to: HashAddress, over: Partial<Request> = {}) => newRequest(by, {
	id: crypto.getRandomValues(new Uint8Array(16)), to, iat: Date.now(), exp: Date.now() + 29_000, net: "n", not: undefined,
	body: new Uint8Array(100), scope: "sea:sealed", ...over,
});

test("a request is carried out once", async () => {
	const by = await Pair.generate(0);
	const { addr, ask, carried, strikes } = await ended(new Uint8Array(10));
	const r = await request(by, addr);
	assert.equal(await ask(r), 0);
	assert.equal(await ask(r, 1), 0, "another attempt has the same answer");
	assert.equal(carried(), 1);
	assert.equal(await ask(await request(by, addr, { id: r.id, body: new Uint8Array(7) })), 11, "another request of this id");
	assert.equal(await ask(await request(by, addr, { net: "other" })), 7);
	assert.equal(await ask(await request(by, addr, { iat: Date.now() - 200_000, exp: Date.now() - 180_000 })), 10);
	assert.equal(await ask(await request(by, addr, { iat: Date.now() + 150_000, exp: Date.now() + 160_000 })), 10, "dated ahead");
	assert.equal(carried(), 1);
	assert.deepEqual(strikes, []);
	const forged = await request(by, addr);
	forged.encoded[forged.encoded.length - 1]! ^= 1;
	assert.equal(await ask(forged), 3);
	assert.equal(strikes.length, 1);
});

test("a retry goes by the oldest that brings it a bit nearer", async () => {
	const signer = await Pair.generate(0);
	const addr = await HashAddress.ofNode(signer.key);
	const to = addr.flip(0);
	const sent: string[] = [];
	const link = (name: string, at: HashAddress, since: number) => ({
		addr: at, rtt: 0, since, alive: new AbortController().signal, strike: () => {}, send: () => sent.push(name),
	}) as unknown as Link;
	const links = [link("far", addr.flip(3), 1), link("old", to.flip(2), 2), link("young", to.flip(100), 3)];
	const router = new Router({
		addr, signer, network: "n", work: 0, links: () => links, suspect: () => {}, carryOut: async () => done(new Uint8Array()),
	});
	const handed = async (attempt: number) => {
		sent.length = 0;
		const r = await request(await Pair.generate(0), to);
		await router.routed(link("source", addr.flip(7), 0), [Tag.routed, 1, 10, attempt, 4, r.encoded]);
		return sent.find((name) => name !== "source");
	};
	assert.equal(await handed(0), "young");
	assert.equal(await handed(1), "old");
	assert.equal(await handed(2), "old");
	links.push(link("target", to, 4));
	assert.equal(await handed(1), "target");
	router.stop();
});

test("answers are kept for retries as far as there is room", async () => {
	const { addr, ask, carried } = await ended(new Uint8Array(66_000));
	const first = await request(await Pair.generate(0), addr);
	assert.equal(await ask(first), 0);
	// Each source may ask 200 times at once; 4 MiB are 63 such answers.
	const by = await Pair.generate(0);
	for (let i = 0; i < 70; i++) assert.equal(await ask(await request(by, addr)), 0);
	assert.equal(await ask(first, 1), 11, "the oldest answer has gone, and is not made again");
	assert.equal(carried(), 71);
});
