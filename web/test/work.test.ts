import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { type Bytes, sha256, toHex, utf8 } from "../src/bytes.ts";
import { blobOf } from "../src/compute/blob.ts";
import { hashJob, type Job, newJob } from "../src/compute/job.ts";
import { hashOutcome } from "../src/compute/result.ts";
import { Cell, type Done, State, wholeShare, Work } from "../src/compute/work.ts";
import { because, hex, vectors } from "./vectors.ts";

// Node 20 has extended constants behind a flag.
if (parseInt(process.versions.node) <= 20) setFlagsFromString("--experimental-wasm-extended-const");

interface Vector {
	name: string;
	module: string;
	args?: string[];
	stdin?: string;
	fuel_limit?: number;
	memory_pages?: number;
	output_bytes?: number;
	depth?: number;
	job: string;
	end: string;
	code?: number;
	trap?: string;
	stdout?: string;
	fuel: number;
	pages: number;
	result: string;
}

const root = process.env["SEA_ROOT"]!;

function newWork(): Work {
	const path = process.env["SEA_METER"];
	assert.ok(path, "SEA_METER does not say where the rewriter is");
	const cells = new Int32Array(new SharedArrayBuffer(4 * Cell.count));
	cells[Cell.share] = wholeShare;
	return new Work(new WebAssembly.Module(readFileSync(path)), cells);
}

function wasm(name: string): Bytes {
	return new Uint8Array(readFileSync(join(root, "compute/testdata", name)));
}

async function jobOf(module: Bytes): Promise<Job> {
	return newJob(await sha256(module), module.length);
}

async function resultOf(d: Done): Promise<string> {
	assert.equal(d.files.length, 0);
	const [stdout, stderr] = [await blobOf(d.stdout), await blobOf(d.stderr)];
	return toHex(await hashOutcome({ v: 1, end: d.end, code: d.code, trap: d.trap, stdout, stderr, files: [] }));
}

test("the vectors of tariff 1, by the rewriter compiled to WebAssembly", async () => {
	const work = newWork();
	const list = vectors<Vector[]>("compute/testdata/tariff/vectors.json").sort((a, b) => (a.module < b.module ? -1 : 1));
	assert.ok(list.length > 0);
	for (const v of list) {
		const module = wasm(`tariff/${v.module}`);
		const stdin = utf8(v.stdin ?? "");
		const job = await jobOf(module);
		job.args = v.args ?? [];
		job.stdin = await blobOf(stdin);
		job.limits = {
			fuel: BigInt(v.fuel_limit ?? 1_000_000), memory_pages: v.memory_pages ?? 64, output_bytes: v.output_bytes ?? 4096,
			files: 16, depth: v.depth ?? 1000, wall_ms: 600_000,
		};
		assert.equal(toHex(await hashJob(job)), v.job, v.name);
		const d = work.do({ job, module, stdin, files: [], stopAt: 0n }, () => {}, () => {});
		assert.deepEqual(
			[d.end, d.code, d.trap, toHex(d.stdout), d.fuel, d.pages, await resultOf(d)],
			[v.end, v.code ?? 0, v.trap ?? "", v.stdout ?? "", BigInt(v.fuel), v.pages, v.result],
			v.name,
		);
	}
});

test("what is refused", async () => {
	const work = newWork();
	const refused = async (module: Bytes, words: string, entry?: string) => {
		const job = await jobOf(module);
		if (entry !== undefined) job.entry = entry;
		const order = { job, module, stdin: new Uint8Array(0), files: [], stopAt: 0n };
		assert.throws(() => work.do(order, () => {}, () => {}), because("module", words), words);
	};
	await refused(hex("00736d6101000000"), "malformed");
	await refused(wasm("bad_import.wasm"), "guests get functions of wasi_snapshot_preview1 and nothing else");
	await refused(wasm("no_start.wasm"), "exports no function _start");
	await refused(wasm("bad_start.wasm"), "exports no function _start of type >");
	await refused(wasm("reactor.wasm"), "exports no function there of type ii>l", "there");
	await refused(wasm("bad_body.wasm"), "not valid");
	await refused(wasm("bad_call.wasm"), "fd_teleport of wasi_snapshot_preview1, which does not have it");
	await refused(wasm("bad_type.wasm"), "with the wrong type");
	await refused(wasm("bad_data.wasm"), "data segment");
});

test("a guest is stopped, at the same place again", async () => {
	const work = newWork();
	const module = wasm("loops.wasm");
	const job = await jobOf(module);
	job.args = ["a", "b"];
	const order = { job, module, stdin: new Uint8Array(0), files: [], stopAt: 0n };
	let told = 0n;
	const d = work.do(order, () => {}, (used) => {
		told = used;
		Atomics.store(work.cells, Cell.state, State.stop);
	});
	assert.equal(d.end, "interrupted");
	assert.equal(d.fuel, told);
	Atomics.store(work.cells, Cell.state, State.run);
	const again = work.do({ ...order, stopAt: d.fuel }, () => {}, () => {});
	assert.deepEqual(again, d);

	// The belt, which a share of a thousandth makes sure to reach.
	Atomics.store(work.cells, Cell.share, 1);
	job.limits.wall_ms = 1;
	assert.equal(work.do(order, () => {}, () => {}).end, "interrupted");
});
