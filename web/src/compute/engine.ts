// Jobs run by this browser's own engine, in a thread of their own, as Go's
// compute.Engine runs them in processes.
//
// A page that is cross-origin isolated shares memory with the thread: a guest can
// be paused, kept to a share of the core and stopped, and what it did until then is
// a result. Elsewhere it can only be ended with its thread, and nothing is left of it.

import { type Bytes } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Blobs, blobOf, emptyBlob, load } from "./blob.ts";
import { decodeJob, encodeJob, hashJob, type Job } from "./job.ts";
import { type Receipt } from "./receipt.ts";
import { hashOutcome, type Outcome } from "./result.ts";
import { Cell, type Done, type Order, State, wholeShare } from "./work.ts";
import { type Said, type Setup } from "./worker.ts";

const compileMillis = 120_000; // to meter and compile a module
const stopMillis = 30_000; // to stop when asked, and to deliver

/** Live is what happens while a job runs. */
export interface Live {
	/** begun is called when the guest begins. */
	begun?: () => void;
	/** progress is told the fuel used so far, about ten times a second. */
	progress?: (fuel: bigint) => void;
	/** signal ends the job: as interrupted, or with SeaError "cancelled" (see above). */
	signal?: AbortSignal;
	/** stopAt ends it as interrupted at the first check that finds so much fuel used, to see again what another run did until then. */
	stopAt?: bigint;
}

/** Result is what came of a job, with its bytes. */
export class Result {
	constructor(
		/** job is the job's hash, tariff its price list. */
		readonly job: Bytes,
		readonly tariff: number,
		readonly done: Done,
		/** outcome is what is hashed, and names the bytes of done. */
		readonly outcome: Outcome,
		/** engine is what ran it, for people. */
		readonly engine: string,
	) {}

	/** receipt is what its runner signs. */
	async receipt(): Promise<Receipt> {
		const { end, code, fuel, pages } = this.done;
		return {
			v: 1, job: this.job, result: await hashOutcome(this.outcome), end, code, fuel, peak_pages: pages,
			tariff: this.tariff, engine: this.engine,
		};
	}
}

/** Run is the order under way. */
interface Run {
	resolve(done: Done): void;
	reject(err: SeaError): void;
	live: Live;
	began: boolean;
	wall: number;
	belt: ReturnType<typeof setTimeout>;
}

/** Engine runs one job at a time. Who makes it closes it. */
export class Engine {
	readonly #start: () => Worker;
	readonly #rewriter: WebAssembly.Module;
	readonly #cells: Int32Array | undefined;
	#worker: Worker | undefined;
	#run: Run | undefined;
	#busy = false;
	#closed = false;

	/**
	 * worker starts a thread with worker.ts, bundled; rewriter is compute/internal/
	 * webmeter, compiled. The thread starts with the first job.
	 */
	constructor(worker: () => Worker, rewriter: WebAssembly.Module) {
		this.#start = worker;
		this.#rewriter = rewriter;
		if (globalThis.crossOriginIsolated) {
			this.#cells = new Int32Array(new SharedArrayBuffer(4 * Cell.count));
			this.#cells[Cell.share] = wholeShare;
		}
	}

	/** steerable says whether jobs can be paused, slowed and stopped with a result. */
	get steerable(): boolean {
		return this.#cells !== undefined;
	}

