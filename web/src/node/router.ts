// Router finds ways: for this peer's routed calls, and for others' that come by.
// See docs/PROTOCOL.md, part 4, "Routed calls".

import { type Bytes, draw, toHex } from "../bytes.ts";
import { type RpcCode, rpcCodes, SeaError } from "../error.ts";
import { type Signer, work } from "../identity/ed25519.ts";
import { type Uint } from "../identity/cbor.ts";
import { HashAddress } from "./addr.ts";
import { type Framed } from "./frame.ts";
import * as Tag from "./tag.ts";
import { type Link } from "./link.ts";
import { Rate, Rates } from "./rate.ts";
import {
	fits, hashOf, maxLife, nearScope, newReply, readReply, readRequest, type Reply, type Request, slack, verifyReply, verifyRequest,
} from "./request.ts";
import { failed, type Outcome } from "./rpc.ts";
import { Seen } from "./seen.ts";

// The times, ms, and bounds of routing.
const flightLife = 30_000;
const maxFlights = 512;
const maxBacks = 3;
const keptFor = 4000;
const maxKept = 4096;
const alternates = 3;
const warm = 5000;
const minAckWait = 250;
const maxAckWait = 2000;
const callWait = 10_000;
const retryWait = 3000;
const maxTTL = 24;
const maxAttempt = 2;
const maxBudget = 4;
const maxSources = 256;
const maxGuarded = 4096;
const guardShare = 4; // a source may have one for each so many places that are free
const maxReplies = 4 << 20; // bytes that are kept for retries
const maxServing = 64;

/** Site is the node that a router routes for. */
export interface Site {
	readonly addr: HashAddress;
	readonly signer: Signer;
	readonly network: string;
	readonly work: number;
	links(): Iterable<Link>;
	/** carryOut does what a request to this node asks; via is the neighbour that it came from. */
	carryOut(request: Request, via: Link | undefined): Promise<Outcome>;
	/** suspect has a neighbour that did not acknowledge looked at. */
	suspect(link: Link): void;
}

/** Flight is a request that came by and whose reply may still do. */
interface Flight {
	readonly key: string;
	readonly request: Request;
	readonly source: HashAddress;
	readonly attempt: number;
	/** own is who waits, when the request is this node's. */
	readonly own: { done(reply: Reply): void; failed(code: number): void; handed(link: Link): void } | undefined;
	readonly backs: { link: Link; hop: Uint }[];
	readonly tried: Link[];
	ttl: number;
	budget: number;
	hop: number;
	timer: ReturnType<typeof setTimeout> | undefined;
	reply?: Reply;
	over: ReturnType<typeof setTimeout>;
}

/** Guarded is a request that was carried out here, until it would be refused for its time. */
interface Guarded {
	readonly hash: string;
	readonly until: number;
	/** reply is kept for other attempts, and forgotten when others need the room. */
	reply: Promise<Reply> | undefined;
	size: number;
}

/** Router is one node's. */
export class Router {
	readonly #flights = new Map<string, Flight>();
	readonly #hops = new Map<number, Flight>();
	#lastHop = 0;
	readonly #seen = new Seen(60_000, 8192);
	readonly #sources = new Rates(50, 200, maxSources);
	readonly #rates = new WeakMap<Link, Rate>();
	readonly #guarded = new Map<string, Guarded>(); // by source and id, the oldest first
	readonly #guards = new Map<string, number>(); // how many of them are whose
	#replies = 0; // bytes of them
	#serving = 0;
	#began = 0;

	constructor(readonly site: Site) {}

	/** up notes when the first link came. */
	up(): void {
		this.#began ||= Date.now();
	}

