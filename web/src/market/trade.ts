// A trade is one order while it is followed: sent as often as it takes, paid as it
// runs, its output fetched, checked and paid. See docs/PROTOCOL.md, part 8.

import { type Bytes, compare, sha256 } from "../bytes.ts";
import { type Blob, blobOf } from "../compute/blob.ts";
import { openReceipt, receiptPurpose, type Receipt } from "../compute/receipt.ts";
import { decodeOutcome, type Outcome } from "../compute/result.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { read } from "../identity/shape.ts";
import { type Statement } from "../identity/statement.ts";
import { type Ledger } from "../ledger/ledger.ts";
import { type HashAddress } from "../node/addr.ts";
import { type Link } from "../node/link.ts";
import { type Asking, type Quoted, refusedOf } from "./find.ts";
import { costOf } from "./price.ts";
import { Purse } from "./purse.ts";
import { Refused } from "./reason.ts";
import { fetchBlob } from "./shelf.ts";
import { type Progress } from "./spec.ts";
import { cancel as cancelForm, type Delivery, delivery as deliveryForm, open, order as orderForm, quote as quoteForm, refusal, sign } from "./statement.ts";
import { type Follow, follow, followMillis } from "./wire.ts";
import * as Scope from "./scope.ts";

// The times of a trade, ms: how long a seller may be away, and pauses.
const patience = 30_000;
const firstPause = 50;
const lastPause = 3000;
const filesAtOnce = 4;

// How many bytes a second output must come at on the whole, once it is delivered.
const leastRate = 16 << 10;

/** Trading is the node that trades. */
export interface Trading extends Asking {
	readonly isOnline: boolean;
	connect(to: HashAddress): Promise<Link>;
}

/** Sink takes the streams as they come, and how far the trade is. */
export interface Sink {
	stdout(b: Bytes): void;
	stderr(b: Bytes): void;
	progress(at: Progress): void;
	/** verified tells whether what was delivered is right, as far as the buyer looks. */
	verified(receipt: Statement): Promise<boolean>;
	/** delivered keeps what is right before it is paid. */
	delivered(b: Bought, release: Bytes | undefined): Promise<void>;
	/** stopping keeps that the seller is told to stop, before it is. */
	stopping(): Promise<void>;
}

/** OutputFile is a file or folder of the guest's output folder, by its path there. */
export interface OutputFile {
	readonly path: string;
	readonly dir: boolean;
	readonly data: Bytes;
}

/** Bought is what was delivered, checked and paid. What it says of the guest is the receipt's. */
export interface Bought extends Pick<Receipt, "end" | "code" | "fuel" | "peak_pages" | "engine"> {
	/** trap is the guest's fault, "" without one; reason why the seller stopped it. */
	readonly trap: string;
	readonly reason: string;
	readonly stdout: Bytes;
	readonly stderr: Bytes;
	readonly files: OutputFile[];
	/** cost is what was paid, in micro-credits; of price per 10^9 fuel and the fee. */
	readonly cost: bigint;
	readonly fee: bigint;
	readonly price: bigint;
	readonly seller: Bytes;
	readonly receipt: Statement;
	readonly delivery: Statement;
}

/** Deal is what a trade needs of a quote. */
export type Deal = Pick<Quoted, "at" | "seller" | "ask" | "quoted" | "quote" | "job">;

/** Trade is made by begin or by resume. */
export class Trade {
	/** owed is what the seller can claim for vouchers, should nothing come of it. */
	get owed(): bigint {
		return this.#purse.owed;
	}

	/** hash names the order. */
	readonly hash: Bytes;

	/** poke has the seller asked again at once. */
	poke: (() => void) | undefined;

	readonly #node: Trading;
	readonly #sink: Sink;
	readonly #q: Deal;
	/** order is the buyer's statement. */
	readonly order: Statement;
	readonly #began: number;
	readonly #stop: AbortSignal; // when the buyer wants no more of it
	readonly #purse: Purse;

	readonly #stdout = new Spool();
	readonly #stderr = new Spool();
	#until: number | undefined; // when all output must be here, once it is delivered
	#shown = 0n;
	#input = 0n;
	#running = false;
	#held: string | undefined;
	#taken = false;
	#last = Date.now(); // of contact
	#cancelled: number | undefined;
	#released: number | undefined; // until when the release is waited for

