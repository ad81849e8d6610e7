// Node is a peer of the sea: its links, its calls, and those that come to it. See
// docs/PROTOCOL.md, part 4.

import { type Bytes, compare, draw, none } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { acting } from "../identity/cert.ts";
import { type Signer, work } from "../identity/ed25519.ts";
import { orNull, read, tuple } from "../identity/shape.ts";
import { statement, type Statement } from "../identity/statement.ts";
import { bytesOf, HashAddress } from "./addr.ts";
import { Bootstraps } from "./bootstrap.ts";
import { Connector, type Negotiator } from "./connect.ts";
import { type Contact, openContact, signContact } from "./contact.ts";
import { type Frame } from "./frame.ts";
import * as Reason from "./reason.ts";
import * as Tag from "./tag.ts";
import { entityOf, type Party, type Session } from "./hello.ts";
import { type Inbox } from "./inbox.ts";
import { Link } from "./link.ts";
import { type KeyPair, newKeyPair } from "./noise.ts";
import { contactScope, hashOf, nearScope, newRequest, type Reply, type Request, sealedScope } from "./request.ts";
import { directTo, relayedTo } from "./relayed.ts";
import { Router } from "./router.ts";
import { type Caller, done, failed, type Handler, type Outcome, result } from "./rpc.ts";
import { maxRouted, openCall, sealCall } from "./sealed.ts";
import { Settler } from "./settle.ts";
import { Upkeep } from "./upkeep.ts";
import { dialWebSocket } from "./websocket.ts";
import { type Wire } from "./wire.ts";

// The times, ms, and bounds of a node.
const recordLife = 24 * 3_600_000;
const dialWait = 10_000;
const maxLinks = 80;
const maxContacts = 1024;
const maxRelaysNamed = 4;

const contactAnswer = tuple(statement, orNull(statement));

/** Options say who a node is. */
export interface Options {
	/** signer has the node's key. */
	signer: Signer;
	/** network is its name; "sea", the public one, when left out. */
	network?: string;
	/** work is how many bits of work keys of the network need: 12 when left out. */
	work?: number;
	/** certificate lets the node act for its signer. */
	certificate?: Statement;
	/** negotiator makes WebRTC wires. Without one the node has its WebSockets only. */
	negotiator?: Negotiator;
	/** agent is the program's name and version, 64 bytes at most. */
	agent?: string;
}

/** Watcher hears what happens to a node. None of it may throw. */
export interface Watcher {
	up?(link: Link): void;
	down?(link: Link): void;
	/** opened tells that a peer's application wants to talk. */
	opened?(link: Link): void;
	/** message takes a message; more come when it is done. */
	message?(link: Link, scope: string, body: Bytes): Promise<void> | void;
	/** frame takes frames of channels. */
	frame?(link: Link, f: Frame): void;
}

/** Node is made by create. Its key lives as long as it does; online and offline may follow each other. */
export class Node {
	readonly addr: HashAddress;
	readonly signer: Signer;
	readonly network: string;
	readonly work: number;
	readonly negotiator: Negotiator | undefined;
	readonly certificate: Statement | null;

	/** watchers hear what happens. */
	readonly watchers = new Set<Watcher>();

	readonly #handlers = new Map<string, Handler>();
	readonly #links = new Map<string, Link>();
	readonly #contacts = new Map<string, Contact>(); // by address, the latest used last
	readonly #seal: KeyPair;
	readonly #settler = new Settler(this);
	#connector = new Connector(this);
	#party: Party;
	#router = new Router(this);
	#upkeep = new Upkeep(this);
	#bootstraps: Bootstraps | undefined;
	#ticker: ReturnType<typeof setInterval> | undefined;

