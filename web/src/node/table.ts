// The links that routing needs, and how much each is needed. See docs/PROTOCOL.md,
// part 4, "The overlay".

import { type HashAddress } from "./addr.ts";
import { type Link } from "./link.ts";

const siblings = 6;
const perBucket = 2;
const young = 15; // links, below which all are needed
const settle = 30_000; // ms, before which none is given up

/** floor is how many links are borne, however little they are needed. */
const floor = 24;

/** Table sorts a node's links. It is made for one look, and keeps nothing but what it says on the links. */
export class Table {
	/** all has the nearest first. */
	readonly all: Link[];
	/** siblings are the nearest. */
	readonly siblings: Link[];
	/** depth is the bucket of the farthest sibling, 0 while there are too few. */
	readonly depth: number;

	constructor(
		readonly self: HashAddress,
		links: Iterable<Link>,
	) {
		this.all = [...links].sort((a, b) => self.compareTo(a.addr, b.addr));
		this.siblings = this.all.slice(0, siblings);
		this.depth = this.siblings.length < siblings ? 0 : this.bucket(this.siblings.at(-1)!.addr);
	}

	/** bucket is how many leading bits an address shares with this node's. */
	bucket(a: HashAddress): number {
		return this.self.logDist(a);
	}

	/** inBucket are the links into one. */
	inBucket(bucket: number): Link[] {
		return this.all.filter((l) => this.bucket(l.addr) === bucket);
	}

	/** near tells whether an address would be a sibling's. */
	near(a: HashAddress): boolean {
		return this.siblings.length < siblings || this.self.compareTo(a, this.siblings.at(-1)!.addr) < 0;
	}

	/** wants tells whether a bucket has too few links, with those that are being made. */
	wants(bucket: number, making: number): boolean {
		return bucket <= this.depth && this.inBucket(bucket).length + making < perBucket;
	}

	/** target is an address to look for in a bucket: away from the one link there. */
	target(bucket: number): HashAddress {
		const there = this.inBucket(bucket);
		if (there.length === 1 && bucket + 1 < 224) return there[0]!.addr.flip(bucket + 1).randomise(bucket + 2);
		return this.self.flip(bucket).randomise(bucket + 1);
	}

	/** nearest are the links nearest to an address, without one. */
	nearest(to: HashAddress, not: HashAddress, most: number): Link[] {
		return this.all
			.filter((l) => !l.addr.equals(not))
			.sort((a, b) => to.compareTo(a.addr, b.addr))
			.slice(0, most);
	}

	/** weigh says how much each link is needed: 2 it is the only one of its kind or a sibling, 1 there is another, 0 not. */
	weigh(): Map<Link, number> {
		const needs = new Map<Link, number>();
		for (const bucket of new Set(this.all.map((l) => this.bucket(l.addr)))) {
			const links = this.inBucket(bucket).sort((a, b) => a.since - b.since); // the oldest, whatever their peers say
			const few = this.all.length < young || links.length === 1;
			links.forEach((l, i) => needs.set(l, few || this.siblings.includes(l) ? 2 : i < perBucket ? 1 : 0));
		}
		return needs;
	}

	/** excess are the links to give up, above floor: that nobody needs, the youngest first. */
	excess(now: number): Link[] {
		const over = this.all.length - floor;
		if (over <= 0) return [];
		return this.all
			.filter((l) => !l.busy && l.ours === 0 && l.theirs === 0 && now - l.since > settle)
			.sort((a, b) => b.since - a.since)
			.slice(0, over);
	}
}
