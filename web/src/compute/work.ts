// What the thread does that runs guests: it meters a module, compiles it, and runs
// job after job. See engine.ts for who gives it work.

import { type Bytes, compare, concat } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Code, type Outcome as Ended, run, type Watch } from "./guest.ts";
import { type Job } from "./job.ts";
import { checkEntry, meter } from "./meter.ts";
import { type End, type Trap } from "./result.ts";
import { type Entry } from "./wasi/tree.ts";

/** Order is a job with all its bytes, whose hashes were looked at. */
export interface Order {
	job: Job;
	module: Bytes;
	stdin: Bytes;
	files: Bytes[];
	stopAt: bigint;
}

/** Done is what came of it. */
export interface Done {
	end: End;
	code: number;
	trap: Trap | "";
	fuel: bigint;
	pages: number;
	stdout: Bytes;
	stderr: Bytes;
	files: Entry[];
}

/** Cell is what stands where in the memory that both threads see. */
export const Cell = { state: 0, share: 1, count: 2 } as const;

/** State is what the guest shall do. */
export const State = { run: 0, pause: 1, stop: 2 } as const;

/** wholeShare is the value of Cell.share for all of a core: parts in a thousand. */
export const wholeShare = 1000;

const sliceMillis = 2; // a guest asks about so often
const leastSlice = 10_000n; // fuel
const mostSlice = 50_000_000n; // fuel: 17 s of the slowest there is
const progressMillis = 100;
const longestRest = 1000; // ms at once, where a share is kept

/** Program is a module made ready. */
interface Program {
	hash: Bytes;
	pages: number;
	code: Code;
	exports: Map<string, string>;
}

export class Work {
	#program: Program | undefined; // the last one: jobs come in rows

	constructor(
		/** rewriter is compute/internal/webmeter, compiled. */
		readonly rewriter: WebAssembly.Module,
		/** cells are Cell.count numbers that another thread may write. */
		readonly cells: Int32Array,
	) {}

	/**
	 * do runs a job. begun is called before the guest's first instruction, progress
	 * with its fuel now and then. SeaError "module" or "engine", as run.
	 */
	do(order: Order, begun: () => void, progress: (used: bigint) => void): Done {
		const { job } = order;
		const { code, exports } = this.#prepare(order);
		checkEntry(exports, job.entry ?? "");
		const l = job.limits;
		const task = {
			entry: job.entry ?? "",
			args: job.args,
			env: job.env,
			stdin: order.stdin,
			files: job.files.map((f, i) => ({ path: f.path, data: order.files[i]! })),
			seed: job.seed,
			start: job.start,
			fuel: l.fuel,
			depth: l.depth,
			stopAt: order.stopAt,
			outputBytes: l.output_bytes,
			maxFiles: l.files,
		};
		begun();
		return whole(run(code, task, this.#watch(l.wall_ms, progress)));
	}

	#prepare({ job, module }: Order): Program {
		const pages = job.limits.memory_pages;
		const last = this.#program;
		if (last && last.pages === pages && compare(last.hash, job.module) === 0) return last;
		this.#program = undefined; // before the next takes memory too
		const { wasm, exports } = meter(this.rewriter, module, pages);
		let compiled;
		try {
			compiled = new WebAssembly.Module(wasm);
		} catch (err) {
			if (!(err instanceof WebAssembly.CompileError)) throw new SeaError("engine", String(err));
			throw new SeaError("module", `not valid: ${err.message}`);
		}
		return (this.#program = { hash: job.module, pages, code: { wasm, compiled }, exports });
	}

	/** #watch looks at the cells and the clock, rests, and makes slices that take about sliceMillis. */
	#watch(wall: number, progress: (used: bigint) => void): Watch {
		const began = performance.now();
		let [before, then, told, slice, until] = [0n, began, began, leastSlice, began + wall];
		return (used) => {
			const now = performance.now();
			const took = now - then;
			if (now - told > progressMillis) {
				progress(used);
				told = now;
			}
			until += this.#rest(took, until); // a job's time stands still while it is paused
			if (Atomics.load(this.cells, Cell.state) === State.stop || performance.now() >= until) return undefined;
			// Clocks are coarse: what took no time is tried for longer.
			const next = took < sliceMillis / 2 ? 2n * slice : BigInt(Math.round((Number(used - before) / took) * sliceMillis));
			slice = next < leastSlice ? leastSlice : next > mostSlice ? mostSlice : next;
			[before, then] = [used, performance.now()];
			return slice;
		};
	}

	/** #rest waits while the guest is paused, and as long as its share wants; it gives how long it was paused, ms. */
	#rest(took: number, until: number): number {
		const share = Atomics.load(this.cells, Cell.share);
		let rest = share < wholeShare ? Math.min(longestRest, (took * (wholeShare - share)) / share) : 0;
		let paused = 0;
		for (;;) {
			const state = Atomics.load(this.cells, Cell.state);
			const from = performance.now();
			if (state === State.stop || (state === State.run && (rest < 1 || from >= until + paused))) return paused;
			Atomics.wait(this.cells, Cell.state, state, state === State.run ? Math.min(rest, until + paused - from) : Infinity);
			const waited = performance.now() - from;
			if (state === State.run) rest -= waited;
			else paused += waited;
		}
	}
}

/** whole puts pieces together, and takes files out of larger buffers. */
function whole(o: Ended): Done {
	return {
		...o,
		stdout: concat(...o.stdout),
		stderr: concat(...o.stderr),
		files: o.files.map((f) => ({ ...f, data: f.data.slice() })),
	};
}
