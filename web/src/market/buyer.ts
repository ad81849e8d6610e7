// Buyer buys jobs: it finds sellers, orders, and sees each order to its end.

import { type Bytes, compare, toHex } from "../bytes.ts";
import { decodeJob, encodeJob } from "../compute/job.ts";
import { encode } from "../identity/cbor.ts";
import { read } from "../identity/shape.ts";
import { Statement } from "../identity/statement.ts";
import { type Ledger } from "../ledger/ledger.ts";
import { HashAddress } from "../node/addr.ts";
import { type Handler } from "../node/rpc.ts";
import { type Book, type Delivered, type Inputs, type JobRecord, type OrderRecord } from "./book.ts";
import { findSellers, type Known, type Quoted, quotesOf, refusedOf } from "./find.ts";
import { type Memory } from "./memory.ts";
import { Refused } from "./reason.ts";
import { Shelf } from "./shelf.ts";
import { blobsOf, type Progress, type RunOptions, type Spec, specOf } from "./spec.ts";
import { ask as askForm, open, quote as quoteForm } from "./statement.ts";
import { type Bought, type Deal, type Sink, Trade, type Trading } from "./trade.ts";
import { due } from "./wire.ts";
import * as Scope from "./scope.ts";

// How many sellers may fail a job, and orders come to nothing; the pauses, ms,
// before sellers are asked again who were busy.
const maxTries = 5;
const maxDropped = 5;
const firstBusy = 200;
const lastBusy = 5000;

// For these nothing has run, and another may be asked.
const dropped = ["busy", "refused_credit", "expired", "unknown_quote", "quote_used", "unknown_order", "not_selling", "unreachable", "refused_price"];

// For these the seller is left out, and another is asked.
const failed = ["engine_failed", "inputs_missing", "seller_lost", "bad_receipt", "bad_output", "bad_statement", "mismatch"];

/** Home is the node of a buyer. */
export interface Home extends Trading {
	handle(scope: string, handler: Handler | undefined): void;
}

/** Ordered is a job that is kept: open while it is bought. Times are Unix ms. */
export interface Ordered {
	readonly id: string;
	readonly args: readonly string[];
	readonly made: number;
	readonly until: number;
	readonly state: "open" | "done" | "failed";
	/** reason is why it failed, text the same for people; "" while it has not. */
	readonly reason: string;
	readonly text: string;
	/** cost is what was paid, in micro-credits, once it is done. */
	readonly cost: bigint;
	/** verify tells that it waits for a job that looks at it before it is paid: see Sea.job. */
	readonly verify: boolean;
}

/** Wishes are what may be said anew of a job that is taken up again. */
export type Wishes = Pick<RunOptions, "verify" | "progress" | "signal">;

/** Purchase is a job while it is bought. */
export interface Purchase {
	/** id finds it again, also after the page was reloaded: see Sea.job. */
	readonly id: string;
	/** stdout and stderr come as the seller sends them, before they are checked. They are kept until they are read. */
	readonly stdout: ReadableStream<Uint8Array>;
	readonly stderr: ReadableStream<Uint8Array>;
	/** done resolves when all is checked and paid, however the guest ended, and rejects with Refused when nothing was had. */
	readonly done: Promise<Bought>;
	/** cancel has the seller stop; what ran is paid, and done resolves with it. */
	cancel(): void;
}

/** Running is a job that this page buys. */
interface Running {
	readonly purchase: Purchase;
	readonly wishes: Wishes;
}

/** Buyer serves what sellers ask of it, until close. */
export class Buyer {
	readonly #node: Home;
	readonly #ledger: Ledger;
	readonly #book: Book;
	readonly #memory: Memory;
	/** shelf is what sellers fetch from. A Seller on the same node uses it too. */
	readonly shelf = new Shelf();
	readonly #trades = new Map<string, { seller: Bytes; trade: Trade }>(); // by order in hex
	readonly #running = new Map<string, Running>(); // by id

