// Seller sells what this browser's engine can run: one job at a time, paid when it
// is delivered. A tab that is closed while it works has not worked: its buyer is told
// so when it is back, and pays nothing. What was delivered waits for its buyer.

import { type Bytes, compare, toHex } from "../bytes.ts";
import { type Blob, type Blobs, blobOf } from "../compute/blob.ts";
import { engineName, type Live, type Result } from "../compute/engine.ts";
import { decodeJob, hashJob, type Job, tariff1 } from "../compute/job.ts";
import { receiptPurpose, signReceipt } from "../compute/receipt.ts";
import { encodeOutcome } from "../compute/result.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { read } from "../identity/shape.ts";
import { type Ledger } from "../ledger/ledger.ts";
import { type Store } from "../ledger/store.ts";
import { HashAddress } from "../node/addr.ts";
import { clean, type Caller, type Handler } from "../node/rpc.ts";
import { Rate, Rates } from "../node/rate.ts";
import { type Asking } from "./find.ts";
import { costOf, least, maxSum, type Price, withMemory } from "./price.ts";
import { Refused } from "./reason.ts";
import { Sale } from "./sale.ts";
import { fetchBlob, type Shelf } from "./shelf.ts";
import { ask as askForm, cancel as cancelForm, delivery as deliveryForm, offer as offerForm, open, order as orderForm, quote as quoteForm, refusal as refusalForm, sign } from "./statement.ts";
import { type Lost, type Output, type SaleRecord, Till } from "./till.ts";
import { askRequest, cancelRequest, dueAnswer, followRequest, orderRequest } from "./wire.ts";
import * as Scope from "./scope.ts";

// How long offers and quotes hold, ms.
const offerTime = 30_000;
const quoteTime = 120_000;

// Sales that are remembered, and of these how many may wait to be paid; bills that
// were written off, which take their buyers' room for so long, ms.
const maxSales = 256;
const maxUnpaid = 16;
const maxLost = 1024;
const lostTime = 7 * 24 * 3_600_000;

// Questions a second that take signatures, and at once: of all, and of one who asks;
// of how many that is remembered.
const signRate = 40;
const signBurst = 200;
const askRate = 15;
const askBurst = 75;
const maxAskers = 256;

// A buyer's module and inputs are waited for so long, ms, and a second for so many
// bytes: nothing else is sold meanwhile.
const inputTime = 30_000;
const inputRate = 64 << 10;

// The first pause before a buyer is reminded of a bill, the last, and what is kept of a job that cost nothing, ms.
const firstReminder = 5000;
const lastReminder = 3_600_000;
const freeTime = 60_000;

/** Terms are on what terms a tab sells. */
export interface Terms {
	readonly price: Price;
	/** gib is how much more 10^9 fuel cost for each GiB of memory that a job may have. */
	readonly gib: bigint;
	/** strangers is what all peers without a grant may come to owe together, in micro-credits. */
	readonly strangers: bigint;
	readonly caps: Caps;
}

/** Caps are the largest jobs that are taken. */
export interface Caps {
	readonly fuel: bigint;
	readonly pages: number;
	readonly output: number;
	/** wall is in ms. */
	readonly wall: number;
	readonly module: number;
	readonly input: number;
}

/** defaultTerms are a credit for each Gfuel, and jobs that a tab can bear. */
export const defaultTerms: Terms = {
	price: { fee: 0n, price: 1_000_000n },
	gib: 0n,
	strangers: 5_000_000n,
	caps: { fuel: 1_000_000_000_000n, pages: 16384, output: 64 << 20, wall: 3_600_000, module: 32 << 20, input: 64 << 20 },
};

/** Every engine in a tab has a stack of about a megabyte: no job may nest deeper. */
const maxDepth = 4096;

/** Runner runs jobs, one at a time. An Engine is one. */
export interface Runner {
	run(job: Job, blobs: Blobs, live?: Live): Promise<Result>;
	/** steerable says whether pause does anything. */
	readonly steerable: boolean;
	pause(still: boolean): void;
}

