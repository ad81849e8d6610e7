// Channels: what one member says, all others hear. Whoever knows the name may
// join, speak and listen.

import { type Bytes, compare } from "./bytes.ts";
import { Emitter } from "./emitter.ts";
import { SeaError } from "./error.ts";
import { decode, encode, type Value } from "./identity/cbor.ts";
import { bytesOf, HashAddress } from "./node/addr.ts";
import { type Frame, isScope } from "./node/frame.ts";
import * as Tag from "./node/tag.ts";
import { maxPublished, type Message } from "./node/gossip.ts";
import { type Link } from "./node/link.ts";
import { Lobby } from "./node/lobby.ts";
import { type Hearer, Membership } from "./node/membership.ts";
import { type Node, type Watcher } from "./node/node.ts";

// A node is a member of so many channels at most, which are looked after so often, ms.
const maxChannels = 64;
const tickEvery = 200;

/**
 * Channel has the events "connect", when the first other member is there,
 * "disconnect", when the last has gone, and one for each scope, which brings the
 * value and the author's address.
 */
export class Channel extends Emitter {
	#connected = false;
	#over = false;

	/** Channels are made by Sea.join. */
	constructor(
		readonly id: string,
		readonly room: Promise<Room>,
	) {
		super();
		void room.then((r) => this.#over || r.join(this), () => this.disconnect());
	}

	/** channelId is the channel's name. */
	channelId(): string {
		return this.id;
	}

	/** connected tells whether another member is there. */
	connected(): boolean {
		return this.#connected;
	}

	/**
	 * send tells all other members a value that has a place in CBOR, of 64 KiB at most. It
	 * rejects with "busy" beyond 20 messages or 64 KiB a second.
	 */
	async send(scope: string, value: unknown): Promise<void> {
		const body = encode(value ?? null);
		if (!isScope(scope)) throw new SeaError("bad_request", `no scope: ${scope}`);
		if (body.length > maxPublished) throw new SeaError("too_large", `a message of ${body.length} bytes, at most ${maxPublished}`);
		if (this.#over) throw new SeaError("unreachable", "this page has left the channel");
		await (await this.room).say(this, scope, body);
	}

	/** disconnect leaves the channel. */
	disconnect(): void {
		if (this.#over) return;
		this.#over = true;
		void this.room.then((r) => r.leave(this), () => {});
		this.partners(false);
	}

	/** heard gives a message to those who listen. */
	heard(m: Message, author: HashAddress): void {
		if (this.#over || m.scope === "connect" || m.scope === "disconnect") return;
		let value: Value;
		try {
			value = decode(m.body);
		} catch {
			value = m.body;
		}
		void this.emit(m.scope, value, author);
	}

	/** partners is told when the first other member came, and when the last one went. */
	partners(some: boolean): void {
		if (some === this.#connected) return;
		this.#connected = some;
		void this.emit(some ? "connect" : "disconnect");
	}
}

/** Room is one membership, and all Channels of this page that share it. */
class Room implements Hearer {
	readonly #channels = new Set<Channel>();
	readonly membership: Membership;

	constructor(
		node: Node,
		lobby: Lobby,
		readonly id: string,
		at: HashAddress,
		readonly empty: (room: Room) => void,
	) {
		this.membership = new Membership(node, lobby, id, at, this);
	}

	join(c: Channel): void {
		this.#channels.add(c);
		c.partners(this.membership.partners > 0);
	}

	leave(c: Channel): void {
		this.#channels.delete(c);
		if (this.#channels.size === 0) this.empty(this);
	}

	async say(from: Channel, scope: string, body: Bytes): Promise<void> {
		const m = await this.membership.say(scope, body);
		await this.#tell(m, from);
	}

	heard(m: Message): void {
		void this.#tell(m);
	}

	partners(some: boolean): void {
		for (const c of [...this.#channels]) c.partners(some);
	}

	async #tell(m: Message, not?: Channel): Promise<void> {
		const author = await HashAddress.ofNode(m.author);
		for (const c of [...this.#channels]) if (c !== not) c.heard(m, author);
	}
}

/** Channels are all of a node. */
export class Channels implements Watcher {
	readonly #rooms = new Map<string, Room>();
	readonly #lobby: Lobby;
	#ticker: ReturnType<typeof setInterval> | undefined;

	constructor(readonly node: Node) {
		this.#lobby = new Lobby(node);
		node.watchers.add(this);
	}

	/** room gives the membership of a channel, and begins it if need be. */
	async room(id: string): Promise<Room> {
		const at = await HashAddress.ofChannel(id);
		const key = at.toString();
		let room = this.#rooms.get(key);
		if (!room) {
			if (this.#rooms.size >= maxChannels) throw new SeaError("busy", `a member of ${maxChannels} channels already`);
			room = new Room(this.node, this.#lobby, id, at, (r) => {
				if (this.#rooms.get(key) !== r) return;
				this.#rooms.delete(key);
				r.membership.leave();
				if (this.#rooms.size === 0) clearInterval(this.#ticker);
			});
			this.#rooms.set(key, room);
			if (this.#rooms.size === 1) this.#ticker = setInterval(() => this.#tick(), tickEvery);
		}
		return room;
	}

	#tick(): void {
		if (this.node.isOnline) for (const room of this.#rooms.values()) room.membership.tick();
	}

	down(link: Link): void {
		for (const room of this.#rooms.values()) room.membership.lost(link);
	}

	frame(link: Link, f: Frame): void {
		if (f[0] < Tag.publish || f[0] > Tag.past) return;
		const chan = f[1] as Bytes;
		for (const room of this.#rooms.values()) {
			if (compare(bytesOf(room.membership.at), chan) === 0) return room.membership.take(link, f);
		}
		if (f[0] !== Tag.leave) link.send([Tag.leave, chan]);
	}
}

export type { Room };
