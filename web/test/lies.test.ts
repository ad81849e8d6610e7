// A buyer among sellers that lie: a seller that runs nothing and says what it likes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, compare, sha256, toHex, utf8 } from "../src/bytes.ts";
import { type Blobs, blobOf, emptyBlob } from "../src/compute/blob.ts";
import { decodeJob, hashJob, type Job } from "../src/compute/job.ts";
import { openReceipt, type Receipt, receiptPurpose, signReceipt } from "../src/compute/receipt.ts";
import { encodeOutcome, type Outcome } from "../src/compute/result.ts";
import { SeaError } from "../src/error.ts";
import { decode, encode } from "../src/identity/cbor.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { Statement } from "../src/identity/statement.ts";
import { pack, unpack } from "../src/ledger/format.ts";
import { Ledger } from "../src/ledger/ledger.ts";
import { voucher } from "../src/ledger/lock.ts";
import { maxMessage } from "../src/ledger/message.ts";
import { takePush } from "../src/ledger/receive.ts";
import { MemoryStore } from "../src/ledger/store.ts";
import { outboxFor } from "../src/ledger/sync.ts";
import { Book } from "../src/market/book.ts";
import { Buyer, type Home } from "../src/market/buyer.ts";
import { Memory } from "../src/market/memory.ts";
import { costOf } from "../src/market/price.ts";
import { Refused } from "../src/market/reason.ts";
import { type RunOptions } from "../src/market/spec.ts";
import { ask, delivery, offer, open, order, quote, refusal, sign } from "../src/market/statement.ts";
import { HashAddress } from "../src/node/addr.ts";
import { type Link } from "../src/node/link.ts";
import { type Handler } from "../src/node/rpc.ts";

/** Lies are what a seller does otherwise; without any it is honest. */
interface Lies {
	price?: bigint;
	quantum?: bigint;
	offer?: object;
	quote?: object;
	receipt?: Partial<Receipt>;
	delivery?: object;
	outcome?: Partial<Outcome>;
	stdout?: string;
	/** says changes an answer to an order or what follows it. */
	says?: (f: { [name: string]: unknown }, s: Seller) => unknown;
	signer?: Pair;
	/** at counts answers. */
	at?: number;
	/** link false has nobody linked to it. */
	link?: false;
	/** far sellers are no neighbours: the sea finds them. */
	far?: boolean;
	/** dumb ones never answer an ask. */
	dumb?: true;
}

/** Seller is one, with its own ledger. */
class Seller {
	fuel = 5_000_000n;
	asked = 0;
	ordered = 0;
	job: Job | undefined;
	newest: Uint8Array | undefined;

	constructor(
		readonly pair: Pair,
		readonly at: HashAddress,
		readonly ledger: Ledger,
		readonly lies: Lies,
	) {}

	static async make(lies: Lies): Promise<Seller> {
		const pair = await Pair.generate(0);
		return new Seller(pair, await HashAddress.ofNode(pair.key), await Ledger.open(pair, new MemoryStore()), lies);
	}

	async serve(scope: string, body: Bytes, buyer: Ledger): Promise<Bytes> {
		const { lies, pair } = this;
		const request = decode(body) as { [name: string]: never };
		const statement = (name: string) => Statement.decode(encode(request[name]));
		const price = lies.price ?? 1_000_000n;
		switch (scope) {
			case "market:offer": {
				const caps = { fuel: 1n << 40n, pages: 16384, output: 1 << 30, wall: 1 << 30, module: 1 << 30, input: 1 << 30 };
				const o = { for: buyer.key, fee: 0n, price, caps, slots: 1, free: 1, room: 10_000_000n, strangers: 0n, tariff: 1, engine: "", at: 1, until: 2, ...lies.offer };
				return encode({ offer: (await sign(offer, pair, o as never)).value() });
			}
			case "market:ask": {
				this.asked++;
				if (lies.dumb) return new Promise(() => {});
				const said = statement("ask");
				const a = await open(ask, said);
				this.job = decodeJob(a.job);
				const ceiling = costOf({ fee: 0n, price }, this.job.limits.fuel)!;
				const q = { ask: await said.hash(ask.purpose), job: await sha256(a.job), fee: 0n, price, ceiling, until: 1, ...(lies.quantum && { quantum: lies.quantum }), ...lies.quote };
				return encode({ quote: (await sign(quote, lies.signer ?? pair, q as never)).value(), refusal: null });
			}
			case "market:order":
			case "market:follow":
				if (scope === "market:order") {
					this.ordered++;
					this.order = await statement("order").hash(order.purpose);
				}
				if (request["voucher"]) this.newest = request["voucher"];
				for (let push; (push = await outboxFor(buyer, pair.key, maxMessage)); ) {
					await takePush(this.ledger, buyer.key, push);
					break;
				}
				return encode(await this.follow(Number(request["stdout"])));
			case "market:cancel":
				return encode({});
		}
		throw new SeaError("not_found", scope);
	}

