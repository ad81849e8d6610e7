// Finding sellers, and asking them. See docs/PROTOCOL.md, part 8, "Finding".

import { type Bytes, compare } from "../bytes.ts";
import { encodeJob, type Job } from "../compute/job.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { type Signer } from "../identity/ed25519.ts";
import { read } from "../identity/shape.ts";
import { type Statement } from "../identity/statement.ts";
import { HashAddress } from "../node/addr.ts";
import { type Link } from "../node/link.ts";
import { costOf, covers, least, type Price, withMemory } from "./price.ts";
import { Refused } from "./reason.ts";
import { hashOf, jobFor, type Spec } from "./spec.ts";
import { ask as askForm, type Offer, offer as offerForm, open, type Quote, quote as quoteForm, refusal, sign } from "./statement.ts";
import { askAnswer, offerAnswer } from "./wire.ts";
import * as Scope from "./scope.ts";

// The times, ms, and bounds of finding.
const offerTime = 10_000;
const afterFirst = 300;
const askTime = 20_000;
const lookups = 20;
const askAtOnce = 8;

// What of the fuel that the cap covers is worth asking for when the seller lends less.
const leastPart = 100n;

/** Market is the node that sellers are asked through. */
export interface Asking {
	readonly addr: HashAddress;
	readonly signer: Signer;
	links(): Iterable<Link>;
	nearest(to: HashAddress): Promise<HashAddress>;
	call(to: HashAddress, scope: string, body: Bytes, signal?: AbortSignal): Promise<Bytes>;
}

/** Known is a seller with its offer. */
export interface Known {
	readonly at: HashAddress;
	readonly seller: Bytes;
	readonly offer: Offer;
	readonly hash: Bytes;
}

/** Quoted is a quote that fits the buyer's caps. */
export interface Quoted extends Known {
	readonly ask: Statement;
	readonly quoted: Statement;
	readonly quote: Quote;
	readonly job: Job;
}

/** findSellers asks for offers: of those that are named, else of the nodes that this one is linked to, and when none of them sells of nodes all over the sea. */
export async function findSellers(node: Asking, to: HashAddress[] | undefined): Promise<Known[]> {
	if (to) return offersOf(node, to);
	const near = await offersOf(node, [...node.links()].map((l) => l.addr));
	if (near.length > 0) return near;
	const targets = [node.addr, ...Array.from({ length: lookups }, () => node.addr.randomise(0))];
	const found = await Promise.all(targets.map((t) => node.nearest(t).catch(() => node.addr)));
	return offersOf(node, found);
}

/** offersOf waits a while after the first offer for the others. */
async function offersOf(node: Asking, where: HashAddress[]): Promise<Known[]> {
	const once = new Map(where.map((a) => [a.toString(), a]));
	once.delete(node.addr.toString());
	const all: Known[] = [];
	await new Promise<void>((resolve) => {
		let open = once.size;
		if (open === 0) resolve();
		for (const at of once.values()) {
			void offerOf(node, at)
				.then((k) => {
					all.push(k);
					setTimeout(resolve, afterFirst);
				})
				.catch(() => {}) // it does not sell, or not to us
				.finally(() => --open === 0 && resolve());
		}
	});
	return all.slice();
}

async function offerOf(node: Asking, at: HashAddress): Promise<Known> {
	const b = await node.call(at, Scope.offer, encode({}), AbortSignal.timeout(offerTime));
	const said = read(b, offerAnswer, "offer").offer;
	if (!(await HashAddress.ofNode(said.by)).equals(at)) throw new SeaError("refused", "the offer is another's");
	return { at, seller: said.by, offer: await open(offerForm, said), hash: await said.hash(offerForm.purpose) };
}

/** quotesOf asks the cheapest sellers, and gives their quotes with the cheapest first and what the others said. */
export async function quotesOf(node: Asking, s: Spec, sellers: Known[], left: bigint): Promise<{ quotes: Quoted[]; refused: Refused[] }> {
	const ranked = sort(sellers, (k) => priceFor(s, k.offer));
	const quotes: Quoted[] = [];
	const refused: Refused[] = [];
	for (let i = 0; i < ranked.length && quotes.length === 0; i += askAtOnce) {
		const asked = ranked.slice(i, i + askAtOnce).map((k) => askSeller(node, s, k, left).then((q) => void quotes.push(q), (err: unknown) => void refused.push(refusedOf(err))));
		await Promise.all(asked);
	}
	return { quotes: sort(quotes, (q) => q.quote), refused };
}

const priceFor = (s: Spec, o: Offer): Price => withMemory(o, o.gib ?? 0n, s.job.limits.memory_pages);

