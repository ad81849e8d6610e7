// Ledgers: what they promise, keep, deliver and refuse.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, compare, sha256, toHex } from "../src/bytes.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { begun } from "../src/ledger/account.ts";
import { pack, unpack } from "../src/ledger/format.ts";
import { Ledger } from "../src/ledger/ledger.ts";
import { release, voucher as voucherLayout } from "../src/ledger/lock.ts";
import { maxMessage, push } from "../src/ledger/message.ts";
import { takePush } from "../src/ledger/receive.ts";
import { MemoryStore, type Store } from "../src/ledger/store.ts";
import { comparePosition, outboxFor, positionFor, takeAck } from "../src/ledger/sync.ts";
import { because, hex, vectors } from "./vectors.ts";

const all = vectors<{ name: string; hex: string }[]>("ledger/testdata/vectors.json");
const vector = (name: string) => hex(all.find((v) => v.name === name)!.hex);
const keys = await Promise.all([1, 2].map((x) => Pair.fromSeed(new Uint8Array(32).fill(x))));
const [payer, payee] = keys as [Pair, Pair];
const clock = () => 176_000_000 * 10_000;
const ref = (text: string) => sha256(new TextEncoder().encode(text));
const terms = { expiry: 176_000_360n, quote: new Uint8Array(32).fill(7), hash: new Uint8Array(32) };

/** two are ledgers of both keys in new stores. */
async function two(): Promise<{ a: Ledger; b: Ledger; kept: [MemoryStore, MemoryStore] }> {
	const kept: [MemoryStore, MemoryStore] = [new MemoryStore(), new MemoryStore()];
	return { a: await Ledger.open(payer, kept[0], clock), b: await Ledger.open(payee, kept[1], clock), kept };
}

/** deliver has b take all that a signed, and tells how many messages that took. */
async function deliver(a: Ledger, b: Ledger, room = maxMessage): Promise<number> {
	let n = 0;
	for (let push; (push = await outboxFor(a, b.key, room)); n++) await takeAck(a, b.key, await takePush(b, a.key, push));
	return n;
}

async function meet(a: Ledger, b: Ledger): Promise<void> {
	await comparePosition(b, a.key, await positionFor(a, b.key));
	await comparePosition(a, b.key, await positionFor(b, a.key));
}

async function agree(a: Ledger, b: Ledger, balance: bigint): Promise<void> {
	const [x, y] = [await a.account(b.key), await b.account(a.key)];
	assert.deepEqual(x.mine, y.theirs);
	assert.deepEqual(x.theirs, y.mine);
	assert.equal((await a.line(b.key)).balance, balance);
	assert.equal((await b.line(a.key)).balance, -balance);
	assert.equal((await a.line(b.key)).undelivered, false);
}

test("what the vectors' payer signed is taken in, and answered in the same bytes", async () => {
	const b = await Ledger.open(payee, new MemoryStore(), clock);
	assert.equal(toHex(await positionFor(b, payer.key)), toHex(vector("position of nothing")));
	for (let i = 0; i < 2; i++) assert.equal(toHex(await takePush(b, payer.key, vector("push"))), toHex(vector("ack")));
	assert.equal(toHex(await positionFor(b, payer.key)), toHex(vector("position")));
	assert.equal((await b.line(payer.key)).balance, 5_450_001n);

	const a = await Ledger.open(payer, new MemoryStore(), clock);
	assert.equal(toHex(await takePush(a, payee.key, vector("push of a grant"))), toHex(vector("ack of a grant")));
	assert.equal(toHex(await positionFor(a, payee.key)), toHex(vector("position of a grant")));
	assert.equal((await a.line(payee.key)).iMayOwe, 50_000_000n);
	const c = await Ledger.open(payee, new MemoryStore(), clock);
	await c.grant(payer.key, 50_000_000n, 1_800_000_000n);
	assert.equal(toHex((await outboxFor(c, payer.key, maxMessage))!), toHex(vector("push of a grant")));

	const d = await Ledger.open(payee, new MemoryStore(), clock);
	await takePush(d, payer.key, vector("push of a lock's life"));
	await assert.rejects(takePush(b, payee.key, vector("push")), because("refused"));
	await assert.rejects(takePush(await Ledger.open(await Pair.generate(0), new MemoryStore()), payer.key, vector("push")), because("refused"));
});