	private constructor(
		node: Trading, ledger: Ledger, q: Deal, sink: Sink, stop: AbortSignal, order: Statement, began: number, hash: Bytes, quoted: Bytes, until: number,
	) {
		this.#node = node;
		this.#sink = sink;
		this.#q = q;
		this.#stop = stop;
		this.order = order;
		this.#began = began;
		this.hash = hash;
		this.#purse = new Purse(ledger, q.seller, hash, quoted, q.quote, q.job.limits.fuel, until);
	}

	/** begin links to the seller and signs the order; it is not sent. until is when the job's time ends, Unix ms. */
	static async begin(node: Trading, ledger: Ledger, q: Deal, sink: Sink, stop: AbortSignal, until: number): Promise<Trade> {
		await node.connect(q.at);
		const quoted = await q.quoted.hash(quoteForm.purpose);
		const at = Date.now();
		const order = await sign(orderForm, node.signer, { quote: quoted, at });
		return new Trade(node, ledger, q, sink, stop, order, at, await order.hash(orderForm.purpose), quoted, until);
	}

	/** resume takes an order up again that begin has signed, with what was promised for it. */
	static async resume(node: Trading, ledger: Ledger, q: Deal, sink: Sink, stop: AbortSignal, until: number, order: Statement): Promise<Trade> {
		const { quote, at } = await open(orderForm, order);
		const trade = new Trade(node, ledger, q, sink, stop, order, at, await order.hash(orderForm.purpose), quote, until);
		await trade.#purse.resume();
		return trade;
	}

	/** run follows the order to its end. It rejects with Refused when nothing comes of it; nothing is paid then but what was vouched. */
	async run(): Promise<Bought> {
		for (;;) {
			const f = await this.#next();
			if (f.refusal) throw await this.#refused(f.refusal, f.release);
			const bought = await this.#take(f);
			if (bought) return bought;
		}
	}

