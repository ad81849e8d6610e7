// Connections are how applications of two peers talk: messages both ways, in
// order, over the link between them.

import { type Bytes } from "./bytes.ts";
import { Emitter } from "./emitter.ts";
import { SeaError } from "./error.ts";
import { decode, encode, type Value } from "./identity/cbor.ts";
import { type HashAddress } from "./node/addr.ts";
import * as Reason from "./node/reason.ts";
import { type Link } from "./node/link.ts";
import { type Node } from "./node/node.ts";

/**
 * Connection is to one peer. It has the events "connect" and "disconnect", and
 * one for each scope, which brings the value that the peer sent.
 */
export class Connection extends Emitter {
	#link: Link | undefined;
	#over = false;

	/** known resolves with the link, or rejects when there is no way to the peer. */
	readonly #known: Promise<Link>;

	/** Connections are made by Sea.connect. */
	constructor(
		readonly node: Node,
		readonly remote: HashAddress,
		link: Link | Promise<Link>,
		readonly left: (con: Connection) => void,
	) {
		super();
		// A peer's message may follow at once: there is no wait when the link is there.
		this.#known = link instanceof Promise ? link.then((l) => this.#connect(l)) : Promise.resolve(this.#connect(link));
		this.#known.catch(() => this.#end());
	}

	/** remoteId is the peer's address. */
	remoteId(): HashAddress {
		return this.remote;
	}

	/** connected tells whether there is a link. */
	connected(): boolean {
		return this.#link !== undefined && !this.#over;
	}

	/** relayed tells whether what is sent goes over another peer at this moment, sealed: there is no direct way yet. */
	relayed(): boolean {
		return this.#link?.wire.relayed ?? false;
	}

	/** ready resolves when the peer is connected and rejects when it cannot be, with the reasons. */
	async ready(): Promise<this> {
		await this.#known;
		return this;
	}

	/**
	 * send sends a value that has a place in CBOR, of 1 MiB at most. It resolves when
	 * it is on its way: who waits for that never fills the queue. It rejects with
	 * "unreachable" when there is no link, "busy" when more than 8 MiB wait.
	 */
	async send(scope: string, value: unknown): Promise<void> {
		const body = encode(value ?? null);
		const link = await this.#known;
		if (this.#over) throw new SeaError("unreachable", "disconnected");
		await link.message(scope, body);
	}

	/** disconnect ends the link, unless it is this peer's only one into the sea or another Connection has it. */
	disconnect(): void {
		const link = this.#link;
		this.#end();
		if (link && !link.used && [...this.node.links()].length > 1) link.end(Reason.unwanted);
	}

	/** take gives a message to those who listen. Bytes that are no CBOR come as they are. */
	take(link: Link, scope: string, body: Bytes): Promise<void> | void {
		if (this.#over || link !== this.#link || scope === "connect" || scope === "disconnect") return;
		let value: Value;
		try {
			value = decode(body);
		} catch {
			value = body;
		}
		return this.emit(scope, value);
	}

	/** down is told of a link that has ended. */
	down(link: Link): void {
		if (link === this.#link) this.#end();
	}

	#connect(link: Link): Link {
		if (this.#over || link.alive.aborted) throw new SeaError("unreachable", link.why || "disconnected");
		this.#link = link;
		link.open();
		void this.emit("connect");
		return link;
	}

	#end(): void {
		if (this.#over) return;
		this.#over = true;
		this.left(this);
		void this.emit("disconnect");
	}
}
