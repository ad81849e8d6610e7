// The statements of a trade: each names the one before by its hash. See
// docs/PROTOCOL.md, part 8.

import { type Bytes } from "../bytes.ts";
import { encode } from "../identity/cbor.ts";
import { type Signer } from "../identity/ed25519.ts";
import { bool, bytes, list, map, type Of, optional, read, type Shape, text, uint, version, wide } from "../identity/shape.ts";
import { SeaError } from "../error.ts";
import { Statement } from "../identity/statement.ts";
import { clean } from "../node/rpc.ts";
import { maxSum } from "./price.ts";

const maxSlots = 1024;
const maxSlowest = 1_000_000_000_000n;
const leastQuantum = 1_000_000n;

/** Form is how a statement is signed and read. */
export interface Form<T> {
	readonly purpose: string;
	readonly shape: Shape<T>;
	/** wrong says what is wrong with a body, beside its fields. */
	readonly wrong?: (v: T) => string | false;
}

/** sign makes a body signer's statement. SeaError "cbor" says what no such statement may say. */
export function sign<T extends { v: 1 }>(form: Form<T>, signer: Signer, body: Omit<T, "v">): Promise<Statement> {
	const b = encode({ v: 1, ...body });
	check(form, b);
	return Statement.sign(signer, form.purpose, b);
}

/** open verifies and reads a statement. Who signed is s.by. SeaError "signature", "key" or "cbor". */
export async function open<T>(form: Form<T>, s: Statement): Promise<T> {
	return check(form, await s.open(form.purpose));
}

function check<T>(form: Form<T>, b: Bytes): T {
	const v = read(b, form.shape, form.purpose);
	const why = form.wrong?.(v);
	if (why) throw new SeaError("cbor", `${form.purpose}: ${why}`);
	return v;
}

/** within is an integer from low to high, as a bigint. */
const within = (low: bigint, high: bigint): Shape<bigint> => (v, name) => {
	const n = wide(v, name);
	if (n < low || n > high) throw new SeaError("cbor", `${name}: ${n} is not ${low} to ${high}`);
	return n;
};

const amount = within(0n, maxSum - 1n);
const hash = bytes(32);
const slowest = optional(within(1n, maxSlowest));

const offerShape = map({
	v: version,
	/** for is the entity that asked. */
	for: hash,
	fee: amount,
	price: amount,
	/** gib is how much more 10^9 fuel cost for each GiB of memory that a job may have. */
	gib: optional(amount),
	caps: map({ fuel: wide, pages: uint(2 ** 32 - 1), output: wide, wall: wide, module: wide, input: wide }),
	slots: uint(maxSlots),
	free: uint(maxSlots),
	/** room is how much more the asker may come to owe, strangers the budget of all of them together. */
	room: amount,
	strangers: amount,
	slowest,
	labels: optional(list(text(2, 64), 16)),
	tariff: uint(),
	engine: text(0, 128),
	at: uint(),
	until: uint(),
});

/** Offer is what a seller sells, made for the one who asked. It promises nothing. */
export type Offer = Of<typeof offerShape>;

export const offer: Form<Offer> = {
	purpose: "sea/offer/1",
	shape: offerShape,
	wrong: (o) =>
		(o.free > o.slots && "more slots are free than there are") ||
		(clean(o.engine) !== o.engine && "the engine's name has control characters") ||
		(o.until < o.at && "it holds at no time") ||
		badLabels(o.labels ?? []),
};

function badLabels(labels: readonly string[]): string | false {
	const names = labels.map((l) => /^([a-z0-9._-]+)=[a-zA-Z0-9._-]*$/.exec(l)?.[1]);
	const wrong = names.some((n, i) => n === undefined || labels[i]!.endsWith("\n") || (i > 0 && n <= names[i - 1]!));
	return wrong && "labels are not sorted NAME=VALUE";
}

const askShape = map({
	v: version,
	/** offer is the hash of the offer it answers, zeros when none was seen. */
	offer: hash,
	to: hash,
	job: bytes(1, 48 << 10),
	/** credit is the most that the job may cost, price the most that 10^9 fuel may. */
	credit: amount,
	price: amount,
	/** resold is whether a result that the seller holds from before will do: a tab never says so. */
	resold: optional(bool),
	nonce: bytes(16),
});

/** Ask is a buyer's question to one seller. */
export type Ask = Of<typeof askShape>;

export const ask: Form<Ask> = { purpose: "sea/ask/1", shape: askShape };

const quoteShape = map({
	v: version,
	ask: hash,
	job: hash,
	fee: amount,
	price: amount,
	slowest,
	/** quantum is the fuel after which the seller wants the next voucher; without one the job is paid on delivery. */
	quantum: optional(within(leastQuantum, (1n << 64n) - 1n)),
	/** resold is which part of the usual price it is, in percent, for a result from before. */
	resold: optional(within(1n, 100n)),
	ceiling: amount,
	/** until is when it ends, by the seller's clock. */
	until: uint(),
});

/** Quote is a seller's word for one ask. */
export type Quote = Of<typeof quoteShape>;

export const quote: Form<Quote> = { purpose: "sea/quote/1", shape: quoteShape };

/** reason is the shape of a word. */
export const reason: Shape<string> = (v, name) => {
	const word = text(1, 32)(v, name);
	if (!/^[a-z_]+$/.test(word) || word.endsWith("\n")) throw new SeaError("cbor", `${name}: not a word of a-z and _`);
	return word;
};

const refusalShape = map({ v: version, of: hash, reason, text: text(0, 256), room: amount });

/** Refusal is a seller's no to an ask or an order. */
export type Refusal = Of<typeof refusalShape>;

export const refusal: Form<Refusal> = {
	purpose: "sea/refusal/1",
	shape: refusalShape,
	wrong: (r) => clean(r.text) !== r.text && "the text has control characters",
};

const orderShape = map({ v: version, quote: hash, at: uint() });

/** Order accepts a quote. */
export type Order = Of<typeof orderShape>;

export const order: Form<Order> = { purpose: "sea/order/1", shape: orderShape };

/** stops are the reasons for which a seller ends a guest and bills what ran. */
export const stops = ["too_slow", "no_voucher", "credit_limit", "revoked"];

const deliveryShape = map({ v: version, order: hash, receipt: hash, cost: amount, reason: optional(reason) });

/** Delivery joins an order to the engine's receipt, and is the bill. */
export type Delivery = Of<typeof deliveryShape>;

export const delivery: Form<Delivery> = {
	purpose: "sea/delivery/1",
	shape: deliveryShape,
	wrong: (d) => d.reason !== undefined && !stops.includes(d.reason) && `the job was stopped for the reason ${d.reason}`,
};

const cancelShape = map({ v: version, order: hash });

/** Cancel ends an order early. */
export type Cancel = Of<typeof cancelShape>;

export const cancel: Form<Cancel> = { purpose: "sea/cancel/1", shape: cancelShape };
