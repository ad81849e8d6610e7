// Buyer buys jobs: it finds sellers, orders, and sees each order to its end.

import { type Bytes, compare, toHex } from "../bytes.ts";
import { encode } from "../identity/cbor.ts";
import { read } from "../identity/shape.ts";
import { type Statement } from "../identity/statement.ts";
import { type Ledger } from "../ledger/ledger.ts";
import { type Handler } from "../node/rpc.ts";
import { findSellers, type Known, type Quoted, quotesOf, refusedOf } from "./find.ts";
import { Refused } from "./reason.ts";
import { Shelf } from "./shelf.ts";
import { blobsOf, type Progress, type RunOptions, type Spec, specOf } from "./spec.ts";
import { type Bought, type Sink, Trade, type Trading } from "./trade.ts";
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

/** Purchase is a job while it is bought. */
export interface Purchase {
	/** stdout and stderr come as the seller sends them, before they are checked. They are kept until they are read. */
	readonly stdout: ReadableStream<Uint8Array>;
	readonly stderr: ReadableStream<Uint8Array>;
	/** done resolves when all is checked and paid, however the guest ended, and rejects with Refused when nothing was had. */
	readonly done: Promise<Bought>;
	/** cancel has the seller stop; what ran is paid, and done resolves with it. */
	cancel(): void;
}

/** Buyer serves what sellers ask of it, until close. */
export class Buyer {
	readonly #node: Home;
	readonly #ledger: Ledger;
	readonly #shelf: Shelf;
	readonly #trades = new Map<string, { seller: Bytes; trade: Trade }>(); // by order in hex

	/** shelf is one of its own, or that of a Seller on the same node. */
	constructor(node: Home, ledger: Ledger, shelf: Shelf = new Shelf()) {
		this.#shelf = shelf;
		this.#node = node;
		this.#ledger = ledger;
		node.handle(Scope.get, this.#shelf.serve);
		node.handle(Scope.due, async (body, from) => {
			const { order } = read(body, due, Scope.due);
			const t = this.#trades.get(toHex(order));
			const ours = t !== undefined && compare(t.seller, from.node) === 0;
			if (ours) t.trade.poke?.();
			return encode({ known: ours || (await ledger.paid(from.node, order)).ours > 0n });
		});
	}

	/** shelf is what sellers fetch from. */
	get shelf(): Shelf {
		return this.#shelf;
	}

	/** close serves no more. Sellers of jobs that are being bought cannot fetch their inputs any more. */
	close(): void {
		this.#node.handle(Scope.get, undefined);
		this.#node.handle(Scope.due, undefined);
	}

	/** sellers are those that are found now, with what they offer. */
	sellers(): Promise<Known[]> {
		return findSellers(this.#node, undefined);
	}

	/** run buys the run of a module, a WebAssembly program for WASI preview 1. */
	run(module: Uint8Array, options: RunOptions = {}): Purchase {
		const stop = new AbortController();
		const cancel = () => stop.abort();
		const stdout = new Tap();
		const stderr = new Tap();
		const done = this.#buy(module, options, stop, { stdout, stderr }).finally(() => {
			options.signal?.removeEventListener("abort", cancel);
			stdout.end();
			stderr.end();
		});
		options.signal?.addEventListener("abort", cancel);
		if (options.signal?.aborted) cancel();
		done.catch(() => {}); // who looks at done is told
		return { stdout: stdout.stream, stderr: stderr.stream, done, cancel };
	}

	async #buy(module: Uint8Array, options: RunOptions, stop: AbortController, taps: { stdout: Tap; stderr: Tap }): Promise<Bought> {
		const s = await specOf(module, options);
		const until = Date.now() + s.timeout;
		const late = setTimeout(() => stop.abort(), s.timeout);
		const say = (p: Progress) => options.progress?.(p);
		const avoid = new Set<string>();
		let [spent, tries, drops, pause] = [0n, 0, 0, firstBusy];
		let last: Refused | undefined; // what the seller before did
		try {
			for (;;) {
				if (stop.signal.aborted) throw new Refused(Date.now() < until ? "cancelled" : "timeout", "nothing was ordered");
				say({ state: "asking", fuel: 0n, vouched: spent });
				const { quotes, refused } = await this.#quotes(s, avoid, s.maxCredit - spent);
				if (quotes.length + refused.length === 0 && last) throw last; // there is nobody else
				let no = worst(refused);
				let again = false;
				for (const q of quotes) {
					const trade = await this.#begin(s, q, taps, say, stop.signal, until).catch((err: unknown) => refusedOf(err));
					if (trade instanceof Refused) {
						no = trade;
						if (++drops > maxDropped) throw no;
						continue;
					}
					try {
						return await this.#follow(s, q, trade);
					} catch (err) {
						no = refusedOf(err);
						spent += trade.owed;
						const fault = failed.includes(no.reason) || trade.owed > 0n;
						if (fault) avoid.add(toHex(q.seller));
						if (stop.signal.aborted || (fault ? ++tries > maxTries : ++drops > maxDropped) || !(fault || dropped.includes(no.reason))) throw no;
						last = no;
						again = fault;
						break; // with what is left of the cap all are asked again
					}
				}
				if (quotes.length === 0 && no.reason !== "busy") throw no;
				if (again) continue;
				say({ state: "asking", fuel: 0n, vouched: spent, why: no.message });
				await rest(pause, stop.signal);
				pause = Math.min(2 * pause, lastBusy);
			}
		} finally {
			clearTimeout(late);
		}
	}

	async #quotes(s: Spec, avoid: ReadonlySet<string>, left: bigint): Promise<{ quotes: Quoted[]; refused: Refused[] }> {
		const found = await findSellers(this.#node, s.options.to);
		const usable: Known[] = [];
		for (const k of found) {
			if (!avoid.has(toHex(k.seller)) && (await this.#ledger.line(k.seller)).state === "open") usable.push(k);
		}
		return quotesOf(this.#node, s, usable, left);
	}

	async #begin(s: Spec, q: Quoted, taps: { stdout: Tap; stderr: Tap }, progress: (p: Progress) => void, stop: AbortSignal, until: number): Promise<Trade> {
		// A job's output is the same wherever it runs: what another seller sends again is not shown again.
		const { verify } = s.options;
		const verified = async (receipt: Statement) => !verify || verify(receipt, q.job, blobsOf(s));
		const sink: Sink = { stdout: taps.stdout.from(), stderr: taps.stderr.from(), progress, verified };
		return Trade.begin(this.#node, this.#ledger, q, sink, stop, until);
	}

	async #follow(s: Spec, q: Quoted, trade: Trade): Promise<Bought> {
		const unshare = this.#shelf.share(q.seller, s.blobs);
		this.#trades.set(toHex(trade.hash), { seller: q.seller, trade });
		try {
			return await trade.run();
		} finally {
			unshare();
			this.#trades.delete(toHex(trade.hash));
		}
	}
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
