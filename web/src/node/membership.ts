// Membership is this node's part in a channel: a few partners, messages that go
// to all of them, and names of those that are too large for that. See
// docs/PROTOCOL.md, part 4, "Channels".

import { type Bytes, concat, fromHex, none, toHex } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { work } from "../identity/ed25519.ts";
import { bytesOf, HashAddress, joined, split } from "./addr.ts";
import { about, any, shuffle } from "./chance.ts";
import { type Frame, type Framed } from "./frame.ts";
import * as Tag from "./tag.ts";
import { idOf, maxSkew, type Message, newPublish, openPublish } from "./gossip.ts";
import { type Link } from "./link.ts";
import { type Lobby } from "./lobby.ts";
import { type Node } from "./node.ts";
import { Rate } from "./rate.ts";
import { Seen } from "./seen.ts";

// The shape of the graph.
const active = 5;
const maxActive = 7;
const maxPassive = 30;
const maxSuitors = 8;
const maxLed = 4;
const maxOurs = 3;
const maxWalk = 6;
const maxSample = 8;
const floodMax = 1024; // bytes, above which lazy partners get names only

// The times, ms.
const aliveEvery = 2500;
const deadAfter = 6000;
const dialWait = 30_000;
const answerWait = 3000;
const pauseAsking = 2000;
const goneFor = 5000;
const fresh = 15_000;
const failedFor = 20_000;
const shuffleEvery = 30_000;
const announceEvery = 60_000;
const firstLookup = 5000;
const firstGraft = 400;
const nextGraft = 200;

// The bounds of what is kept.
const maxStored = 512;
const maxStoredBytes = 16 * 66_048;
const maxWanted = 256; // of one link
const maxIDs = 64;
const maxRemembered = 64; // who left, failed
const maxAuthors = 1024;
const maxRoom = 256 << 10; // that waits for one link

const Want = { room: 0, needed: 1, fresh: 2 } as const;

interface Partner {
	readonly link: Link;
	heard: number;
	spoke: number;
	lazy: boolean; // large messages go by name
	readonly ours: boolean; // of our own choice
}

interface Suitor {
	readonly at: HashAddress;
	readonly want: number;
	readonly led: boolean; // by a walk
	dialed: boolean;
	until: number;
}

interface Wanted {
	at: number; // when to ask
	readonly namers: Link[];
	readonly first: Link;
}

/** Rates are what a link may ask for in a channel. */
class Rates {
	readonly link = new Rate(1000, 2000);
	readonly walks = new Rate(4, 32);
	readonly asks = new Rate(1, 16);
	readonly gifts = new Rate(256 << 10, 2 * maxStoredBytes);
	wants = 0;
}

/** Hearer is who the membership is for. */
export interface Hearer {
	heard(m: Message): void;
	/** partners tells that the first partner came, or the last one went. */
	partners(some: boolean): void;
}

/** Membership is made by join, and runs until leave. */
export class Membership {
	readonly #chan: Bytes;
	readonly #began = Date.now();
	readonly #partners = new Map<string, Partner>();
	readonly #suitors = new Map<string, Suitor>();
	readonly #passive = new Map<string, HashAddress>();
	readonly #gone = new Map<string, number>(); // until when
	readonly #failed = new Map<string, number>();
	readonly #rates = new WeakMap<Link, Rates>();
	readonly #authors = new Map<string, { messages: Rate; bytes: Rate }>();
	readonly #own = { messages: new Rate(20, 20), bytes: new Rate(64 << 10, 128 << 10) };
	readonly #seen = new Seen(240_000, 16_384);
	readonly #store = new Map<string, { f: Framed<32>; at: number }>();
	#stored = 0;
	readonly #wanted = new Map<string, Wanted>();
	#number = Math.floor(Math.random() * 2 ** 48);
	#askAt = 0;
	#shuffleAt = Date.now() + about(shuffleEvery);
	#lookAt = 0;
	#pause = firstLookup;
	#met = false;
	#count = 0;
	#trading = false;
	#over = false;

	constructor(
		readonly node: Node,
		readonly lobby: Lobby,
		readonly id: string,
		readonly at: HashAddress,
		readonly hearer: Hearer,
	) {
		this.#chan = bytesOf(at);
	}

	/** partners is how many there are. */
	get partners(): number {
		return this.#partners.size;
	}