test("a payment is the vectors' first entry, and is made once", async () => {
	const { a, b } = await two();
	const first = hex(all.find((v) => v.name === "entry 1")!.hex);
	const of = first.slice(111, 143);
	for (let i = 0; i < 2; i++) await a.pay(b.key, 1_000_000n, of);
	const push = (await outboxFor(a, b.key, maxMessage))!;
	assert.equal(toHex(push.slice(39, 39 + 175)), toHex(first));
	assert.equal(toHex(push.slice(37)), toHex(vector("push").slice(37, 39 + 175 + 64)), "and its signature");
	await assert.rejects(a.pay(b.key, 2n, of), because("bad_request", "before"));
	await assert.rejects(a.pay(b.key, 0n, await ref("x")), because("bad_request"));
	await assert.rejects(a.pay(b.key, -1n, await ref("x")), because("bad_request"));
	await assert.rejects(a.pay(b.key, 1n << 62n, await ref("x")), because("bad_request"));
	await assert.rejects(a.pay(b.key, (1n << 62n) - 1n, await ref("x")), because("bad_request", "2^62"));
	await assert.rejects(a.pay(b.key, 1n, new Uint8Array(32)), because("bad_request"));
	await assert.rejects(a.pay(a.key, 1n, of), because("bad_request"));
	assert.equal(await deliver(a, b), 1);
	await agree(a, b, -1_000_000n);
	assert.deepEqual(await b.paid(a.key, of), { ours: 0n, theirs: 1_000_000n });
});

test("a lock's life", async () => {
	const { a, b } = await two();
	const order = await ref("order");
	const id = await a.lock(b.key, 10n, order, terms);
	assert.equal(compare(await a.lock(b.key, 10n, order, terms), id), 0);
	await assert.rejects(a.lock(b.key, 11n, order, terms), because("bad_request", "other terms"));
	await assert.rejects(a.pay(b.key, 10n, order), because("bad_request", "lock"));
	await deliver(a, b);
	assert.equal((await b.line(a.key)).claim, 0n, "a lock is no promise");
	const v = await a.voucher(b.key, id, 4n, 4000n);
	assert.deepEqual(await a.voucher(b.key, id, 3n, 3000n), v, "the highest");
	await assert.rejects(a.voucher(b.key, id, 11n, 1n), because("bad_request"));
	const bytes = pack(voucherLayout, v);
	await b.takeVoucher(a.key, bytes);
	await assert.rejects(b.takeVoucher(a.key, pack(voucherLayout, { ...v, cum: 5n })), because("signature"));
	assert.equal((await b.line(a.key)).claim, 4n);
	assert.equal((await a.line(b.key)).claim, -4n);
	await assert.rejects(b.release(a.key, id, 3n), because("bad_request"));
	const free = unpack(await b.release(a.key, id, 4n), release, "release");
	await assert.rejects(a.fold(b.key, id, { ...free, cum: 3n }), because("signature"));
	await a.fold(b.key, id, free);
	await a.fold(b.key, id, free);
	await deliver(a, b);
	await agree(a, b, -4n);
	assert.deepEqual((await b.account(a.key)).theirs.tally.locks, {});
	assert.deepEqual((await b.account(a.key)).theirs.said, {});
	assert.deepEqual(await a.paid(b.key, order), { ours: 4n, theirs: 0n });
});

test("a lock that expires leaves the claim, which is folded when it is shown", async () => {
	let now = clock();
	const kept = new MemoryStore();
	const a = await Ledger.open(payer, kept, () => now);
	const b = await Ledger.open(payee, new MemoryStore(), clock);
	const id = await a.lock(b.key, 10n, await ref("order"), terms);
	await deliver(a, b);
	const old = kept.copy();
	await b.takeVoucher(a.key, pack(voucherLayout, await a.voucher(b.key, id, 4n, 1n)));
	// A tab that lost the voucher voids the lock, and is shown what it signed.
	const again = await Ledger.open(payer, old, () => now);
	now += 3_600_000;
	await again.fold(b.key, id);
	await meet(again, b);
	await deliver(again, b);
	assert.equal((await b.line(a.key)).balance, 4n);
	// What nobody claims is released.
	await meet(again, b);
	await deliver(again, b);
	await agree(again, b, -4n);
	assert.deepEqual((await b.account(a.key)).theirs.tally.locks, {});
});

