import { HashAddress, Sea, SeaError } from "peersea";
import { Engine, recheck, sell } from "peersea/sell";
import meterUrl from "peersea/meter.wasm?url";
import workerUrl from "peersea/worker.js?url";

const sea = new Sea({ network: "test", work: 0 });

Object.assign(globalThis, {
	app: async (url: string, to: string): Promise<unknown> => {
		await sea.goOnline(url);
		const none = await sea.call(HashAddress.from(to), "none").catch((err: unknown) => err);
		if (!(none instanceof SeaError) || none.code !== "no_handler") throw none;
		return sea.call(HashAddress.from(to), "echo", 1, "two");
	},

	// trade buys a run of a module, recomputes its bill before it is paid, and sells.
	trade: async (module: string): Promise<unknown> => {
		const meter = await WebAssembly.compileStreaming(fetch(meterUrl));
		const engine = new Engine(() => new Worker(workerUrl, { type: "module" }), meter);
		const job = await sea.run(new Uint8Array(await (await fetch(module)).arrayBuffer()), {
			args: ["primes", "1000"],
			verify: async (receipt, job, blobs) => (await recheck(receipt, job, blobs, engine)).verification.match,
		});
		const { stdout, cost } = await job.done;
		const seller = await sell(sea, engine, { price: { fee: 0n, price: 500_000n } });
		const sales = [...seller.sales].length;
		seller.close();
		engine.close();
		return [new TextDecoder().decode(stdout).trim(), cost > 0n, sales];
	},
});
