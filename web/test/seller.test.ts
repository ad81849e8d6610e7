// A seller among buyers that do not pay, or come again: an engine that runs nothing.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { type Bytes, sha256 } from "../src/bytes.ts";
import { emptyBlob } from "../src/compute/blob.ts";
import { Result } from "../src/compute/engine.ts";
import { encodeJob, hashJob, newJob } from "../src/compute/job.ts";
import { type Outcome } from "../src/compute/result.ts";
import { SeaError } from "../src/error.ts";
import { encode } from "../src/identity/cbor.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { read } from "../src/identity/shape.ts";
import { Statement } from "../src/identity/statement.ts";
import { Ledger } from "../src/ledger/ledger.ts";
import { maxMessage } from "../src/ledger/message.ts";
import { takePush } from "../src/ledger/receive.ts";
import { MemoryStore } from "../src/ledger/store.ts";
import { outboxFor, takeAck } from "../src/ledger/sync.ts";
import { defaultTerms, type Runner, Seller, type Stall } from "../src/market/seller.ts";
import { Shelf } from "../src/market/shelf.ts";
import { ask, offer, open, order, quote, refusal, sign } from "../src/market/statement.ts";
import { askAnswer, type Follow, follow, offerAnswer } from "../src/market/wire.ts";
import { HashAddress } from "../src/node/addr.ts";
import { type Link } from "../src/node/link.ts";
import { type Handler } from "../src/node/rpc.ts";

const fuel = 1_000_000n; // what each job takes
const cost = 1_000_000n; // and costs

/** Market is a seller with all that it needs. */
class Market {
	ran = 0;
	/** due is what buyers say to a bill. */
	due: Bytes = encode({ known: true });
	/** fetches has modules fetched, which no buyer ever sends. */
	fetches = false;
	readonly handlers = new Map<string, Handler>();
	store = new MemoryStore();

	private constructor(
		readonly pair: Pair,
		readonly ledger: Ledger,
	) {}

	static async make(): Promise<Market> {
		const pair = await Pair.generate(0);
		return new Market(pair, await Ledger.open(pair, new MemoryStore()));
	}

	async seller(): Promise<Seller> {
		const { pair: signer, handlers } = this;
		const stall: Stall = {
			addr: await HashAddress.ofNode(signer.key), signer,
			links: () => [] as Link[],
			nearest: async (to) => to,
			call: async (_, scope, __, signal) => {
				if (scope === "market:due") return this.due;
				return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(new SeaError("cancelled", "given up"))));
			},
			handle: (scope, handler) => void (handler ? handlers.set(scope, handler) : handlers.delete(scope)),
		};
		const runner: Runner = {
			steerable: false,
			pause: () => {},
			run: async (job, blobs) => {
				if (this.fetches) await blobs.open(job.module);
				this.ran++;
				const outcome: Outcome = { v: 1, end: "exit", code: 0, trap: "", stdout: emptyBlob, stderr: emptyBlob, files: [] };
				const none = new Uint8Array(0);
				return new Result(await hashJob(job), 1, { end: "exit", code: 0, trap: "", fuel, pages: 1, stdout: none, stderr: none, files: [] }, outcome, "");
			},
		};
		return Seller.open(stall, this.ledger, runner, new Shelf(), this.store, { ...defaultTerms, price: { fee: 0n, price: 1_000_000_000n }, strangers: 2n * cost });
	}
}

/** Customer is one of its buyers. */
class Customer {
	private constructor(
		readonly pair: Pair,
		readonly at: HashAddress,
		readonly ledger: Ledger,
	) {}

	static async make(): Promise<Customer> {
		const pair = await Pair.generate(0);
		return new Customer(pair, await HashAddress.ofNode(pair.key), await Ledger.open(pair, new MemoryStore()));
	}

	async call(m: Market, scope: string, body: unknown): Promise<Bytes> {
		return m.handlers.get(scope)!(encode(body), { addr: this.at, node: this.pair.key, entity: this.pair.key, direct: true });
	}

	async room(m: Market): Promise<bigint> {
		return (await open(offer, read(await this.call(m, "market:offer", {}), offerAnswer, "offer").offer)).room;
	}