	order: Bytes = new Uint8Array(32);

	async follow(from: number): Promise<unknown> {
		const { lies, pair } = this;
		const stdout = utf8(lies.stdout ?? "right\n");
		const outcome = encodeOutcome({
			v: 1, end: "exit", code: 0, trap: "", stdout: await blobOf(utf8("right\n")), stderr: emptyBlob, files: [], ...lies.outcome,
		} as Outcome);
		const receipt = await signReceipt({
			v: 1, job: await sha256(encode(this.job!)), result: await sha256(outcome), end: "exit", code: 0, fuel: this.fuel, peak_pages: 1, tariff: 1, engine: "", ...lies.receipt,
		} as Receipt, lies.signer ?? pair);
		const cost = costOf({ fee: 0n, price: lies.price ?? 1_000_000n }, lies.receipt?.fuel ?? this.fuel)!;
		const bill = await sign(delivery, lies.signer ?? pair, { order: this.order, receipt: await receipt.hash(receiptPurpose), cost, ...lies.delivery } as never);
		const f = {
			state: "delivered", fuel: this.fuel, input: 0, stdout: stdout.slice(from), stderr: new Uint8Array(0), stdout_size: stdout.length, stderr_size: 0,
			refusal: null, receipt: receipt.value(), delivery: bill.value(), outcome, outcome_size: outcome.length,
		};
		return lies.says ? lies.says(f, this) : f;
	}
}

interface Run {
	ledger: Ledger;
	sellers: Seller[];
	handlers: Map<string, Handler>;
	buyer: Buyer;
	buy(options?: RunOptions): ReturnType<Buyer["run"]>;
	/** again is the tab after a crash: a buyer with what is kept at this moment. */
	again(): Promise<{ ledger: Ledger; buyer: Buyer }>;
}

/** among runs with a buyer whose neighbours are sellers that do otherwise. */
async function among(all: Lies[], run: (r: Run) => Promise<void>, store = new MemoryStore()): Promise<void> {
	const signer = await Pair.generate(0);
	const kept = new MemoryStore();
	let ledger = await Ledger.open(signer, kept);
	const sellers = await Promise.all(all.map((lies) => Seller.make(lies)));
	const handlers = new Map<string, Handler>();
	const find = (to: HashAddress) => {
		const s = sellers.find((s) => s.at.equals(to));
		if (!s) throw new SeaError("unreachable", "nobody is there");
		return s;
	};
	const home: Home = {
		addr: await HashAddress.ofNode(signer.key), signer, isOnline: true,
		links: () => sellers.filter((s) => !s.lies.far).map((s) => ({ addr: s.at }) as Link),
		nearest: async () => sellers.find((s) => s.lies.far)?.at ?? home.addr,
		connect: async (to) => {
			if (find(to).lies.link === false) throw new SeaError("unreachable", "no way");
			return { addr: to } as Link;
		},
		call: async (to, scope, body) => find(to).serve(scope, body, ledger),
		handle: (scope, handler) => void (handler ? handlers.set(scope, handler) : handlers.delete(scope)),
	};
	const buyer = new Buyer(home, ledger, await Book.open(store), await Memory.open(store));
	const again = async () => {
		const jobs = store.copy();
		ledger = await Ledger.open(signer, kept.copy());
		return { ledger, buyer: new Buyer(home, ledger, await Book.open(jobs), await Memory.open(jobs)) };
	};
	await run({ ledger, sellers, handlers, buyer, again, buy: (options) => buyer.run(new Uint8Array(8).fill(1), { fuel: 10_000_000, maxCredit: 1, ...options }) });
	buyer.close();
	assert.equal(handlers.size, 0);
}