	constructor(node: Home, ledger: Ledger, book: Book, memory: Memory) {
		this.#node = node;
		this.#ledger = ledger;
		this.#book = book;
		this.#memory = memory;
		node.handle(Scope.get, this.shelf.serve);
		node.handle(Scope.due, async (body, from) => {
			const { order } = read(body, due, Scope.due);
			const t = this.#trades.get(toHex(order));
			const ours = t !== undefined && compare(t.seller, from.node) === 0;
			if (ours) t.trade.poke?.();
			const kept = [...this.#book.jobs].some((r) => r.order?.hash === toHex(order) && from.addr.toString() === r.order.at);
			return encode({ known: ours || kept || (await ledger.paid(from.node, order)).ours > 0n });
		});
	}

	/** close serves no more. Sellers of jobs that are being bought cannot fetch their inputs any more. */
	close(): void {
		this.#node.handle(Scope.get, undefined);
		this.#node.handle(Scope.due, undefined);
	}

	/** sellers are those that are found now, with what they offer. */
	sellers(): Promise<Known[]> {
		return findSellers(this.#node, { to: undefined, known: this.#memory.best(), newcomer: true });
	}

	/** jobs are those that are kept, oldest first. */
	jobs(): Ordered[] {
		return [...this.#book.jobs].map(({ id, args, made, until, state, reason, text, cost, verify }) => ({ id, args, made, until, state, reason, text, cost, verify }));
	}

	/** resume takes up what an earlier run has left open, but for jobs that want a verify. */
	resume(): void {
		for (const r of this.#book.jobs) if (r.state === "open" && !r.verify) this.job(r.id);
	}

	/** run buys the run of a module, a WebAssembly program for WASI preview 1. */
	run(module: Uint8Array, options: RunOptions = {}): Purchase {
		const id = toHex(crypto.getRandomValues(new Uint8Array(16)));
		return this.#start(id, { ...options }, async (wishes) => {
			const s = await specOf(module, options);
			const r = recordOf(id, s);
			await this.#book.add(r, s.blobs);
			return [r, { ...s, options: wishes }];
		});
	}

	/** job gives a job that is kept: one that is open goes on. Refused "unknown_order", and "bad_job" when it needs a verify. */
	job(id: string, wishes: Wishes = {}): Purchase {
		const running = this.#running.get(id);
		if (running) {
			Object.assign(running.wishes, wishes);
			return running.purchase;
		}
		const r = this.#book.job(id);
		if (!r) throw new Refused("unknown_order", "no such job is kept");
		if (r.state === "open" && r.verify && !wishes.verify) throw new Refused("bad_job", "the job is looked at before it is paid: say how");
		return this.#start(id, { ...wishes }, async (wishes) => [r, specAgain(r, await this.#book.inputs(r), wishes)]);
	}

	/** #start begins to buy what job gives. */
	#start(id: string, wishes: RunOptions, job: (wishes: RunOptions) => Promise<[JobRecord, Spec]>): Purchase {
		const stop = new AbortController();
		const cancel = () => stop.abort();
		const taps = { stdout: new Tap(), stderr: new Tap() };
		const { signal } = wishes;
		const done = this.#see(job(wishes), stop, taps).finally(() => {
			this.#running.delete(id);
			signal?.removeEventListener("abort", cancel);
			taps.stdout.end();
			taps.stderr.end();
		});
		signal?.addEventListener("abort", cancel);
		if (signal?.aborted) cancel();
		done.catch(() => {}); // who looks at done is told
		const purchase = { id, stdout: taps.stdout.stream, stderr: taps.stderr.stream, done, cancel };
		this.#running.set(id, { purchase, wishes });
		return purchase;
	}

	/** #see sees a job to its end, and keeps that. */
	async #see(job: Promise<[JobRecord, Spec]>, stop: AbortController, taps: Taps): Promise<Bought> {
		const [r, s] = await job;
		const kept = await this.#book.delivered(r);
		if (r.state === "failed") throw new Refused(r.reason, r.text);
		if (r.state === "done") {
			if (!kept) throw new Refused("internal", "what was delivered is not kept");
			taps.stdout.from()(kept.bought.stdout);
			taps.stderr.from()(kept.bought.stderr);
			return { ...kept.bought, cost: r.cost };
		}
		try {
			const bought = await this.#buy(r, s, stop, taps, kept);
			await this.#memory.did(bought.seller, bought.reason !== "too_slow");
			[r.state, r.cost] = ["done", bought.cost];
			return bought;
		} catch (err) {
			const no = refusedOf(err);
			[r.state, r.reason, r.text] = ["failed", no.reason, no.message];
			throw no;
		} finally {
			r.order = undefined;
			await this.#book.end(r).catch(() => {}); // it is paid, or nothing is: taken up again it comes to the same
		}
	}

	async #buy(r: JobRecord, s: Spec, stop: AbortController, taps: Taps, kept: Delivered | undefined): Promise<Bought> {
		const late = setTimeout(() => stop.abort(), r.until - Date.now());
		if (r.stop) stop.abort();
		const say = (p: Progress) => s.options.progress?.(p);
		const sinkOf = (q: Deal) => this.#sink(r, s, q, taps, say);
		let pause = firstBusy;
		let last: Refused | undefined; // what the seller before did
		try {
			if (r.order) {
				const q = await dealOf(r.order);
				const trade = await Trade.resume(this.#node, this.#ledger, q, sinkOf(q), stop.signal, r.until, Statement.decode(r.order.order));
				const out = kept ? await trade.pay(kept.bought, kept.release) : await this.#follow(r, s, q, trade, stop.signal);
				if (!(out instanceof Failed)) return out;
				last = out.no;
			}
			for (;;) {
				if (stop.signal.aborted) throw new Refused(Date.now() < r.until ? "cancelled" : "timeout", "nothing was ordered");
				say({ state: "asking", fuel: 0n, vouched: r.spent });
				const { quotes, refused } = await this.#quotes(s, new Set(r.avoid), r.maxCredit - r.spent);
				if (quotes.length + refused.length === 0 && last) throw last; // there is nobody else
				let no = worst(refused);
				let again = false;
				for (const q of quotes) {
					const trade = await this.#begin(r, q, sinkOf(q), stop.signal).catch((err: unknown) => refusedOf(err));
					if (trade instanceof Refused) {
						no = trade;
						if (++r.drops > maxDropped) throw no;
						continue;
					}
					const out = await this.#follow(r, s, q, trade, stop.signal);
					if (!(out instanceof Failed)) return out;
					last = no = out.no;
					again = out.fault;
					break; // with what is left of the cap all are asked again
				}
				if (quotes.length === 0 && no.reason !== "busy") throw no;
				if (again) continue;
				say({ state: "asking", fuel: 0n, vouched: r.spent, why: no.message });
				await rest(pause, stop.signal);
				pause = Math.min(2 * pause, lastBusy);
			}
		} finally {
			clearTimeout(late);
		}
	}

	async #quotes(s: Spec, avoid: ReadonlySet<string>, left: bigint): Promise<{ quotes: Quoted[]; refused: Refused[] }> {
		const newcomer = this.#memory.newcomer();
		const found = await findSellers(this.#node, { to: s.options.to, known: this.#memory.best(), newcomer });
		const usable: Known[] = [];
		for (const k of found) {
			if (!avoid.has(toHex(k.seller)) && (await this.#ledger.line(k.seller)).state === "open") usable.push({ ...k, dealt: this.#memory.with(k.seller) });
		}
		return quotesOf(this.#node, s, usable, newcomer, left);
	}

	/** #sink is what a trade tells: a job's output is the same wherever it runs, so what another seller sends again is not shown again. */
	#sink(r: JobRecord, s: Spec, q: Deal, taps: Taps, progress: (p: Progress) => void): Sink {
		return {
			stdout: taps.stdout.from(), stderr: taps.stderr.from(), progress,
			verified: async (receipt) => !s.options.verify || s.options.verify(receipt, q.job, blobsOf(s)),
			delivered: (bought, release) => this.#book.deliver(r, { bought, release }),
			stopping: async () => {
				r.stop = true;
				await this.#book.save(r);
			},
		};
	}

	/** #begin makes an order, and keeps it. */
	async #begin(r: JobRecord, q: Deal, sink: Sink, stop: AbortSignal): Promise<Trade> {
		const trade = await Trade.begin(this.#node, this.#ledger, q, sink, stop, r.until);
		r.order = { hash: toHex(trade.hash), at: q.at.toString(), ask: q.ask.encode(), quoted: q.quoted.encode(), order: trade.order.encode() };
		await this.#book.save(r);
		return trade;
	}

	/** #follow follows an order to its end. Failed says that others may be asked; Refused is thrown when not. */
	async #follow(r: JobRecord, s: Spec, q: Deal, trade: Trade, stop: AbortSignal): Promise<Bought | Failed> {
		const unshare = this.shelf.share(q.seller, s.blobs);
		this.#trades.set(toHex(trade.hash), { seller: q.seller, trade });
		try {
			return await trade.run();
		} catch (err) {
			const no = refusedOf(err);
			const fault = failed.includes(no.reason) || trade.owed > 0n;
			r.spent += trade.owed;
			if (fault) {
				r.avoid.push(toHex(q.seller));
				await this.#memory.did(q.seller, false);
			}
			const over = fault ? ++r.tries > maxTries : ++r.drops > maxDropped;
			if (stop.aborted || over || !(fault || dropped.includes(no.reason))) throw no;
			r.order = undefined;
			await this.#book.save(r);
			return new Failed(no, fault);
		} finally {
			unshare();
			this.#trades.delete(toHex(trade.hash));
		}
	}
}