/** sort has the cheapest first; at one price chance decides. */
function sort<T>(all: T[], price: (v: T) => Price): T[] {
	const drawn = all.map((v) => ({ v, p: price(v), by: Math.random() }));
	const order = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0);
	return drawn.sort((a, b) => order(a.p.price, b.p.price) || order(a.p.fee, b.p.fee) || a.by - b.by).map(({ v }) => v);
}

export function refusedOf(err: unknown): Refused {
	if (err instanceof Refused) return err;
	if (!(err instanceof SeaError)) return new Refused("internal", String(err));
	return new Refused(err.code === "busy" ? "busy" : ["cbor", "signature", "key", "invalid"].includes(err.code) ? "bad_statement" : "unreachable", err.message);
}

/** askSeller gets one seller's quote, once more when it lends less than its offer said. */
async function askSeller(node: Asking, s: Spec, k: Known, left: bigint): Promise<Quoted> {
	try {
		return await askOnce(node, s, k, left);
	} catch (err) {
		if (!(err instanceof Lends) || s.fuel > 0n) throw err;
		return askOnce(node, s, { ...k, offer: { ...k.offer, room: err.room } }, left);
	}
}

/** Lends is a refusal that tells how much more the buyer may owe. */
class Lends extends Refused {
	constructor(
		text: string,
		readonly room: bigint,
	) {
		super("refused_credit", text);
	}
}

async function askOnce(node: Asking, s: Spec, k: Known, left: bigint): Promise<Quoted> {
	const job = jobFor(s, fuelFor(s, k.offer, left));
	within(job, k.offer);
	const ask = await sign(askForm, node.signer, {
		offer: k.hash, to: k.seller, job: encodeJob(job), credit: left, price: s.maxPrice, nonce: crypto.getRandomValues(new Uint8Array(16)),
	});
	const answer = read(await node.call(k.at, Scope.ask, encode({ ask: ask.value() }), AbortSignal.timeout(askTime)), askAnswer, "answer");
	const asked = await ask.hash(askForm.purpose);
	const by = answer.quote ?? answer.refusal;
	if (!by || (answer.quote && answer.refusal) || compare(by.by, k.seller) !== 0) throw new Refused("bad_statement", "the seller answered neither yes nor no");
	if (answer.refusal) {
		const no = await open(refusal, answer.refusal);
		if (compare(no.of, asked) !== 0) throw new Refused("bad_statement", "the refusal is not of what was asked");
		throw no.reason === "refused_credit" ? new Lends(no.text, no.room) : new Refused(no.reason, no.text);
	}
	const quote = await open(quoteForm, by);
	const fits = compare(quote.ask, asked) === 0 && compare(quote.job, await hashOf(job)) === 0;
	if (!fits || quote.resold || quote.ceiling !== costOf(quote, job.limits.fuel)) throw new Refused("bad_statement", "the quote is not for what was asked");
	if (quote.ceiling > left || quote.price > s.maxPrice) throw new Refused("refused_price", "the quote is above what was allowed");
	return { ...k, ask, quoted: by, quote, job };
}

/** fuelFor is the fuel to ask a seller for: what was wished, or as much as the cap covers, the seller lends and takes. */
function fuelFor(s: Spec, o: Offer, left: bigint): bigint {
	const p = priceFor(s, o);
	if (p.price > s.maxPrice) throw new Refused("refused_price", `it asks ${p.price} micro-credits per Gfuel, the cap is ${s.maxPrice}`);
	if (s.fuel > 0n) {
		if ((costOf(p, s.fuel) ?? left + 1n) > left) throw new Refused("refused_price", `${s.fuel} fuel would cost more than ${left} micro-credits`);
		return s.fuel;
	}
	const full = covers(p, left, 1n << 62n);
	if (full === 0n) throw new Refused("refused_price", `the fee is ${p.fee} micro-credits, the cap is ${left}`);
	const lent = covers(p, least(left, o.room), full);
	if (lent === 0n || lent < full / leastPart) throw new Refused("refused_credit", `it lets us owe ${o.room} micro-credits more`);
	return least(lent, o.caps.fuel);
}

/** within throws Refused for a job that is above a seller's caps. */
function within(job: Job, { caps }: Offer): void {
	const { limits } = job;
	const input = job.files.reduce((sum, f) => sum + f.size, job.stdin.size);
	const wrong = [
		["fuel", limits.fuel, caps.fuel], ["memory", limits.memory_pages, caps.pages], ["output", limits.output_bytes, caps.output],
		["wall_time", limits.wall_ms, caps.wall], ["module_too_large", job.module_size, caps.module], ["input_too_large", input, caps.input],
	] as const;
	for (const [reason, want, most] of wrong) if (BigInt(want) > BigInt(most)) throw new Refused(reason, `${want} is more than the seller's ${most}`);
}
