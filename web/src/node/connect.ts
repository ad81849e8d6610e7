// Connecting to a node that was found: WebRTC with an offer and an answer that
// others carry, the WebSocket that it names, or a relay. See docs/PROTOCOL.md,
// part 4, sea:rtc and "Relayed connections".

import { type Bytes, compare } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { bytes, read, tuple } from "../identity/shape.ts";
import { bytesOf, type HashAddress } from "./addr.ts";
import { type Contact } from "./contact.ts";
import { type Link } from "./link.ts";
import { relayTo } from "./relayed.ts";
import { type Wire } from "./wire.ts";

// The times, ms, and bounds.
const iceWait = 15_000;
const strangerWait = 4000;
const maxAnswering = 16;
const directAlone = 3000; // that a direct way has before a relay is tried beside it

/** described is an offer or answer, as it travels. */
export const described = tuple(bytes(1, 16_384));

/** Negotiator makes wires by WebRTC. via is the other end of the link that carries what is described, host:port or "". */
export interface Negotiator {
	offer(via: string): Promise<{ readonly bytes: Bytes; accept(answer: Uint8Array): Promise<Wire>; close(): void }>;
	answer(offer: Uint8Array, via: string): Promise<{ readonly bytes: Bytes; wire(): Promise<Wire>; close(): void }>;
	/** dial reaches who listens at a sea:// address. */
	dial(url: string): Promise<Wire>;
	/** close ends what is not open yet. */
	close(): void;
}

/** Reach is the node that connects. */
export interface Reach {
	readonly addr: HashAddress;
	readonly negotiator: Negotiator | undefined;
	link(a: HashAddress): Link | undefined;
	links(): Iterable<Link>;
	linked(to: HashAddress, ms: number): Promise<Link | undefined>;
	/** find gives the contact of the node at an address, first from a neighbour that may have it. */
	find(to: HashAddress, first: Link | undefined): Promise<Contact>;
	/** callFrom is a call that begins at a neighbour. */
	callFrom(to: HashAddress, first: Link | undefined, scope: string, body: Bytes): Promise<Bytes>;
	dial(url: string, ms: number): Promise<Wire>;
	greet(wire: Wire, want: HashAddress): Promise<Link>;
	welcome(wire: Wire, want: HashAddress): Promise<Link>;
}

/** Offering is an offer of ours on its way, or a peer's that is being answered. */
interface Offering {
	/** issued is when the peer made it, Unix ms; 0 for ours. */
	readonly issued: number;
	withdrawn: boolean;
	close(): void;
}

/** Connector makes one link a node, however many want it. */
export class Connector {
	readonly #dials = new Map<string, Promise<Link>>();
	readonly #offers = new Map<string, Offering>();

	constructor(readonly reach: Reach) {}

	/** to gives the link to a node, and makes it if need be; first is a neighbour that may know the node. */
	to(a: HashAddress, first?: Link): Promise<Link> {
		const link = this.reach.link(a);
		if (link) return Promise.resolve(link);
		const key = a.toString();
		let dial = this.#dials.get(key);
		if (!dial) {
			dial = this.#to(a, first).finally(() => this.#dials.delete(key));
			this.#dials.set(key, dial);
		}
		return dial;
	}