const reasonOf = (r: ReturnType<Buyer["run"]>): Promise<string> => r.done.then((d) => `bought for ${d.cost}`, (err: unknown) => (err instanceof Refused ? err.reason : String(err)));

test("an honest one is paid, and knows whom it deals with", () => among([{}], async ({ ledger, sellers, handlers, buy }) => {
	const done = await buy().done;
	assert.equal(done.cost, 5000n);
	const seller = sellers[0]!;
	assert.equal((await ledger.paid(seller.pair.key, seller.order)).ours, 5000n);
	const due = async (from: Bytes) => decode(await handlers.get("market:due")!(encode({ order: seller.order }), { addr: seller.at, node: from, entity: from, direct: true }));
	assert.deepEqual(await due(seller.pair.key), { known: true });
	assert.deepEqual(await due(new Uint8Array(32).fill(9)), { known: false }, "a stranger");
	// What was shared is shared no more.
	const get = handlers.get("storage:get")!;
	const asked = encode({ hash: await sha256(new Uint8Array(8).fill(1)), offset: 0, size: 8 });
	await assert.rejects(async () => get(asked, { addr: seller.at, node: seller.pair.key, entity: seller.pair.key, direct: true }), { code: "not_found" });
}));

test("inputs are for the seller that has the order, over its own link", async () => {
	let handlers: Map<string, Handler>;
	const seen: string[] = [];
	const says: Lies["says"] = async (f, s) => {
		const ask = async (node: Bytes, direct: boolean) => {
			const body = encode({ hash: await sha256(new Uint8Array(8).fill(1)), offset: 2, size: 262_144 });
			try {
				seen.push(String((await handlers.get("storage:get")!(body, { addr: s.at, node, entity: node, direct })).length));
			} catch (err) {
				seen.push((err as SeaError).code);
			}
		};
		await ask(s.pair.key, true);
		await ask(s.pair.key, false);
		await ask(new Uint8Array(32).fill(9), true);
		return f;
	};
	await among([{ says }], async (r) => {
		handlers = r.handlers;
		await r.buy().done;
	});
	assert.deepEqual(seen, ["6", "refused", "not_found"]);
});

const stranger = await Pair.generate(0);
const other = new Uint8Array(32).fill(7);