	/** next gets the seller's next word, whatever happens to the link meanwhile. */
	async #next(): Promise<Follow> {
		for (let pause = firstPause; ; pause = Math.min(2 * pause, lastPause)) {
			try {
				const f = await this.#call();
				this.#last = Date.now();
				return f;
			} catch (err) {
				if (await this.#tellStop()) continue;
				const no = refusedOf(err);
				if (no.reason === "bad_statement" || (err instanceof SeaError && err.code === "bad_request")) throw new Refused("bad_statement", no.message);
				this.#taken = false;
				if (!this.#node.isOnline && !this.#stop.aborted) this.#last = Date.now(); // it is not the seller that is away
				if (Date.now() - this.#last > patience) throw new Refused("seller_lost", `the seller did not come back: ${no.message}`);
			}
			await this.#wait(pause);
			await this.#node.connect(this.#q.at).catch(() => {}); // tried again
		}
	}

	#wait(ms: number): Promise<void> {
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, ms);
			this.poke = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	async #call(): Promise<Follow> {
		const wait = Math.min(this.#purse.pause > 0 ? this.#purse.pause + 1 : followMillis, this.#cancelled ? 1000 : followMillis);
		const cursor = {
			stdout: this.#stdout.size, stderr: this.#stderr.size, fuel: this.#shown, input: this.#input,
			running: this.#running, held: this.#held, wait, voucher: this.#purse.newest,
		};
		const late = AbortSignal.timeout(wait + patience);
		const signal = this.#cancelled ? late : AbortSignal.any([late, this.#stop]);
		const { ask, quoted, at } = this.#q;
		const [scope, body] = this.#taken
			? [Scope.follow, encode({ order: this.hash, ...cursor })]
			: [Scope.order, encode({ order: this.order.value(), quote: quoted.value(), ask: ask.value(), ...cursor })];
		const f = read(await this.#node.call(at, scope, body, signal), follow, scope);
		this.#taken = true;
		return f;
	}

	/** tellStop tells the seller to stop, once, when the buyer wants that. It gives whether it was told just now. */
	async #tellStop(): Promise<boolean> {
		if (!this.#stop.aborted) return false;
		const why = new Refused("cancelled", "the job was cancelled, and the seller did not answer");
		if (this.#cancelled) {
			if (Date.now() - this.#cancelled > patience) throw why;
			return false;
		}
		await this.#sink.stopping();
		const st = await sign(cancelForm, this.#node.signer, { order: this.hash });
		try {
			await this.#node.call(this.#q.at, Scope.cancel, encode({ cancel: st.value() }), AbortSignal.timeout(patience));
		} catch {
			if (Date.now() - this.#last > patience) throw why;
			return false;
		}
		this.#cancelled = Date.now();
		return true;
	}

	/** take takes in what the seller said, and gives what was bought at the end. */
	async #take(f: Follow): Promise<Bought | undefined> {
		const { limits } = this.#q.job;
		const size = this.#stdout.size + this.#stderr.size + f.stdout.length + f.stderr.length;
		if (size > limits.output_bytes) throw new Refused("bad_output", "the seller sent more output than the job may have");
		this.#stdout.add(f.stdout);
		this.#stderr.add(f.stderr);
		this.#sink.stdout(f.stdout);
		this.#sink.stderr(f.stderr);
		const shown = f.fuel < limits.fuel ? f.fuel : limits.fuel;
		if (shown > this.#shown) this.#shown = shown;
		this.#input = f.input;
		this.#running ||= f.state === "running";
		this.#held = f.held;
		this.#say(f.held ? "held" : this.#running ? "running" : "ordered", f.held);
		if (!f.delivery) {
			if (!(await this.#tellStop()) && this.#running && !this.#cancelled) await this.#purse.vouch(this.#shown);
			return undefined;
		}
		if (!f.receipt) throw new Refused("bad_receipt", "the seller delivered without a receipt");
		this.#until ??= Date.now() + patience + (limits.output_bytes / leastRate) * 1000;
		if (BigInt(this.#stdout.size) < f.stdout_size || BigInt(this.#stderr.size) < f.stderr_size) {
			if (f.stdout.length + f.stderr.length === 0) throw new Refused("bad_output", "the seller holds output back");
			if (Date.now() > this.#until) throw new Refused("bad_output", "the output came too slowly");
			return undefined; // the rest of it
		}
		if (this.#purse.lock && !f.release) {
			this.#released ??= Date.now() + patience;
			if (Date.now() < this.#released) {
				await this.#wait(firstPause); // the lock is on another way than the order
				return undefined;
			}
		}
		return this.#settle(f, f.receipt, f.delivery);
	}

	#say(state: Progress["state"], why?: string): void {
		this.#sink.progress({ state, fuel: this.#shown, vouched: this.#purse.vouched, ...(why !== undefined && { why }) });
	}

	/** settle checks receipt, delivery and output against the order and each other, and pays. */
	async #settle(f: Follow, receipt: Statement, delivery: Statement): Promise<Bought> {
		this.#say("checking");
		let r: Receipt;
		let d: Delivery;
		try {
			[r, d] = [await openReceipt(receipt), await open(deliveryForm, delivery)];
		} catch (err) {
			throw new Refused("bad_receipt", refusedOf(err).message);
		}
		const why = await this.#wrong(r, receipt, d, delivery);
		if (why) throw new Refused("bad_receipt", why);
		const outcome = await this.#outcome(f, r);
		const [stdout, stderr] = [this.#stdout.whole(), this.#stderr.whole()];
		if (!(await same(stdout, outcome.stdout)) || !(await same(stderr, outcome.stderr))) {
			throw new Refused("bad_output", "stdout or stderr is not what the receipt says");
		}
		const files = await this.#files(outcome);
		if (!(await this.#sink.verified(receipt))) throw new Refused("mismatch", "a second run came to something else than the seller signed");
		const { end, code, fuel, peak_pages, engine } = r;
		const { fee, price } = this.#q.quote;
		const bought: Bought = {
			end, code, fuel, peak_pages, engine, trap: outcome.trap, reason: d.reason ?? "", stdout, stderr, files,
			cost: d.cost, fee, price, seller: this.#q.seller, receipt, delivery,
		};
		await this.#sink.delivered(bought, f.release);
		return this.pay(bought, f.release);
	}

	/** pay pays what was checked, and gives it with what was paid in all. It may be called again. */
	async pay(b: Bought, release: Bytes | undefined): Promise<Bought> {
		this.#shown = b.fuel;
		const cost = await this.#purse.pay(b.cost, b.fuel, release);
		this.#say("paid");
		return { ...b, cost };
	}

	/** wrong says what in receipt and delivery does not fit the order. */
	async #wrong(r: Receipt, receipt: Statement, d: Delivery, delivery: Statement): Promise<string | undefined> {
		const { quote, job, seller } = this.#q;
		const { limits } = job;
		const wallOver = Date.now() - this.#began >= limits.wall_ms;
		const rules: [boolean, string][] = [
			[compare(receipt.by, seller) !== 0 || compare(delivery.by, seller) !== 0, "receipt or delivery is signed by somebody else"],
			[compare(d.order, this.hash) !== 0, "the delivery is for another order"],
			[compare(d.receipt, await receipt.hash(receiptPurpose)) !== 0, "the delivery names another receipt"],
			[compare(r.job, quote.job) !== 0, "the receipt is for another job"],
			[r.fuel > limits.fuel || r.peak_pages > limits.memory_pages, "the receipt claims more than the job may have"],
			[d.cost !== costOf(quote, r.fuel) || d.cost > quote.ceiling, `the bill is ${d.cost}, by the quote it is ${costOf(quote, r.fuel)}`],
			[d.reason !== undefined && r.end !== "interrupted", "it says that it stopped the job, and the receipt does not"],
			[d.reason === "too_slow" && !quote.slowest, "it stopped the job as too slow, and its quote has no slowest rate"],
			[(d.reason === "no_voucher" || d.reason === "credit_limit") && !quote.quantum, "it stopped the job for want of vouchers, and its quote has none"],
			[r.end === "interrupted" && !d.reason && !this.#cancelled && !wallOver, "it stopped the job before its time was over"],
		];
		return rules.find(([bad]) => bad)?.[1];
	}

	async #outcome(f: Follow, r: Receipt): Promise<Outcome> {
		const b = f.outcome.length > 0 ? f.outcome : await this.#fetch({ hash: r.result, size: f.outcome_size });
		if (compare(await sha256(b), r.result) !== 0) throw new Refused("bad_receipt", "the outcome is not the one in the receipt");
		let o: Outcome;
		try {
			o = decodeOutcome(b);
		} catch (err) {
			throw new Refused("bad_receipt", refusedOf(err).message);
		}
		const total = o.files.reduce((sum, file) => sum + file.size, o.stdout.size + o.stderr.size);
		if (o.end !== r.end || o.code !== r.code) throw new Refused("bad_receipt", "receipt and outcome disagree about the end");
		if (total > this.#q.job.limits.output_bytes) throw new Refused("bad_receipt", "the outcome has more output than the job may have");
		return o;
	}

	async #files(o: Outcome): Promise<OutputFile[]> {
		const files: OutputFile[] = new Array(o.files.length);
		let next = 0;
		const worker = async () => {
			while (next < files.length) {
				const i = next++;
				const { path, dir, hash, size } = o.files[i]!;
				files[i] = { path, dir, data: size > 0 ? await this.#fetch({ hash, size }) : new Uint8Array(0) };
			}
		};
		await Promise.all(Array.from({ length: filesAtOnce }, worker));
		return files;
	}

	/** fetch gets a blob, over as many links as it takes. */
	async #fetch(b: Blob): Promise<Bytes> {
		const began = Date.now();
		for (;;) {
			try {
				return await fetchBlob(this.#node, this.#q.at, b, AbortSignal.timeout(Math.max(0, this.#until! - Date.now())));
			} catch (err) {
				const final = err instanceof Refused || (err instanceof SeaError && err.code === "not_found");
				if (final || Date.now() - began > patience) throw new Refused("bad_output", `the output did not come: ${refusedOf(err).message}`);
			}
			await this.#wait(firstPause);
			await this.#node.connect(this.#q.at).catch(() => {}); // tried again
		}
	}

	/** refused is what a seller's no to the order means; what was vouched is paid. */
	async #refused(st: Statement, release: Bytes | undefined): Promise<Refused> {
		const no = await open(refusal, st).catch(() => undefined);
		if (!no || compare(st.by, this.#q.seller) !== 0 || compare(no.of, this.hash) !== 0) return new Refused("bad_statement", "the refusal is not of this order");
		if (release) await this.#purse.fold(release);
		return new Refused(no.reason, no.text);
	}
}

/** Spool is a stream as far as it has come. */
class Spool {
	#b = new Uint8Array(0);
	size = 0;

	add(b: Bytes): void {
		if (this.size + b.length > this.#b.length) {
			const larger = new Uint8Array(Math.max(this.size + b.length, 2 * this.#b.length));
			larger.set(this.#b);
			this.#b = larger;
		}
		this.#b.set(b, this.size);
		this.size += b.length;
	}

	/** whole is all of it, in memory of its own. */
	whole(): Bytes {
		return this.#b.slice(0, this.size);
	}
}

async function same(b: Bytes, want: Blob): Promise<boolean> {
	const got = await blobOf(b);
	return got.size === want.size && compare(got.hash, want.hash) === 0;
}