	/** share holds guests to a part of a core, 0.001 to 1, from now on. It does nothing where the engine is not steerable. */
	share(part: number): void {
		if (this.#cells) Atomics.store(this.#cells, Cell.share, Math.min(wholeShare, Math.max(1, Math.round(part * wholeShare))));
	}

	/** pause has the guest stand still, its time with it, or go on. It does nothing where the engine is not steerable. */
	pause(still: boolean): void {
		if (!this.#cells) return;
		Atomics.compareExchange(this.#cells, Cell.state, still ? State.run : State.pause, still ? State.pause : State.run);
		this.#wake();
		if (this.#run?.began) this.#time(this.#run);
	}

	/**
	 * run runs a job. SeaError: "invalid" (the job), "blob" (its bytes), "module" (it
	 * cannot be run), "engine" (this engine failed), "busy", "cancelled".
	 */
	async run(job: Job, blobs: Blobs, live: Live = {}): Promise<Result> {
		if (this.#closed || this.#busy) throw new SeaError("busy", "the engine is closed, or runs another job");
		this.#busy = true;
		try {
			const own = decodeJob(encodeJob(job)); // its caller's may change
			const hash = await hashJob(own);
			const order: Order = {
				job: own,
				module: await load("the module", { hash: own.module, size: own.module_size }, blobs),
				stdin: await load("stdin", own.stdin, blobs),
				files: [],
				stopAt: live.stopAt ?? 0n,
			};
			for (const f of own.files) order.files.push(await load(`input file ${f.path}`, f, blobs));
			if (this.#closed || live.signal?.aborted) throw new SeaError("cancelled", "the job was cancelled before it began");
			const done = await this.#do(order, live);
			return new Result(hash, own.tariff, done, await outcomeOf(done), engineName());
		} finally {
			this.#busy = false;
		}
	}

	/** close ends the thread, and with it the job that runs. */
	close(): void {
		this.#closed = true;
		this.#end(new SeaError("cancelled", "the engine was closed"));
	}

	#do(order: Order, live: Live): Promise<Done> {
		const stop = (): void => this.#stop();
		return new Promise<Done>((resolve, reject) => {
			this.#run = {
				resolve, reject, live, began: false, wall: order.job.limits.wall_ms,
				belt: this.#belt(compileMillis, "compiling the module took too long"),
			};
			if (this.#cells) Atomics.compareExchange(this.#cells, Cell.state, State.stop, State.run);
			live.signal?.addEventListener("abort", stop);
			this.#thread().postMessage(order);
		}).finally(() => live.signal?.removeEventListener("abort", stop));
	}

	#thread(): Worker {
		if (this.#worker) return this.#worker;
		const worker = this.#start();
		worker.onmessage = (e: MessageEvent<Said>) => this.#said(e.data);
		worker.onerror = (e) => {
			e.preventDefault();
			this.#end(new SeaError("engine", `the thread failed: ${e.message}`));
		};
		const setup: Setup = { rewriter: this.#rewriter, cells: this.#cells };
		worker.postMessage(setup);
		return (this.#worker = worker);
	}

	#said(said: Said): void {
		const run = this.#run;
		if (!run) return;
		if ("fuel" in said) return run.live.progress?.(said.fuel);
		clearTimeout(run.belt);
		if ("begun" in said) {
			run.began = true;
			run.live.begun?.();
			return this.#time(run);
		}
		if ("failed" in said) return this.#end(new SeaError("engine", said.failed));
		this.#run = undefined;
		if ("done" in said) run.resolve(said.done);
		else run.reject(new SeaError("module", said.refused));
	}

	/** #time sees to it that a guest ends with its time, which stands still while it is paused. */
	#time(run: Run): void {
		clearTimeout(run.belt);
		if (this.#cells && Atomics.load(this.#cells, Cell.state) === State.pause) return;
		run.belt = this.#belt(run.wall + stopMillis, "the guest did not stop at the end of its time");
	}

	/** #stop asks the guest to stop, or ends its thread. */
	#stop(): void {
		if (!this.#run) return;
		if (!this.#cells) return this.#end(new SeaError("cancelled", "the job was cancelled"));
		Atomics.store(this.#cells, Cell.state, State.stop);
		this.#wake();
		clearTimeout(this.#run.belt);
		this.#run.belt = this.#belt(stopMillis, "the guest did not stop when it was asked to");
	}

	#wake(): void {
		if (this.#cells) Atomics.notify(this.#cells, Cell.state);
	}

	/** #belt ends a thread that takes too long. */
	#belt(millis: number, why: string): ReturnType<typeof setTimeout> {
		return setTimeout(() => this.#end(new SeaError("engine", why)), millis);
	}

	/** #end ends the thread: the next job gets a new one. */
	#end(why: SeaError): void {
		this.#worker?.terminate();
		this.#worker = undefined;
		const run = this.#run;
		this.#run = undefined;
		if (!run) return;
		clearTimeout(run.belt);
		run.reject(why);
	}
}

async function outcomeOf(d: Done): Promise<Outcome> {
	const files = [];
	for (const f of d.files) {
		const { hash, size } = f.dir ? emptyBlob : await blobOf(f.data);
		files.push({ path: f.path, dir: f.dir, hash, size });
	}
	return { v: 1, end: d.end, code: d.code, trap: d.trap, stdout: await blobOf(d.stdout), stderr: await blobOf(d.stderr), files };
}

/** engineName says what runs guests here, in at most 128 bytes. */
export function engineName(): string {
	const agent = globalThis.navigator?.userAgent ?? "";
	return `browser ${agent.replace(/[^ -~]/g, "")}`.slice(0, 128);
}
