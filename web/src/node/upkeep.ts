// Upkeep keeps the links that routing needs: the nearest nodes, and two into each
// bucket. See docs/PROTOCOL.md, part 4, "The overlay".

import { type Bytes, none } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { bytesOf, HashAddress, joined, split } from "./addr.ts";
import { about, any, shuffle } from "./chance.ts";
import * as Reason from "./reason.ts";
import * as Tag from "./tag.ts";
import { type Link } from "./link.ts";
import { Table } from "./table.ts";

// The times, ms, and bounds of upkeep.
const askEvery = 30_000;
const askSiblings = 2;
const fillEvery = 10_000;
const fillYoung = 1000;
const youngFor = 30_000;
const selfFirst = 5000;
const selfLast = 240_000;
const rejoinEvery = 600_000;
const missFirst = 30_000;
const missLast = 600_000;
const maxMissed = 256;
const maxLinking = 4;
const maxLooks = 2;
const maxTold = 8;
const jump = 20_000;
const doubtFor = 5000;
const sayLess = 20_000;
const nearWait = 5000;

/** Keeping is the node whose links are kept. */
export interface Keeping {
	readonly addr: HashAddress;
	links(): Iterable<Link>;
	link(a: HashAddress): Link | undefined;
	/** linkTo makes a link, through a neighbour that may know the node. */
	linkTo(to: HashAddress, first: Link | undefined): Promise<Link>;
	/** nearestTo finds the other node nearest to an address, beginning at a neighbour. */
	nearestTo(to: HashAddress, first: Link | undefined): Promise<HashAddress>;
	/** rejoin has lost bootstraps dialled. */
	rejoin(): void;
}

/** Upkeep is one node's. tick is called each second. */
export class Upkeep {
	#now = Date.now();
	#joined = 0;
	#askAt = 0;
	#fillAt = 0;
	#selfAt = 0;
	#selfIn = selfFirst;
	#rejoinAt = Date.now() + rejoinEvery;
	#looks = 0;
	readonly #linking = new Map<string, HashAddress>();
	readonly #missed = new Map<string, { until: number; pause: number }>();
	readonly #said = new WeakMap<Link, { need: number; since: number }>();

	constructor(readonly node: Keeping) {}

	table(): Table {
		return new Table(this.node.addr, this.node.links());
	}

	/** up takes a new link in. */
	up(link: Link): void {
		this.#missed.delete(link.key);
		const table = this.table();
		if (table.all.length === 1) {
			this.#joined = this.#now = Date.now();
			this.enter(link);
		}
		if (table.siblings.includes(link)) void this.#ask(link);
		this.#fillAt = Math.min(this.#fillAt, Date.now() + fillYoung);
		this.#weigh(table);
	}

	/** down looks for another in a link's place soon. */
	down(): void {
		const soon = Date.now() + 500 + Math.random() * 1000; // not all at once
		this.#askAt = Math.min(this.#askAt, soon);
		this.#fillAt = Math.min(this.#fillAt, soon);
	}

	/** enter looks this node up through a neighbour, often a bootstrap. */
	enter(link: Link): void {
		this.#selfIn = selfFirst;
		this.#selfAt = Date.now() + selfFirst;
		void this.#lookSelf(link);
	}

	/** tick does what is due. */
	tick(): void {
		const now = Date.now();
		const slept = Math.abs(now - this.#now) > jump;
		this.#now = now;
		const table = this.table();
		if (table.all.length === 0) return this.node.rejoin();
		if (slept) {
			// Nobody knows which links live.
			for (const link of table.all) void this.doubt(link, 3000);
			this.#missed.clear();
			this.#joined = now;
			this.#rejoinAt = now + 3000;
		}
		for (const link of table.all) this.#watch(link, now, table);
		if (now >= this.#askAt) {
			this.#askAt = now + about(askEvery);
			for (const link of shuffle(table.siblings).slice(0, askSiblings)) void this.#ask(link);
		}
		if (now >= this.#selfAt) {
			this.#selfIn = Math.min(2 * this.#selfIn, selfLast);
			this.#selfAt = now + about(this.#selfIn);
			void this.#lookSelf(any(table.all.slice(table.all.length >> 1))!);
		}
		if (now >= this.#fillAt) this.#fill(table, now);
		if (now >= this.#rejoinAt) {
			this.#rejoinAt = now + about(rejoinEvery);
			this.node.rejoin();
		}
		this.#weigh(table);
		for (const link of table.excess(now)) link.end(Reason.unwanted);
	}

	/** doubt ends a link that gives no sign of life in time. */
	async doubt(link: Link, wait = doubtFor): Promise<void> {
		const before = link.heard;
		await link.ping(wait).catch(() => {
			if (link.heard === before) link.end(Reason.silent);
		});
	}

	/** near answers a neighbour: who is near to it, or to an address. */
	near(link: Link, body: Bytes): Bytes {
		const to = body.length > 0 ? HashAddress.from(body) : link.addr;
		return joined(this.table().nearest(to, link.addr, maxTold).map((l) => l.addr));
	}

	/** watch pings a silent link, and gives it up. One that is used is watched closely, one that is not needed hardly. */
	#watch(link: Link, now: number, table: Table): void {
		const [idle, dead] = link.busy ? [7000, 15_000] : link.ours >= 2 ? [20_000, 28_000] : [55_000, 120_000];
		const silent = now - link.heard;
		if (silent > dead) return link.end(Reason.silent);
		if (silent < idle || silent - idle > 1500) return;
		if (table.siblings.includes(link)) void this.#ask(link);
		else void link.ping().catch(() => {});
	}

	#weigh(table: Table): void {
		const now = Date.now();
		for (const [link, need] of table.weigh()) {
			link.ours = need;
			const said = this.#said.get(link) ?? { need: 2, since: now };
			// That it is needed less is told when it was so for a while.
			if (need === said.need) said.since = now;
			else if (need > said.need || now - said.since > sayLess) {
				link.send([Tag.need, need]);
				said.need = need;
			}
			this.#said.set(link, said);
		}
	}