	/**
	 * say tells all members. Rejects with "busy" beyond 20 messages or 64 KiB a second. Nobody
	 * hears it when nobody is there.
	 */
	async say(scope: string, body: Bytes): Promise<Message> {
		if (!this.#own.messages.fits(1) || !this.#own.bytes.fits(body.length + 200)) throw new SeaError("busy", "too much is said: 20 messages and 64 KiB a second are borne");
		this.#own.messages.take();
		this.#own.bytes.take(body.length + 200);
		const m = { iat: Date.now(), net: this.node.network, num: this.#number++, body, chan: this.#chan, scope };
		const f = await newPublish(this.node.signer, m);
		const id = await idOf(f);
		this.#seen.add(id);
		this.#keep(id, f);
		this.#spread(id, f, undefined);
		return { ...m, author: this.node.signer.key };
	}

	/** leave tells the partners. */
	leave(): void {
		this.#over = true;
		for (const p of this.#partners.values()) p.link.send([Tag.leave, this.#chan]);
		this.#partners.clear();
	}

	/** lost takes a link out that has ended. */
	lost(link: Link): void {
		this.#lose(link.key);
	}

	/** tick does what is due; it is called five times a second. */
	tick(): void {
		const now = Date.now();
		for (const p of [...this.#partners.values()]) {
			if (now - p.heard >= deadAfter) {
				p.link.send([Tag.leave, this.#chan]);
				this.#lose(p.link.key);
				this.#remember(p.link.addr);
			} else if (now - p.spoke >= aliveEvery) this.#send(p.link, [Tag.have, this.#chan, none]);
		}
		for (const [key, s] of this.#suitors) if (now >= s.until) this.#fail(key);
		for (const list of [this.#gone, this.#failed]) for (const [key, until] of list) if (now >= until) list.delete(key);
		this.#graft(now);
		if (now >= this.#shuffleAt) {
			this.#shuffleAt = now + about(shuffleEvery);
			this.#trade();
		}
		if (now >= this.#lookAt) void this.#look(now);
		this.#maintain(now);
	}

	/** take takes a frame for this channel. */
	take(link: Link, f: Frame): void {
		const p = this.#partners.get(link.key);
		if (p) p.heard = Date.now();
		switch (f[0]) {
			case Tag.neighbour:
				return this.#neighbour(link, f);
			case Tag.partner:
				return this.#answered(link, f);
			case Tag.leave:
				return this.#left(link);
			case Tag.publish:
				return void this.#published(link, f).catch((err: unknown) => link.strike(String(err)));
		}
		if (!p) {
			if (!this.#suitors.has(link.key) && !this.#gone.has(link.key)) link.send([Tag.leave, this.#chan]);
			return;
		}
		switch (f[0]) {
			case Tag.have:
				return this.#have(p, f[2]);
			case Tag.graft:
				return this.#grafted(p, f[2]);
			case Tag.prune:
				p.lazy = true;
				return;
			case Tag.walk:
				return this.#walk(p, HashAddress.from(f[2]), f[3]);
			case Tag.shuffle:
				return this.#shuffled(p, split(f[2]), f[3]);
			case Tag.shuffled:
				return this.#traded(p, split(f[2]), f[3]);
			case Tag.past:
				return this.#past(p, f[2]);
		}
	}

	// Who the partners are.

	#maintain(now: number): void {
		const alone = this.#partners.size === 0;
		if (alone && this.#suitors.size === 0 && this.#passive.size === 0) {
			this.#lookAt = Math.min(this.#lookAt, now + this.#pause);
			return;
		}
		if (now < this.#askAt) return;
		const most = alone && !this.#met ? 2 : active;
		const want = !alone ? Want.room : this.#met ? Want.needed : Want.fresh;
		while (this.#partners.size + this.#courted() < most && this.#suitors.size < maxSuitors) {
			const at = this.#pick(this.#passive.values());
			if (!at) return;
			this.#court(at, want, false);
		}
	}

	#courted(): number {
		return [...this.#suitors.values()].filter((s) => !s.led).length;
	}

	#court(at: HashAddress, want: number, led: boolean): void {
		const key = at.toString();
		if (!this.#mayCourt(key) || this.#suitors.size >= maxSuitors) return;
		const suitor: Suitor = { at, want, led, dialed: false, until: Date.now() + dialWait };
		this.#suitors.set(key, suitor);
		this.node.connect(at).then(
			(link) => {
				if (this.#over || this.#suitors.get(key) !== suitor) return;
				suitor.dialed = true;
				suitor.until = Date.now() + answerWait;
				link.send([Tag.neighbour, this.#chan, want, want === Want.fresh ? none : this.#since(fresh)]);
			},
			() => this.#suitors.get(key) === suitor && this.#fail(key),
		);
	}

	#mayCourt(key: string): boolean {
		return key !== this.node.addr.toString() && !this.#partners.has(key) && !this.#suitors.has(key) && !this.#failed.has(key);
	}

	#pick(from: Iterable<HashAddress>): HashAddress | undefined {
		return any([...from].filter((a) => this.#mayCourt(a.toString())));
	}

	#fail(key: string): void {
		this.#suitors.delete(key);
		this.#passive.delete(key);
		remember(this.#failed, key, failedFor);
	}

	#neighbour(link: Link, [, , want, ids]: Framed<36>): void {
		if (!this.#ratesOf(link).asks.take()) return;
		const members = this.#sample(maxSample, link.addr);
		const known = this.#partners.has(link.key);
		if (!known && want === Want.room && this.#partners.size >= maxActive) {
			this.#remember(link.addr);
			return link.send([Tag.partner, this.#chan, 0, none, members]);
		}
		this.#join(link, false);
		this.#send(link, [Tag.partner, this.#chan, 1, want === Want.fresh ? none : this.#since(fresh), members]);
		this.#news(this.#partners.get(link.key)!, ids);
		if (want !== Want.fresh || known) return;
		const led = shuffle([...this.#partners.values()].filter((p) => p.link !== link)).slice(0, active - 1);
		for (const p of led) this.#send(p.link, [Tag.walk, this.#chan, bytesOf(link.addr), maxWalk]);
	}

	#answered(link: Link, [, , yes, ids, members]: Framed<37>): void {
		const suitor = this.#suitors.get(link.key);
		if (!suitor?.dialed) {
			if (yes === 1 && !this.#partners.has(link.key)) link.send([Tag.leave, this.#chan]);
			return;
		}
		for (const a of split(members)) this.#remember(a);
		if (yes === 0) {
			this.#suitors.delete(link.key);
			this.#remember(link.addr);
			this.#askAt = Date.now() + about(pauseAsking);
			return;
		}
		this.#join(link, !suitor.led);
		const p = this.#partners.get(link.key)!;
		if (!p.lazy) this.#send(link, [Tag.graft, this.#chan, none]);
		this.#news(p, ids);
	}

	#join(link: Link, ours: boolean): void {
		this.#suitors.delete(link.key);
		this.#gone.delete(link.key);
		this.#passive.delete(link.key);
		if (this.#partners.has(link.key)) return;
		while (this.#partners.size >= maxActive) this.#evict();
		const now = Date.now();
		const lazy = [...this.#partners.values()].some((p) => !p.lazy);
		this.#partners.set(link.key, { link, heard: now, spoke: now, lazy, ours });
		this.#met = true;
		this.#pause = firstLookup;
		if (this.#partners.size === 1) this.hearer.partners(true);
	}

	/** evict gives a partner up for another: a lazy one if there is, and not those of our own choice. */
	#evict(): void {
		const all = [...this.#partners.values()];
		const kept = all.filter((p) => p.ours).length > maxOurs ? [] : all.filter((p) => p.ours);
		const may = all.filter((p) => !kept.includes(p));
		const p = any(may.filter((q) => q.lazy)) ?? any(may)!;
		p.link.send([Tag.leave, this.#chan]);
		remember(this.#gone, p.link.key, goneFor);
		this.#lose(p.link.key);
		this.#remember(p.link.addr);
	}

	#left(link: Link): void {
		if (this.#suitors.get(link.key)?.dialed) this.#suitors.delete(link.key);
		if (!this.#partners.has(link.key)) return;
		remember(this.#gone, link.key, goneFor);
		this.#lose(link.key);
		this.#remember(link.addr);
		this.#askAt = Math.max(this.#askAt, Date.now() + about(pauseAsking / (this.#partners.size === 0 ? 2 : 8)));
	}

	#lose(key: string): void {
		const lost = this.#partners.get(key);
		this.#partners.delete(key);
		if (this.#suitors.get(key)?.dialed) this.#suitors.delete(key);
		this.#passive.delete(key);
		if (!lost) return;
		if (this.#partners.size === 0) this.hearer.partners(false);
		const lazy = lost.lazy ? undefined : any([...this.#partners.values()].filter((p) => p.lazy));
		if (!lazy) return;
		lazy.lazy = false;
		this.#send(lazy.link, [Tag.graft, this.#chan, none]);
	}

	#remember(a: HashAddress): void {
		const key = a.toString();
		if (key === this.node.addr.toString() || this.#partners.has(key)) return;
		if (this.#passive.size >= maxPassive) this.#passive.delete(any([...this.#passive.keys()])!);
		this.#passive.set(key, a);
	}

	#walk(from: Partner, who: HashAddress, ttl: number): void {
		if (who.equals(this.node.addr) || !this.#ratesOf(from.link).walks.take()) return;
		if (ttl === maxWalk / 2) this.#remember(who);
		const next = any([...this.#partners.values()].filter((p) => p !== from && !p.link.addr.equals(who)));
		if (ttl > 0 && next) return this.#send(next.link, [Tag.walk, this.#chan, bytesOf(who), ttl - 1]);
		if (this.#suitors.size - this.#courted() < maxLed) this.#court(who, Want.room, true);
	}

	#trade(): void {
		const p = any([...this.#partners.values()]);
		if (!p) return;
		this.#trading = true;
		this.#send(p.link, [Tag.shuffle, this.#chan, bytesOf(this.node.addr), this.#sample(maxSample - 1, p.link.addr)]);
	}

	#shuffled(from: Partner, path: HashAddress[], members: Bytes): void {
		const on = (a: HashAddress) => path.some((b) => b.equals(a));
		if (!path.at(-1)!.equals(from.link.addr) || on(this.node.addr) || !this.#ratesOf(from.link).walks.take()) return;
		const next = any([...this.#partners.values()].filter((p) => !on(p.link.addr)));
		if (path.length < maxWalk && next) return this.#send(next.link, [Tag.shuffle, this.#chan, joined([...path, this.node.addr]), members]);
		this.#send(from.link, [Tag.shuffled, this.#chan, joined(path.slice(0, -1)), this.#sample(maxSample, path[0]!)]);
		for (const a of [path[0]!, ...split(members)]) this.#remember(a);
	}

	#traded(from: Partner, path: HashAddress[], members: Bytes): void {
		const last = path.at(-1);
		if (last) {
			const p = this.#partners.get(last.toString());
			if (p && this.#ratesOf(from.link).walks.take()) this.#send(p.link, [Tag.shuffled, this.#chan, joined(path.slice(0, -1)), members]);
			return;
		}
		if (this.#trading) for (const a of split(members)) this.#remember(a);
		this.#trading = false;
	}

	#sample(n: number, not: HashAddress): Bytes {
		const all = [...[...this.#partners.values()].map((p) => p.link.addr), ...this.#passive.values()];
		return joined(shuffle(all.filter((a) => !a.equals(not))).slice(0, n));
	}

	async #look(now: number): Promise<void> {
		const every = Math.min(announceEvery * Math.max(1, Math.floor(this.#count / 64)), 86_400_000);
		if (this.#partners.size > 0) this.#lookAt = now + about(every);
		else {
			this.#lookAt = now + this.#pause;
			this.#pause = Math.min(2 * this.#pause, announceEvery);
		}
		const { members, count } = await this.lobby.lookUp(this.id, every / 1000);
		if (this.#over) return;
		if (count > 0) this.#count = count;
		for (const a of members) this.#remember(a);
		if (this.#partners.size === 0) return this.#maintain(Date.now());
		const at = this.#pick(members);
		if (!at) return;
		if (this.#partners.size >= active) this.#evict();
		this.#court(at, Want.needed, false);
	}

	// What is said.

	async #published(link: Link, f: Framed<32>): Promise<void> {
		const [, , past, author, body] = f;
		if (!this.#partners.has(link.key) && !this.#suitors.has(link.key) && !this.#gone.has(link.key)) return link.send([Tag.leave, this.#chan]);
		if (past === 1) return; // nobody asked
		const id = await idOf(f);
		const p = this.#partners.get(link.key);
		const large = body.length > floodMax;
		if (this.#seen.has(id)) {
			this.#came(id);
			if (p && large) {
				p.lazy = true;
				this.#send(link, [Tag.prune, this.#chan]);
			}
			return;
		}
		const rates = this.#authorOf(author);
		if (!this.#ratesOf(link).link.take() || !rates?.messages.fits(1) || !rates.bytes.fits(body.length)) return this.#came(id);
		if ((await work(author)) < this.node.work) throw new SeaError("bad_request", "the author's key has too little work");
		const m = await openPublish(f, this.node.network);
		// Others may have brought it meanwhile.
		if (this.#over || !this.#seen.add(id)) return;
		this.#came(id);
		if (Math.abs(Date.now() - m.iat) > maxSkew || !rates.messages.take() || !rates.bytes.take(body.length)) return;
		this.#keep(id, f);
		if (p && large) p.lazy = false;
		this.#spread(id, f, link);
		this.hearer.heard(m);
	}

	#authorOf(author: Bytes): { messages: Rate; bytes: Rate } | undefined {
		const key = toHex(author);
		let rates = this.#authors.get(key);
		if (rates) return rates;
		if (this.#authors.size >= maxAuthors) for (const [other, r] of this.#authors) if (r.messages.full && r.bytes.full) this.#authors.delete(other);
		if (this.#authors.size >= maxAuthors) return undefined;
		this.#authors.set(key, (rates = { messages: new Rate(20, 40), bytes: new Rate(64 << 10, 256 << 10) }));
		return rates;
	}

	#spread(id: string, f: Framed<32>, from: Link | undefined): void {
		for (const p of this.#partners.values()) {
			if (p.link === from) continue;
			if (p.lazy && f[4].length > floodMax) this.#send(p.link, [Tag.have, this.#chan, fromHex(id)!]);
			else this.#give(p.link, f);
		}
	}

	/** give sends a message, unless too much waits for the link. */
	#give(link: Link, f: Framed<32>): void {
		if (link.waiting + f[4].length <= maxRoom) this.#send(link, f);
	}

	#keep(id: string, f: Framed<32>): void {
		this.#store.set(id, { f, at: Date.now() });
		this.#stored += f[4].length;
		for (const [oldest, { f: old }] of this.#store) {
			if (this.#store.size <= maxStored && this.#stored <= maxStoredBytes) break;
			this.#store.delete(oldest);
			this.#stored -= old[4].length;
		}
	}

	/** since are the names of what came in the last ms, the newest first. */
	#since(ms: number): Bytes {
		const from = Date.now() - ms;
		const ids = [...this.#store].filter(([, { at }]) => at >= from).map(([id]) => id);
		return concat(...ids.reverse().slice(0, maxIDs).map((id) => fromHex(id)!));
	}

	#news(p: Partner, ids: Bytes): void {
		if (Date.now() - this.#began >= fresh) this.#have(p, ids);
	}

	#have(p: Partner, ids: Bytes): void {
		for (let i = 0; i < ids.length; i += 16) {
			const id = toHex(ids.subarray(i, i + 16));
			if (this.#seen.has(id)) continue;
			const w = this.#wanted.get(id);
			if (w) {
				if (w.namers.length < maxActive && !w.namers.includes(p.link)) w.namers.push(p.link);
				continue;
			}
			const rates = this.#ratesOf(p.link);
			if (rates.wants >= maxWanted) continue;
			rates.wants++;
			this.#wanted.set(id, { at: Date.now() + firstGraft, namers: [p.link], first: p.link });
		}
	}

	#came(id: string): void {
		const w = this.#wanted.get(id);
		if (!w) return;
		this.#wanted.delete(id);
		this.#ratesOf(w.first).wants--;
	}

	/** graft asks for what was named and did not come. */
	#graft(now: number): void {
		const asks = new Map<Partner, string[]>();
		for (const [id, w] of this.#wanted) {
			if (now < w.at) continue;
			let p: Partner | undefined;
			while (!p && w.namers.length > 0) p = this.#partners.get(w.namers.shift()!.key);
			if (!p) {
				this.#came(id);
				continue;
			}
			w.at = now + nextGraft;
			const ids = asks.get(p) ?? [];
			if (ids.length < maxIDs) ids.push(id);
			asks.set(p, ids);
		}
		for (const [p, ids] of asks) {
			p.lazy = false;
			this.#send(p.link, [Tag.graft, this.#chan, concat(...ids.map((id) => fromHex(id)!))]);
		}
	}

	#grafted(p: Partner, ids: Bytes): void {
		p.lazy = false;
		for (let i = 0; i < ids.length; i += 16) {
			const kept = this.#store.get(toHex(ids.subarray(i, i + 16)));
			if (kept && this.#ratesOf(p.link).gifts.take(kept.f[4].length)) this.#give(p.link, kept.f);
		}
	}

	#past(p: Partner, want: number): void {
		const rates = this.#ratesOf(p.link);
		if (!rates.walks.take() || want === 0) return;
		for (const { f } of [...this.#store.values()].slice(-want)) {
			if (!rates.gifts.take(f[4].length)) return;
			this.#give(p.link, [Tag.publish, f[1], 1, f[3], f[4], f[5]]);
		}
	}

	#send(link: Link, f: Frame): void {
		const p = this.#partners.get(link.key);
		if (p) p.spoke = Date.now();
		link.send(f);
	}

	#ratesOf(link: Link): Rates {
		let rates = this.#rates.get(link);
		if (!rates) this.#rates.set(link, (rates = new Rates()));
		return rates;
	}
}

function remember(list: Map<string, number>, key: string, ms: number): void {
	if (list.size >= maxRemembered) list.delete(list.keys().next().value!);
	list.set(key, Date.now() + ms);
}