test("a ledger is what it was after it is opened again, and a copy that was put back is fenced", async () => {
	const { a, b, kept } = await two();
	await a.pay(b.key, 5n, await ref("1"));
	await b.grant(a.key, 100n);
	await deliver(a, b);
	await deliver(b, a);
	const old = kept[0].copy();
	await a.pay(b.key, 6n, await ref("2"));
	await deliver(a, b);
	const again = await Ledger.open(payer, kept[0], clock);
	assert.deepEqual(await again.account(b.key), await a.account(b.key));
	await meet(again, b);
	await agree(again, b, -11n);

	const back = await Ledger.open(payer, old, clock);
	await assert.rejects(comparePosition(back, b.key, await positionFor(b, a.key)), because("unavailable", "fenced"));
	for (const act of [() => back.pay(b.key, 1n, new Uint8Array(32).fill(1)), () => back.grant(b.key, 1n)]) await assert.rejects(act(), because("unavailable", "fenced"));
	assert.equal(await outboxFor(back, b.key, maxMessage), undefined);
	await b.pay(a.key, 3n, await ref("3"));
	await deliver(b, back);
	assert.equal((await back.line(b.key)).balance, -2n, "what comes is taken");
	assert.equal((await (await Ledger.open(payer, old, clock)).line(b.key)).state, "fenced");
	await assert.rejects(Ledger.open(payee, old, clock), because("unavailable"));
	const [line] = await old.list("line/", "line/~", 1);
	await old.commit([[line![0], { ...(line![1] as object), v: 2 }]]);
	await assert.rejects(Ledger.open(payer, old, clock), because("unavailable", "version 2"));
});

test("two histories are a dispute, and nothing more is taken", async () => {
	const { a, b, kept } = await two();
	await a.pay(b.key, 5n, await ref("1"));
	await deliver(a, b);
	const fork = await Ledger.open(payer, kept[0].copy(), clock);
	await a.pay(b.key, 6n, await ref("2"));
	await deliver(a, b);
	await fork.pay(b.key, 7n, await ref("3"));
	const push = (await outboxFor(fork, b.key, maxMessage))!;
	await assert.rejects(takePush(b, a.key, push), because("refused", "contradict"));
	assert.equal((await b.line(a.key)).state, "disputed");
	assert.equal((await b.line(a.key)).balance, 11n);
	await a.pay(b.key, 1n, await ref("4"));
	await assert.rejects(deliver(a, b), because("refused", "disputed"));
	assert.equal((await kept[1].list("proof/", "proof/~", 9)).length, 1);
	await b.pay(a.key, 2n, await ref("5"));
	assert.equal(await deliver(b, a), 1, "what is owed can be paid");
	// A stranger's first words begin no line with a dispute.
	const c = await Ledger.open(payee, new MemoryStore(), clock);
	const bad = push.slice();
	bad[bad.length - 1]! ^= 1;
	await assert.rejects(takePush(c, payer.key, bad), because("signature"));
	assert.deepEqual(c.lines(), []);
});

test("a push is looked at up to the first signature that does not hold", async (t) => {
	const { a, b } = await two();
	for (let i = 0; i < 60; i++) await a.pay(b.key, 5n, await ref(String(i)));
	const push = (await outboxFor(a, b.key, maxMessage))!;
	const looked = t.mock.method(crypto.subtle, "verify");
	await takePush(b, a.key, push);
	assert.equal(looked.mock.callCount(), 60);
	const c = await Ledger.open(payee, new MemoryStore(), clock);
	for (let at = push.length - 1; at > 100; at -= 241) push[at]! ^= 1; // the end of each run
	await assert.rejects(takePush(c, a.key, push), because("signature"));
	assert.equal(looked.mock.callCount(), 61);
});