	/** ask asks a neighbour who is near to this node. */
	async #ask(link: Link): Promise<void> {
		const began = performance.now();
		try {
			const near = await this.#nearOf(link);
			link.measured(performance.now() - began);
			const table = this.table();
			for (const a of near) {
				const bucket = table.bucket(a);
				if (table.near(a) || table.wants(bucket, this.#making(bucket))) void this.#link(a, link);
			}
		} catch {
			if (!link.alive.aborted) void link.ping().catch(() => {}); // who does not serve this may live all the same
		}
	}

	async #nearOf(link: Link, to?: HashAddress): Promise<HashAddress[]> {
		const b = await link.call("sea:near", to ? bytesOf(to) : none, AbortSignal.timeout(nearWait));
		if (b.length % 28 || b.length > 28 * maxTold) {
			const err = new SeaError("bad_request", "sea:near: an answer of the wrong length");
			link.strike(String(err));
			throw err;
		}
		return split(b);
	}

	async #lookSelf(first: Link): Promise<void> {
		try {
			const found = await this.node.nearestTo(this.node.addr, first);
			if (this.node.link(found) || !this.table().near(found)) return;
			this.#selfIn = selfFirst;
			await this.#link(found, first);
		} catch {
			// Looked for again.
		}
	}

	/** fill looks for nodes in buckets with too few links, shallow ones first. */
	#fill(table: Table, now: number): void {
		this.#fillAt = now + about(now - this.#joined < youngFor ? fillYoung : fillEvery);
		for (let bucket = 0; bucket <= table.depth && this.#looks < maxLooks; bucket++) {
			const pause = this.#missed.get(`bucket ${bucket}`);
			if (table.wants(bucket, this.#making(bucket)) && !(pause && now < pause.until)) {
				this.#looks++;
				void this.#fillOne(table, bucket).finally(() => this.#looks--);
			}
		}
	}

	async #fillOne(table: Table, bucket: number): Promise<void> {
		// A neighbour that is deeper has the bucket as one of its own too.
		const deeper = table.all.filter((l) => table.bucket(l.addr) > bucket);
		const first = any(deeper.length > 0 ? deeper : table.all)!;
		const target = table.target(bucket);
		try {
			const named = (await this.#nearOf(first, target)).filter((a) => table.bucket(a) === bucket && !this.node.link(a) && !this.#isMissed(a));
			const to = named[0] ?? (await this.node.nearestTo(target, first));
			if (table.bucket(to) === bucket && !this.node.link(to)) return await this.#link(to, first);
			this.#miss(`bucket ${bucket}`, fillEvery, selfLast);
		} catch {
			// Looked for again.
		}
	}

	#making(bucket: number): number {
		return [...this.#linking.values()].filter((a) => this.node.addr.logDist(a) === bucket).length;
	}

	#isMissed(a: HashAddress): boolean {
		return Date.now() < (this.#missed.get(a.toString())?.until ?? 0);
	}

	async #link(to: HashAddress, first: Link): Promise<void> {
		const key = to.toString();
		if (to.equals(this.node.addr) || this.node.link(to) || this.#linking.has(key) || this.#linking.size >= maxLinking || this.#isMissed(to)) return;
		this.#linking.set(key, to);
		try {
			await this.node.linkTo(to, first);
		} catch {
			this.#miss(key, missFirst, missLast);
		} finally {
			this.#linking.delete(key);
		}
	}

	/** miss lets a node or bucket be for a while, twice as long each time. */
	#miss(key: string, first: number, last: number): void {
		const now = Date.now();
		if (this.#missed.size >= maxMissed) for (const [other, { until }] of this.#missed) if (until < now) this.#missed.delete(other);
		if (this.#missed.size >= maxMissed) return;
		const pause = Math.min(Math.max(2 * (this.#missed.get(key)?.pause ?? 0), first), last);
		this.#missed.set(key, { until: now + pause, pause });
	}
}
