// Rtc makes WebRTC wires: to whom an offer and an answer can be exchanged with,
// and to who listens at a sea:// address. See docs/PROTOCOL.md, parts 2 and 3.

import { type Bytes, draw, fromHex } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { formatIP, parseIP, policyOnly, type Policy, policyVia } from "./rtcaddress.ts";
import { encodeDescription, Kind, parseDescription } from "./rtcdescription.ts";
import { RtcPeer } from "./rtcpeer.ts";
import { type Wire } from "./wire.ts";

// How many offers, and how many answers, may be under way at once.
const maxHalfOpen = 32;

/** RtcOffer is a connection that waits for the other side's answer. */
export interface RtcOffer {
	/** bytes are to be sent to the other side. */
	readonly bytes: Bytes;
	/** accept takes the answer, once, and waits for the wire. */
	accept(answer: Uint8Array): Promise<Wire>;
	/** close gives it up, unless accept has given the wire. */
	close(): void;
}

/** RtcAnswer is a connection that the other side has offered. */
export interface RtcAnswer {
	/** bytes are to be sent back. */
	readonly bytes: Bytes;
	/** wire waits for the wire. */
	wire(): Promise<Wire>;
	/** close gives it up, unless wire has given it. */
	close(): void;
}

/** Rtc makes wires of data channels. Errors are SeaErrors "wire" and "description". */
export class Rtc {
	/** stun are servers, host:port, that tell the address outside a NAT. */
	stun: readonly string[] = [];
	readonly #offers = new Set<RtcPeer>();
	readonly #answers = new Set<RtcPeer>();

	/** openTime is how long a connection may take to open once both sides have heard of each other, in ms. */
	constructor(readonly openTime = 15_000) {}

	/**
	 * offer begins a connection. via is the other end, host:port or "", of the link
	 * that will carry it (see policyVia).
	 */
	async offer(via: string): Promise<RtcOffer> {
		const peer = this.#peer(this.#offers, this.stun, policyVia(via));
		return {
			bytes: encodeDescription(await peer.describe(Kind.offer)),
			accept: async (answer) => {
				try {
					await peer.hear(parseDescription(answer, Kind.answer));
				} catch (err) {
					peer.close();
					throw err;
				}
				return peer.wire(this.openTime);
			},
			close: () => this.#offers.delete(peer) && peer.close(),
		};
	}

	/** answer takes the other side's offer, which came over a link to via. */
	async answer(offer: Uint8Array, via: string): Promise<RtcAnswer> {
		const d = parseDescription(offer, Kind.offer);
		const peer = this.#peer(this.#answers, this.stun, policyVia(via));
		await peer.hear(d);
		return {
			bytes: encodeDescription(await peer.describe(Kind.answer)),
			wire: () => peer.wire(this.openTime),
			close: () => this.#answers.delete(peer) && peer.close(),
		};
	}

	/** dial connects to who listens at a sea:// address and shows the certificate that it names. */
	async dial(url: string): Promise<Wire> {
		const { ip, port, hash } = parsePlace(url);
		const policy = policyOnly(ip);
		if (!policy(ip)) throw new SeaError("wire", "WebRTC: an address that nothing may be sent to");
		const peer = this.#peer(this.#offers, [], policy);
		const ufrag = "sea+v1+" + iceName();
		void peer.describe(Kind.offer).catch(() => {}); // nobody is told it, so nobody waits for candidates
		await peer.hear({
			kind: Kind.answer, ufrag, password: ufrag + "+anyone", fingerprint: hash, candidates: [[1, ip, port, 1]], listening: true,
		});
		return peer.wire(this.openTime);
	}

	/** close ends what is not open yet. Wires live on. */
	close(): void {
		for (const peer of [...this.#offers, ...this.#answers]) peer.close();
	}

	/** peer makes one that counts as under way until it is open or has ended. */
	#peer(among: Set<RtcPeer>, stun: readonly string[], policy: Policy): RtcPeer {
		if (among.size >= maxHalfOpen) throw new SeaError("wire", "WebRTC: too many connections are being opened");
		const peer = new RtcPeer(stun, policy);
		among.add(peer);
		const done = () => among.delete(peer);
		peer.opened.then(done, done);
		return peer;
	}
}

/** parsePlace reads sea://IP:PORT/#HASH in its one spelling: hash is the SHA-256 of the DTLS certificate shown there. Else SeaError "address". */
export function parsePlace(text: string): { ip: Bytes; port: number; hash: Bytes } {
	const [, v6, host = v6, port, hex = ""] = /^sea:\/\/(?:\[(.+)\]|([0-9.]+)):([1-9][0-9]{0,4})\/#([0-9a-f]{64})$/.exec(text) ?? [];
	const ip = parseIP(host ?? "");
	if (!ip || formatIP(ip) !== host || (v6 !== undefined) !== (ip.length === 16) || Number(port) > 65535) {
		throw new SeaError("address", `not a sea://IP:PORT/#HASH address: ${text.slice(0, 128)}`);
	}
	return { ip, port: Number(port), hash: fromHex(hex)! };
}

/** iceName draws 120 bits as ICE's characters. */
function iceName(): string {
	return btoa(String.fromCharCode(...draw(15)));
}
