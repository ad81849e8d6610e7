// The page of the figures: what a peer's calls and connections cost beside a data
// channel as the browser gives it, between the same two tabs.

import { type Bytes } from "../../src/bytes.ts";
import { type Connection } from "../../src/connection.ts";
import { loadPair } from "../../src/keys.ts";
import { HashAddress } from "../../src/node/addr.ts";
import { Sea } from "../../src/sea.ts";

// With the work of the public network, which the nodes of tests do not have.
let sea: Sea;
const made = loadPair(12).then((signer) => {
	sea = new Sea({ network: "test", work: 0, signer });
	serve();
});
const full = 256 << 10;
const patience = 250; // ms that candidates are waited for

let raw: RTCDataChannel;
let got = 0;
let wake: () => void = () => {};

/** serve is what this tab does for others. */
function serve(): void {
	sea.handle("echo", (value: unknown) => value);
	sea.handle("raw", async (sdp: string) => {
		const pc = connection();
		await pc.setRemoteDescription({ type: "offer", sdp });
		return described(pc);
	});
	sea.on("connection", (con: Connection) => {
		con.on("pour", (_: Bytes) => {});
		con.on("last", () => con.send("heard", null));
	});
}

/** connection is a PeerConnection with the raw channel, which answers a message that begins with 1. */
function connection(): RTCPeerConnection {
	const pc = new RTCPeerConnection();
	raw = pc.createDataChannel("", { negotiated: true, id: 0 });
	raw.binaryType = "arraybuffer";
	raw.bufferedAmountLowThreshold = full / 2;
	raw.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
		got++;
		if (new Uint8Array(data)[0] === 1) raw.send(new Uint8Array(1));
		wake();
	};
	return pc;
}

async function described(pc: RTCPeerConnection): Promise<string> {
	await pc.setLocalDescription();
	await new Promise((resolve) => setTimeout(resolve, patience));
	return pc.localDescription!.sdp;
}

/** median runs work n times and gives the median time of one, in ms: ten at a time, since a page's clock is coarse. */
async function median(n: number, work: () => Promise<unknown>): Promise<number> {
	const all: number[] = [];
	for (let i = 0; i < n; i += 10) {
		const begun = performance.now();
		for (let j = 0; j < 10; j++) await work();
		all.push((performance.now() - begun) / 10);
	}
	return all.sort((a, b) => a - b)[all.length >> 1]!;
}

async function answered(message: Bytes): Promise<void> {
	const before = got;
	message[0] = 1;
	raw.send(message);
	while (got === before) await new Promise<void>((resolve) => (wake = resolve));
}

const connections = new Map<string, Connection>(); // by address
let heard: () => void = () => {}; // called when the other end has all

async function connected(address: string): Promise<void> {
	const con = await sea.connect(HashAddress.from(address)).ready();
	con.on("heard", () => heard());
	connections.set(address, con);
}

const figures = {
	id: async () => String((await sea.ready()).localId()),

	async online(url: string): Promise<void> {
		await made;
		await sea.goOnline(url);
	},

	/** visit gives the ms from the page's beginning to the first link, to the first call's answer, and to the first job's result. */
	async visit(url: string, node: string): Promise<[number, number, number]> {
		await figures.online(url);
		const online = performance.now();
		await sea.call(HashAddress.from(node), "echo", 1);
		const called = performance.now();
		const module = new Uint8Array(await (await fetch("primes.wasm")).arrayBuffer());
		await (await sea.run(module, { args: ["primes", "1000"], maxCredit: 1 })).done;
		return [online, called, performance.now()];
	},

	/** meet connects to another tab, by the sea and by a raw channel. */
	async meet(address: string): Promise<void> {
		await connected(address);
		const pc = connection();
		const sdp = (await sea.call(HashAddress.from(address), "raw", await described(pc))) as string;
		await pc.setRemoteDescription({ type: "answer", sdp });
		if (raw.readyState !== "open") await new Promise((resolve) => (raw.onopen = resolve));
	},

	/** reach connects to a Go node, which drains what comes. */
	async reach(address: string): Promise<void> {
		await connected(address);
		await sea.call(HashAddress.from(address), "drain");
	},

	/** trips gives the median round trips in ms: of a raw message of 100 bytes, and of a call with as many. */
	async trips(address: string): Promise<[number, number]> {
		const node = HashAddress.from(address);
		const body = new Uint8Array(100);
		return [await median(300, () => answered(body)), await median(300, () => sea.call(node, "echo", body))];
	},

	/** pours gives bytes a second of count × 16 KiB: raw, and over the connection to an address. */
	async pours(address: string, count: number): Promise<[number, number]> {
		const message = new Uint8Array(16 << 10);
		let begun = performance.now();
		for (let i = 1; i < count; i++) {
			if (raw.bufferedAmount > full) await new Promise((resolve) => (raw.onbufferedamountlow = resolve));
			raw.send(message);
		}
		await answered(new Uint8Array(16 << 10));
		const rawRate = (count * message.length) / ((performance.now() - begun) / 1000);
		begun = performance.now();
		const con = connections.get(address)!;
		const all = new Promise<void>((resolve) => (heard = resolve));
		for (let i = 1; i < count; i++) await con.send("pour", message);
		await con.send("last", null);
		await all;
		return [rawRate, (count * message.length) / ((performance.now() - begun) / 1000)];
	},
};

declare global {
	var bench: typeof figures;
}
globalThis.bench = figures;
