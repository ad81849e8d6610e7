// A sale is an order at the seller: what it is told of it, and what became of it.
// See docs/PROTOCOL.md, part 8, "Calls".

import { type Bytes } from "../bytes.ts";
import { type Job } from "../compute/job.ts";
import { encodeOutcome } from "../compute/result.ts";
import { type Result } from "../compute/engine.ts";
import { type Value } from "../identity/cbor.ts";
import { type Statement } from "../identity/statement.ts";
import { type HashAddress } from "../node/addr.ts";
import { type Quote } from "./statement.ts";
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

	/** deliver puts out what came of it. */
	deliver(result: Result, receipt: Statement, delivery: Statement, cost: bigint): void {
		this.#stdout = result.done.stdout;
		this.#stderr = result.done.stderr;
		this.#outcome = encodeOutcome(result.outcome);
		this.fuel = result.done.fuel;
		this.receipt = receipt;
		this.delivery = delivery;
		this.cost = cost;
		this.state = "delivered";
		this.changed();
	}

	/** outcome is what the receipt's result is the hash of. */
	get outcome(): Bytes {
		return this.#outcome;
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