/** Stall is the node of a seller. */
export interface Stall extends Asking {
	handle(scope: string, handler: Handler | undefined): void;
}

/** Seller sells from its opening until close. */
export class Seller {
	/** changed is called whenever a sale or what is not sold has changed. It must not throw. */
	changed: () => void = () => {};

	terms: Terms;
	readonly #node: Stall;
	readonly #ledger: Ledger;
	readonly #engine: Runner;
	readonly #shelf: Shelf;
	readonly #sales = new Map<string, Sale>(); // by order in hex, oldest first: maxSales
	readonly #quotes = new Map<string, Bytes>(); // orders by their quotes, of the same sales
	readonly #till: Till;
	readonly #lost = new Map<string, Lost>(); // by order in hex, the oldest first: maxLost
	readonly #began = Date.now();
	readonly #rate = new Rate(signRate, signBurst);
	readonly #askers = new Rates(askRate, askBurst, maxAskers);
	readonly #paid = (peer: Bytes): void => void this.#look(peer);
	#rest = "";
	#closed = false;

	/**
	 * open takes up what an earlier run has left in store, and sells. What was delivered
	 * can be fetched and paid; what was not is refused as "seller_lost". shelf is what
	 * else the node serves storage:get from.
	 */
	static async open(node: Stall, ledger: Ledger, engine: Runner, shelf: Shelf, store: Store, terms: Terms = defaultTerms): Promise<Seller> {
		const till = new Till(store);
		const [sales, lost] = [await till.sales(maxSales), await till.lost(maxLost)];
		const s = new Seller(node, ledger, engine, shelf, till, terms);
		for (const l of lost) s.#lost.set(toHex(l.order), l);
		for (const r of sales) await s.#resume(r);
		s.#serve();
		return s;
	}

	private constructor(node: Stall, ledger: Ledger, engine: Runner, shelf: Shelf, till: Till, terms: Terms) {
		this.terms = terms;
		this.#node = node;
		this.#ledger = ledger;
		this.#engine = engine;
		this.#shelf = shelf;
		this.#till = till;
	}

