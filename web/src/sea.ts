// Sea is the peer as applications see it: the interface of the first Sea, with
// promises and errors. What it says travels as CBOR.

import { utf8 } from "./bytes.ts";
import { Channel, Channels } from "./channel.ts";
import { Connection } from "./connection.ts";
import { Emitter } from "./emitter.ts";
import { SeaError } from "./error.ts";
import { decode, encode } from "./identity/cbor.ts";
import { type Signer } from "./identity/ed25519.ts";
import { loadPair } from "./keys.ts";
import { HashAddress } from "./node/addr.ts";
import { type Link } from "./node/link.ts";
import type { Line } from "./ledger/ledger.ts";
import type { Store } from "./ledger/store.ts";
import type { Ordered, Purchase, Wishes } from "./market/buyer.ts";
import type { Shop } from "./market/shop.ts";
import type { RunOptions } from "./market/spec.ts";
import { Node, type Options } from "./node/node.ts";
import { nearScope } from "./node/request.ts";
import { Rtc } from "./node/rtc.ts";

/** SeaOptions say who a peer is; all may be left out. */
export interface SeaOptions extends Partial<Omit<Options, "signer">> {
	/** signer has the key; without one the tab's own is used, and made the first time. */
	signer?: Signer;
	/** store keeps the ledger; without one the browser's IndexedDB does, and in Node memory. */
	store?: Store;
	/** jobs keeps what is bought, likewise. */
	jobs?: Store;
}

/** Answer is a handler: it gets the caller's arguments, and as this.from the caller's address. */
export type Answer = (this: { from: HashAddress }, ...args: never[]) => unknown;

/** Sea has the events "online", "offline" and "connection", which brings a Connection that another peer has begun. */
export class Sea extends Emitter {
	readonly #options: SeaOptions;
	#node: Node | undefined;
	#ready: Promise<Node> | undefined;
	#shop: Promise<Shop> | undefined;
	readonly #handlers = new Map<string, Answer>();
	readonly #connections = new Set<Connection>();
	#channels: Channels | undefined;
	readonly #rtc = typeof RTCPeerConnection === "function" ? new Rtc() : undefined;

	constructor(options: SeaOptions = {}) {
		super();
		this.#options = { ...(this.#rtc && { negotiator: this.#rtc }), ...options };
	}

	/** ready resolves when this peer has its key. The first time on a machine that takes a second or two. */
	async ready(): Promise<this> {
		await this.node();
		return this;
	}