/** Failed is an order of which nothing came; fault tells that it was the seller's. */
class Failed {
	constructor(
		readonly no: Refused,
		readonly fault: boolean,
	) {}
}

interface Taps {
	readonly stdout: Tap;
	readonly stderr: Tap;
}

/** recordOf is a job that has not begun. */
function recordOf(id: string, s: Spec): JobRecord {
	const made = Date.now();
	return {
		v: 1, id, made, until: made + s.timeout, args: s.job.args, job: encodeJob(s.job), fuel: s.fuel, maxCredit: s.maxCredit, maxPrice: s.maxPrice,
		to: s.options.to?.map(String), verify: s.options.verify !== undefined, state: "open", stop: false, reason: "", text: "", cost: 0n,
		spent: 0n, avoid: [], tries: 0, drops: 0, bytes: 0, out: 0, order: undefined,
	};
}

/** specAgain is what recordOf was made of. */
function specAgain(r: JobRecord, inputs: Inputs, options: RunOptions): Spec {
	if (r.to) options.to = r.to.map((a) => HashAddress.from(a));
	return {
		job: decodeJob(r.job), blobs: [...inputs], fuel: r.fuel, maxCredit: r.maxCredit, maxPrice: r.maxPrice, timeout: r.until - r.made, options,
	};
}

