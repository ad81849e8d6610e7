// A page that buys. See buy_test.go.

import { toHex } from "../../src/bytes.ts";
import { openReceipt } from "../../src/compute/receipt.ts";
import { costOf } from "../../src/market/price.ts";
import { Sea } from "../../src/sea.ts";

let sea: Sea;

/** What scripts call. */
const test = {
	/** open joins the sea with a key that this page's profile keeps. */
	async open(url: string): Promise<string> {
		sea = new Sea({ network: "test", work: 0 });
		await sea.goOnline(url);
		return toHex((await sea.node()).signer.key);
	},

	/** buy buys a job of a module that is served beside the page. */
	async buy(module: string, ...args: string[]): Promise<{ stdout: string; streamed: string; end: string; fuel: number; cost: number; right: boolean; result: string; files: string[] }> {
		const wasm = new Uint8Array(await (await fetch(module)).arrayBuffer());
		const job = await sea.run(wasm, { args: [module, ...args], maxCredit: 5 });
		const streamed = await new Response(job.stdout).text();
		const b = await job.done;
		const receipt = await openReceipt(b.receipt);
		return {
			stdout: new TextDecoder().decode(b.stdout), streamed, end: b.end, fuel: Number(b.fuel), cost: Number(b.cost),
			right: b.cost === costOf(b, receipt.fuel), result: toHex(receipt.result), files: b.files.map((f) => `${f.path} ${f.data.length}`),
		};
	},

	/** owed is what is owed to each other peer, with what was promised in this page's runs. */
	owed: async (): Promise<number[]> => (await sea.credit()).map((l) => -Number(l.balance)),

	delivered: async (): Promise<void> => {
		const { credit, ledger } = await sea.shop();
		for (const { peer } of ledger.lines()) await credit.deliver(peer, new AbortController().signal);
	},
};

Object.assign(globalThis, { test });
