import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, sha256, toHex } from "../src/bytes.ts";
import { decodeJob, encodeJob, hashJob, type Job, newJob } from "../src/compute/job.ts";
import { decodeReceipt, encodeReceipt, openReceipt } from "../src/compute/receipt.ts";
import { decodeOutcome, encodeOutcome, hashOutcome } from "../src/compute/result.ts";
import { emptyBlob } from "../src/compute/blob.ts";
import { SeaError } from "../src/error.ts";
import { encode } from "../src/identity/cbor.ts";
import { Statement } from "../src/identity/statement.ts";
import { because, hex, vectors } from "./vectors.ts";

interface Vector {
	Name: string;
	Job?: { Module: string; ModuleSize: number; Entry?: string; Args: string[]; Start: number };
	Outcome?: { End: string; Code: number; Trap: string };
	Receipt?: { Job: string; Result: string; End: string; fuel: string | number; PeakPages: number; Engine: string };
	CBOR: string;
	Hash: string;
	Statement?: string;
}

const all = vectors<Vector[]>("compute/testdata/vectors.json");

/** again decodes what the vector is and encodes it. */
function again(v: Vector, b: Uint8Array): Bytes {
	if (v.Job) return encodeJob(decodeJob(b));
	if (v.Outcome) return encodeOutcome(decodeOutcome(b));
	return encodeReceipt(decodeReceipt(b));
}

test("jobs, outcomes and receipts as Go writes them", async () => {
	assert.ok(all.length >= 10);
	for (const v of all) {
		const b = hex(v.CBOR);
		assert.equal(toHex(again(v, b)), v.CBOR, v.Name);
		assert.equal(toHex(await sha256(b)), v.Hash, v.Name);
		if (v.Job) {
			const j = decodeJob(b);
			assert.equal(toHex(await hashJob(j)), v.Hash);
			assert.deepEqual(
				[toHex(j.module), j.module_size, j.entry, j.args, Number(j.start)],
				[v.Job.Module, v.Job.ModuleSize, v.Job.Entry, v.Job.Args, v.Job.Start],
			);
		} else if (v.Outcome) {
			const o = decodeOutcome(b);
			assert.equal(toHex(await hashOutcome(o)), v.Hash);
			assert.deepEqual([o.end, o.code, o.trap], [v.Outcome.End, v.Outcome.Code, v.Outcome.Trap]);
		} else {
			const r = await openReceipt(Statement.decode(hex(v.Statement!)));
			assert.equal(toHex(encodeReceipt(r)), v.CBOR);
			assert.deepEqual(
				[toHex(r.job), toHex(r.result), r.end, r.fuel, r.peak_pages, r.engine],
				[v.Receipt!.Job, v.Receipt!.Result, v.Receipt!.End, BigInt(v.Receipt!.fuel), v.Receipt!.PeakPages, v.Receipt!.Engine],
			);
		}
	}
});

// Whatever bytes come: refused with a reason, or one spelling.
test("changed bytes", () => {
	for (const v of all) {
		const b = hex(v.CBOR);
		for (let i = 0; i < b.length; i++) {
			for (const bit of [1, 0x20]) {
				const changed = b.slice();
				changed[i]! ^= bit;
				let got;
				try {
					got = again(v, changed);
				} catch (err) {
					assert.ok(err instanceof SeaError && (err.code === "cbor" || err.code === "invalid"), String(err));
					continue;
				}
				assert.equal(toHex(got), toHex(changed));
			}
			assert.throws(() => again(v, b.subarray(0, i)), because("cbor"));
		}
	}
});

test("what a job may not be", () => {
	const module = new Uint8Array(32).fill(1);
	const wrong = (change: Partial<Job>) => {
		const job = { ...newJob(module, 8), ...change };
		assert.throws(() => encodeJob(job), because("invalid"), JSON.stringify(Object.keys(change)));
		// The same from outside, where the encoding has a place for it.
		assert.throws(() => decodeJob(encode(job)), (err) => err instanceof SeaError);
	};
	const limits = newJob(module, 8).limits;
	const blob = { hash: module, size: 1 };
	assert.doesNotThrow(() => encodeJob(newJob(module, 8)));
	wrong({ tariff: 2 });
	wrong({ module_size: 7 });
	wrong({ module_size: (64 << 20) + 1 });
	wrong({ module: new Uint8Array(31) });
	wrong({ seed: new Uint8Array(33) });
	wrong({ entry: "" });
	wrong({ entry: "sea:start" });
	wrong({ entry: "é".repeat(65) });
	wrong({ start: -1n });
	wrong({ start: (1n << 62n) + 1n });
	wrong({ args: ["a\0b"] });
	wrong({ args: new Array<string>(257).fill("") });
	wrong({ args: ["a".repeat(32768)] });
	wrong({ env: ["A"] });
	wrong({ env: ["=1"] });
	wrong({ env: ["A=1", "A=2"] });
	wrong({ stdin: { ...emptyBlob, size: 1 } });
	wrong({ stdin: { hash: module, size: 0 } });
	wrong({ limits: { ...limits, fuel: 0n } });
	wrong({ limits: { ...limits, fuel: (1n << 62n) + 1n } });
	wrong({ limits: { ...limits, memory_pages: 65536 } });
	wrong({ limits: { ...limits, depth: 0 } });
	wrong({ limits: { ...limits, wall_ms: 604_800_001 } });
	wrong({ limits: { ...limits, files: 1 }, files: [{ path: "a/b", ...blob }] });
	for (const path of ["", "/a", "a/", "a//b", ".", "a/../b", "out", "out/a", "a\0", "a".repeat(256), "a/".repeat(32) + "a"]) {
		wrong({ files: [{ path, ...blob }] });
	}
	wrong({ files: [{ path: "b", ...blob }, { path: "a", ...blob }] });
	wrong({ files: [{ path: "a", ...blob }, { path: "a", ...blob }] });
	wrong({ files: [{ path: "a", ...blob }, { path: "a/b", ...blob }] });
	wrong({ files: [{ path: "a", hash: module, size: 1 << 30 }], stdin: blob });
	wrong({ files: new Array(400).fill(0).map((_, i) => ({ path: `${"p".repeat(200)}${String(i).padStart(3, "0")}`, ...blob })) });
	// Paths are sorted by their bytes, not by JavaScript's units.
	assert.doesNotThrow(() => encodeJob({ ...newJob(module, 8), files: [{ path: "\uff00", ...blob }, { path: "\u{10000}", ...blob }] }));
});
