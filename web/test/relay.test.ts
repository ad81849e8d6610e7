// Connections that a Go node relays, and the direct way that takes over.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { type Bytes, utf8 } from "../src/bytes.ts";
import { decode, encode } from "../src/identity/cbor.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { HashAddress } from "../src/node/addr.ts";
import { type Negotiator } from "../src/node/connect.ts";
import { type Frame, type Framed } from "../src/node/frame.ts";
import * as Tag from "../src/node/tag.ts";
import { Handover } from "../src/node/handover.ts";
import { type Link } from "../src/node/link.ts";
import { Node } from "../src/node/node.ts";
import { Stream } from "../src/node/stream.ts";
import { type Lane, type Wire } from "../src/node/wire.ts";
import { because } from "./vectors.ts";

const urls = (process.env["SEA_URLS"] ?? "").split(" ");
const addrs = (process.env["SEA_NODES"] ?? "").split(" ").map((a) => HashAddress.from(a));

/** End is one end of a pair of wires in memory. */
class End implements Wire {
	readonly lanes = 2;
	readonly remote = "";
	other!: End;
	#heard: ((message: Bytes, lane: Lane) => void) | undefined;
	#early: [Bytes, Lane][] = [];
	#ended = (_: string) => {};
	#over = false;

	static pair(): [End, End] {
		const [a, b] = [new End(), new End()];
		[a.other, b.other] = [b, a];
		return [a, b];
	}

	buffered(): number {
		return 0;
	}

