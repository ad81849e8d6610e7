// Links over a relay, for two peers that find no direct way; and the direct way
// for such a link, once there is one. See docs/PROTOCOL.md, part 4, "Relayed
// connections".

import { type Bytes } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { bytes, list, read, tuple, uint64 } from "../identity/shape.ts";
import { HashAddress } from "./addr.ts";
import { described, type Reach } from "./connect.ts";
import { Handover } from "./handover.ts";
import { type Link } from "./link.ts";
import { Stream } from "./stream.ts";

// The times, ms: for a relay's answer, for a new way to open, between looks for one.
const relayWait = 10_000;
const iceWait = 15_000;
const seekEvery = 60_000;

const named = tuple(list(bytes(28), 4));
const given = tuple(uint64);
const coming = tuple(uint64, bytes(28));

/** Direct is the connector's way to a peer that is found. */
type Direct = (to: HashAddress) => Promise<Link>;

/** relayTo links to a node over a neighbour of it that relays: one of ours, or one that direct makes so. hurry has it look for a direct way at once. */
export async function relayTo(reach: Reach, to: HashAddress, direct: Direct, hurry: boolean): Promise<Link> {
	const answer = await reach.callFrom(to, undefined, "sea:relays", new Uint8Array(0));
	const relays = read(answer, named, "relays")[0].map((a) => HashAddress.from(a));
	relays.sort((a, b) => Number(!reach.link(a)) - Number(!reach.link(b)));
	const failures: string[] = [];
	for (const relay of relays) {
		try {
			if (relay.equals(to) || relay.equals(reach.addr)) throw new SeaError("refused", "no peer relays for itself");
			const by = reach.link(relay) ?? (await direct(relay));
			if (!by.relays) throw new SeaError("unavailable", "it does not relay");
			const [id] = read(await by.call("sea:relay", encode([new Uint8Array(to.getArrayBuffer())]), AbortSignal.timeout(relayWait)), given, "stream");
			const wire = new Handover(new Stream(by, id));
			const link = await reach.greet(wire, to);
			if (link.wire === wire && reach.negotiator && link.peer.record.caps.includes("rtc")) void seek(reach, link, wire, hurry);
			return link;
		} catch (err) {
			failures.push(`relay ${relay}: ${err instanceof Error ? err.message : String(err)}`);
		}
	}
	throw new SeaError("unreachable", failures.join("; ") || `no neighbour of ${to} relays`);
}

/** relayedTo takes a connection in that a neighbour relays. */
export function relayedTo(reach: Reach, by: Link, body: Bytes): Bytes {
	if (!by.relays) throw new SeaError("refused", "only from a neighbour that says it relays");
	const [id, from] = read(body, coming, "connection");
	reach.welcome(new Handover(new Stream(by, id)), HashAddress.from(from)).catch(() => {}); // the other side knows
	return new Uint8Array(0);
}

/** seek looks for a direct way, each minute until there is one or the link ends. */
async function seek(reach: Reach, link: Link, wire: Handover, now: boolean): Promise<void> {
	for (; ; now = false) {
		if (!now) await pause(link.alive);
		if (link.alive.aborted || !wire.relayed) return;
		const offer = await reach.negotiator!.offer(link.remote).catch(() => undefined);
		if (!offer) continue;
		try {
			const answer = await link.call("sea:rtc", encode([offer.bytes]), AbortSignal.any([link.alive, AbortSignal.timeout(iceWait)]));
			wire.move(await offer.accept(read(answer, described, "answer")[0]));
		} catch {
			offer.close(); // the link goes on over the relay
		}
	}
}

function pause(alive: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const over = () => {
			clearTimeout(timer);
			alive.removeEventListener("abort", over);
			resolve();
		};
		const timer = setTimeout(over, seekEvery);
		alive.addEventListener("abort", over);
	});
}

/** directTo answers the offer of a direct way for a relayed link. */
export async function directTo(reach: Reach, { wire, remote }: Link, body: Bytes): Promise<Bytes> {
	if (!(wire instanceof Handover) || !wire.relayed) throw new SeaError("refused", "there is a link already");
	if (!reach.negotiator) throw new SeaError("unavailable", "there is no WebRTC here");
	if (wire.seeking) throw new SeaError("refused", "an offer is being answered");
	wire.seeking = true;
	try {
		const answer = await reach.negotiator.answer(read(body, described, "offer")[0], remote);
		void answer
			.wire()
			.then((next) => wire.move(next))
			.catch(() => {}) // the link goes on over the relay
			.finally(() => (wire.seeking = false));
		return encode([answer.bytes]);
	} catch (err) {
		wire.seeking = false;
		throw err;
	}
}