	/** down has what waits for a neighbour tried elsewhere. */
	down(link: Link): void {
		for (const f of [...this.#hops.values()]) if (f.tried.at(-1) === link) this.#another(f);
	}

	/** stop ends all that is under way. */
	stop(): void {
		for (const f of [...this.#flights.values()]) {
			this.#drop(f);
			f.own?.failed(rpcCodes.indexOf("unreachable"));
		}
	}

	/**
	 * ask sends a request of this node's on its way, at once through one neighbour,
	 * after 3 s and 6 s or when an attempt fails through others, and gives the reply
	 * within 10 s. first, when it is given, is where the first attempt begins.
	 */
	ask(request: Request, first?: Link): Promise<Reply> {
		const { to } = request;
		const used: Link[] = [];
		let attempt = 0;
		let flying = 0;
		return new Promise<Reply>((resolve, reject) => {
			let retry: ReturnType<typeof setTimeout>;
			const end = setTimeout(() => finish(() => reject(new SeaError("timeout", `${to} did not answer in ${callWait / 1000} s`))), callWait);
			const finish = (tell: () => void) => {
				clearTimeout(end);
				clearTimeout(retry);
				for (let i = 0; i <= maxAttempt; i++) {
					const f = this.#flights.get(keyOf(request, i));
					if (f?.own) this.#drop(f);
				}
				tell();
			};
			const begin = () => {
				clearTimeout(retry);
				if (attempt < maxAttempt) retry = setTimeout(next, retryWait);
				flying++;
				this.#begin(request, attempt, used.slice(), attempt === 0 ? first : undefined, {
					done: (reply) => finish(() => resolve(reply)),
					failed: (code) => {
						flying--;
						if (flying > 0) return;
						if (attempt < maxAttempt) return next();
						finish(() => reject(new SeaError(rpcCodes[code] ?? "unreachable", `no way to ${to} from ${[...this.site.links()].length} links`)));
					},
					handed: (link) => used.push(link),
				});
			};
			const next = () => {
				attempt++;
				begin();
			};
			begin();
		});
	}

	/** draft is a request without its signature. */
	draft(to: HashAddress, scope: string, body: Bytes, not?: HashAddress) {
		const iat = Date.now();
		return { id: draw(16), to, iat, exp: iat + maxLife, net: this.site.network, not, body, scope };
	}

	#begin(request: Request, attempt: number, avoid: Link[], first: Link | undefined, own: NonNullable<Flight["own"]>): void {
		const key = keyOf(request, attempt);
		if (this.#flights.size >= maxFlights) return own.failed(rpcCodes.indexOf("busy"));
		this.#seen.add(key);
		this.#forward(this.#flight({ key, request, source: this.site.addr, attempt, own, backs: [], ttl: maxTTL, budget: maxBudget }), avoid, first);
	}

	#flight(f: Pick<Flight, "key" | "request" | "source" | "attempt" | "own" | "backs" | "ttl" | "budget">): Flight {
		const made: Flight = {
			...f, tried: [], hop: 0, timer: undefined,
			over: setTimeout(() => {
				this.#drop(made);
				made.own?.failed(rpcCodes.indexOf("timeout"));
			}, flightLife),
		};
		this.#flights.set(f.key, made);
		return made;
	}

