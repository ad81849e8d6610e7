// A metered module as it runs: the host's side of the meter (compute/internal/
// meter, "What the host does") and of a job (docs/PROTOCOL.md, part 5). The guest
// has the thread until it ends.

import { SeaError } from "../error.ts";
import { type Bytes } from "../bytes.ts";
import { type End, type Trap } from "./result.ts";
import { trapOf } from "./trap.ts";
import { calls, module as world } from "./wasi/calls.ts";
import { least } from "./wasi/number.ts";
import { type Entry } from "./wasi/tree.ts";
import { type Config, Stop, World } from "./wasi/world.ts";

/** What the meter exports beside the guest's own names. */
const Meter = {
	fuel: "sea:fuel", limit: "sea:limit", depth: "sea:depth", maxDepth: "sea:max_depth",
	status: "sea:status", start: "sea:start", memory: "sea:memory", hold: "sea:hold",
} as const;

/** Status is the value of the global after a trap: what the meter stopped the guest for. */
const Status = { limit: 1, depth: 2, grow: 3 } as const;

/** Code is a metered module, in which nothing has a name. */
export interface Code {
	wasm: Bytes;
	compiled: WebAssembly.Module; // of wasm
}

/** Task is what a guest is given to do. */
export interface Task extends Config {
	/** entry is the reactor's function to call, "" for a command. */
	entry: string;
	fuel: bigint;
	depth: number;
	/** stopAt ends the guest as interrupted at the first check that finds so much fuel used; 0n never. */
	stopAt: bigint;
}

/**
 * Watch is asked again and again while the guest runs, with the fuel used so far.
 * It says how much more may be used until it is asked again, at least 1, or
 * undefined to end the guest as interrupted. It may take its time: the guest waits.
 */
export type Watch = (used: bigint) => bigint | undefined;

/** Outcome is what came of a guest. */
export interface Outcome {
	end: End;
	code: number;
	trap: Trap | "";
	fuel: bigint;
	pages: number;
	stdout: Bytes[];
	stderr: Bytes[];
	files: Entry[];
}

/** Pointer is thrown when a reactor names bytes that it does not have. */
class Pointer {}

/**
 * run runs code that was metered to be held (meter.Options.Hold), whose
 * imports and exports were looked at. SeaError "module" says that the module is to
 * blame, "engine" that this engine is: then nothing is known of the guest.
 */
export function run(code: Code, task: Task, watch: Watch): Outcome {
	return new Guest(code, task, watch).play();
}

class Guest {
	readonly #code: Code;
	readonly #task: Task;
	readonly #watch: Watch;
	readonly #world: World;
	readonly #exports: WebAssembly.Exports;
	/** #bound is where the job's fuel or stopAt ends the guest. */
	readonly #bound: bigint;