	/** node gives the peer beneath. */
	node(): Promise<Node> {
		return (this.#ready ??= this.#make());
	}

	async #make(): Promise<Node> {
		const signer = this.#options.signer ?? (await loadPair(this.#options.work ?? 12));
		const node = await Node.create({ ...this.#options, signer });
		for (const [scope, answer] of this.#handlers) this.#serve(node, scope, answer);
		this.#channels = new Channels(node);
		node.watchers.add({
			up: () => [...node.links()].length === 1 && void this.emit("online"),
			down: (link) => {
				for (const con of [...this.#connections]) con.down(link);
				if (!node.isOnline) void this.emit("offline");
			},
			opened: (link) => void this.emit("connection", this.#connection(node, link.addr, link)),
			message: async (link, scope, body) => void (await Promise.all([...this.#connections].map((con) => con.take(link, scope, body)))),
		});
		if (typeof addEventListener === "function") addEventListener("pagehide", () => node.offline());
		return (this.#node = node);
	}

	/** localId is this peer's address. It throws before ready. */
	localId(): HashAddress {
		if (!this.#node) throw new SeaError("key", "this peer has no key yet: await ready() or goOnline() first");
		return this.#node.addr;
	}

	/** connections are the addresses of all peers that this one has a link to. */
	connections(): HashAddress[] {
		return [...(this.#node?.links() ?? [])].map((link) => link.addr);
	}

	/** online tells whether this peer is in the sea. */
	online(): boolean {
		return this.#node?.isOnline ?? false;
	}

	/**
	 * goOnline joins the sea by bootstraps, wss://, ws:// or sea:// URLs, and resolves
	 * with the first link. It rejects with "unreachable" and the reasons when none
	 * answers. From then on it comes back by itself, also after sleep.
	 */
	async goOnline(bootstraps: string | readonly string[]): Promise<void> {
		const node = await this.node();
		const urls = typeof bootstraps === "string" ? [bootstraps] : bootstraps;
		if (this.#rtc) this.#rtc.stun = stunOf(urls);
		await node.online(urls);
	}

	/** goOffline ends all links and stays away. */
	goOffline(): void {
		this.#node?.offline();
	}

	/** handle answers calls of a scope, 1 to 64 of a-z 0-9 - . / : _, with what answer returns or its promise gives. */
	handle(scope: string, answer: Answer): void {
		this.#handlers.set(scope, answer);
		if (this.#node) this.#serve(this.#node, scope, answer);
	}

	#serve(node: Node, scope: string, answer: Answer): void {
		node.handle(scope, async (body, from) => {
			const args = decode(body);
			if (!Array.isArray(args)) throw new SeaError("bad_request", `${scope} takes a list of arguments`);
			const value: unknown = await (answer as (...args: unknown[]) => unknown).apply({ from: from.addr }, args);
			return encode(value ?? null);
		});
	}

	/**
	 * call asks the peer at an address and gives its handler's answer. It rejects with
	 * a SeaError whose code is the handler's, or why there is none. "sea:nearest" takes
	 * an address and gives that of the peer nearest to it.
	 */
	async call(to: HashAddress, scope: string, ...args: unknown[]): Promise<unknown> {
		const node = await this.node();
		if (scope === nearScope) {
			const [target] = args;
			if (!(target instanceof HashAddress)) throw new SeaError("bad_request", "sea:nearest takes an address");
			return node.nearest(target, node.link(to));
		}
		const answer = await node.call(to, scope, encode(args));
		return answer.length === 0 ? null : decode(answer); // a Go handler may say nothing
	}

	/** connect begins a connection to a peer. Wait for its "connect", or for ready. */
	connect(remoteId: HashAddress): Connection {
		const node = this.#node;
		if (!node) throw new SeaError("offline", "goOnline first");
		return this.#connection(node, remoteId, node.connect(remoteId));
	}

	/**
	 * run buys the run of a module, a WebAssembly program for WASI preview 1, from
	 * whoever sells it for the least. What it says of how it ends is checked and paid
	 * when done resolves; see Purchase. What is signed is kept in this browser.
	 */
	async run(module: Uint8Array, options?: RunOptions): Promise<Purchase> {
		return (await this.shop()).buyer.run(module, options);
	}

	/** jobs lists what this peer has bought, in this run of the page or an earlier one: 64 at most, oldest first. What was under way goes on. */
	async jobs(): Promise<Ordered[]> {
		return (await this.shop()).buyer.jobs();
	}

	/** job gives a job that jobs lists, to wait for. One that was run with verify goes on when it gets that again. */
	async job(id: string, wishes?: Wishes): Promise<Purchase> {
		return (await this.shop()).buyer.job(id, wishes);
	}

	/** credit lists what is owed between this peer and others. */
	async credit(): Promise<Line[]> {
		return (await this.shop()).ledger.lines();
	}

	/** shop opens this peer's ledger, the first time; what buying needs is loaded then. */
	shop(): Promise<Shop> {
		return (this.#shop ??= this.#open());
	}

	async #open(): Promise<Shop> {
		const node = await this.node();
		return (await import("./market/shop.ts")).openShop(node, this.#options.store, this.#options.jobs);
	}

	#connection(node: Node, remote: HashAddress, link: Link | Promise<Link>): Connection {
		const con = new Connection(node, remote, link, (c) => {
			this.#connections.delete(c);
			const there = node.link(remote);
			if (there && ![...this.#connections].some((other) => other.remote.equals(remote))) there.used = false;
		});
		this.#connections.add(con);
		return con;
	}

	/** join makes this peer a member of a channel, whose name has 1 to 256 bytes of UTF-8. It may be done before goOnline. */
	join(channelId: string): Channel {
		if (channelId.length === 0 || utf8(channelId).length > 256) throw new SeaError("bad_request", "a channel's name has 1 to 256 bytes");
		return new Channel(channelId, this.node().then(() => this.#channels!.room(channelId)));
	}
}

/** stunOf are the STUN servers of some bootstraps: a Go node has one at the UDP port of the same number. Two are enough. */
function stunOf(urls: readonly string[]): string[] {
	const hosts = urls.map((url) => /^wss?:\/\/([^/?#]+)/.exec(url)?.[1] ?? "").filter((host) => /:\d+$/.test(host));
	return hosts.slice(0, 2);
}