	/** to finds a node and links to it, directly or, when that fails or takes long, over a relay. The first link is taken. */
	async #to(a: HashAddress, first: Link | undefined): Promise<Link> {
		const { urls } = await this.reach.find(a, first);
		const over = new AbortController();
		const direct = this.#direct(a, first, urls, over.signal);
		let late: ReturnType<typeof setTimeout> | undefined;
		const slow = new Promise<void>((resolve) => (late = setTimeout(resolve, directAlone)));
		let failed = false;
		try {
			const link = await Promise.race([direct, slow]).catch(() => void (failed = true));
			if (link) return link;
			const relayed = relayTo(this.reach, a, async (relay) => {
				const { urls } = await this.reach.find(relay, undefined);
				return this.#direct(relay, undefined, urls, over.signal);
			}, !failed);
			return await Promise.any([direct, relayed]);
		} catch (err) {
			const reasons = err instanceof AggregateError ? err.errors : [err];
			throw new SeaError("unreachable", `no link to ${a}: ${reasons.map(said).join("; ")}`);
		} finally {
			clearTimeout(late);
			over.abort();
		}
	}

	/** direct tries one way after the other, until over aborts. */
	async #direct(a: HashAddress, first: Link | undefined, urls: readonly string[], over: AbortSignal): Promise<Link> {
		const failures: string[] = [];
		const ways = [() => this.#negotiate(a, first, over)];
		// A stranger's word is no reason to knock at an address without a name and a certificate.
		for (const url of urls.filter((u) => u.startsWith("wss://"))) {
			ways.push(async () => this.reach.greet(await this.reach.dial(url, strangerWait), a));
		}
		for (const way of ways) {
			if (over.aborted) break;
			try {
				return await way();
			} catch (err) {
				failures.push(said(err));
			}
		}
		throw new SeaError("unreachable", failures.join("; "));
	}

	/** negotiate offers WebRTC. Of two that offer to each other at once the smaller address's offer is taken. */
	async #negotiate(to: HashAddress, first: Link | undefined, over: AbortSignal): Promise<Link> {
		const { negotiator } = this.reach;
		if (!negotiator) throw new SeaError("unavailable", "there is no WebRTC here");
		const key = to.toString();
		if (this.#offers.has(key)) return this.#yield(to, "the other side's offer is being answered");
		const offer = await negotiator.offer(this.#towards(to)?.remote ?? "");
		const mine: Offering = { issued: 0, withdrawn: false, close: () => offer.close() };
		if (this.#offers.has(key)) {
			offer.close();
			return this.#yield(to, "the other side's offer is being answered");
		}
		this.#offers.set(key, mine);
		const stop = () => offer.close();
		over.addEventListener("abort", stop);
		try {
			const body = await this.reach.callFrom(to, first, "sea:rtc", encode([offer.bytes]));
			const [answer] = read(body, described, "answer");
			return await this.reach.greet(await offer.accept(answer), to);
		} catch (err) {
			offer.close();
			if (!mine.withdrawn && !(err instanceof SeaError && err.code === "refused")) throw err;
			return this.#yield(to, String(err));
		} finally {
			over.removeEventListener("abort", stop);
			if (this.#offers.get(key) === mine) this.#offers.delete(key);
		}
	}

	/** yield waits for the link that the other side makes. */
	async #yield(to: HashAddress, why: string): Promise<Link> {
		const link = await this.reach.linked(to, iceWait);
		if (link) return link;
		throw new SeaError("unreachable", why);
	}

	/** towards is the neighbour by which a request to a node leaves. */
	#towards(to: HashAddress): Link | undefined {
		return [...this.reach.links()].sort((a, b) => to.compareTo(a.addr, b.addr))[0];
	}

	/** offered answers a peer's offer, issued at (Unix ms) and brought by the neighbour via. */
	async offered(from: HashAddress, via: Link | undefined, issued: number, body: Bytes): Promise<Bytes> {
		const { negotiator } = this.reach;
		if (!negotiator) throw new SeaError("unavailable", "there is no WebRTC here");
		const [offer] = read(body, described, "offer");
		const old = this.reach.link(from);
		if (old) {
			if (await old.ping(2000).then(() => true, () => false)) throw new SeaError("refused", "there is a link already");
			old.end(3);
		}
		const key = from.toString();
		const other = this.#offers.get(key);
		if (other) {
			const smaller = compare(bytesOf(this.reach.addr), bytesOf(from)) < 0;
			if (other.issued === 0 ? smaller : issued <= other.issued) throw new SeaError("refused", "another offer is on its way");
			other.withdrawn = true;
			other.close();
		} else if (this.#offers.size >= maxAnswering) {
			throw new SeaError("busy", "too many offers");
		}
		const place: Offering = { issued, withdrawn: false, close: () => {} };
		this.#offers.set(key, place);
		const leave = () => {
			if (this.#offers.get(key) === place) this.#offers.delete(key);
		};
		try {
			const answer = await negotiator.answer(offer, via?.remote ?? "");
			place.close = () => answer.close();
			if (place.withdrawn) {
				answer.close();
				throw new SeaError("refused", "a later offer is being answered");
			}
			void answer
				.wire()
				.then((wire) => this.reach.welcome(wire, from))
				.catch(() => {}) // the offer came to nothing; the other side knows
				.finally(leave);
			return encode([answer.bytes]);
		} catch (err) {
			leave();
			throw err;
		}
	}
}

function said(err: unknown): string {
	return err instanceof Error ? err.message : String(err);
}
