// A page that sells, or buys from another such page. See tabs_test.go.

import { toHex } from "../../src/bytes.ts";
import { Engine } from "../../src/compute/engine.ts";
import { encodeJob, type Job } from "../../src/compute/job.ts";
import { encodeReceipt, openReceipt } from "../../src/compute/receipt.ts";
import { type Statement } from "../../src/identity/statement.ts";
import { type Bought } from "../../src/market/trade.ts";
import { type Purchase } from "../../src/market/buyer.ts";
import { type Sale } from "../../src/market/sale.ts";
import { defaultTerms, Seller } from "../../src/market/seller.ts";
import { storeOf } from "../../src/market/shop.ts";
import { HashAddress } from "../../src/node/addr.ts";
import { Sea } from "../../src/sea.ts";

/** Got is what was bought; bytes are in hex. */
interface Got {
	stdout: string;
	files: { [path: string]: string };
	job: string;
	receipt: string;
	cost: string;
}

const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

let sea: Sea;
let seller: Seller;
let bought: Purchase;
let ordered = "";

async function bytesOf(hash: string): Promise<Uint8Array> {
	return new Uint8Array(await (await fetch(`blobs/${hash}`)).arrayBuffer());
}

/** verify takes note of the job that was ordered. */
async function verify(_: Statement, job: Job): Promise<boolean> {
	ordered = toHex(encodeJob(job));
	return true;
}

/** until resolves when a sale is as is says. */
async function until(is: (s: Sale) => boolean): Promise<void> {
	while (![...seller.sales].some(is)) await sleep(20);
}

const tabs = {
	/** open joins by a node with a key that this page's profile keeps, and gives its address. */
	async open(url: string): Promise<string> {
		sea = new Sea({ network: "test", work: 0 });
		await sea.goOnline(url);
		return sea.localId().toString();
	},

	/** sell sells what this tab's engine can run. */
	async sell(): Promise<void> {
		const { ledger, buyer } = await sea.shop();
		const rewriter = await WebAssembly.compileStreaming(fetch("meter.wasm"));
		const engine = new Engine(() => new Worker("worker.js", { type: "module" }), rewriter);
		const node = await sea.node();
		seller = await Seller.open(node, ledger, engine, buyer.shelf, await storeOf("sales", node.signer), { ...defaultTerms, price: { fee: 3n, price: 1000n }, strangers: 1_000_000n });
	},

	/** order has a job run by the tab at an address. */
	async order(from: string, module: string, stdin: string, ...args: string[]): Promise<void> {
		bought = await sea.run(await bytesOf(module), {
			args, ...(stdin && { stdin: await bytesOf(stdin) }), to: [HashAddress.from(from)], maxCredit: 0.5,
			verify,
		});
	},

	/** again takes up the job that an earlier run of this page has ordered, and gives how it stands. */
	async again(): Promise<string> {
		const [job] = (await sea.jobs()).slice(-1);
		bought = await sea.job(job!.id, { verify });
		return job!.state;
	},

	/** got waits for what was ordered. */
	async got(): Promise<Got> {
		const b: Bought = await bought.done;
		return {
			stdout: toHex(b.stdout), files: Object.fromEntries(b.files.map((f) => [f.path, toHex(f.data)])), job: ordered,
			receipt: toHex(encodeReceipt({ ...(await openReceipt(b.receipt)), engine: "" })), cost: String(b.cost),
		};
	},

	/** stdout is the text that what was ordered wrote. */
	stdout: async () => new TextDecoder().decode((await bought.done).stdout),

	/** failed waits for what was ordered, and says why it was not had. */
	failed: (): Promise<string> => bought.done.then(() => "", (err: { reason: string }) => err.reason),

	/** running and delivered resolve when a sale is. */
	running: () => until((s) => s.state === "running"),
	delivered: () => until((s) => s.state === "delivered"),

	/** settled resolves when nothing is to be paid to this tab any more. */
	async settled(): Promise<void> {
		while ([...seller.sales].some((s) => !s.ended)) await sleep(20);
	},

	/** owed is what all others owe to this tab, less than nothing when it owes them. */
	owed: async (): Promise<string> => String((await sea.credit()).reduce((n, l) => n + l.balance, 0n)),
};

Object.assign(globalThis, { tabs });
