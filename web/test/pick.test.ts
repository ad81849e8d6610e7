// The order of sellers, and who is remembered, are Go's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../src/bytes.ts";
import { MemoryStore } from "../src/ledger/store.ts";
import { Memory } from "../src/market/memory.ts";
import { type Dealings, rank } from "../src/market/pick.ts";
import { hex, vectors } from "./vectors.ts";

interface Ranking {
	sellers: { cost: number; free: number; dealt: { done: number; failed: number; in_a_row: number; last_failed_ms: number } | null }[];
	newcomer: boolean;
	now_ms: number;
	order: number[];
}

interface Memorised {
	jobs: { seller: string; well: boolean; at_ms: number }[] | null;
	newcomer: boolean;
	best: string[];
}

test("the order in which sellers are asked", () => {
	for (const [i, r] of vectors<Ranking[]>("plugins/market/pick/testdata/rank.json").entries()) {
		const all = r.sellers.map(({ cost, free, dealt }, place) => ({
			place, cost, free,
			dealt: dealt ? ({ done: dealt.done, failed: dealt.failed, row: dealt.in_a_row, missed: dealt.last_failed_ms } satisfies Dealings) : undefined,
		}));
		const order = rank(all, (c) => BigInt(c.cost), r.newcomer, r.now_ms).map((c) => c.place);
		assert.deepEqual(order, r.order, `table ${i}`);
	}
});

test("who is remembered, also by another tab", async () => {
	for (const [i, m] of vectors<Memorised[]>("plugins/market/pick/testdata/memory.json").entries()) {
		const store = new MemoryStore();
		const memory = await Memory.open(store);
		let at = 0;
		for (const j of m.jobs ?? []) {
			await memory.did(hex(j.seller), j.well, j.at_ms);
			at = j.at_ms;
		}
		for (const seen of [memory, await Memory.open(store)]) {
			assert.equal(seen.newcomer(), m.newcomer, `memory ${i}`);
			assert.deepEqual(seen.best(at + 3_600_000).map(toHex), m.best, `memory ${i}`);
		}
		assert.ok((await store.list("", "~", 1000)).length <= 256);
	}
});

test("a store that keeps nothing more costs no job", async () => {
	const store = new MemoryStore();
	const memory = await Memory.open(store);
	store.commit = () => Promise.reject(new Error("full"));
	const seller = new Uint8Array(32);
	await memory.did(seller, true);
	assert.equal(memory.with(seller)?.done, 1);
	assert.equal(memory.with(seller, Date.now() + 91 * 24 * 3_600_000), undefined);
});