	private constructor(o: Options, addr: HashAddress, seal: KeyPair, party: Party) {
		this.addr = addr;
		this.signer = o.signer;
		this.network = party.network;
		this.work = party.work;
		this.negotiator = o.negotiator;
		this.certificate = party.certificate;
		this.#seal = seal;
		this.#party = party;
		this.#own("sea:ping", (body) => {
			if (body.length > 64) throw new SeaError("too_large", "sea:ping takes 64 bytes");
			return body;
		});
		this.#own(nearScope, (body, from) => this.#about(body, from));
		this.#own(contactScope, (body, from) => this.#about(body, from));
		this.#own("sea:near", (body, from) => {
			const link = this.#direct(from, body, body.length === 0);
			return this.#upkeep.near(link, body);
		});
		this.#own("sea:relays", () => {
			const relays = [...this.links()].filter((l) => l.relays).slice(0, maxRelaysNamed);
			return encode([relays.map((l) => new Uint8Array(l.addr.getArrayBuffer()))]);
		});
		this.#own("sea:relayed", (body, from) => relayedTo(this, this.#direct(from, body, true), body));
		this.#own("sea:rtc", (body, from) => directTo(this, this.#direct(from, body, true), body));
		this.#own("sea:silent", (body, from) => {
			this.#direct(from, body, false);
			const of = this.link(HashAddress.from(body));
			if (of && Date.now() - of.heard > 3000) void this.#upkeep.doubt(of);
			return none;
		});
	}

	/** create makes a node that is offline. */
	static async create(o: Options): Promise<Node> {
		const keys = await newKeyPair();
		const seal = await newKeyPair();
		const party = {
			network: o.network ?? "sea", work: o.work ?? 12, keys, certificate: o.certificate ?? null,
			run: draw(8), agent: o.agent ?? "peersea",
			record: await contactOf(o, keys, seal),
		};
		return new Node(o, await HashAddress.ofNode(o.signer.key), seal, party);
	}

	/** isOnline tells whether there is a link. */
	get isOnline(): boolean {
		return this.#links.size > 0;
	}

	get party(): Party {
		return this.#party;
	}

	/**
	 * online joins the sea by bootstraps, URLs of ws://, wss:// or sea://, and
	 * resolves with the first link. It rejects with "unreachable" when none of them
	 * answers. From then on they are dialled again when they are lost.
	 */
	async online(urls: readonly string[]): Promise<void> {
		if (this.#ticker) throw new SeaError("bad_request", "this node is online, or goes there");
		this.#ticker = setInterval(() => this.#tick(), 1000);
		this.#router = new Router(this);
		this.#upkeep = new Upkeep(this);
		this.#connector = new Connector(this);
		this.#bootstraps = new Bootstraps(
			urls,
			async (url) => this.#settler.greet(await this.dial(url, dialWait)),
			(link) => this.#upkeep.enter(link),
		);
		try {
			await this.#bootstraps.first();
		} catch (err) {
			this.offline();
			throw err;
		}
	}

	/** offline leaves: all links end. */
	offline(): void {
		clearInterval(this.#ticker);
		this.#ticker = this.#bootstraps = undefined;
		for (const link of [...this.#links.values()]) link.end(Reason.offline);
		this.negotiator?.close();
		this.#router.stop();
	}

	/** handle answers a scope of one's own; undefined takes the handler away. Scopes that begin with sea: are the node's. */
	handle(scope: string, handler: Handler | undefined): void {
		if (scope.startsWith("sea:")) throw new SeaError("bad_request", `${scope} is a scope of the node's own`);
		if (handler) this.#handlers.set(scope, handler);
		else this.#handlers.delete(scope);
	}

	/** own is handle for what belongs to the node: its other parts call it. */
	#own(scope: string, handler: Handler): void {
		this.#handlers.set(scope, handler);
	}

	/** serveMembers lets channels answer at meeting places. */
	serveMembers(handler: Handler): void {
		this.#own("sea:members", handler);
	}

	/** call asks the node at an address: over the link, or routed and sealed, at most 10 s and 64 KiB then. */
	call(to: HashAddress, scope: string, body: Bytes, signal?: AbortSignal): Promise<Bytes> {
		return this.#call(to, undefined, scope, body, signal);
	}

	callFrom(to: HashAddress, first: Link | undefined, scope: string, body: Bytes): Promise<Bytes> {
		return this.#call(to, first, scope, body);
	}

	async #call(to: HashAddress, first: Link | undefined, scope: string, body: Bytes, signal?: AbortSignal): Promise<Bytes> {
		if (to.equals(this.addr)) {
			return this.#serve(scope, body, { addr: to, node: this.signer.key, entity: await this.#entity(), direct: false });
		}
		const link = this.link(to);
		if (link) return link.call(scope, body, signal);
		if (body.length > maxRouted) throw new SeaError("too_large", `a body of ${body.length} bytes, a routed one at most ${maxRouted}: connect first`);
		this.#mustBeOnline();
		const known = this.#contacts.get(to.toString());
		const contact = known ?? (await this.#ask(to, contactScope, first));
		try {
			return await within(signal, this.#callSealed(contact, to, first, scope, body));
		} catch (err) {
			if (!(err instanceof Stale) || !known) throw err;
			// It may have started anew: then it has another key.
			const fresh = await this.#ask(to, contactScope, first);
			if (compare(fresh.seal, known.seal) === 0) throw err;
			return await within(signal, this.#callSealed(fresh, to, first, scope, body));
		}
	}

	async #callSealed(contact: Contact, to: HashAddress, first: Link | undefined, scope: string, body: Bytes): Promise<Bytes> {
		const draft = this.#router.draft(to, sealedScope, none);
		const sealed = await sealCall(contact.seal, { ...draft, source: this.signer.key }, { scope, body, certificate: this.certificate });
		const request = await newRequest(this.signer, { ...draft, body: sealed.body });
		const reply = await this.#router.ask(request, first);
		if (reply.code === 10) throw new Stale("expired", reply.text || "the call does not open there");
		if (reply.code !== 0) result({ ...reply, body: none });
		return result(await sealed.answers.open(await hashOf(request), reply.body));
	}

	/** nearest gives the address of the node nearest to another, which may be this one, asked first at a neighbour. */
	async nearest(to: HashAddress, first?: Link): Promise<HashAddress> {
		const found = await this.nearestTo(to, first);
		return to.compareTo(found, this.addr) < 0 ? found : this.addr;
	}

	/** nearestContact is nearest of the others, with its contact record. */
	nearestContact(to: HashAddress): Promise<Contact> {
		return this.#ask(to, nearScope);
	}

	async nearestTo(to: HashAddress, first: Link | undefined): Promise<HashAddress> {
		return HashAddress.ofNode((await this.#ask(to, nearScope, first)).by);
	}

	/** ask asks for a contact record: of the node at to, or of the other node nearest to it. */
	async #ask(to: HashAddress, scope: string, first?: Link): Promise<Contact> {
		this.#mustBeOnline();
		const draft = this.#router.draft(to, scope, none, scope === nearScope ? this.addr : undefined);
		const reply: Reply = await this.#router.ask(await newRequest(this.signer, draft), first);
		return this.#learn(result({ ...reply }), reply.by);
	}

	/** learn reads a contact record that by has shown. */
	async #learn(body: Bytes, by?: Bytes): Promise<Contact> {
		const [signed] = read(body, contactAnswer, "contact");
		if (by && compare(signed.by, by) !== 0) throw new SeaError("contact", "the contact record is another node's");
		if ((await work(signed.by)) < this.work) throw new SeaError("contact", "a key with too little work");
		const contact = await openContact(signed, this.network, Date.now());
		this.#keep(contact, await HashAddress.ofNode(contact.by));
		return contact;
	}

	#keep(contact: Contact, a: HashAddress): void {
		const key = a.toString();
		this.#contacts.delete(key);
		this.#contacts.set(key, contact);
		if (this.#contacts.size > maxContacts) this.#contacts.delete(this.#contacts.keys().next().value!);
	}

	async find(to: HashAddress, first: Link | undefined): Promise<Contact> {
		if (first && !first.addr.equals(to)) {
			try {
				const body = await first.call(contactScope, bytesOf(to), AbortSignal.timeout(5000));
				const contact = await this.#learn(body);
				if ((await HashAddress.ofNode(contact.by)).equals(to)) return contact;
			} catch {
				// It is no neighbour of that one's, or silent.
			}
		}
		const contact = await this.#ask(to, nearScope, first);
		if (!(await HashAddress.ofNode(contact.by)).equals(to)) throw new SeaError("unreachable", `nobody is at ${to}`);
		return contact;
	}

	/** connect gives the link to a node, and makes it if need be. Rejects with "unreachable" and the reasons. */
	async connect(to: HashAddress): Promise<Link> {
		if (to.equals(this.addr)) throw new SeaError("bad_request", "this is the node's own address");
		this.#mustBeOnline();
		return this.#connector.to(to);
	}

	linkTo(to: HashAddress, first: Link | undefined): Promise<Link> {
		return this.#connector.to(to, first);
	}

	/** link is the link to a node, if there is one. */
	link(a: HashAddress): Link | undefined {
		return this.#links.get(a.toString());
	}

	/** links are all. */
	links(): Iterable<Link> {
		return this.#links.values();
	}

	linked(to: HashAddress, ms: number): Promise<Link | undefined> {
		const there = this.link(to);
		if (there) return Promise.resolve(there);
		return new Promise((resolve) => {
			const over = (link?: Link) => {
				clearTimeout(timer);
				this.watchers.delete(watcher);
				resolve(link);
			};
			const watcher: Watcher = { up: (link) => link.addr.equals(to) && over(link) };
			const timer = setTimeout(over, ms);
			this.watchers.add(watcher);
		});
	}

	async dial(url: string, ms: number): Promise<Wire> {
		if (!url.startsWith("sea://")) return dialWebSocket(url, AbortSignal.timeout(ms));
		if (!this.negotiator) throw new SeaError("unavailable", "there is no WebRTC here");
		return this.negotiator.dial(url);
	}

	greet(wire: Wire, want: HashAddress): Promise<Link> {
		return this.#settler.greet(wire, want);
	}

	welcome(wire: Wire, want: HashAddress): Promise<Link> {
		return this.#settler.welcome(wire, want);
	}

	room(claims: number): boolean {
		if (!this.#ticker) return false;
		if (this.#links.size + claims < maxLinks) return true;
		const least = [...this.links()].filter((l) => !l.busy && l.ours === 0 && l.theirs === 0).sort((a, b) => b.since - a.since)[0];
		least?.end(Reason.full);
		return least !== undefined;
	}

	add(session: Session, inbox: Inbox): Link {
		if (!this.#ticker) throw new SeaError("offline", "this node went offline during the handshake");
		const link = new Link(this, session, inbox);
		this.#links.set(link.key, link);
		this.#keep(link.peer.record, link.addr);
		this.#router.up();
		void link.run();
		this.#upkeep.up(link);
		for (const w of [...this.watchers]) w.up?.(link);
		return link;
	}

	down(link: Link): void {
		if (this.#links.get(link.key) !== link) return;
		this.#links.delete(link.key);
		this.#router.down(link);
		this.#upkeep.down();
		for (const w of [...this.watchers]) w.down?.(link);
		if (this.#links.size === 0) this.#bootstraps?.again();
	}

	rejoin(): void {
		this.#bootstraps?.again();
	}

	suspect(link: Link): void {
		void this.#upkeep.doubt(link);
	}

	opened(link: Link): void {
		for (const w of [...this.watchers]) w.opened?.(link);
	}

	async message(link: Link, scope: string, body: Bytes): Promise<void> {
		await Promise.all([...this.watchers].map((w) => w.message?.(link, scope, body)));
	}

	frame(link: Link, f: Frame): void {
		switch (f[0]) {
			case Tag.routed:
				return void this.#router.routed(link, f);
			case Tag.ack:
				return this.#router.acked(link, f[1]);
			case Tag.nak:
				return this.#router.naked(link, f);
			case Tag.answer:
				return void this.#router.answer(link, f);
		}
		for (const w of [...this.watchers]) w.frame?.(link, f);
	}

	async serve(link: Link, scope: string, body: Bytes): Promise<Bytes> {
		const { addr, node } = link.peer;
		return this.#serve(scope, body, { addr, node, entity: await entityOf(link.peer), direct: true });
	}

	async #serve(scope: string, body: Bytes, from: Caller): Promise<Bytes> {
		const handler = this.#handlers.get(scope);
		if (!handler) throw new SeaError("no_handler", `scope ${scope} is not served here`);
		return handler(body, from);
	}

	/** carryOut does what a routed request to this node asks. */
	async carryOut(request: Request, via: Link | undefined): Promise<Outcome> {
		const addr = await HashAddress.ofNode(request.source);
		if (request.scope !== sealedScope) return done(this.#about(request.body, { addr, node: request.source, entity: request.source, direct: false }));
		const { call, answers } = await openCall(this.#seal, request);
		let says: Outcome;
		try {
			if (!call) throw new SeaError("bad_request", "a sealed call that cannot be read");
			const from = { addr, node: request.source, entity: await acting(request.source, call.certificate, Date.now()), direct: false };
			const body = call.scope === "sea:rtc" ? await this.#connector.offered(addr, via, request.iat, call.body) : await this.#serve(call.scope, call.body, from);
			if (body.length > maxRouted) throw new SeaError("too_large", `the answer has ${body.length} bytes, a routed one at most ${maxRouted}`);
			says = done(body);
		} catch (err) {
			says = failed(err);
		}
		return done(await answers.seal(await hashOf(request), says));
	}

	/** about answers sea:nearest and sea:contact: with this node's record, or over a link with a neighbour's. */
	#about(body: Bytes, from: Caller): Bytes {
		if (body.length === 0) return encode([this.#party.record.signed.value(), this.certificate?.value() ?? null]);
		this.#direct(from, body, false);
		const other = this.link(HashAddress.from(body));
		if (!other || Date.now() - other.heard > 10_000) throw new SeaError("not_found", "no neighbour is there");
		return encode([other.peer.record.signed.value(), null]);
	}

	/** direct gives the link that a question of a neighbour came over. */
	#direct(from: Caller, body: Bytes, empty: boolean): Link {
		const link = from.direct ? this.link(from.addr) : undefined;
		if (!link || !(empty || body.length === 28)) throw new SeaError("bad_request", "this is for neighbours, and takes an address");
		return link;
	}

	#entity(): Promise<Bytes> {
		return acting(this.signer.key, this.certificate, Date.now());
	}

	#mustBeOnline(): void {
		if (!this.isOnline) throw new SeaError("offline", "this node is not online");
	}

	#tick(): void {
		this.#upkeep.tick();
		if (this.#party.record.exp - Date.now() < recordLife / 2) void this.#renew();
	}

	async #renew(): Promise<void> {
		const { network, keys } = this.#party;
		const record = await contactOf({ signer: this.signer, network, ...(this.negotiator && { negotiator: this.negotiator }) }, keys, this.#seal);
		this.#party = { ...this.#party, record };
	}
}

/** Stale is the error of a call that was sealed to a key of an earlier run. */
class Stale extends SeaError {}

function contactOf(o: Options, keys: KeyPair, seal: KeyPair): Promise<Contact> {
	const iat = Date.now();
	return signContact(o.signer, {
		net: o.network ?? "sea", key: keys.public, seal: seal.public, urls: [], caps: o.negotiator ? ["rtc"] : [], iat, exp: iat + recordLife,
	});
}

/** within rejects when the signal aborts first. */
function within<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
	if (!signal) return work;
	return new Promise((resolve, reject) => {
		const abort = () => reject(new SeaError("cancelled", "the call was cancelled"));
		if (signal.aborted) abort();
		signal.addEventListener("abort", abort);
		work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
	});
}
