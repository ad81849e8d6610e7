// A sale is an order at the seller: what it is told of it, and what became of it.
// See docs/PROTOCOL.md, part 8, "Calls".

import { type Bytes } from "../bytes.ts";
import { encodeJob, type Job } from "../compute/job.ts";
import { type Value } from "../identity/cbor.ts";
import { Statement } from "../identity/statement.ts";
import { type HashAddress } from "../node/addr.ts";
import { type Quote } from "./statement.ts";
import { type Output, type SaleRecord } from "./till.ts";
import { type Cursor, followBytes, followMillis } from "./wire.ts";

const runningMillis = 100; // until the beginning of the run is news

/** SaleState is how far a sale is; paid and refused are its ends. */
export type SaleState = "taken" | "running" | "delivered" | "paid" | "refused";

const none = new Uint8Array(0);

/** Sale is one order. Its maker moves it on. */
export class Sale {
	state: SaleState = "taken";
	/** fuel is what the guest has used; input how many bytes of module and inputs are here. */
	fuel = 0n;
	input = 0n;
	/** held is why the guest stands still, "" when it does not. */
	held: "" | "seller_paused" = "";
	/** cost is the bill, once it is delivered. */
	cost = 0n;
	refusal: Statement | undefined;
	receipt: Statement | undefined;
	delivery: Statement | undefined;
	/** stop ends it early, at the buyer's word. */
	readonly stop = new AbortController();
	/** kept is called when it is in the Till or has ended: isKept resolves then. */
	kept: () => void = () => {};
	readonly isKept = new Promise<void>((resolve) => (this.kept = resolve));
	/** unshare takes back what the buyer may fetch of its output. */
	unshare: () => void = () => {};
	#stdout: Bytes = none;
	#stderr: Bytes = none;
	#outcome: Bytes = none;
	readonly #waiting = new Set<() => void>();

	constructor(
		/** order is the order's hash. */
		readonly order: Bytes,
		readonly buyer: Bytes,
		/** at is where the buyer ordered from. */
		readonly at: HashAddress,
		readonly job: Job,
		readonly quote: Quote,
		/** quoted is the quote's hash. */
		readonly quoted: Bytes,
		/** taken is when it was, Unix ms. */
		readonly taken = Date.now(),
	) {}

	/** open is whether it still runs, or waits to. */
	get open(): boolean {
		return this.state === "taken" || this.state === "running";
	}

	/** ended is whether nothing more is to come of it. */
	get ended(): boolean {
		return this.state === "paid" || this.state === "refused";
	}

	/** changed tells those who follow. */
	changed(): void {
		for (const wake of [...this.#waiting]) wake();
	}

	/** record is what a Till keeps of it. */
	record(output?: Output): SaleRecord {
		const { taken, order, buyer, at, job, quote, quoted } = this;
		return { v: 1, taken, order, buyer, at: at.toString(), job: encodeJob(job), quote, quoted, ...(output && { output }) };
	}

	/** deliver puts out what came of it. */
	deliver(o: Output): void {
		this.#stdout = o.stdout;
		this.#stderr = o.stderr;
		this.#outcome = o.outcome;
		this.fuel = o.fuel;
		this.receipt = Statement.decode(o.receipt);
		this.delivery = Statement.decode(o.delivery);
		this.cost = o.cost;
		this.state = "delivered";
		this.changed();
	}

	/** end lets go of its output. */
	end(state: "paid" | "refused"): void {
		this.unshare();
		this.#stdout = this.#stderr = this.#outcome = none;
		this.state = state;
		this.changed();
	}

	/** follow answers when there is more than the cursor says, or its time is over. */
	async follow(c: Cursor): Promise<Value> {
		const until = performance.now() + Math.min(c.wait, followMillis);
		for (let over = false; ; ) {
			const { state, fuel, input, held } = this;
			const stdout = piece(this.#stdout, c.stdout);
			const stderr = piece(this.#stderr, c.stderr);
			const left = until - performance.now();
			const news = stdout.length + stderr.length > 0 || fuel > c.fuel || input > c.input || held !== (c.held ?? "");
			if (over || left <= 0 || this.delivery || this.refusal || news) {
				return {
					state, fuel, input, stdout, stderr, stdout_size: this.#stdout.length, stderr_size: this.#stderr.length,
					refusal: this.refusal?.value() ?? null, receipt: this.receipt?.value() ?? null, delivery: this.delivery?.value() ?? null,
					outcome: this.#outcome.length > followBytes ? none : this.#outcome, outcome_size: this.#outcome.length,
					...(held && { held }),
				};
			}
			over = !(await this.#change(state === "running" && !c.running ? Math.min(left, runningMillis) : left));
		}
	}

	/** #change resolves with true at the next change, or with false after so many ms. */
	#change(ms: number): Promise<boolean> {
		return new Promise((resolve) => {
			const over = (changed: boolean) => {
				clearTimeout(timer);
				this.#waiting.delete(wake);
				resolve(changed);
			};
			const wake = () => over(true);
			const timer = setTimeout(over, ms, false);
			this.#waiting.add(wake);
		});
	}
}

function piece(b: Bytes, from: bigint): Bytes {
	if (from >= BigInt(b.length)) return none;
	return b.slice(Number(from), Number(from) + followBytes);
}