// What a seller does, and what the buyer says of it.
const cases: [string, Lies, string][] = [
	["a bill above the quote", { delivery: { cost: 5001n } }, "bad_receipt"],
	["a bill below the quote", { delivery: { cost: 4999n } }, "bad_receipt"],
	["more fuel than the job may have", { receipt: { fuel: 10_000_001n } }, "bad_receipt"],
	["more memory than the job may have", { receipt: { peak_pages: 8193 } }, "bad_receipt"],
	["a receipt for another job", { receipt: { job: other } }, "bad_receipt"],
	["a receipt for another result", { receipt: { result: other } }, "bad_receipt"],
	["an end that is not the outcome's", { receipt: { end: "trap" } }, "bad_receipt"],
	["a delivery for another order", { delivery: { order: other } }, "bad_receipt"],
	["a delivery of another receipt", { delivery: { receipt: other } }, "bad_receipt"],
	["stopped before its time", { receipt: { end: "interrupted" }, outcome: { end: "interrupted" } }, "bad_receipt"],
	["stopped as too slow, which was not agreed", { receipt: { end: "interrupted" }, outcome: { end: "interrupted" }, delivery: { reason: "too_slow" } }, "bad_receipt"],
	["stopped for want of vouchers, which were not agreed", { receipt: { end: "interrupted" }, outcome: { end: "interrupted" }, delivery: { reason: "no_voucher" } }, "bad_receipt"],
	["a reason and an end that do not go together", { delivery: { reason: "revoked" } }, "bad_receipt"],
	["other output than the receipt's", { stdout: "wrong\n" }, "bad_output"],
	["less output than it says", { says: (f) => ({ ...f, stdout_size: 7 }) }, "bad_output"],
	["more output than the job may have", { outcome: { stdout: { hash: other, size: 1 << 29 } } }, "bad_receipt"],
	["a delivery without a receipt", { says: (f) => ({ ...f, receipt: null }) }, "bad_receipt"],
	["another outcome", { says: (f) => ({ ...f, outcome: encode({}) }) }, "bad_receipt"],
	["an outcome that is not there", { says: (f) => ({ ...f, outcome: new Uint8Array(0) }) }, "bad_output"],
	["an answer that is none", { says: () => ({ state: "delivered" }) }, "bad_statement"],
	["files that do not come", { outcome: { files: [{ path: "a", dir: false, hash: other, size: 5 }] } }, "bad_output"],
	["a quote by somebody else", { signer: stranger }, "bad_statement"],
	["a quote for another job", { quote: { job: other } }, "bad_statement"],
	["a quote for another ask", { quote: { ask: other } }, "bad_statement"],
	["a ceiling that is not the price's", { quote: { ceiling: 9_999n } }, "bad_statement"],
	["a quote above its offer and the cap", { quote: { price: 200_000_000n, ceiling: 2_000_000n } }, "refused_price"],
	["labels that are none", { offer: { labels: ["A"] } }, "no_seller"],
	["an offer for somebody else", { offer: { for: other } }, "no_seller"],
];

for (const [name, lies, reason] of cases) {
	test(`${name}: nothing is paid`, () => among([lies], async ({ ledger, sellers, buy }) => {
		assert.equal(await reasonOf(buy()), reason);
		assert.deepEqual(ledger.lines().filter((l) => l.claim !== 0n), []);
		assert.ok(sellers[0]!.ordered <= 1, "it is asked once");
	}));
}

test("who cannot be linked to is tried again a few times, and nothing is signed", () => among([{ link: false }], async ({ ledger, buy }) => {
	assert.equal(await reasonOf(buy()), "unreachable");
	assert.deepEqual(ledger.lines(), []);
}));

test("who fails is left out, and another is asked", () => among([{ price: 500_000n, stdout: "wrong\n" }, {}], async ({ ledger, sellers, buy }) => {
	const job = buy();
	const done = await job.done;
	assert.equal(compare(done.seller, sellers[1]!.pair.key), 0);
	assert.equal(sellers[0]!.ordered, 1, "the cheaper one came first");
	assert.deepEqual(ledger.lines().map((l) => [toHex(l.peer), l.claim]), [[toHex(sellers[1]!.pair.key), -5000n]]);
}));

test("who says nothing keeps nobody waiting", () => among([{ price: 1n, dumb: true }, {}], async ({ sellers, buy }) => {
	assert.equal(compare((await buy().done).seller, sellers[1]!.pair.key), 0);
	assert.equal(sellers[0]!.asked, 1);
}));

test("who did well is asked where it is, and who failed behind all others", async () => {
	const [well, dear] = [{ far: false }, { price: 2_000_000n }];
	await among([well, dear], async ({ sellers, buy }) => {
		await buy().done;
		well.far = true; // no neighbour any more
		assert.equal(compare((await buy().done).seller, sellers[0]!.pair.key), 0);
		Object.assign(sellers[0]!.lies, { stdout: "wrong\n" });
		assert.equal(compare((await buy().done).seller, sellers[1]!.pair.key), 0, "it failed");
		assert.equal(compare((await buy().done).seller, sellers[1]!.pair.key), 0, "and is dearer now than its price");
		assert.equal(sellers[0]!.ordered, 3);
	});
});