test("of what a peer signs the newest is kept, and what is owed by all of it", async () => {
	const { a, b, kept } = await two();
	const refs = await Promise.all(Array.from({ length: 400 }, (_, i) => ref(String(i))));
	const size = async () => (await kept[1].list("run/", "run/~", 9999)).length + (await kept[1].list("ref/", "ref/~", 9999)).length;
	for (const one of refs.slice(0, 200)) {
		await a.pay(b.key, 1n, one);
		await deliver(a, b);
	}
	assert.equal(await size(), 128, "64 entries, and what they paid for");
	for (const one of refs.slice(200)) await a.pay(b.key, 1n, one);
	await deliver(a, b, 600_000);
	assert.equal(await size(), 128, "also of one long push");
	assert.deepEqual(await b.paid(a.key, refs[399]!), { ours: 0n, theirs: 1n });
	await agree(a, b, -400n);

	// What comes again is held, also when it is forgotten; another history is not taken.
	const before = await b.account(a.key);
	const again = await Ledger.open(payer, new MemoryStore(), clock);
	for (const one of refs.slice(0, 20)) await again.pay(b.key, 1n, one);
	await takePush(b, a.key, (await outboxFor(again, b.key, maxMessage))!);
	assert.deepEqual(await b.account(a.key), before);
	const other = await Ledger.open(payer, new MemoryStore(), clock);
	for (const one of refs.slice(1)) await other.pay(b.key, 1n, one);
	await assert.rejects(deliver(other, b, 600_000), because("busy", "out of step"));
	const reopened = await Ledger.open(payee, kept[1], clock);
	assert.deepEqual(await reopened.account(a.key), before);
	await other.pay(b.key, 1n, await ref("400"));
	const newest = await other.book.runs((await other.account(b.key)).line, (await other.account(b.key)).mine.side, 400n, 1);
	await assert.rejects(takePush(reopened, a.key, pack(push, { line: before.line, grant: null, runs: newest })), because("refused", "contradict"));
	assert.equal((await reopened.line(a.key)).state, "disputed");

	// A payment that goes on is not forgotten by its beginning.
	const { a: c, b: d, kept: [, store] } = await two();
	const id = await c.lock(d.key, 1000n, refs[0]!, terms);
	for (let i = 1n; i <= 60n; i++) {
		await c.voucher(d.key, id, i, i);
		await c.fold(d.key, id);
		for (let n = 0; n < 2; n++) await c.pay(d.key, 1n, await ref(`${i} ${n}`));
		await deliver(c, d);
	}
	assert.equal((await d.paid(c.key, refs[0]!)).theirs, 60n);
	assert.ok((await store.list("ref/", "ref/~", 999)).length <= 65);
});

test("lines and locks that strangers begin have a bound, which leaves room for one's own", async () => {
	const store = new MemoryStore();
	const many = async (n: number, locks: number): Promise<[string, unknown][]> => {
		const a = await begun(payee.key, payer.key);
		return Array.from({ length: n }, () => {
			const peer = crypto.getRandomValues(new Uint8Array(32));
			const some = Object.fromEntries(Array.from({ length: locks }, (_, i) => [String(i), { id: peer, folded: 0n }]));
			return [`line/${toHex(peer)}`, { ...a, peer, line: peer, theirs: { ...a.theirs, tally: { ...a.theirs.tally, locks: some } } }];
		});
	};
	const a = await Ledger.open(payer, new MemoryStore(), clock);
	await store.commit(await many(64, 64));
	let b = await Ledger.open(payee, store, clock);
	await a.pay(b.key, 1n, await ref("paid"));
	await deliver(a, b);
	await a.lock(b.key, 1n, await ref("locked"), terms);
	await assert.rejects(deliver(a, b), because("busy", "4096 locks"));
	await b.grant(a.key, 0n);
	await deliver(a, b);

	await store.commit(await many(9000 - 65, 0));
	b = await Ledger.open(payee, store, clock);
	assert.equal(b.lines().length, 9000);
	const [c, d] = await Promise.all([0, 0].map(async () => Ledger.open(await Pair.generate(0), new MemoryStore(), clock)));
	await c!.pay(b.key, 1n, await ref("c"));
	await assert.rejects(deliver(c!, b), because("busy", "9000 lines"));
	await b.pay(d!.key, 1n, await ref("d"));
	await deliver(b, d!);
	await b.grant(c!.key, 1n);
	await deliver(c!, b);
	assert.equal(b.lines().length, 9002);
});

