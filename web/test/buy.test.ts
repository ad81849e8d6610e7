// Jobs that are bought from a Go node.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { utf8 } from "../src/bytes.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { Credit } from "../src/ledger/credit.ts";
import { Ledger } from "../src/ledger/ledger.ts";
import { MemoryStore } from "../src/ledger/store.ts";
import { Book } from "../src/market/book.ts";
import { Buyer } from "../src/market/buyer.ts";
import { Memory } from "../src/market/memory.ts";
import { costOf } from "../src/market/price.ts";
import { Refused } from "../src/market/reason.ts";
import { type Progress } from "../src/market/spec.ts";
import { HashAddress } from "../src/node/addr.ts";
import { Node } from "../src/node/node.ts";

const url = (process.env["SEA_URLS"] ?? "").split(" ")[0]!;
const there = HashAddress.from((process.env["SEA_NODES"] ?? "").split(" ")[0]!);
const example = (name: string) => new Uint8Array(readFileSync(join(process.env["SEA_ROOT"]!, "examples", name, `${name}.wasm`)));
const text = (b: Uint8Array) => new TextDecoder().decode(b);

interface Shopper {
	node: Node;
	ledger: Ledger;
	credit: Credit;
	buyer: Buyer;
	/** owes is what the Go node's ledger says that this one owes, when all is delivered. */
	owes(): Promise<number>;
}

async function shopper(run: (s: Shopper) => Promise<void>, grant = 50_000_000): Promise<void> {
	const signer = await Pair.generate(0);
	const node = await Node.create({ signer, network: "test", work: 0 });
	const ledger = await Ledger.open(signer, new MemoryStore());
	const credit = new Credit(node, ledger);
	const store = new MemoryStore();
	const buyer = new Buyer(node, ledger, await Book.open(store), await Memory.open(store));
	await node.online([url]);
	const peer = node.link(there)!.peer.node;
	if (grant > 0) await node.call(there, "ledger:grant", utf8(String(grant)));
	const owes = async () => {
		await credit.deliver(peer, new AbortController().signal);
		const line = JSON.parse(text(await node.call(there, "ledger:line", new Uint8Array(0)))) as { balance_micro: number; theirs: { locked_micro: number } };
		assert.equal(line.theirs.locked_micro, 0, "no lock is left");
		return line.balance_micro;
	};
	try {
		await run({ node, ledger, credit, buyer, owes });
	} finally {
		buyer.close();
		credit.close();
		node.offline();
	}
}

test("a job is found, quoted, ordered, run, delivered, checked and paid", () => shopper(async ({ buyer, owes, ledger }) => {
	const states: Progress["state"][] = [];
	const job = buyer.run(example("primes"), { args: ["primes", "1000"], maxCredit: 1, progress: (p) => states.push(p.state) });
	const streamed: Uint8Array[] = [];
	const reader = job.stdout.getReader();
	for (let got; !(got = await reader.read()).done; ) streamed.push(got.value);
	const done = await job.done;
	assert.equal(text(done.stdout), "168\n");
	assert.equal(streamed.map(text).join(""), "168\n");
	assert.deepEqual([done.end, done.code, done.trap, done.reason], ["exit", 0, "", ""]);
	assert.equal(done.cost, costOf(done, done.fuel), "the bill, recomputed");
	assert.equal(await owes(), Number(done.cost));
	assert.equal((await ledger.line(done.seller)).balance, -done.cost);
	assert.equal(states[0], "asking");
	assert.equal(states[states.length - 1], "paid");
	// The same job gives the same receipt but for what is for people.
	const again = await buyer.run(example("primes"), { args: ["primes", "1000"], maxCredit: 1 }).done;
	assert.equal(again.fuel, done.fuel);
	assert.equal(await owes(), Number(done.cost + again.cost));
}));

test("inputs are fetched from the tab, and a folder of output by it", () => shopper(async ({ buyer, owes }) => {
	const words = await buyer.run(example("wordfreq"), { args: ["wordfreq"], stdin: "to be or not to be ".repeat(50_000), maxCredit: 5 }).done;
	assert.match(text(words.stdout), /to/);
	const picture = await buyer.run(example("mandelbrot"), { args: ["mandelbrot", "64", "48"], maxCredit: 5 }).done;
	assert.equal(picture.end, "exit");
	assert.deepEqual(picture.files.map((f) => [f.path, f.dir]), [["mandelbrot.png", false]]);
	assert.equal(text(picture.files[0]!.data.slice(1, 4)), "PNG");
	assert.equal(await owes(), Number(words.cost + picture.cost));
}));

test("a long job is paid as it runs, and one that is cancelled as far as it ran", () => shopper(async ({ buyer, owes }) => {
	let vouched = 0n;
	const long = await buyer.run(example("primes"), { args: ["primes", "20000000"], maxCredit: 20, progress: (p) => (vouched = p.vouched) }).done;
	assert.equal(text(long.stdout), "1270607\n");
	assert.ok(vouched < long.cost, "no voucher is for the last quantum");
	assert.equal(long.cost, costOf(long, long.fuel));
	assert.equal(await owes(), Number(long.cost));

	// This one has no end: it is held until there are vouchers.
	const seen = new Set<bigint>();
	const job = buyer.run(example("primes"), {
		args: ["primes", "1000000000"], maxCredit: 40,
		progress: (p) => void (seen.add(p.vouched).size > 3 && job.cancel()),
	});
	const done = await job.done;
	assert.deepEqual([done.end, text(done.stdout)], ["interrupted", ""]);
	assert.equal(done.cost, costOf(done, done.fuel));
	assert.ok(done.cost >= [...seen].pop()!);
	assert.equal(await owes(), Number(long.cost + done.cost));
}));

test("what is refused says why, and costs nothing", () => shopper(async ({ buyer, ledger, node }) => {
	const refused = async (options: Parameters<Buyer["run"]>[1], module = example("primes")): Promise<string> => {
		const err: unknown = await buyer.run(module, options).done.then((d) => d, (err: unknown) => err);
		assert.ok(err instanceof Refused, String(err));
		return err.reason;
	};
	assert.equal(await refused({ fuel: 1_000_000_000_000n }), "refused_price");
	assert.equal(await refused({ maxPrice: 0 }), "refused_price");
	assert.equal(await refused({ limits: { memory_pages: 65_535 } }), "memory");
	assert.equal(await refused({}, utf8("no module")), "module_invalid");
	assert.equal(await refused({ to: [node.addr.flip(3)] }), "no_seller");
	assert.equal(await refused({ signal: AbortSignal.abort() }), "cancelled");
	assert.deepEqual(ledger.lines().filter((l) => l.balance !== 0n), []);
	const trap = await buyer.run(example("primes"), { args: ["primes", "1000"], fuel: 1000 }).done;
	assert.deepEqual([trap.end, trap.fuel], ["out_of_fuel", 1000n]);
}));
