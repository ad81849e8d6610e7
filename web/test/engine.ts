// Runs metered jobs on this Node's WebAssembly engine, for TestEnginesAgree of
// package compute.
//
//	node engine.mjs < jobs > outcomes
//
// Each line of standard input is a job, each line of standard output what came
// of it, both JSON, in the same order. 64-bit numbers are text, bytes are base64.
//
//	job      {"module": FILE, "args", "env": [text], "stdin": FILE or "",
//	          "files": [{"path", "from": FILE}], "seed": base64, "start": "NS",
//	          "fuel": "N", "depth", "output_bytes", "max_files": number, "entry": text}
//	outcome  {"end", "trap": text, "code": number, "stdout", "stderr": base64,
//	          "files": [{"path", "dir", "data": base64}], "fuel": "N", "pages": number,
//	          "seconds": number}
//	         or {"refused": why}, or {"failed": why} when the engine is to blame
//
// The jobs run one after the other in a thread that has room for the calls that
// their depth allows: 256 MiB serve 16,384. It is replaced when it fails.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setFlagsFromString } from "node:v8";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { concat } from "../src/bytes.ts";
import { run } from "../src/compute/guest.ts";
import { SeaError } from "../src/error.ts";

const stackMB = 256;
const slice = 20_000n; // fuel until the guest asks again

interface Line {
	module: string;
	args: string[];
	env: string[];
	stdin: string;
	files: { path: string; from: string }[];
	seed: string;
	start: string;
	fuel: string;
	depth: number;
	output_bytes: number;
	max_files: number;
	entry: string;
}

type Said = { [key: string]: unknown };

// Node 20 has extended constants behind a flag, Node 18 tail calls too; later ones
// have them as they are.
if (parseInt(process.versions.node) <= 20) {
	setFlagsFromString("--experimental-wasm-extended-const");
	setFlagsFromString("--experimental-wasm-return-call");
}

if (isMainThread) {
	let thread: Worker | undefined;
	for await (const line of createInterface({ input: process.stdin })) {
		thread ??= new Worker(new URL(import.meta.url), { resourceLimits: { stackSizeMb: stackMB } });
		const outcome = await ask(thread, JSON.parse(line) as Line);
		process.stdout.write(JSON.stringify(outcome) + "\n");
		if (outcome["failed"]) {
			await thread.terminate();
			thread = undefined;
		}
	}
	await thread?.terminate();
} else {
	parentPort!.on("message", (line: Line) => parentPort!.postMessage(play(line)));
}

/** ask has the thread run a job. */
async function ask(thread: Worker, line: Line): Promise<Said> {
	const ended = new AbortController(); // takes the listener away that is not called
	const outcome = Promise.race([
		once(thread, "message", { signal: ended.signal }).then(([said]) => said as Said),
		once(thread, "exit", { signal: ended.signal }).then(([code]) => ({ failed: `the thread ended with code ${String(code)}` })),
	]);
	thread.postMessage(line);
	try {
		return await outcome;
	} catch (err) {
		return { failed: String(err) };
	} finally {
		ended.abort();
	}
}

function play(line: Line): Said {
	const task = {
		args: line.args,
		env: line.env,
		entry: line.entry,
		depth: line.depth,
		stdin: line.stdin ? readFileSync(line.stdin) : new Uint8Array(0),
		files: line.files.map(({ path, from }) => ({ path, data: readFileSync(from) })),
		seed: Buffer.from(line.seed, "base64"),
		start: BigInt(line.start),
		fuel: BigInt(line.fuel),
		stopAt: 0n,
		outputBytes: line.output_bytes,
		maxFiles: line.max_files,
	};
	const wasm = readFileSync(line.module);
	const begin = performance.now();
	try {
		const o = run({ wasm, compiled: compile(wasm) }, task, () => slice);
		return {
			...o,
			stdout: base64(concat(...o.stdout)),
			stderr: base64(concat(...o.stderr)),
			files: o.files.map((f) => ({ ...f, data: base64(f.data) })),
			fuel: String(o.fuel),
			seconds: (performance.now() - begin) / 1000,
		};
	} catch (err) {
		if (err instanceof SeaError && err.code === "module") return { refused: err.message };
		return { failed: String(err) };
	}
}

function compile(wasm: Uint8Array<ArrayBuffer>): WebAssembly.Module {
	try {
		return new WebAssembly.Module(wasm);
	} catch (err) {
		throw new SeaError("module", String(err));
	}
}

function base64(b: Uint8Array): string {
	return Buffer.from(b.buffer, b.byteOffset, b.length).toString("base64");
}