/** dealOf reads what an order was made of. */
async function dealOf(o: OrderRecord): Promise<Deal> {
	const [ask, quoted] = [Statement.decode(o.ask), Statement.decode(o.quoted)];
	const [{ job }, quote] = [await open(askForm, ask), await open(quoteForm, quoted)];
	return { at: HashAddress.from(o.at), seller: quoted.by, ask, quoted, quote, job: decodeJob(job) };
}

/** Tap is a stream that is filled from sellers, one after the other. */
class Tap {
	#out: ReadableStreamDefaultController<Uint8Array> | undefined;
	#given = 0;
	readonly stream = new ReadableStream<Uint8Array>({
		start: (c) => void (this.#out = c),
		cancel: () => void (this.#out = undefined),
	});

	/** from takes the output of one more seller, from its beginning. */
	from(): (b: Bytes) => void {
		let at = 0;
		return (b) => {
			const fresh = b.subarray(Math.min(b.length, Math.max(0, this.#given - at)));
			at += b.length;
			if (fresh.length === 0) return;
			this.#given += fresh.length;
			this.#out?.enqueue(fresh);
		};
	}

	end(): void {
		this.#out?.close();
		this.#out = undefined;
	}
}

/** worst is the refusal that tells most of why there was no quote: one that may be otherwise soon first. */
function worst(all: Refused[]): Refused {
	return all.find((r) => r.reason === "busy") ?? all.find((r) => r.reason !== "unreachable") ?? all[0] ?? new Refused("no_seller", "nobody within reach sells");
}

function rest(ms: number, stop: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const over = () => {
			clearTimeout(timer);
			stop.removeEventListener("abort", over);
			resolve();
		};
		const timer = setTimeout(over, ms);
		stop.addEventListener("abort", over);
	});
}