	/** quoted is an order and what belongs to it, or why there is none. */
	async quoted(m: Market): Promise<{ [name: string]: unknown } | string> {
		const job = { ...newJob(await sha256(new Uint8Array(8)), 8) };
		job.limits = { ...job.limits, fuel };
		const said = await sign(ask, this.pair, {
			offer: new Uint8Array(32), to: m.pair.key, job: encodeJob(job), credit: 1n << 60n, price: 1n << 60n, nonce: crypto.getRandomValues(new Uint8Array(16)),
		});
		const answer = read(await this.call(m, "market:ask", { ask: said.value() }), askAnswer, "answer");
		if (!answer.quote) return (await open(refusal, answer.refusal!)).reason;
		const accepted = await sign(order, this.pair, { quote: await answer.quote.hash(quote.purpose), at: Date.now() });
		return {
			order: accepted.value(), quote: answer.quote.value(), ask: said.value(),
			stdout: 0, stderr: 0, fuel: 0, input: 0, running: false, wait: 25_000,
		};
	}

	/** ordered is where an order stands: its state, or why it was refused. */
	async ordered(m: Market, request: { [name: string]: unknown } | string): Promise<string> {
		if (typeof request === "string") return request;
		const f: Follow = read(await this.call(m, "market:order", request), follow, "follow");
		return f.refusal ? (await open(refusal, f.refusal)).reason : f.state;
	}

	/** pay pays an order. */
	async pay(m: Market, request: { [name: string]: unknown } | string): Promise<void> {
		const hash = await Statement.decode(encode((request as { order: unknown }).order)).hash(order.purpose);
		await this.ledger.pay(m.pair.key, cost, hash);
		const push = (await outboxFor(this.ledger, m.pair.key, maxMessage))!;
		await takeAck(this.ledger, m.pair.key, await takePush(m.ledger, this.pair.key, push));
	}
}

/** soon lets what was begun go as far as it can without a clock. */
const soon = async (turns = 50): Promise<void> => {
	for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** unhurried has a tenth of a second pass at each look at the clock that rates are measured by. */
const unhurried = (t: TestContext) => {
	let now = performance.now();
	t.mock.method(performance, "now", () => (now += 100));
};

test("an order is carried out once, however many came since, and after the seller began anew", async (t) => {
	unhurried(t);
	const m = await Market.make();
	const [a, b] = [await Customer.make(), await Customer.make()];
	for (const { pair } of [a, b]) await m.ledger.grant(pair.key, 1n << 40n);
	const first = await m.seller();
	const request = await a.quoted(m);
	assert.equal(await a.ordered(m, request), "delivered");
	await a.pay(m, request);
	await soon();
	assert.equal(await a.ordered(m, request), "paid");
	let taken = 1;
	for (; taken < 300; taken++) {
		const more = await b.quoted(m);
		if ((await b.ordered(m, more)) !== "delivered") break;
		await b.pay(m, more);
		await soon();
	}
	assert.equal(taken, 256, "until their quotes are over all are remembered");
	assert.equal(await a.ordered(m, request), "paid");
	first.close();
	const again = await m.seller();
	assert.equal(await a.ordered(m, request), "unknown_quote");
	assert.equal(m.ran, taken);
	again.close();
});

test("who does not pay has no more room, whatever it says to the bill", async (t) => {
	for (const due of [encode({ known: false }), encode({ known: true }), encode("nothing that is understood")]) {
		t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.now() });
		const m = await Market.make();
		m.due = due;
		const [a, b] = [await Customer.make(), await Customer.make()];
		let seller = await m.seller();
		const request = await a.quoted(m);
		assert.equal(await a.ordered(m, request), "delivered");
		assert.equal(await b.room(m), cost);
		const [sale] = seller.sales;
		for (let waited = 0; !sale!.ended; waited += 5000) {
			assert.ok(waited < 4 * 3_600_000, "it is written off at last");
			t.mock.timers.tick(5000);
			await soon(10);
		}
		assert.equal(await b.room(m), cost, "and not forgotten");
		seller.close();
		seller = await m.seller();
		assert.equal(await b.room(m), cost, "nor by a reload");
		assert.equal(await a.room(m), cost);
		// Late is better than never.
		await a.pay(m, request);
		await soon();
		assert.equal(await b.room(m), cost, "now it is owed");
		await m.ledger.pay(a.pair.key, cost, new Uint8Array(32).fill(1));
		assert.equal(await b.room(m), 2n * cost);
		seller.close();
		t.mock.timers.reset();
	}
});

