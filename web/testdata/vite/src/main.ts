import { HashAddress, Sea, SeaError } from "peersea";

const sea = new Sea({ network: "test", work: 0 });

Object.assign(globalThis, {
	app: async (url: string, to: string): Promise<unknown> => {
		await sea.goOnline(url);
		const none = await sea.call(HashAddress.from(to), "none").catch((err: unknown) => err);
		if (!(none instanceof SeaError) || none.code !== "no_handler") throw none;
		return sea.call(HashAddress.from(to), "echo", 1, "two");
	},
});
