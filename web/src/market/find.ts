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
import { type Candidate, prefer, rank } from "./pick.ts";
import { costOf, covers, gfuel, least, maxSum, type Price, withMemory } from "./price.ts";
import { Refused } from "./reason.ts";
import { hashOf, jobFor, type Spec } from "./spec.ts";
import { ask as askForm, type Offer, offer as offerForm, open, type Quote, quote as quoteForm, refusal, sign } from "./statement.ts";
import { askAnswer, offerAnswer } from "./wire.ts";
import * as Scope from "./scope.ts";

// The times, ms, and bounds of finding.
const offerTime = 10_000;
const firstOffers = 300;
const askTime = 20_000;
const firstQuotes = 200;
const newcomersQuote = 600; // who is not linked takes longer to answer
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
export interface Known extends Candidate {
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

/** Wanted says whom to ask for offers. */
export interface Wanted {
	/** to are the only ones, when there are any. */
	readonly to: readonly HashAddress[] | undefined;
	/** known are entities of sellers that did well. */
	readonly known: readonly Bytes[];
	/** newcomer tells that others are wanted too. */
	readonly newcomer: boolean;
}

/**
 * findSellers asks for offers: of those that are named, else of the nodes that this one
 * is linked to and of those it knows, and of nodes all over the sea when none of them
 * sells or it is a newcomer's turn.
 */
export async function findSellers(node: Asking, { to, known, newcomer }: Wanted): Promise<Known[]> {
	if (to) return offersOf(node, to, offerTime);
	const near = [...[...node.links()].map((l) => l.addr), ...(await Promise.all(known.map((k) => HashAddress.ofNode(k))))];
	const sellers = newcomer ? [] : await offersOf(node, near, firstOffers);
	if (sellers.length > 0) return sellers;
	const targets = [node.addr, ...Array.from({ length: lookups }, () => node.addr.randomise(0))];
	const found = await Promise.all(targets.map((t) => node.nearest(t).catch(() => node.addr)));
	return offersOf(node, newcomer ? [...near, ...found] : found, firstOffers);
}

/** offersOf waits a while after the first offer for the others. */
async function offersOf(node: Asking, where: readonly HashAddress[], wait: number): Promise<Known[]> {
	const once = new Map(where.map((a) => [a.toString(), a]));
	once.delete(node.addr.toString());
	return (await gather([...once.values()].map((at) => offerOf(node, at)), wait)).got; // the others do not sell, or not to us
}

/** gather waits for all; once there is one, for the others no longer than wait, ms. */
function gather<T>(all: readonly Promise<T>[], wait: number): Promise<{ got: T[]; failed: unknown[] }> {
	const got: T[] = [];
	const failed: unknown[] = [];
	return new Promise((resolve) => {
		let open = all.length;
		const end = () => resolve({ got: [...got], failed: [...failed] });
		if (open === 0) end();
		for (const one of all) {
			void one
				.then((v) => got.push(v) > 1 || setTimeout(end, wait), (err: unknown) => failed.push(err))
				.finally(() => --open === 0 && end());
		}
	});
}

async function offerOf(node: Asking, at: HashAddress): Promise<Known> {
	const b = await node.call(at, Scope.offer, encode({}), AbortSignal.timeout(offerTime));
	const said = read(b, offerAnswer, "offer").offer;
	if (!(await HashAddress.ofNode(said.by)).equals(at)) throw new SeaError("refused", "the offer is another's");
	const offer = await open(offerForm, said);
	if (compare(offer.for, node.signer.key) !== 0) throw new SeaError("refused", "the offer is for somebody else");
	return { at, seller: said.by, offer, hash: await said.hash(offerForm.purpose), free: offer.free, dealt: undefined };
}

/** quotesOf asks sellers in their order until some quote, and gives the quotes with the best first and what the others said. */
export async function quotesOf(node: Asking, s: Spec, sellers: readonly Known[], newcomer: boolean, left: bigint): Promise<{ quotes: Quoted[]; refused: Refused[] }> {
	const now = Date.now();
	const cost = (p: Price) => costOf(p, s.fuel || gfuel) ?? maxSum;
	const ranked = rank(shuffled(sellers), (k) => cost(priceFor(s, k.offer)), newcomer, now);
	const quotes: Quoted[] = [];
	const refused: Refused[] = [];
	for (let i = 0; i < ranked.length && quotes.length === 0; i += askAtOnce) {
		const asked = ranked.slice(i, i + askAtOnce);
		const { got, failed } = await gather(asked.map((k) => askSeller(node, s, k, left)), asked.some((k) => k.turn) ? newcomersQuote : firstQuotes);
		quotes.push(...got);
		refused.push(...failed.map(refusedOf));
	}
	return { quotes: quotes.sort((a, b) => prefer(a, b, cost(a.quote), cost(b.quote), now)), refused };
}

const priceFor = (s: Spec, o: Offer): Price => withMemory(o, o.gib ?? 0n, s.job.limits.memory_pages);

/** shuffled has all in an order that chance decides. */
function shuffled<T>(all: readonly T[]): T[] {
	const drawn = all.map((v) => ({ v, by: Math.random() }));
	return drawn.sort((a, b) => a.by - b.by).map(({ v }) => v);
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