test("each eighth job goes to a newcomer that is no dearer", () => among([{}, { far: true }], async ({ sellers, buy }) => {
	for (let i = 0; i < 7; i++) await buy().done;
	assert.deepEqual(sellers.map((s) => s.ordered), [7, 0]);
	await buy().done;
	assert.deepEqual(sellers.map((s) => s.ordered), [7, 1]);
}));

test("what does not stand a second look is not paid", async () => {
	const seen: boolean[] = [];
	const verify = async (receipt: Statement, job: Job, blobs: Blobs) => {
		assert.equal(compare((await openReceipt(receipt)).job, await hashJob(job)), 0);
		assert.equal((await blobs.open(job.module)).length, 8);
		await assert.rejects(blobs.open(other), { code: "blob" });
		return seen.push(true) > 1;
	};
	await among([{ price: 500_000n }, {}], async ({ ledger, sellers, buy }) => {
		assert.equal(compare((await buy({ verify }).done).seller, sellers[1]!.pair.key), 0);
		assert.deepEqual(ledger.lines().map((l) => l.claim), [-5000n]);
	});
	await among([{}], async ({ ledger, buy }) => {
		assert.equal(await reasonOf(buy({ verify: async () => false })), "mismatch");
		assert.equal(await reasonOf(buy({ verify: () => Promise.reject(new Error("no engine")) })), "internal");
		assert.deepEqual(ledger.lines(), []);
	});
});

test("what was vouched to one that fails counts in the cap for the next", async () => {
	// It shows fuel until it has a voucher for a good part of the cap, and then refuses the order.
	const says: Lies["says"] = async (f, s) => {
		if (!s.newest) return { ...f, state: "running", receipt: null, delivery: null, stdout: new Uint8Array(0), stdout_size: 0, outcome: new Uint8Array(0) };
		const no = await sign(refusal, s.pair, { of: s.order, reason: "engine_failed", text: "", room: 0n });
		return { ...f, refusal: no.value() };
	};
	await among([{ price: 100_000n, quantum: 1_000_000n, says }, { price: 200_000_000n }], async ({ ledger, sellers, buy }) => {
		const reason = await reasonOf(buy({ maxCredit: 2 }));
		assert.equal(reason, "refused_price", "the other one would cost all of the cap");
		assert.equal(sellers[1]!.ordered, 0);
		const [line] = ledger.lines();
		const owed = unpack(sellers[0]!.newest!, voucher, "voucher").cum;
		assert.ok(owed > 0n && owed <= 1000n);
		assert.equal(line!.claim, -owed);
		assert.equal(pack(voucher, unpack(sellers[0]!.newest!, voucher, "voucher")).length, 178);
	});
});

test("a job that was vouched for goes on after a crash, and is paid once", async () => {
	let crashed = false;
	let bare = 0; // requests without a voucher, since
	let die = (_: unknown) => {};
	const dead = new Promise((resolve) => (die = resolve)); // what the seller says to the tab that is gone
	let vouched = (_: Uint8Array) => {};
	const voucherCame = new Promise<Uint8Array>((resolve) => (vouched = resolve));
	const says: Lies["says"] = (f, s) => {
		if (!s.newest && crashed) bare++;
		if (!s.newest) return { ...f, state: "running", receipt: null, delivery: null, stdout: new Uint8Array(0), stdout_size: 0, outcome: new Uint8Array(0) };
		if (crashed) return { ...f, release: new Uint8Array(5) };
		vouched(s.newest);
		return dead;
	};
	await among([{ price: 100_000n, quantum: 1_000_000n, says }, {}], async ({ sellers, buy, again }) => {
		const [seller] = sellers;
		const lost = buy({ maxCredit: 2 });
		const first = unpack(await voucherCame, voucher, "voucher");
		crashed = true;
		seller!.newest = undefined;
		const { ledger, buyer } = await again();
		const [job] = buyer.jobs();
		assert.equal(job!.state, "open");
		const done = await buyer.job(job!.id).done;
		assert.equal(done.cost, 500n);
		assert.deepEqual(sellers.map((s) => s.ordered), [2, 0], "the same order, again");
		assert.equal(bare, 0, "it showed its voucher at once");
		assert.ok(unpack(seller!.newest!, voucher, "voucher").cum >= first.cum);
		assert.deepEqual(ledger.lines().map((l) => l.claim), [-500n]);
		assert.equal((await ledger.paid(seller!.pair.key, seller!.order)).ours, 500n);
		buyer.close();

		lost.cancel();
		const no = await sign(refusal, seller!.pair, { of: seller!.order, reason: "engine_failed", text: "", room: 0n });
		die({ state: "ended", fuel: 0n, input: 0, stdout: new Uint8Array(0), stderr: new Uint8Array(0), stdout_size: 0, stderr_size: 0, refusal: no.value(), receipt: null, delivery: null, outcome: new Uint8Array(0), outcome_size: 0 });
		await reasonOf(lost);
	});
});

