// A page that runs jobs, for the test of this package.

import { type Bytes, fromHex, toHex } from "../../src/bytes.ts";
import { type Blobs } from "../../src/compute/blob.ts";
import { Engine, type Live } from "../../src/compute/engine.ts";
import { decodeJob } from "../../src/compute/job.ts";
import { encodeReceipt } from "../../src/compute/receipt.ts";
import { SeaError } from "../../src/error.ts";
import { Pair } from "../../src/identity/ed25519.ts";
import { Statement } from "../../src/identity/statement.ts";
import { Credit } from "../../src/ledger/credit.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { MemoryStore } from "../../src/ledger/store.ts";
import { defaultTerms, Seller } from "../../src/market/seller.ts";
import { Shelf } from "../../src/market/shelf.ts";
import { recheck } from "../../src/market/verification.ts";
import { Node } from "../../src/node/node.ts";

/** Ran is what came of a job: its receipt without the engine's name, or the code of an error. */
interface Ran {
	receipt: string;
	fuel: string;
	error: string;
}

const blobs: Blobs = {
	async open(hash): Promise<Bytes> {
		const got = await fetch(`blobs/${toHex(hash)}`);
		return new Uint8Array(await got.arrayBuffer());
	},
};

const ready = WebAssembly.compileStreaming(fetch("meter.wasm")).then(
	(rewriter) => new Engine(() => new Worker("worker.js", { type: "module" }), rewriter),
);

async function run(job: string, live?: Live): Promise<Ran> {
	const engine = await ready;
	try {
		const result = await engine.run(decodeJob(fromHex(job)!), blobs, live);
		const receipt = { ...(await result.receipt()), engine: "" };
		return { receipt: toHex(encodeReceipt(receipt)), fuel: String(receipt.fuel), error: "" };
	} catch (err) {
		if (!(err instanceof SeaError)) throw err;
		return { receipt: "", fuel: "0", error: `${err.code}: ${err.message}` };
	}
}

const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

const guests = {
	steerable: async () => (await ready).steerable,
	run: (job: string) => run(job),

	/** rate runs a job and gives its fuel for each second that the guest ran. */
	async rate(job: string): Promise<number> {
		let began = 0;
		const ran = await run(job, { begun: () => (began = performance.now()) });
		return Number(ran.fuel) / ((performance.now() - began) / 1000);
	},

	/** halved runs at half of a core. */
	async halved(job: string): Promise<Ran> {
		const engine = await ready;
		engine.share(0.5);
		try {
			return await run(job);
		} finally {
			engine.share(1);
		}
	},

	/** stopped ends an endless job when it has made progress. */
	stopped(job: string): Promise<Ran> {
		const ender = new AbortController();
		return run(job, { progress: () => ender.abort(), signal: ender.signal });
	},

	/** recheck recomputes a receipt. */
	async recheck(job: string, signed: string): Promise<{ match: boolean; outputMatch: boolean }> {
		const { verification } = await recheck(Statement.decode(fromHex(signed)!), decodeJob(fromHex(job)!), blobs, await ready);
		return { match: verification.match, outputMatch: verification.outputMatch };
	},

	/** paused has a guest stand still for a second and then go on, and says how often it was heard of meanwhile. */
	async paused(job: string): Promise<{ ran: Ran; heard: number }> {
		const engine = await ready;
		const ender = new AbortController();
		let heard = 0;
		let told = (): void => {};
		const progress = (): void => {
			heard++;
			told();
		};
		const next = (): Promise<void> => new Promise((resolve) => (told = resolve));
		const ended = run(job, { progress, signal: ender.signal });
		await next();
		engine.pause(true);
		await sleep(500); // for what is under way
		heard = 0;
		await sleep(1000);
		const still = heard;
		engine.pause(false);
		await next();
		ender.abort();
		return { ran: await ended, heard: still };
	},
};

let shop: { ledger: Ledger; seller: Seller; credit: Credit } | undefined;

/** selling is a tab that sells, of a network of tests. */
const selling = {
	/** open joins by a node and gives this one's address. */
	async open(url: string): Promise<string> {
		const signer = await Pair.generate(0);
		const node = await Node.create({ signer, network: "test", work: 0 });
		const ledger = await Ledger.open(signer, new MemoryStore());
		const credit = new Credit(node, ledger);
		shop = { ledger, credit, seller: await Seller.open(node, ledger, await ready, new Shelf(), new MemoryStore(), { ...defaultTerms, price: { fee: 1n, price: 1000n }, strangers: 1_000_000n }) };
		await node.online([url]);
		return node.addr.toString();
	},

	/** owed is what all owe to this tab. */
	owed: () => String(shop!.ledger.lines().reduce((n, l) => n + l.claim, 0n)),

	states: () => [...shop!.seller.sales].map((s) => s.state),

	rest: (why: string) => shop!.seller.rest(why),

	/** running resolves when a guest runs. */
	async running(): Promise<void> {
		while (![...shop!.seller.sales].some((s) => s.state === "running")) await sleep(20);
	},

	/** settled resolves when nothing is to be paid any more. */
	async settled(): Promise<void> {
		while ([...shop!.seller.sales].some((s) => !s.ended)) await sleep(20);
	},
};

Object.assign(globalThis, { selling });
Object.assign(globalThis, { guests });