	/** routed takes a request from a neighbour. */
	async routed(link: Link, [, hop, ttl, attempt, budget, statement]: Framed<11>): Promise<void> {
		const nak = (code: RpcCode) => link.send([Tag.nak, hop, rpcCodes.indexOf(code), budget]);
		let request: Request;
		try {
			request = readRequest(statement);
		} catch (err) {
			link.strike(String(err));
			return nak("bad_request");
		}
		const key = keyOf(request, attempt);
		const source = await HashAddress.ofNode(request.source);
		if (request.net !== this.site.network) return nak("refused");
		if ((await work(request.source)) < this.site.work) {
			link.strike("the source's key has too little work");
			return nak("refused");
		}
		let rate = this.#rates.get(link);
		if (!rate) this.#rates.set(link, (rate = new Rate(50, 200)));
		if (!rate.take()) return nak("busy");
		if (Date.now() - request.exp > slack) return nak("expired");
		if (!this.#seen.has(key)) {
			try {
				await verifyRequest(request);
			} catch (err) {
				link.strike(String(err));
				return nak("bad_request");
			}
			// After the signature, so that nobody can use another's rate up.
			if (!this.#sources.take(toHex(request.source))) return nak("busy");
		}
		const known = this.#flights.get(key);
		if (known && !known.own && known.backs.length < maxBacks && known.backs.every((b) => b.link !== link)) {
			known.backs.push({ link, hop });
			link.send([Tag.ack, hop]);
			if (known.reply) link.send([Tag.answer, attempt, known.reply.encoded]);
			return;
		}
		if (this.#seen.has(key)) return nak("replayed");
		if (this.#flights.size >= maxFlights) return nak("busy");
		this.#seen.add(key);
		link.send([Tag.ack, hop]);
		this.#forward(this.#flight({ key, request, source, attempt, own: undefined, backs: [{ link, hop }], ttl, budget }));
	}

	/** forward finds the next neighbour, or makes this node the end, or gives the request back. */
	#forward(f: Flight, avoid: Link[] = [], first?: Link): void {
		const { to, not, scope } = f.request;
		this.#unhop(f);
		if (to.equals(this.site.addr) && !not?.equals(to)) return this.#arrive(f);
		const next = first && !first.alive.aborted && !not?.equals(first.addr) ? first : this.#next(f, avoid);
		if (!next || f.ttl === 0 || f.tried.length > alternates) return this.#giveUp(f, scope);
		f.hop = ++this.#lastHop;
		f.tried.push(next);
		this.#hops.set(f.hop, f);
		f.timer = setTimeout(() => {
			this.site.suspect(next);
			this.#another(f);
		}, Math.min(Math.max(4 * next.rtt, minAckWait), maxAckWait));
		next.send([Tag.routed, f.hop, f.ttl - 1, f.attempt, f.budget, f.request.encoded]);
		f.own?.handed(next);
	}

	/** next is the best neighbour that was not tried. */
	#next(f: Flight, avoid: Link[]): Link | undefined {
		const { to, not, scope } = f.request;
		const now = Date.now();
		const fresh = now - this.#began >= 2 * warm && scope === nearScope && !not?.equals(to);
		let best: Link | undefined;
		let shunned = false;
		for (const link of this.site.links()) {
			const a = link.addr;
			if (not?.equals(a) || a.equals(f.source) || f.backs[0]?.link === link || f.tried.includes(link)) continue;
			if (!f.own && to.compareTo(a, this.site.addr) >= 0) continue;
			const young = fresh && now - link.since < warm && !a.equals(to);
			if (young && !f.own) continue;
			// A neighbour to avoid is better than none, worse than all others.
			const shun = young || avoid.includes(link);
			if (!best || (shunned && !shun) || (shunned === shun && this.#before(f, link, best))) [best, shunned] = [link, shun];
		}
		return best;
	}

	/** before tells whether a is a better next hop than b: nearer, or for a retry the oldest of those that are a bit nearer. */
	#before(f: Flight, a: Link, b: Link): boolean {
		const { to } = f.request;
		if (f.attempt > 0 && !a.addr.equals(to) && !b.addr.equals(to)) {
			const bit = this.site.addr.logDist(to);
			const nearer = a.addr.logDist(to) > bit;
			if (nearer !== b.addr.logDist(to) > bit) return nearer;
			if (nearer && a.since !== b.since) return a.since < b.since;
		}
		return to.compareTo(a.addr, b.addr) < 0;
	}

	/** giveUp ends a request here when nobody nearer can be reached. */
	#giveUp(f: Flight, scope: string): void {
		if (scope === nearScope && !f.own && !f.request.not?.equals(this.site.addr)) return this.#arrive(f);
		this.#drop(f);
		const code = rpcCodes.indexOf("unreachable");
		f.own?.failed(code);
		for (const { link, hop } of f.backs) link.send([Tag.nak, hop, code, f.budget]);
	}

	#another(f: Flight): void {
		this.#unhop(f);
		if (f.budget === 0) return this.#giveUp(f, f.request.scope);
		f.budget--;
		return this.#forward(f);
	}

