// How two peers come to have one link, and the same one. The side that dialled
// shows who it is last, and only if it has no link to the other. The side that
// was dialled decides, says Welcome, and from there the link counts. When both
// dial at once the smaller address's dialling wins. See docs/PROTOCOL.md, part 4,
// "One link per pair".

import { compare } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { bytesOf, HashAddress } from "./addr.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import * as Reason from "./reason.ts";
import * as Tag from "./tag.ts";
import { initiate, type Party, type Proof, readRefusal, Refused, respond, type Session } from "./hello.ts";
import { Inbox } from "./inbox.ts";
import { type Link } from "./link.ts";
import { clean } from "./rpc.ts";
import { type Wire } from "./wire.ts";

// The times of a handshake, ms.
const helloWait = 5000;
const probeWait = 2000;
const yieldWait = 5000;

/** Home is the node that links are made for. */
export interface Home {
	readonly addr: HashAddress;
	readonly party: Party;
	link(a: HashAddress): Link | undefined;
	/** room tells whether there is room for one more link beside those under way. */
	room(claims: number): boolean;
	/** add makes a link of a session that is welcome. */
	add(session: Session, inbox: Inbox): Link;
	/** linked resolves with the link to a node once there is one, undefined after ms. */
	linked(to: HashAddress, ms: number): Promise<Link | undefined>;
}

/** Claim is a handshake under way with a peer that is known. */
interface Claim {
	/** ours tells that this side dialled. */
	readonly ours: boolean;
	lost: boolean;
	readonly inbox: Inbox;
}

/** Settler makes links of wires. */
export class Settler {
	readonly #claims = new Map<string, Claim>();

	constructor(readonly home: Home) {}

	/** greet gives the link to the node at the end of a wire that this side dialled, also when that is another one. want is who it must be. */
	async greet(wire: Wire, want?: HashAddress): Promise<Link> {
		const inbox = new Inbox(wire);
		const timer = setTimeout(() => inbox.stop("the handshake took longer than 5 s"), helloWait);
		const claim: Claim = { ours: true, lost: false, inbox };
		let to: HashAddress | undefined;
		try {
			const session = await initiate(this.home.party, inbox, async (proof) => {
				to = proof.addr;
				this.#claim(proof, want, claim);
			});
			await welcomed(session, inbox);
			this.#unclaim(to!, claim);
			if (claim.lost || this.home.link(to!)) throw new Refused(Reason.duplicate, "", true);
			return this.home.add(session, inbox);
		} catch (err) {
			inbox.stop(String(err));
			if (to) this.#unclaim(to, claim);
			if (to && (claim.lost || (err instanceof Refused && err.reason === Reason.duplicate))) {
				const other = await this.home.linked(to, yieldWait);
				if (other) return other;
			}
			throw err instanceof SeaError ? err : new SeaError("handshake", String(err));
		} finally {
			clearTimeout(timer);
		}
	}

	/** welcome is greet on a wire that the other side began. */
	async welcome(wire: Wire, want: HashAddress): Promise<Link> {
		const inbox = new Inbox(wire);
		const timer = setTimeout(() => inbox.stop("the handshake took longer than 5 s"), helloWait);
		const claim: Claim = { ours: false, lost: false, inbox };
		let from: HashAddress | undefined;
		try {
			const session = await respond(this.home.party, inbox);
			from = session.peer.addr;
			try {
				await this.#decide(session.peer, want, claim);
			} catch (err) {
				if (err instanceof Refused) inbox.send(await session.seal(encodeFrame([Tag.close, err.reason, ""]), 0));
				throw err;
			}
			const welcome = await session.seal(encodeFrame([Tag.welcome, wire.remote]), 0);
			if (claim.lost || inbox.why) throw new SeaError("handshake", inbox.why || "another link came first");
			inbox.send(welcome);
			return this.home.add(session, inbox);
		} catch (err) {
			inbox.stop(String(err));
			throw err;
		} finally {
			clearTimeout(timer);
			if (from) this.#unclaim(from, claim);
		}
	}

	/** claim decides whether a dialled peer may know who this is. */
	#claim({ addr }: Proof, want: HashAddress | undefined, claim: Claim): void {
		const refuse = (reason: number, text = "") => new Refused(reason, text, true);
		if (addr.equals(this.home.addr)) throw refuse(Reason.refused, "this is the same node");
		if (want && !addr.equals(want)) throw refuse(Reason.unwanted, "another node was looked for");
		if (this.home.link(addr) || this.#claims.has(addr.toString())) throw refuse(Reason.duplicate);
		if (!this.home.room(this.#claims.size)) throw refuse(Reason.full);
		this.#claims.set(addr.toString(), claim);
	}

	#unclaim(a: HashAddress, claim: Claim): void {
		if (this.#claims.get(a.toString()) === claim) this.#claims.delete(a.toString());
	}

	/** decide says whether a peer that dialled is welcome, and ends an older link to it. */
	async #decide(peer: Proof, want: HashAddress, claim: Claim): Promise<void> {
		const refuse = (reason: number, text = "") => new Refused(reason, text, true);
		const { addr } = peer;
		if (addr.equals(this.home.addr)) throw refuse(Reason.refused, "this is the same node");
		if (!addr.equals(want)) throw refuse(Reason.unwanted, "another node was looked for");
		const old = this.home.link(addr);
		if (old) {
			const lives = await old.ping(probeWait).then(() => true, () => false);
			if (lives && compare(old.peer.run, peer.run) === 0) throw refuse(Reason.duplicate);
			old.end(Reason.replaced);
		}
		const rival = this.#claims.get(addr.toString());
		if (rival) {
			const smaller = compare(bytesOf(this.home.addr), bytesOf(addr)) < 0;
			if (!rival.ours || smaller) throw refuse(Reason.duplicate);
			rival.lost = true;
			rival.inbox.stop("the other side's dialling was taken");
		}
		if (!this.home.room(this.#claims.size)) throw refuse(Reason.full);
		this.#claims.set(addr.toString(), claim);
	}
}

/** welcomed waits for the responder's first sealed frame. */
async function welcomed(session: Session, inbox: Inbox): Promise<void> {
	let elsewhere: string[] = [];
	for (;;) {
		const message = await inbox.next();
		const refused = readRefusal(message);
		if (refused) throw refused;
		const f = decodeFrame(await session.open(message, 0));
		switch (f[0]) {
			case Tag.welcome:
				return;
			case Tag.close:
				throw new Refused(f[1], clean(f[2]), false, elsewhere);
			case Tag.elsewhere:
				elsewhere = f[1].split("\n");
				break;
			default:
				throw new SeaError("handshake", "another frame instead of a welcome");
		}
	}
}
