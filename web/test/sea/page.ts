// The page of the tests of whole peers in a browser.

import { type Bytes, compare } from "../../src/bytes.ts";
import { type Channel } from "../../src/channel.ts";
import { type Connection } from "../../src/connection.ts";
import { HashAddress } from "../../src/node/addr.ts";
import { Sea } from "../../src/sea.ts";

const sea = new Sea({ network: "test", work: 0 });

// How many RTCPeerConnections are there and not closed.
const peers = new Set<RTCPeerConnection>();
let closed: () => void = () => {};
globalThis.RTCPeerConnection = class extends RTCPeerConnection {
	constructor(config?: RTCConfiguration) {
		super(config);
		peers.add(this);
	}
	override close(): void {
		super.close();
		peers.delete(this);
		if (peers.size === 0) closed();
	}
};

sea.handle("test:add", (a: number, b: number) => a + b);
sea.handle("test:echo", (value: unknown) => value);

// Who connects has what it says in "there" sent back in "back".
sea.on("connection", (con: Connection) => {
	con.on("there", (value: unknown) => con.send("back", value));
});

const channels = new Map<string, { chan: Channel; heard: [string, unknown][] }>();
let wake: () => void = () => {};

const random = (n: number): Bytes => {
	const b = new Uint8Array(n);
	for (let at = 0; at < n; at += 65536) crypto.getRandomValues(b.subarray(at, at + 65536));
	return b;
};

const test = {
	id: async () => (await sea.ready()).localId().toString(),
	online: async (...urls: string[]) => {
		await sea.goOnline(urls);
		return sea.online();
	},
	offline: () => sea.goOffline(),
	connections: () => sea.connections().map(String),
	peers: () => peers.size,
	closed: () => new Promise<void>((resolve) => (peers.size === 0 ? resolve() : (closed = resolve))),
	call: (to: string, scope: string, ...args: unknown[]) => sea.call(HashAddress.from(to), scope, ...args),
	nearest: async (to: string) => String(await sea.call(sea.localId(), "sea:nearest", HashAddress.from(to))),

	/** talk sends total bytes to a peer in messages, which it sends back, and tells how many came back as they were. */
	async talk(to: string, total: number): Promise<number> {
		const con = await sea.connect(HashAddress.from(to)).ready();
		const sent: Bytes[] = [];
		let back = 0;
		let bytes = 0;
		const all = new Promise<void>((resolve, reject) => {
			con.on("disconnect", () => reject(new Error("disconnected")));
			con.on("back", (value: Bytes) => {
				if (compare(value, sent[back]!) !== 0) reject(new Error(`message ${back} is another one`));
				back++;
				bytes += value.length;
				if (bytes >= total) resolve();
			});
		});
		for (let left = total; left > 0; ) {
			const piece = random(Math.min(left, 100_000));
			left -= piece.length;
			sent.push(piece);
			await con.send("there", piece);
		}
		await all;
		con.disconnect();
		return bytes;
	},

	/** join joins a channel; whoever else is told of is kept in heard. */
	async join(id: string): Promise<void> {
		const chan = sea.join(id);
		channels.set(id, { chan, heard: [] });
		chan.on("say", (value: unknown, author: HashAddress) => {
			channels.get(id)!.heard.push([String(author), value]);
			wake();
		});
		if (!chan.connected()) await new Promise<void>((resolve) => chan.on("connect", resolve));
	},
	say: (id: string, value: unknown) => channels.get(id)!.chan.send("say", value),
	/** heard gives the first n messages of a channel, sorted. */
	async heard(id: string, n: number): Promise<string[]> {
		const { heard } = channels.get(id)!;
		while (heard.length < n) await new Promise<void>((resolve) => (wake = resolve));
		return heard.map(([author, value]) => `${author.slice(0, 8)} ${JSON.stringify(value)}`).sort();
	},

	/** linked tells whether there is a link to a peer. */
	linked: (to: string) => sea.connections().some((a) => String(a) === to),

	/** until resolves when a peer is linked, or is not any more. */
	async until(to: string, linked: boolean): Promise<void> {
		const node = await sea.node();
		await new Promise<void>((resolve) => {
			const look = () => void (test.linked(to) === linked && resolve());
			node.watchers.add({ up: look, down: look });
			look();
		});
	},
};

declare global {
	var peer: typeof test;
}
globalThis.peer = test;