test("a grant that was taken back leaves no room, not even a stranger's", async () => {
	const m = await Market.make();
	const [a, b] = [await Customer.make(), await Customer.make()];
	const seller = await m.seller();
	assert.equal(await a.room(m), 2n * cost);
	await m.ledger.grant(a.pair.key, 0n);
	assert.equal(await a.room(m), 0n);
	assert.equal(await a.quoted(m), "refused_credit");
	assert.equal(await b.room(m), 2n * cost);
	await m.ledger.grant(a.pair.key, 1n);
	assert.equal(await a.room(m), 1n);
	seller.close();
});

test("one that asks without end leaves the others their turn", async (t) => {
	t.mock.method(performance, "now", () => 0);
	const m = await Market.make();
	const [a, b] = [await Customer.make(), await Customer.make()];
	const seller = await m.seller();
	const code = (work: Promise<unknown>) => work.then(() => "", (err: SeaError) => err.code);
	const forged = new Statement(a.pair.key, encode({ v: 1, order: new Uint8Array(32) }), new Uint8Array(64));
	const asks: [string, unknown][] = [
		["market:offer", {}],
		["market:cancel", { cancel: forged.value() }],
		["market:follow", { order: new Uint8Array(32), stdout: 0, stderr: 0, fuel: 0, input: 0, running: false, wait: 0 }],
	];
	const ends = new Map<string, number>();
	for (let i = 0; i < 300; i++) {
		const end = await code(a.call(m, ...asks[i % 3]!));
		ends.set(end, (ends.get(end) ?? 0) + 1);
	}
	assert.equal(ends.get("busy"), 225, JSON.stringify([...ends]));
	assert.equal(await b.room(m), 2n * cost);
	assert.equal(await b.ordered(m, await b.quoted(m)), "delivered");
	seller.close();
});

test("bytes of any kind are refused, and nothing else", async (t) => {
	unhurried(t);
	const m = await Market.make();
	const a = await Customer.make();
	const seller = await m.seller();
	const request = (await a.quoted(m)) as { [name: string]: unknown };
	const good = [encode({ ask: request["ask"] }), encode(request), encode({ order: new Uint8Array(32) })];
	for (const [scope, handler] of m.handlers) {
		for (const b of good) {
			for (let at = 0; at < b.length; at += 31) {
				const wrong = b.slice(0, at % 2 ? at : b.length);
				if (at < wrong.length) wrong[at]! ^= 0x21;
				const from = { addr: a.at, node: a.pair.key, entity: a.pair.key, direct: true };
				await (async () => handler(wrong, from))().catch((err: unknown) => assert.ok(err instanceof SeaError, `${scope}: ${String(err)}`));
			}
		}
	}
	assert.equal(m.ran, 0);
	seller.close();
});

test("a buyer that never sends its job does not keep the others waiting", async (t) => {
	t.mock.timers.enable({ apis: ["setTimeout"] });
	const m = await Market.make();
	const [a, b] = [await Customer.make(), await Customer.make()];
	const seller = await m.seller();
	m.fetches = true;
	const request = await a.quoted(m);
	const taken = a.ordered(m, request);
	while ([...seller.sales].length === 0) await soon(1);
	assert.equal(await b.quoted(m), "busy");
	await soon();
	t.mock.timers.tick(31_000);
	assert.equal(await taken, "taken");
	while (![...seller.sales][0]!.ended) await soon(1);
	assert.equal(await a.ordered(m, request), "inputs_missing");
	m.fetches = false;
	assert.equal(await b.ordered(m, await b.quoted(m)), "delivered");
	seller.close();
});