	/** #resume takes up a sale of an earlier run. */
	async #resume(r: SaleRecord): Promise<void> {
		const s = new Sale(r.order, r.buyer, HashAddress.from(r.at), decodeJob(r.job), r.quote, r.quoted, r.taken);
		this.#sales.set(toHex(s.order), s);
		this.#quotes.set(toHex(s.quoted), s.order);
		if (!r.output) return this.#refuse(s, new Refused("seller_lost", "the tab that ran it was closed or reloaded"));
		this.#deliver(s, r.output);
		void this.#collect(s);
	}

	#serve(): void {
		const node = this.#node;
		node.handle(Scope.get, this.#shelf.serve);
		node.handle(Scope.offer, async (_, from) => encode({ offer: (await this.#offer(from)).value() }));
		node.handle(Scope.ask, async (body, from) => encode(await this.#ask(body, from)));
		node.handle(Scope.order, (body, from) => this.#order(body, from));
		node.handle(Scope.follow, async (body, from) => {
			const { order, ...cursor } = read(body, followRequest, Scope.follow);
			const s = this.#sales.get(toHex(order));
			if (!s) {
				this.#allow(from);
				return this.#no(order, new Refused("unknown_order", "this node has no such order"));
			}
			if (compare(s.buyer, from.node) !== 0 || !from.direct) throw new SeaError("refused", "the order is somebody else's");
			return encode(await s.follow(cursor));
		});
		node.handle(Scope.cancel, async (body, from) => {
			this.#allow(from);
			const { cancel } = read(body, cancelRequest, Scope.cancel);
			const { order } = await open(cancelForm, cancel);
			const s = this.#sales.get(toHex(order));
			if (!s || compare(cancel.by, from.node) !== 0 || compare(s.buyer, from.node) !== 0) throw new SeaError("refused", "the order is somebody else's");
			s.stop.abort();
			return encode({});
		});
		this.#ledger.watchers.add(this.#paid);
	}

	/** sales are what is remembered, oldest first. */
	get sales(): Iterable<Sale> {
		return this.#sales.values();
	}

	/** rest says why nothing is sold now, "" to go on. A guest that runs stands still meanwhile. */
	rest(why: string): void {
		this.#rest = why;
		this.#engine.pause(why !== "");
		for (const s of this.#sales.values()) {
			if (!s.open) continue;
			s.held = why && this.#engine.steerable ? "seller_paused" : "";
			s.changed();
		}
		this.changed();
	}

	/** close sells no more; a job that runs is refused, and bills are not waited for. */
	close(): void {
		this.#closed = true;
		for (const scope of [Scope.offer, Scope.ask, Scope.order, Scope.follow, Scope.cancel]) this.#node.handle(scope, undefined);
		this.#ledger.watchers.delete(this.#paid);
		for (const s of this.#sales.values()) {
			s.stop.abort();
			if (!s.ended) s.end(s.delivery ? "paid" : "refused");
		}
	}

	// ---- offers and quotes

	async #offer(from: Caller) {
		if (this.#rest) throw new SeaError("refused", `nothing is sold now: ${this.#rest}`);
		this.#allow(from);
		const { price, gib, strangers, caps } = this.terms;
		const now = Date.now();
		return sign(offerForm, this.#node.signer, {
			for: from.node, fee: price.fee, price: price.price, ...(gib > 0n && { gib }),
			caps: {
				fuel: caps.fuel, pages: caps.pages, output: BigInt(caps.output), wall: BigInt(caps.wall), module: BigInt(caps.module), input: BigInt(caps.input),
			},
			slots: 1, free: this.#busy() ? 0 : 1, room: await this.#room(from.node), strangers, tariff: tariff1, engine: engineName(),
			at: now, until: now + offerTime,
		});
	}

	async #ask(body: Bytes, from: Caller) {
		this.#allow(from);
		const { ask } = read(body, askRequest, Scope.ask);
		const a = await open(askForm, ask);
		if (compare(ask.by, from.node) !== 0 || compare(a.to, this.#node.signer.key) !== 0) throw new SeaError("refused", "the ask is from or for somebody else");
		const asked = await ask.hash(askForm.purpose);
		try {
			const job = jobOf(a.job);
			const price = withMemory(this.terms.price, this.terms.gib, job.limits.memory_pages);
			this.#mayTake(job);
			if (price.price > a.price) throw new Refused("refused_price", `10^9 fuel cost ${price.price} micro-credits here`);
			const ceiling = costOf(price, job.limits.fuel);
			if (ceiling === undefined || ceiling > a.credit) throw new Refused("refused_price", `the job may cost ${ceiling ?? "too many"} micro-credits here`);
			await this.#afford(from.node, ceiling);
			const quote = { ask: asked, job: await hashJob(job), fee: price.fee, price: price.price, ceiling, until: Date.now() + quoteTime };
			return { quote: (await sign(quoteForm, this.#node.signer, quote)).value(), refusal: null };
		} catch (err) {
			if (!(err instanceof Refused)) throw err;
			return { quote: null, refusal: (await this.#refusal(asked, from.node, err)).value() };
		}
	}

	/** #mayTake throws Refused for a job that is too large, and while there is no room for any. */
	#mayTake(job: Job): void {
		if (this.#rest) throw new Refused("not_selling", `nothing is sold now: ${this.#rest}`);
		const { caps } = this.terms;
		const l = job.limits;
		const input = job.files.reduce((n, f) => n + f.size, job.stdin.size);
		const rules: [boolean, string][] = [
			[job.module_size > caps.module, "module_too_large"],
			[input > caps.input, "input_too_large"],
			[l.fuel > caps.fuel, "fuel"],
			[l.memory_pages > caps.pages, "memory"],
			[l.output_bytes > caps.output, "output"],
			[l.wall_ms > caps.wall, "wall_time"],
			[l.depth > maxDepth, "bad_job"],
			[this.#busy(), "busy"],
		];
		const no = rules.find(([is]) => is);
		if (no) throw new Refused(no[1], no[1] === "busy" ? "another job runs" : "the job wants more than this seller takes");
	}

	#busy(): boolean {
		const all = [...this.#sales.values()];
		return all.some((s) => s.open) || all.filter((s) => s.state === "delivered").length >= maxUnpaid;
	}

	#allow(from: Caller): void {
		if (!this.#askers.take(toHex(from.node)) || !this.#rate.take()) throw new SeaError("busy", "asked too often; wait a second");
	}

	/** #room is how much more a peer may come to owe now, what is set aside for its jobs and what it never paid taken off. */
	async #room(peer: Bytes): Promise<bigint> {
		const line = await this.#ledger.line(peer);
		if (line.state !== "open") return 0n;
		let held = 0n;
		let crowd = this.#ledger.owed(); // by all who never had a grant
		for (const { buyer, due } of this.#dues()) {
			if (compare(buyer, peer) === 0) held += due;
			if (!(await this.#ledger.line(buyer)).granted) crowd += due;
		}
		if (!line.granted && this.#lost.size >= maxLost) crowd = this.terms.strangers;
		const lent = line.granted ? line.theyMayOwe - line.claim - held : this.terms.strangers - crowd;
		const own = -line.claim - held; // what this node owes it
		const room = lent > own ? lent : own;
		return room > 0n ? least(room, maxSum - 1n) : 0n;
	}

	/** #dues are what buyers have to pay for sales, and were to pay for those that are written off. */
	#dues(): { buyer: Bytes; due: bigint }[] {
		const now = Date.now();
		for (const l of this.#lost.values()) if (l.until < now) this.#found(l);
		const open = [...this.#sales.values()].filter((s) => !s.ended);
		return [...open.map((s) => ({ buyer: s.buyer, due: s.delivery ? s.cost : s.quote.ceiling })), ...this.#lost.values()];
	}

	async #afford(peer: Bytes, cost: bigint): Promise<void> {
		const room = await this.#room(peer);
		if (cost > room) throw new Refused("refused_credit", `the job may cost ${cost} micro-credits, there is room for ${room}`);
	}

	async #refusal(of: Bytes, peer: Bytes, no: Refused) {
		const room = no.reason === "refused_credit" ? await this.#room(peer) : 0n;
		return sign(refusalForm, this.#node.signer, { of, reason: no.reason, text: clip(no.message), room });
	}

	// ---- orders

	async #order(body: Bytes, from: Caller): Promise<Bytes> {
		if (!from.direct) throw new SeaError("refused", "orders are taken over direct links only; connect first");
		const { order, quote, ask, ...cursor } = read(body, orderRequest, Scope.order);
		if (compare(order.by, from.node) !== 0) throw new SeaError("refused", "the order is from somebody else");
		const hash = await order.hash(orderForm.purpose);
		const known = this.#sales.get(toHex(hash));
		if (known) return encode(await known.follow(cursor)); // its signature was looked at
		this.#allow(from);
		const o = await open(orderForm, order);
		const [q, a] = [await open(quoteForm, quote), await open(askForm, ask)];
		const quoted = await quote.hash(quoteForm.purpose);
		const job = jobOf(a.job);
		const mine = this.#node.signer.key;
		let s: Sale;
		try {
			const fits =
				compare(quote.by, mine) === 0 && compare(o.quote, quoted) === 0 && compare(q.ask, await ask.hash(askForm.purpose)) === 0 &&
				compare(ask.by, from.node) === 0 && compare(a.to, mine) === 0 && compare(q.job, await hashJob(job)) === 0;
			if (!fits) throw new Refused("unknown_quote", "this node gave no such quote for that");
			if (Date.now() > q.until) throw new Refused("expired", "the quote is too old");
			// What was ordered before this seller began is forgotten: nothing is carried out again.
			if (q.until < this.#began + quoteTime) throw new Refused("unknown_quote", "the quote is of an earlier run");
			await this.#afford(from.node, q.ceiling);
			s = this.#take(new Sale(hash, from.node, from.addr, job, q, quoted));
			await s.isKept;
		} catch (err) {
			if (!(err instanceof Refused)) throw err;
			return this.#no(hash, err, from.node);
		}
		return encode(await s.follow(cursor));
	}

	/** #take begins a sale, unless it was begun meanwhile. Nothing else happens between its checks. */
	#take(s: Sale): Sale {
		const raced = this.#sales.get(toHex(s.order));
		if (raced) return raced;
		if (this.#quotes.has(toHex(s.quoted))) throw new Refused("quote_used", "the quote was ordered by already");
		this.#mayTake(s.job);
		if (this.#closed) throw new Refused("not_selling", "this node does not sell any more");
		if (!this.#forget()) throw new Refused("busy", `${maxSales} sales are remembered until their quotes are over`);
		this.#sales.set(toHex(s.order), s);
		this.#quotes.set(toHex(s.quoted), s.order);
		void this.#perform(s);
		return s;
	}

	/**
	 * #forget makes room for one more sale, and tells whether there is any: the oldest
	 * that has ended goes. Until its quote is over it is what a repeated order meets.
	 */
	#forget(): boolean {
		if (this.#sales.size < maxSales) return true;
		const now = Date.now();
		const old = [...this.#sales.values()].find((s) => s.ended && s.quote.until < now);
		if (!old) return false;
		this.#sales.delete(toHex(old.order));
		return this.#quotes.delete(toHex(old.quoted));
	}

	/** #no is a follow that is a refusal. */
	async #no(order: Bytes, no: Refused, peer: Bytes = this.#node.signer.key): Promise<Bytes> {
		const none = new Uint8Array(0);
		return encode({
			state: "refused", fuel: 0, input: 0, stdout: none, stderr: none, stdout_size: 0, stderr_size: 0,
			refusal: (await this.#refusal(order, peer, no)).value(), receipt: null, delivery: null, outcome: none, outcome_size: 0,
		});
	}

	/** #perform runs a sale's job and delivers it. It never rejects. */
	async #perform(s: Sale): Promise<void> {
		this.changed();
		const late = new AbortController();
		const bytes = s.job.files.reduce((n, f) => n + f.size, s.job.module_size + s.job.stdin.size);
		const timer = setTimeout(() => late.abort(), inputTime + (bytes / inputRate) * 1000);
		try {
			await this.#till.keep(s.record());
			s.kept();
			const result = await this.#engine.run(s.job, this.#inputs(s, AbortSignal.any([s.stop.signal, late.signal])), {
				signal: s.stop.signal,
				begun: () => {
					clearTimeout(timer);
					s.state = "running";
					s.changed();
				},
				progress: (fuel) => {
					s.fuel = fuel;
					s.changed();
				},
			});
			const { signer } = this.#node;
			const cost = costOf(s.quote, result.done.fuel)!; // at most the ceiling
			const receipt = await signReceipt(await result.receipt(), signer);
			const delivery = await sign(deliveryForm, signer, { order: s.order, receipt: await receipt.hash(receiptPurpose), cost });
			if (this.#closed) return;
			const outcome = encodeOutcome(result.outcome);
			const files = result.outcome.files.map((f, i) => [f, result.done.files[i]!.data as Bytes] as const).filter(([f]) => f.size > 0);
			const { stdout, stderr, fuel } = result.done;
			const output = { stdout, stderr, outcome, shared: [[await blobOf(outcome), outcome] as const, ...files], fuel, cost, receipt: receipt.encode(), delivery: delivery.encode() };
			await this.#till.keep(s.record(output));
			if (this.#closed) return;
			this.#deliver(s, output);
			this.changed();
			await this.#collect(s);
		} catch (err) {
			const no = late.signal.aborted ? new Refused("inputs_missing", "the job's bytes did not come in time") : failed(err);
			if (!this.#closed) await this.#refuse(s, no);
		} finally {
			clearTimeout(timer);
			s.kept();
		}
		this.changed();
	}

	async #refuse(s: Sale, no: Refused): Promise<void> {
		s.refusal = await this.#refusal(s.order, s.buyer, no).catch(() => undefined);
		s.end("refused");
		await this.#till.end(s.order);
	}

	#deliver(s: Sale, o: Output): void {
		s.deliver(o);
		s.unshare = this.#shelf.share(s.buyer, o.shared);
	}

	/** #inputs fetches a job's bytes from its buyer. */
	#inputs(s: Sale, signal: AbortSignal): Blobs {
		const { job } = s;
		const all: Blob[] = [{ hash: job.module, size: job.module_size }, job.stdin, ...job.files];
		return {
			open: async (hash) => {
				const blob = all.find((b) => compare(b.hash, hash) === 0)!;
				const b = await fetchBlob(this.#node, s.at, blob, signal);
				s.input += BigInt(b.length);
				s.changed();
				return b;
			},
		};
	}

	/** #collect waits until a sale is paid, and reminds its buyer. */
	async #collect(s: Sale): Promise<void> {
		if (s.cost === 0n) {
			await sleep(freeTime);
			if (!s.ended && !this.#closed) await this.#over(s);
		}
		for (let pause = firstReminder; pause <= lastReminder && !s.ended && !this.#closed; pause *= 2) {
			await this.#look(s.buyer);
			for (let left = pause; left > 0 && !s.ended && !this.#closed; left -= firstReminder) await sleep(Math.min(left, firstReminder));
			if (s.ended || this.#closed) return;
			if ((await this.#remind(s, pause)) === false) break;
		}
		if (s.ended) return;
		const lost = { order: s.order, buyer: s.buyer, due: s.cost, until: Date.now() + lostTime };
		this.#lost.set(toHex(s.order), lost);
		s.end("refused"); // it is written off
		await this.#till.lose(lost);
	}

	/** #remind asks a buyer whether it knows of a bill; undefined when it does not say. */
	async #remind(s: Sale, ms: number): Promise<boolean | undefined> {
		try {
			return read(await this.#node.call(s.at, Scope.due, encode({ order: s.order }), AbortSignal.timeout(ms)), dueAnswer, Scope.due).known;
		} catch {
			return undefined;
		}
	}

	/** #look ends the sales that a buyer has paid, and strikes out what it pays late. */
	async #look(buyer: Bytes): Promise<void> {
		for (const l of this.#lost.values()) {
			if (compare(l.buyer, buyer) === 0 && (await this.#ledger.paid(buyer, l.order)).theirs >= l.due) this.#found(l);
		}
		for (const s of this.#sales.values()) {
			if (s.state !== "delivered" || compare(s.buyer, buyer) !== 0) continue;
			if ((await this.#ledger.paid(buyer, s.order)).theirs < s.cost || s.ended) continue;
			await this.#over(s);
		}
	}

	/** #over ends a sale that is paid. */
	async #over(s: Sale): Promise<void> {
		s.end("paid");
		this.changed();
		await this.#till.end(s.order);
	}

	#found(l: Lost): void {
		this.#lost.delete(toHex(l.order));
		void this.#till.found(l.order);
	}
}

function jobOf(b: Bytes): Job {
	try {
		return decodeJob(b);
	} catch (err) {
		throw new SeaError("bad_request", `the job: ${err instanceof Error ? err.message : String(err)}`);
	}
}

/** failed is what a failure of the engine means to a buyer. */
function failed(err: unknown): Refused {
	const text = err instanceof Error ? err.message : String(err);
	const code = err instanceof SeaError ? err.code : "engine";
	if (code === "module") return new Refused("module_invalid", text);
	if (code === "engine" || code === "busy") return new Refused("engine_failed", text);
	return code === "cancelled" ? new Refused("cancelled", text) : new Refused("inputs_missing", text);
}

/** clip makes text fit for a refusal: 256 bytes. */
function clip(text: string): string {
	return clean(text).replace(/[^ -~]/g, "?").slice(0, 256);
}

function sleep(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