	constructor(code: Code, task: Task, watch: Watch) {
		this.#code = code;
		this.#task = task;
		this.#watch = watch;
		this.#world = new World(task, this);
		this.#exports = instantiate(code.compiled, calls(this.#world, () => this.#memory));
		this.#bound = task.stopAt > 0n ? least(task.fuel, task.stopAt - 1n) : task.fuel;
		this.#set(Meter.maxDepth, task.depth);
		(this.#exports[Meter.hold] as WebAssembly.Table).set(0, importable(() => this.#hold()));
	}

	get #memory(): ArrayBuffer {
		return (this.#exports[Meter.memory] as WebAssembly.Memory | undefined)?.buffer ?? new ArrayBuffer(0);
	}

	#get(name: string): number | bigint {
		return (this.#exports[name] as WebAssembly.Global).value as number | bigint;
	}

	#set(name: string, value: number | bigint): void {
		(this.#exports[name] as WebAssembly.Global).value = value;
	}

	// ---- the World's tank

	get used(): bigint {
		return this.#get(Meter.fuel) as bigint;
	}

	/** pay: that the job's fuel is used up decides before anything else, for it is the same on every machine. */
	pay(n: bigint): void {
		const used = this.used;
		if (used + n > this.#task.fuel) {
			this.#set(Meter.fuel, this.#task.fuel + 1n);
			throw new Stop("out_of_fuel");
		}
		if (used > this.#bound) throw new Stop("interrupted");
		this.#set(Meter.fuel, used + n);
	}

	/** #hold is called by the guest at a check that finds more than the limit used. It has all to say. */
	#hold(): void {
		const used = this.used;
		if (used > this.#task.fuel) throw new Stop("out_of_fuel");
		if (used > this.#bound) throw new Stop("interrupted");
		const more = this.#watch(used);
		if (more === undefined) throw new Stop("interrupted");
		this.#set(Meter.limit, least(this.#bound, used + more));
	}

	// ---- calls of the guest

	/** #call calls an export, from depth 0. */
	#call(name: string, ...args: number[]): unknown {
		this.#set(Meter.depth, 0);
		this.#set(Meter.status, 0);
		return (this.#exports[name] as (...args: number[]) => unknown)(...args);
	}

	/**
	 * play makes the calls of a job and says how they ended. Using up the fuel comes
	 * before all else, because a straight run of code is paid as a whole before it
	 * traps or returns.
	 */
	play(): Outcome {
		let thrown: unknown;
		try {
			if (this.#exports[Meter.start]) this.#call(Meter.start);
			if (this.#task.entry !== "") this.#react();
			else this.#call("_start");
		} catch (err) {
			thrown = err ?? new Error("nothing was thrown");
		}
		const used = this.used;
		const { end, code, trap } =
			used > this.#task.fuel ? { end: "out_of_fuel" as const, code: 0, trap: "" as const } : this.#ended(thrown);
		return {
			end, code, trap,
			fuel: least(used, this.#task.fuel),
			pages: this.#memory.byteLength / 65536,
			stdout: this.#world.stdout,
			stderr: this.#world.stderr,
			files: this.#world.tree.list(),
		};
	}

	#ended(thrown: unknown): { end: End; code: number; trap: Trap | "" } {
		if (thrown === undefined) return { end: "exit", code: 0, trap: "" };
		if (thrown instanceof Stop) return { end: thrown.end, code: thrown.code, trap: "" };
		if (thrown instanceof Pointer) return { end: "trap", code: 0, trap: "bad_pointer" };
		// The engine's own end of its stack is a RangeError.
		if (!(thrown instanceof WebAssembly.RuntimeError)) throw failure(String(thrown));
		switch (this.#get(Meter.status)) {
			case Status.depth:
				return { end: "trap", code: 0, trap: "call_depth" };
			case Status.grow:
				throw failure("memory did not grow, though the job's limit allows it");
			case Status.limit:
				throw failure("stopped below its limit");
		}
		const trap = trapOf(thrown, this.#code.wasm);
		if (!trap) throw failure(`no word for the trap "${thrown.message}"`);
		return { end: "trap", code: 0, trap };
	}

	/** #react hands a reactor its input and prints what it returns. */
	#react(): void {
		const { stdin, entry } = this.#task;
		if (typeof this.#exports["_initialize"] === "function") this.#call("_initialize");
		let at = 0;
		if (stdin.length > 0) {
			at = (this.#call("malloc", stdin.length) as number) >>> 0;
			this.#world.begin(stdin.length);
			if (at === 0) throw new Pointer();
			this.#bytes(at, stdin.length).set(stdin);
		}
		const packed = BigInt.asUintN(64, this.#call(entry, at, stdin.length) as bigint);
		this.#world.print(this.#bytes(Number(packed >> 32n), Number(packed & 0xffffffffn)));
	}

	/** #bytes are n bytes of the guest's memory. */
	#bytes(at: number, n: number): Uint8Array {
		if (n === 0) return new Uint8Array(0);
		const memory = this.#memory;
		if (at + n > memory.byteLength) throw new Pointer();
		return new Uint8Array(memory, at, n);
	}
}

function failure(why: string): SeaError {
	return new SeaError("engine", why);
}

function instantiate(module: WebAssembly.Module, functions: WebAssembly.ModuleImports): WebAssembly.Exports {
	try {
		return new WebAssembly.Instance(module, { [world]: functions }).exports;
	} catch (err) {
		if (err instanceof WebAssembly.LinkError || err instanceof WebAssembly.RuntimeError) {
			throw new SeaError("module", err.message); // a RuntimeError: data or elements out of bounds
		}
		throw failure(String(err)); // no memory left, for one
	}
}

/** (module (import "" "" (func)) (export "" (func 0))): what it exports fits into a table. */
const passing = new Uint8Array([
	0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 5, 1, 0, 0, 0, 0, 7, 4, 1, 0, 0, 0,
]);

function importable(f: () => void): WebAssembly.ExportValue {
	return new WebAssembly.Instance(new WebAssembly.Module(passing), { "": { "": f } }).exports[""]!;
}