	#unhop(f: Flight): void {
		clearTimeout(f.timer);
		this.#hops.delete(f.hop);
		f.hop = 0;
	}

	#drop(f: Flight): void {
		this.#unhop(f);
		clearTimeout(f.over);
		this.#flights.delete(f.key);
	}

	/** acked takes an Ack. */
	acked(link: Link, hop: Uint): void {
		const f = this.#hops.get(hop as number);
		if (f?.tried.at(-1) === link) clearTimeout(f.timer);
	}

	/** naked takes a Nak. */
	naked(link: Link, [, hop, , budget]: Framed<13>): void {
		const f = this.#hops.get(hop as number);
		if (f?.tried.at(-1) !== link) return;
		f.budget = Math.min(f.budget, budget);
		this.#another(f);
	}

	/** answer takes a reply from a neighbour. */
	async answer(link: Link, [, attempt, statement]: Framed<14>): Promise<void> {
		try {
			const reply = readReply(statement);
			const f = this.#flights.get(`${toHex(reply.to)}${toHex(reply.id)}${attempt}`);
			if (!f || f.reply || !f.tried.includes(link)) return; // too late, or nobody asked
			await verifyReply(reply);
			if (!(await fits(reply, f.request))) throw new SeaError("bad_request", "a reply that fits no request");
			this.#answered(f, reply);
		} catch (err) {
			link.strike(String(err));
		}
	}

	#answered(f: Flight, reply: Reply): void {
		if (f.reply || this.#flights.get(f.key) !== f) return;
		this.#drop(f);
		if (f.own) return f.own.done(reply);
		f.reply = reply;
		for (const { link } of f.backs) link.send([Tag.answer, f.attempt, reply.encoded]);
		if (this.#flights.size > maxFlights / 2 || reply.encoded.length > maxKept) return;
		this.#flights.set(f.key, f);
		f.over = setTimeout(() => this.#drop(f), keptFor);
	}

	/** arrive makes this node the end of the path. */
	#arrive(f: Flight): void {
		this.#unhop(f);
		void this.#judge(f).then((reply) => this.#answered(f, reply));
	}

	/** judge keeps a request from being carried out twice. */
	async #judge(f: Flight): Promise<Reply> {
		const { request } = f;
		const refuse = (code: RpcCode, text: string) => this.#reply(request, failed(new SeaError(code, text)));
		const now = Date.now();
		if (now - request.exp > slack || request.iat - now > slack) return refuse("expired", "the request expired, or is dated ahead; compare the clocks");
		const hash = toHex(await hashOf(request));
		const source = toHex(request.source);
		const name = source + toHex(request.id);
		const known = this.#guarded.get(name);
		if (known?.hash === hash && known.reply) return known.reply;
		if (known) return refuse("replayed", "the request was carried out before, or another one had this id");
		for (const [other, { until }] of this.#guarded) {
			if (until >= now) break; // the oldest come first, or nearly so
			this.#unguard(other);
		}
		const held = this.#guards.get(source) ?? 0;
		if (held > (maxGuarded - this.#guarded.size) / guardShare || this.#serving >= maxServing) return refuse("busy", "too many requests");
		this.#serving++;
		const guarded: Guarded = { hash, until: request.exp + slack, reply: undefined, size: 0 };
		this.#guarded.set(name, guarded);
		this.#guards.set(source, held + 1);
		const carried = this.site.carryOut(request, f.backs[0]?.link).then(
			(says) => this.#reply(request, says),
			(err: unknown) => this.#reply(request, failed(err)),
		);
		guarded.reply = carried;
		const reply = await carried.finally(() => this.#serving--);
		if (this.#guarded.get(name) === guarded) {
			guarded.size = reply.encoded.length;
			this.#replies += guarded.size;
			for (const old of this.#guarded.values()) {
				if (this.#replies <= maxReplies) break;
				this.#replies -= old.size;
				if (old.size > 0) old.reply = undefined;
				old.size = 0;
			}
		}
		return reply;
	}

	#unguard(name: string): void {
		const { size } = this.#guarded.get(name)!;
		this.#replies -= size;
		this.#guarded.delete(name);
		const source = name.slice(0, 64);
		const left = this.#guards.get(source)! - 1;
		if (left > 0) this.#guards.set(source, left);
		else this.#guards.delete(source);
	}

	async #reply(request: Request, says: Outcome): Promise<Reply> {
		return newReply(this.site.signer, { ...says, id: request.id, to: request.source, net: request.net, req: await hashOf(request) });
	}
}

function keyOf(request: Request, attempt: number): string {
	return `${toHex(request.source)}${toHex(request.id)}${attempt}`;
}
