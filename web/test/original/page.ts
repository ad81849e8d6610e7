// The README of the first Sea, line by line: each promise and what holds it.

import assert from "../assert.ts";
import { Channel, Connection, HashAddress, Sea } from "../../src/index.ts";

const sea = new Sea({ network: "test", work: 0 });
let other: HashAddress; // another tab with this page
let node: HashAddress; // the Go node that is the bootstrap

/** event resolves with what the next event of a name brings. */
const event = (on: { on(name: string, listener: (value: never) => void): void }, name: string) =>
	new Promise<unknown>((resolve) => on.on(name, resolve as (value: never) => void));

// What this page does for the other tab.
sea.handle("original:echo", (...args: unknown[]) => Promise.resolve(args));
sea.handle("original:no", () => Promise.reject(new Error("no")));
sea.on("connection", (con: Connection) => {
	con.on("ping", (obj: unknown) => con.send("pong", obj));
	con.on("leave", () => con.disconnect());
});
const common = sea.join("original");
common.on("ask", (obj: unknown) => common.send("answer", obj));

let con: Connection;
let chan: Channel;
const zero = HashAddress.from("00".repeat(28));

const lines: [line: string, holds: (url: string) => unknown][] = [
	["HashAddress.make(ArrayBuffer | String) → Promise(addr)", async () => {
		const made = HashAddress.make("hello");
		assert(made instanceof Promise);
		assert((await made) instanceof HashAddress);
		assert((await made).equals(await HashAddress.make(new TextEncoder().encode("hello").buffer)));
	}],
	["HashAddress.from(ArrayBuffer | String) → addr", async () => {
		const a = await HashAddress.make("hello");
		assert(HashAddress.from(a.toString()).equals(a));
		assert(HashAddress.from(a.getArrayBuffer()).equals(a));
	}],
	["addr.randomise(startBit) → addr", () => {
		const a = zero.randomise(17);
		assert(a.logDist(zero) >= 17);
		assert(!zero.randomise(0).equals(zero.randomise(0)));
	}],
	["addr.getArrayBuffer() → ArrayBuffer", () => {
		const b = zero.getArrayBuffer();
		assert(b instanceof ArrayBuffer && b.byteLength === 28);
	}],
	["addr.toString() → String", () => assert(String(zero) === "00".repeat(28))],
	["addr.equals(addr) → Boolean", () => assert(zero.equals(HashAddress.from(String(zero))) && !zero.equals(zero.flip(3)))],
	["addr.dist(addr) → Number: 0x000.. and 0x800... are 2 ** 126 apart", () => assert(zero.dist(zero.flip(0)) === 2 ** 126)],
	["addr.dist(addr): 0b1111.. and 0b1010111.. are 2**125 + 2**123 apart", () => {
		const ones = HashAddress.from("ff".repeat(28));
		assert(ones.dist(ones.flip(1).flip(3)) === 2 ** 125 + 2 ** 123);
	}],
	["addr.dist(addr): smallest distance is 2**-97, 24 significant bits, a single precision float", () => {
		assert(zero.dist(zero.flip(223)) === 2 ** -97);
		assert(zero.dist(zero.flip(0).flip(23)) > zero.dist(zero.flip(0)));
		assert(zero.dist(zero.flip(0).flip(24)) === zero.dist(zero.flip(0)));
		for (let i = 0; i < 50; i++) {
			const d = zero.randomise(0).dist(zero.randomise(0));
			assert(Math.fround(d) === d);
		}
	}],
	["addr.logDist(addr) → Number: index of first bit in addr that is different", () => assert(zero.logDist(zero.flip(42)) === 42)],
	["sea.localId() → addr", () => assert(sea.localId() instanceof HashAddress)],
	["sea.online() → Boolean, before", () => assert(sea.online() === false)],
	["sea.goOnline([bootstrapServer]) → Promise()", async (url) => {
		const going = sea.goOnline([url]);
		assert(going instanceof Promise);
		assert((await going) === undefined);
	}],
	["sea.online() → Boolean", () => assert(sea.online() === true)],
	["sea.connections() → Array(addr..)", () => {
		assert(Array.isArray(sea.connections()));
		assert(sea.connections().some((a) => a.equals(node)));
	}],
	["sea.on('offline', () => ..) → ()", async (url) => {
		const offline = event(sea, "offline");
		assert(sea.on("nothing", () => {}) === undefined);
		sea.goOffline();
		await offline;
		assert(!sea.online());
		await sea.goOnline([url]);
	}],
	["sea.on('online', () => ..) → ()", async (url) => {
		sea.goOffline();
		const online = event(sea, "online");
		await sea.goOnline([url]);
		await online;
	}],
	["sea.handle(scope, (args..) => Promise(..))", async () => assert((await sea.call(sea.localId(), "original:echo", 1)) instanceof Array)],
	["sea.call(addr, scope, args..) → Promise(..)", async () => {
		const args = [1, "two", [3, null], { four: new Uint8Array([5]) }];
		assert(JSON.stringify(await sea.call(other, "original:echo", ...args)) === JSON.stringify(args));
	}],
	["sea.call: what the handler's promise rejects with", async () => {
		const why = await sea.call(other, "original:no").catch((err: { code?: string }) => err);
		assert((why as { code?: string }).code === "internal");
	}],
	["sea.call(addr, 'sea:nearest', addr) → Promise(addr)", async () => {
		const found = await sea.call(node, "sea:nearest", other);
		assert(found instanceof HashAddress && found.equals(other));
	}],
	["sea.connect(remoteId : addr) → con", () => {
		con = sea.connect(other);
		assert(con instanceof Connection);
	}],
	["con.on('connect', () => ..) → ()", () => {
		con = sea.connect(other);
		return event(con, "connect");
	}],
	["sea.on('connection', (con) => ..) → ()", async () => {
		// The other tab answers on the connection that this event gave it.
		const pong = event(con, "pong");
		await con.send("ping", "hello");
		assert((await pong) === "hello");
	}],
	["con.remoteId() → addr", () => assert(con.remoteId().equals(other))],
	["con.connected() → Boolean", () => assert(con.connected() === true)],
	["con.send(scope, obj) → ()", () => con.send("nobody", { listens: true })],
	["con.on(scope, (obj) => ..) → ()", async () => {
		const obj = { list: [1, 2.5, "x"], bytes: new Uint8Array(3) };
		const pong = event(con, "pong");
		await con.send("ping", obj);
		assert(JSON.stringify(await pong) === JSON.stringify(obj));
	}],
	["con.disconnect() → ()", () => {
		const gone = event(con, "disconnect");
		assert(con.disconnect() === undefined);
		assert(con.connected() === false);
		return gone;
	}],
	["con.on('disconnect', () => ..) → ()", async () => {
		con = await sea.connect(other).ready();
		const gone = event(con, "disconnect");
		await con.send("leave", null);
		await gone;
	}],
	["sea.join(channelId) → chan", () => {
		chan = sea.join("original");
		assert(chan instanceof Channel);
	}],
	["chan.channelId() → String", () => assert(chan.channelId() === "original")],
	["chan.on('connect', () => ..)", () => {
		chan = sea.join("original");
		return event(chan, "connect");
	}],
	["chan.connected() → Boolean", () => assert(chan.connected() === true)],
	["chan.send(scope, obj)", () => chan.send("nobody", [1])],
	["chan.on(scope, (obj) => ..)", async () => {
		const answer = event(chan, "answer");
		await chan.send("ask", { what: "is it" });
		assert(JSON.stringify(await answer) === '{"what":"is it"}');
	}],
	["chan.on('disconnect', () => ..)", () => {
		const gone = event(chan, "disconnect");
		chan.disconnect();
		return gone;
	}],
	["chan.disconnect()", () => assert(chan.connected() === false)],
	["sea.goOffline() → ()", () => {
		assert(sea.goOffline() === undefined);
		assert(sea.connections().length === 0);
	}],
];

declare global {
	var original: typeof page;
}

const page = {
	id: async () => String((await sea.ready()).localId()),
	online: (url: string) => sea.goOnline([url]),
	others: (tab: string, bootstrap: string) => {
		other = HashAddress.from(tab);
		node = HashAddress.from(bootstrap);
	},
	lines: () => lines.map(([line]) => line),
	hold: (i: number, url: string) => lines[i]![1](url),
};
globalThis.original = page;
