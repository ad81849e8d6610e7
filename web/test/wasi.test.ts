import assert from "node:assert/strict";
import { test } from "node:test";
import { calls, params } from "../src/compute/wasi/calls.ts";
import { type Config, Stop, World } from "../src/compute/wasi/world.ts";
import { hex, vectors } from "./vectors.ts";

interface Step {
	call: keyof typeof params;
	params: string[];
	poke?: { at: number; hex: string }[];
	peek?: { at: number; hex: string }[];
	burn?: number;
	ended?: boolean;
	errno?: number;
	price: number;
}

interface Case {
	name: string;
	args: string[] | null;
	env: string[] | null;
	stdin: string;
	inputs: { path: string; data: string }[] | null;
	seed: string;
	start: string;
	output_bytes: number;
	files: number;
	steps: Step[];
}

const { memory, cases } = vectors<{ memory: number; cases: Case[] }>("compute/internal/wasi/testdata/vectors.json");

// What Go's world answered, its prices, and every byte of memory.
test("the world makes Go's recorded calls", () => {
	assert.ok(cases.length > 0);
	for (const c of cases) play(c);
});

test("every call of the world is recorded", () => {
	const made = new Set(cases.flatMap((c) => c.steps.map((s) => s.call)));
	assert.deepEqual([...made].sort(), Object.keys(params).sort());
	assert.equal(made.size, 46);
});

function play(c: Case): void {
	const config: Config = {
		args: c.args ?? [],
		env: c.env ?? [],
		stdin: hex(c.stdin),
		files: (c.inputs ?? []).map(({ path, data }) => ({ path, data: hex(data) })),
		seed: hex(c.seed),
		start: BigInt(c.start),
		outputBytes: c.output_bytes,
		maxFiles: c.files,
	};
	let used = 0n;
	const world = new World(config, {
		get used() {
			return used;
		},
		pay(n) {
			used += n;
		},
	});
	const bytes = new Uint8Array(memory);
	const expected = Buffer.alloc(memory);
	const functions = calls(world, () => bytes.buffer);
	for (const [i, step] of c.steps.entries()) {
		const where = `${c.name}: call ${i}, ${step.call}(${step.params.join(", ")})`;
		for (const poke of step.poke ?? []) {
			bytes.set(hex(poke.hex), poke.at);
			expected.set(hex(poke.hex), poke.at);
		}
		used += BigInt(step.burn ?? 0);
		const before = used;
		let errno = 0;
		let ended = false;
		try {
			errno = functions[step.call]!(...step.params.map((p, k) => (params[step.call][k] === "l" ? BigInt(p) : Number(p))));
		} catch (err) {
			if (!(err instanceof Stop)) throw err;
			ended = true;
		}
		assert.equal(ended, step.ended ?? false, where);
		if (!ended) assert.equal(errno, step.errno, where);
		assert.equal(used - before, BigInt(step.price), where);
		for (const peek of step.peek ?? []) expected.set(hex(peek.hex), peek.at);
		assert.ok(expected.equals(bytes), `${where}: memory differs`);
	}
}