test("who shows what is no release is paid, once", async () => {
	for (const release of [new Uint8Array(5), new Uint8Array(138).fill(1)]) {
		const says: Lies["says"] = (f, s) => {
			if (s.newest) return { ...f, release };
			return { ...f, state: "running", receipt: null, delivery: null, stdout: new Uint8Array(0), stdout_size: 0, outcome: new Uint8Array(0) };
		};
		await among([{ price: 100_000n, quantum: 1_000_000n, says }, {}], async ({ ledger, sellers, buy }) => {
			assert.equal((await buy({ maxCredit: 2 }).done).cost, 500n);
			assert.equal(sellers[1]!.ordered, 0, "nobody else is asked");
			assert.deepEqual(ledger.lines().map((l) => l.claim), [-500n]);
		});
	}
});

test("output that comes in drops is not waited for without an end", async (t) => {
	const drop: Lies["says"] = (f, s) => {
		t.mock.timers.setTime(Date.now() + 20_000);
		s.lies.at = (s.lies.at ?? 0) + 1;
		return { ...f, stdout: utf8("right\n").slice(s.lies.at - 1, s.lies.at) };
	};
	for (const [says, want] of [[drop, "bad_output"], [undefined, "bought for 5000"]] as const) {
		t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
		await among([says ? { says } : {}], async ({ buy }) => assert.equal(await reasonOf(buy({ limits: { output_bytes: 1000 } })), want));
		t.mock.timers.reset();
	}
});

test("an order is kept before it is sent, and what was delivered before it is paid", async () => {
	// It keeps so many changes and no more.
	for (const [most, ordered] of [[1, 0], [2, 1]] as const) {
		const store = new MemoryStore();
		const { commit } = store;
		let left: number = most;
		store.commit = async (...all) => {
			if (left-- < 1) throw new SeaError("unavailable", "the disk is full");
			return commit.apply(store, all);
		};
		await among([{}], async ({ ledger, sellers, buy }) => {
			assert.equal(await reasonOf(buy()), "internal");
			assert.equal(sellers[0]!.ordered, ordered);
			assert.deepEqual(ledger.lines().filter((l) => l.claim !== 0n), []);
		}, store);
	}
});

test("so many jobs are kept, and the oldest that have ended are forgotten", () => among([{}], async ({ buyer, buy }) => {
	const first = buy();
	await first.done;
	assert.equal(compare((await buyer.job(first.id).done).stdout, utf8("right\n")), 0);
	assert.equal(await new Response(buyer.job(first.id).stdout).text(), "right\n");
	assert.equal(await reasonOf(buy({ verify: async () => false })), "mismatch");
	assert.deepEqual(buyer.jobs().map((j) => [j.state, j.reason, j.cost]), [["done", "", 5000n], ["failed", "mismatch", 0n]]);
	for (let i = 0; i < 70; i++) await buy({ to: [] }).done.catch(() => {});
	assert.equal(buyer.jobs().length, 64);
	assert.throws(() => buyer.job(first.id), { reason: "unknown_order" });
}));
