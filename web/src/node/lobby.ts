// Lobby is how members of a channel find each other: they announce themselves at
// three meeting places, and this node is one for the channels near it. See
// docs/PROTOCOL.md, part 4, "Meeting places".

import { type Bytes, compare, toHex } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { work } from "../identity/ed25519.ts";
import { bool, bytes, list, orNull, read, tuple, uint } from "../identity/shape.ts";
import { statement, type Statement } from "../identity/statement.ts";
import { HashAddress } from "./addr.ts";
import { newRecord, openRecord, places } from "./gossip.ts";
import { type Node } from "./node.ts";
import { Rates } from "./rate.ts";
import { type Caller } from "./rpc.ts";

// The bounds of a meeting place in a tab, and its times, ms.
const maxRooms = 256;
const maxRecords = 64;
const maxRoomsOf = 32; // of one member, once half are taken
const maxAnswer = 16;
const maxCopies = 3;
const recordLife = 90_000;
const placeWait = 15_000;

const request = tuple(bytes(28), bytes(28), bool, orNull(statement));
const answer = tuple(uint(), list(statement, maxAnswer));

interface Kept {
	readonly signed: Statement;
	readonly every: number; // seconds
	until: number;
}

/** Lobby belongs to a node. */
export class Lobby {
	readonly #rooms = new Map<string, { place: HashAddress; members: Map<string, Kept> }>();
	readonly #rates = new Rates(50, 200, maxRooms);

	constructor(readonly node: Node) {
		node.serveMembers((body, from) => this.#serve(body, from));
	}

	/** lookUp announces this node, each every seconds, at a channel's places, and gives members and about how many there are. */
	async lookUp(id: string, every: number): Promise<{ members: HashAddress[]; count: number }> {
		const at = await places(id);
		const chan = new Uint8Array(at[0]!.getArrayBuffer());
		const record = await newRecord(this.node.signer, this.node.network, chan, every);
		const members = new Map<string, HashAddress>();
		const counts: number[] = [];
		await Promise.all(at.map(async (place) => {
			try {
				const [count, records] = await this.#askAt(chan, place, record);
				if (count > 0) counts.push(count);
				for (const r of records) {
					if (compare(r.by, this.node.signer.key) === 0) continue;
					await this.#check(r, chan);
					const a = await HashAddress.ofNode(r.by);
					members.set(a.toString(), a);
				}
			} catch {
				// The other places will do.
			}
		}));
		counts.sort((a, b) => a - b);
		return { members: [...members.values()], count: counts[(counts.length - 1) >> 1] ?? 0 };
	}

	async #askAt(chan: Bytes, place: HashAddress, record: Statement): Promise<[number, Statement[]]> {
		const body = encode([chan, place.getArrayBuffer(), false, record.value()]);
		const there = await this.node.nearest(place);
		const self = { addr: this.node.addr, node: this.node.signer.key, entity: this.node.signer.key, direct: true };
		const reply = there.equals(this.node.addr)
			? await this.#serve(body, self)
			: await this.node.call(there, "sea:members", body, AbortSignal.timeout(placeWait));
		return read(reply, answer, "sea:members");
	}

	async #check(r: Statement, chan: Bytes): Promise<number> {
		if ((await work(r.by)) < this.node.work) throw new SeaError("bad_request", "the member's key has too little work");
		return openRecord(r, this.node.network, chan);
	}

	/** serve answers at this meeting place. */
	async #serve(body: Bytes, from: Caller): Promise<Bytes> {
		if (!this.#rates.take(toHex(from.node))) throw new SeaError("busy", "too many requests");
		const [chan, at, copy, record] = read(body, request, "sea:members");
		const place = HashAddress.from(at);
		if (record) {
			if (copy ? !from.direct : compare(record.by, from.node) !== 0) throw new SeaError("refused", "the record is another node's");
			const every = await this.#check(record, chan);
			this.#announce(toHex(chan), place, record, every);
			if (!copy) this.#copy(from, place, encode([chan, at, true, record.value()]));
		}
		if (copy) return encode([0, []]);
		const room = this.#rooms.get(toHex(chan));
		const records = room ? this.#alive(room.members).filter((k) => compare(k.signed.by, from.node) !== 0) : [];
		const some = records.sort(() => Math.random() - 0.5).slice(0, maxAnswer);
		return encode([room?.members.size ?? 0, some.map((k) => k.signed.value())]);
	}

	#announce(chan: string, place: HashAddress, signed: Statement, every: number): void {
		const member = toHex(signed.by);
		let room = this.#rooms.get(chan);
		if (!room) {
			for (const [other, r] of this.#rooms) if (this.#alive(r.members).length === 0) this.#rooms.delete(other);
			const rooms = [...this.#rooms.values()];
			if (rooms.length >= maxRooms / 2 && rooms.filter((r) => r.members.has(member)).length >= maxRoomsOf) return;
			if (rooms.length >= maxRooms) {
				const [far, { place: farthest }] = [...this.#rooms].sort(([, a], [, b]) => this.node.addr.compareTo(b.place, a.place))[0]!;
				if (this.node.addr.compareTo(place, farthest) >= 0) return;
				this.#rooms.delete(far);
			}
			this.#rooms.set(chan, (room = { place, members: new Map() }));
		}
		this.#alive(room.members);
		if (!room.members.has(member) && room.members.size >= maxRecords) {
			room.members.delete([...room.members.keys()][Math.floor(Math.random() * maxRecords)]!);
		}
		room.members.set(member, { signed, every, until: Date.now() + recordLife });
	}

	#alive(members: Map<string, Kept>): Kept[] {
		const now = Date.now();
		for (const [member, { until }] of members) if (until <= now) members.delete(member);
		return [...members.values()];
	}

	/** copy tells the neighbours nearest to the place. */
	#copy(from: Caller, place: HashAddress, body: Bytes): void {
		const near = [...this.node.links()].filter((l) => !l.addr.equals(from.addr)).sort((a, b) => place.compareTo(a.addr, b.addr));
		for (const link of near.slice(0, maxCopies)) void link.call("sea:members", body, AbortSignal.timeout(5000)).catch(() => {});
	}
}