	send(message: Bytes, lane: Lane): void {
		const { other } = this;
		setImmediate(() => (other.#heard ? other.#heard(message, lane) : other.#early.push([message, lane])));
	}

	async drained(): Promise<void> {}

	start(message: (message: Bytes, lane: Lane) => void, ended: (why: string) => void): void {
		this.#heard = message;
		this.#ended = ended;
		for (const [m, lane] of this.#early.splice(0)) message(m, lane);
	}

	close(): void {
		if (this.#over) return;
		this.#over = true;
		setImmediate(() => this.other.close());
		this.#ended("closed");
	}
}

/** Wall stands between negotiators until gate resolves; failing has them give up at it. */
class Wall {
	open = () => {};
	readonly gate = new Promise<void>((resolve) => (this.open = resolve));
	up = true;
	answers = 0;
	readonly #ends: Promise<End>[] = []; // which open when the offering side has its answer

	constructor(readonly failing: boolean) {}

	async #pass(): Promise<void> {
		if (!this.up) return;
		if (this.failing) throw new Error("a wall");
		await this.gate;
	}

	negotiator(): Negotiator {
		return {
			offer: async () => {
				const [a, b] = End.pair();
				let accepted = (_: Promise<End>) => {};
				const number = this.#ends.push(new Promise((resolve) => (accepted = resolve))) - 1;
				let over = (_: Error) => {};
				const closed = new Promise<never>((_, fail) => (over = fail));
				closed.catch(() => {});
				return {
					bytes: utf8(String(number)),
					accept: () => {
						const open = this.#pass();
						accepted(open.then(() => b));
						return Promise.race([open.then(() => a), closed]);
					},
					close: () => over(new Error("given up")),
				};
			},
			answer: async (offer) => {
				this.answers++;
				return {
					bytes: utf8("yes"),
					wire: () => this.#ends[Number(new TextDecoder().decode(offer))]!,
					close: () => {},
				};
			},
			dial: () => Promise.reject(new Error("nobody listens")),
			close: () => {},
		};
	}
}

/** online is a peer, for the time of t, whose only bootstrap is a Go node, by default the first, which relays, and the nearest to it: so others find it there. */
async function online(t: TestContext, wall?: Wall, by = 0): Promise<Node> {
	let n: Node;
	do n = await Node.create({ signer: await Pair.generate(0), network: "test", work: 0, ...(wall && { negotiator: wall.negotiator() }) });
	while (addrs.some((a) => n.addr.compareTo(a, addrs[by]!) < 0));
	n.handle("test:echo", (body) => body);
	t.after(() => n.offline());
	await n.online([urls[by]!]);
	return n;
}

/** meeting are two peers of which the first finds the second. */
async function meeting(t: TestContext, wall?: Wall, by = 0): Promise<[Node, Node]> {
	const [a, b] = [await online(t, wall), await online(t, wall, by)];
	while (!(await a.nearest(b.addr)).equals(b.addr)); // peers of the tests before may not have been missed yet
	return [a, b];
}

const streams = (n: Node): Wire[] => [...n.links()].flatMap((l) => [...l.streams.values()]);

/** later waits until it is done. */
const later = (done: () => boolean) =>
	new Promise<void>((resolve) => {
		const look = () => (done() ? resolve() : void setImmediate(look));
		look();
	});

/** count sends numbers one way until stop says so, and gives how many came, all in order. */
function count(from: Link, at: Node): { stop(): Promise<number> } {
	let next = 0;
	let more = true;
	let wrong = "";
	let all = () => {};
	at.watchers.add({
		message: (_, scope, body) => {
			if (scope !== "test:count") return;
			const got = decode(body);
			if (got === "over") return all();
			if (got !== next++) wrong ||= `${String(got)} instead of ${next - 1}`;
		},
	});
	const over = new Promise<void>((resolve) => (all = resolve));
	const sending = (async () => {
		let sent = 0;
		for (; more; sent++) {
			await from.message("test:count", encode(sent));
			await later(() => sent - next < 20);
		}
		await from.message("test:count", encode("over"));
		return sent;
	})();
	return {
		async stop() {
			more = false;
			const sent = await sending;
			await over;
			assert.equal(wrong, "");
			assert.equal(next, sent);
			return sent;
		},
	};
}

test("two peers without WebRTC", async (t) => {
	const [a, b] = await meeting(t);
	const link = await a.connect(b.addr);
	assert.equal(link.wire.relayed, true);
	const back = (await b.linked(a.addr, 5000))!;
	assert.equal(back.wire.relayed, true);
	const body = crypto.getRandomValues(new Uint8Array(20_000));
	const large = new Uint8Array(150_000).map((_, i) => body[i % body.length]!); // several windows, in parts
	assert.deepEqual(await a.call(b.addr, "test:echo", large), large);
	assert.deepEqual(await b.call(a.addr, "test:echo", body), body);
	const counts = [count(link, b), count(back, a)];
	for (const c of counts) await c.stop();
	assert.ok([...a.links()].find((l) => l.addr.equals(addrs[0]!))!.busy, "a link that carries another is not to spare");

	const gone = new Promise((resolve) => b.watchers.add({ down: (l) => l.addr.equals(a.addr) && resolve(0) }));
	link.end(1);
	await gone;
	await later(() => !streams(a).includes((link.wire as Handover).old));
	assert.ok(await a.connect(b.addr), "and again");
});

test("a Go node connects to a peer without WebRTC", async (t) => {
	const a = await online(t);
	const begun = new Promise<Link>((resolve) => a.watchers.add({ opened: resolve }));
	await a.call(addrs[1]!, "talk", utf8(""));
	const link = await begun;
	assert.equal(link.wire.relayed, true);
	const back = new Promise<Bytes>((resolve) => a.watchers.add({ message: (_, scope, body) => void (scope === "back" && resolve(body)) }));
	await link.message("there", utf8("over the relay"));
	assert.equal(new TextDecoder().decode(await back), "over the relay");
});

test("a direct way that takes long", async (t) => {
	const wall = new Wall(false);
	const [a, b] = await meeting(t, wall);
	const link = await a.connect(b.addr);
	assert.equal(link.wire.relayed, true, "the relay was first");
	const counts = [count(link, b), count((await b.linked(a.addr, 5000))!, a)];
	await later(() => wall.answers > 1); // it looks again at once
	wall.up = false;
	wall.open();
	await later(() => !link.wire.relayed && !b.link(a.addr)?.wire.relayed);
	for (const c of counts) assert.ok((await c.stop()) > 0);
	assert.equal(a.link(b.addr), link, "the same link");
	await later(() => !streams(a).includes((link.wire as Handover).old));
	assert.deepEqual(await a.call(b.addr, "test:echo", utf8("still here")), utf8("still here"));
});

test("a direct way after a minute", async (t) => {
	const { setTimeout: real } = globalThis;
	const quick = (f: () => void, ms?: number, ...rest: []) => real(f, ms === 60_000 ? 20 : ms, ...rest);
	t.mock.method(globalThis, "setTimeout", quick as typeof setTimeout);
	const wall = new Wall(true);
	const [a, b] = await meeting(t, wall);
	const link = await a.connect(b.addr);
	assert.equal(link.wire.relayed, true);
	await later(() => wall.answers > 3);
	assert.equal(link.wire.relayed, true, "behind the wall");
	wall.up = false;
	await later(() => !link.wire.relayed && !b.link(a.addr)?.wire.relayed);
	assert.deepEqual(await b.call(a.addr, "test:echo", utf8("here")), utf8("here"));
});

test("nobody relays", async (t) => {
	const [a, b] = await meeting(t, undefined, 2); // the second's bootstrap relays nothing
	await assert.rejects(a.connect(b.addr), because("unreachable", "relays"));
	await assert.rejects(a.call(addrs[0]!, "sea:relay", encode([new Uint8Array(28)])), because("not_found"));
});

/** streamed is a stream over a link that only keeps what is sent. */
function streamed(): { stream: Stream; sent: Frame[]; got: Bytes[]; why(): string; link: Link } {
	const sent: Frame[] = [];
	const got: Bytes[] = [];
	const link = { streams: new Map(), send: (f: Frame) => void sent.push(f) } as unknown as Link;
	const stream = new Stream(link, 7);
	let why = "";
	stream.start((m) => got.push(m), (text) => (why = text));
	return { stream, sent, got, why: () => why, link };
}

const piece = (left: number, size: number): Framed<24> => [Tag.relay, 7, 1, left, new Uint8Array(size)];

test("a stream's window", async () => {
	const { stream, sent, link } = streamed();
	const message = new Uint8Array(16_384);
	for (let i = 0; i < 5; i++) stream.send(message);
	assert.equal(sent.length, 6, "three of two pieces each fit the window");
	assert.deepEqual(sent[1]!.slice(0, 4), [Tag.relay, 7, 0, 0]);
	assert.equal(stream.buffered(), Infinity);
	stream.close();
	assert.ok(link.streams.has(7), "what was handed over goes first");
	let room = false;
	const drained = stream.drained().then(() => (room = true));
	stream.frame([Tag.relayCredit, 7, 1, 16_512]);
	await Promise.resolve();
	assert.equal(room, false);
	stream.frame([Tag.relayCredit, 7, 1, 65_536]);
	await drained;
	assert.deepEqual(sent.at(-1), [Tag.relayEnd, 7, 0]);
	assert.equal(link.streams.size, 0);
});

test("a relay that breaks the rules", () => {
	for (const [what, frames] of Object.entries({
		"a piece that does not follow": [piece(100, 50), piece(49, 50)],
		"a message too long": [piece(17_408, 1)],
		"more than the window": Array.from({ length: 300 }, () => piece(1, 192)),
	})) {
		const { stream, got, why, link, sent } = streamed();
		for (const f of frames) stream.frame(f);
		assert.match(why(), /does not fit/, what);
		assert.equal(got.length, 0);
		assert.equal(link.streams.size, 0);
		assert.deepEqual(sent.at(-1), [Tag.relayEnd, 7, 0]);
	}
	const { stream, got, sent, link, why } = streamed();
	for (let i = 0; i < 1000; i++) stream.frame(piece(0, 1000)); // with credit there is no end
	assert.equal(got.length, 1000);
	assert.ok(sent.every((f) => f[0] === Tag.relayCredit && f[3]! >= 16_384));
	for (let id = 8; id < 23; id++) new Stream(link, id);
	assert.throws(() => new Stream(link, 23), because("busy"));
	assert.throws(() => new Stream(link, 8), because("busy"));
	stream.frame([Tag.relayEnd, 7, 1]);
	assert.equal(why(), "the relayed connection ended");
	stream.send(new Uint8Array(1));
	stream.close();
});

test("a handover whose other side does not follow", async (t) => {
	t.mock.timers.enable({ apis: ["setTimeout"] });
	const [a, b] = End.pair();
	const handover = new Handover(a);
	let why = "";
	handover.start(() => {}, (text) => (why = text));
	b.send(new Uint8Array(1), 0);
	await new Promise((turn) => setImmediate(turn));
	t.mock.timers.tick(14_999);
	assert.equal(why, "");
	t.mock.timers.tick(1);
	assert.match(why, /does not open here/);
	const [c] = End.pair();
	let closed = false;
	c.start(() => {}, () => (closed = true));
	handover.move(c);
	assert.ok(closed, "too late: it takes the wire over, and ends it");
});