test("what is not kept is not said", async () => {
	const kept = new MemoryStore();
	let broken = false;
	const store: Store = {
		list: (...args) => kept.list(...args),
		commit: (...change) => (broken ? Promise.reject(new Error("full")) : kept.commit(...change)),
		close: () => {},
	};
	const a = await Ledger.open(payer, store, clock);
	const b = await Ledger.open(payee, new MemoryStore(), clock);
	await a.pay(b.key, 5n, await ref("1"));
	await deliver(a, b);
	const id = await a.lock(b.key, 9n, await ref("lock"), terms);
	broken = true;
	await assert.rejects(a.pay(b.key, 6n, await ref("2")), /full/);
	await assert.rejects(a.voucher(b.key, id, 1n, 1n), /full/);
	await b.pay(a.key, 2n, await ref("3"));
	await assert.rejects(takePush(a, b.key, (await outboxFor(b, a.key, maxMessage))!), /full/);
	assert.equal((await a.line(b.key)).claim, -5n);
	broken = false;
	await deliver(a, b);
	await deliver(b, a);
	await agree(a, b, -3n);
});

test("random acts, lost answers and restarts, against a plain sum", async () => {
	const { a, b, kept } = await two();
	const ledgers: [Ledger, Ledger] = [a, b];
	const paid = [0n, 0n];
	let seed = 12345;
	const draw = (n: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
	for (let i = 0; i < 120; i++) {
		const from = draw(2);
		const [x, y] = [ledgers[from]!, ledgers[1 - from]!] as [Ledger, Ledger];
		switch (draw(6)) {
			case 0:
			case 1: {
				const amount = BigInt(1 + draw(1000));
				await x.pay(y.key, amount, await ref(`pay ${i}`));
				paid[from]! += amount;
				break;
			}
			case 2: {
				const id = await x.lock(y.key, 50n, await ref(`lock ${i}`), terms);
				const cum = BigInt(draw(50));
				if (cum > 0n) await x.voucher(y.key, id, cum, 1n);
				await deliver(x, y);
				if (cum > 0n) await y.takeVoucher(x.key, pack(voucherLayout, await x.voucher(y.key, id, cum, 1n)));
				await x.fold(y.key, id, unpack(await y.release(x.key, id, cum), release, "release"));
				paid[from]! += cum;
				break;
			}
			case 3: {
				const push = await outboxFor(x, y.key, maxMessage);
				if (push) await takePush(y, x.key, push); // and its answer is lost
				break;
			}
			case 4:
				ledgers[from] = await Ledger.open(keys[from]!, kept[from]!, clock);
				break;
			default:
				await meet(x, y);
				await deliver(x, y, 1000);
		}
	}
	const [x, y] = ledgers;
	await meet(x, y);
	await deliver(x, y);
	await deliver(y, x);
	await agree(x, y, paid[1]! - paid[0]!);
});

test("nothing that is changed on its way passes", async () => {
	const { a, b } = await two();
	await a.pay(b.key, 5n, await ref("1"));
	await a.lock(b.key, 5n, await ref("2"), terms);
	await a.grant(b.key, 7n);
	const push = (await outboxFor(a, b.key, maxMessage))!;
	for (let at = 0; at < push.length; at += 7) {
		const bad: Bytes = push.slice();
		bad[at]! ^= 1 << at % 8;
		await assert.rejects(takePush(b, a.key, bad), (err: Error & { code?: string }) => ["bad_request", "refused", "signature", "key"].includes(err.code ?? ""), `byte ${at}`);
	}
	assert.deepEqual(b.lines(), []);
	await deliver(a, b);
	await agree(a, b, -5n);
});
