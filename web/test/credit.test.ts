// A ledger in step with one of a Go node.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, toHex, utf8 } from "../src/bytes.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { Credit } from "../src/ledger/credit.ts";
import { pack } from "../src/ledger/format.ts";
import { Ledger } from "../src/ledger/ledger.ts";
import { voucher } from "../src/ledger/lock.ts";
import { MemoryStore } from "../src/ledger/store.ts";
import { HashAddress } from "../src/node/addr.ts";
import { Node } from "../src/node/node.ts";

const url = (process.env["SEA_URLS"] ?? "").split(" ")[0]!;
const there = HashAddress.from((process.env["SEA_NODES"] ?? "").split(" ")[0]!);

/** Go is what the Go node's ledger says of the line. */
interface Go {
	balance_micro: number;
	claim_micro: number;
	state: string;
	undelivered: boolean;
	they_may_owe_micro: number;
	mine: { seq: number; tip: string };
	theirs: { seq: number; tip: string; locked_micro: number };
}

/** Tab is a peer with its ledger and the Go node's key. */
interface Tab {
	node: Node;
	ledger: Ledger;
	credit: Credit;
	peer: Bytes;
	/** go has the Go node do something, said its line. */
	go(what: "pay" | "grant", amount: number): Promise<void>;
	said(): Promise<Go>;
	/** until resolves when the ledger's line is as it should be. */
	until(is: (l: Awaited<ReturnType<Ledger["line"]>>) => boolean): Promise<void>;
}

async function tab(signer: Pair, store: MemoryStore, run: (t: Tab) => Promise<void>): Promise<void> {
	const node = await Node.create({ signer, network: "test", work: 0 });
	const ledger = await Ledger.open(signer, store);
	const credit = new Credit(node, ledger);
	await node.online([url]);
	const peer = node.link(there)!.peer.node;
	try {
		await run({
			node, ledger, credit, peer,
			go: async (what, amount) => void (await node.call(there, `ledger:${what}`, utf8(String(amount)))),
			said: async () => JSON.parse(new TextDecoder().decode(await node.call(there, "ledger:line", new Uint8Array(0)))) as Go,
			until: (is) =>
				new Promise((resolve, reject) => {
					const look = () => void ledger.line(peer).then((l) => {
						if (!is(l)) return;
						ledger.watchers.delete(look);
						resolve();
					}, reject);
					ledger.watchers.add(look);
					look();
				}),
		});
	} finally {
		credit.close();
		node.offline();
	}
}

const random = () => crypto.getRandomValues(new Uint8Array(32));
const never = () => new AbortController().signal;

test("payments and grants, each way", () => tabOf(async (t) => {
	await t.go("grant", 50_000_000);
	await t.until((l) => l.iMayOwe === 50_000_000n);
	await t.ledger.pay(t.peer, 3_000_000n, random());
	await t.credit.deliver(t.peer, never());
	await t.go("pay", 1_000_000);
	await t.until((l) => l.balance === -2_000_000n);
	await t.ledger.grant(t.peer, 7_000_000n);
	await t.credit.deliver(t.peer, never());
	for (let i = 0; i < 20; i++) await t.ledger.pay(t.peer, 1n, random());
	await t.credit.deliver(t.peer, never());
	const go = await t.said();
	const { mine, theirs } = await t.ledger.account(t.peer);
	assert.equal(go.balance_micro, 2_000_020);
	assert.equal(go.theirs.tip, toHex(mine.tally.tip));
	assert.equal(go.mine.tip, toHex(theirs.tally.tip));
	assert.equal(go.state, "open");
}));

test("a lock, a voucher and what is folded", () => tabOf(async (t) => {
	await t.go("grant", 50_000_000);
	const expiry = BigInt(Math.floor(Date.now() / 10_000)) + 360n;
	const id = await t.ledger.lock(t.peer, 100n, random(), { expiry, quote: random(), hash: new Uint8Array(32) });
	await t.credit.deliver(t.peer, never());
	assert.equal((await t.said()).theirs.locked_micro, 100);
	assert.equal(pack(voucher, await t.ledger.voucher(t.peer, id, 40n, 40n)).length, 178);
	await t.ledger.fold(t.peer, id);
	await t.credit.deliver(t.peer, never());
	const go = await t.said();
	assert.equal(go.balance_micro, 40);
	assert.equal(go.theirs.locked_micro, 60);
}));

test("a tab that comes back goes on where it was, and one with an old copy is fenced", async () => {
	const signer = await Pair.generate(0);
	const store = new MemoryStore();
	let old: MemoryStore | undefined;
	await tab(signer, store, async (t) => {
		await t.ledger.pay(t.peer, 5n, random());
		await t.credit.deliver(t.peer, never());
		old = store.copy();
		await t.ledger.pay(t.peer, 6n, random()); // it may be delivered, or not
	});
	await tab(signer, store, async (t) => {
		await t.credit.deliver(t.peer, never());
		assert.equal((await t.said()).balance_micro, 11);
		await t.go("pay", 4);
		await t.until((l) => l.balance === -7n);
	});
	await tab(signer, old!, async (t) => {
		await t.until((l) => l.state === "fenced");
		await assert.rejects(t.ledger.pay(t.peer, 6n, random()), { code: "unavailable" });
		await assert.rejects(t.credit.deliver(t.peer, never()), { code: "unavailable" });
	});
});

async function tabOf(run: (t: Tab) => Promise<void>): Promise<void> {
	await tab(await Pair.generate(0), new MemoryStore(), run);
}
