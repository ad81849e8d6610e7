// Whatever parses what others write, with vectors that were changed: the same ones in
// each run. What is not refused, by a SeaError, has one spelling.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, concat, toHex, utf8 } from "../src/bytes.ts";
import { decodeJob, encodeJob } from "../src/compute/job.ts";
import { decodeReceipt, encodeReceipt } from "../src/compute/receipt.ts";
import { decodeOutcome, encodeOutcome } from "../src/compute/result.ts";
import { SeaError } from "../src/error.ts";
import { decode, decodeExact, encode } from "../src/identity/cbor.ts";
import { openCertificate } from "../src/identity/cert.ts";
import { Pair } from "../src/identity/ed25519.ts";
import { read, type Shape } from "../src/identity/shape.ts";
import { Statement } from "../src/identity/statement.ts";
import { entry, head } from "../src/ledger/entry.ts";
import { type Layout, pack, unpack } from "../src/ledger/format.ts";
import { grant } from "../src/ledger/grant.ts";
import { release, terms, voucher } from "../src/ledger/lock.ts";
import { ack, position, push, pushed, recovery } from "../src/ledger/message.ts";
import { open } from "../src/ledger/run.ts";
import { ask, cancel, delivery, type Form, offer, order, quote, refusal } from "../src/market/statement.ts";
import { askAnswer, askRequest, cancelRequest, due, dueAnswer, follow, followRequest, get, offerAnswer, orderRequest } from "../src/market/wire.ts";
import { openContact } from "../src/node/contact.ts";
import { decodeFrame, encodeFrame, type Framed } from "../src/node/frame.ts";
import * as Tag from "../src/node/tag.ts";
import { openPublish } from "../src/node/gossip.ts";
import { readRefusal } from "../src/node/hello.ts";
import { Joiner } from "../src/node/parts.ts";
import { readReply, readRequest } from "../src/node/request.ts";
import { encodeDescription, Kind, parseDescription } from "../src/node/rtcdescription.ts";
import { hex, vectors } from "./vectors.ts";

/** draw gives numbers below n, the same in each run (mulberry32). */
function drawing(seed: number): (n: number) => number {
	return (n) => {
		seed = (seed + 0x6d2b79f5) | 0;
		let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) % n;
	};
}

// What lengths and numbers go wrong with.
const pieces = ["00", "ff", "7f", "80", "18", "1b0020000000000000", "1bffffffffffffffff", "3bffffffffffffffff", "9affffffff", "bbffffffffffffffff", "5affffffff", "7818", "f97e00", "f6", "695f5f70726f746f5f5f", "c0"];

/** changed is a vector with some changes, often with a part of another. */
function changed(draw: (n: number) => number, seeds: readonly Bytes[]): Bytes {
	let b = seeds[draw(seeds.length)]!.slice();
	for (let n = 1 + draw(3); n > 0; n--) {
		const at = draw(b.length + 1);
		const other = seeds[draw(seeds.length)]!;
		const from = draw(other.length + 1);
		const some = other.subarray(from, from + draw(40));
		const piece = hex(pieces[draw(pieces.length)]!);
		switch (draw(6)) {
			case 0:
				if (at < b.length) b[at]! ^= 1 << draw(8);
				break;
			case 1:
				b = b.slice(0, at);
				break;
			case 2:
				b = concat(b.subarray(0, at), piece, b.subarray(at));
				break;
			case 3:
				b = concat(b.subarray(0, at), piece, b.subarray(at + piece.length));
				break;
			case 4:
				b = concat(b.subarray(0, at), some, b.subarray(at + draw(2) * some.length));
				break;
			case 5:
				b = concat(b.subarray(0, at), b.subarray(at + 1 + draw(8)));
				break;
		}
	}
	return b;
}

/** plain is a value with its statements as they are encoded. */
function plain(v: unknown): unknown {
	if (v instanceof Statement) return v.value();
	if (v === null || typeof v !== "object" || v instanceof Uint8Array) return v;
	if (Array.isArray(v)) return v.map(plain);
	return Object.fromEntries(Object.entries(v).map(([name, member]) => [name, plain(member)]));
}

/** fuzz has so many changed vectors read; what again gives of one that is not refused must be it. */
async function fuzz(name: string, seeds: readonly Bytes[], again: (b: Bytes) => Bytes | undefined | Promise<Bytes | undefined>, times = 2000): Promise<void> {
	assert.ok(seeds.length > 0, name);
	for (const seed of seeds) await again(seed);
	const draw = drawing(seeds.length + name.length);
	for (let i = 0; i < times; i++) {
		const b = changed(draw, seeds);
		try {
			const spelt = await again(b);
			if (spelt) assert.equal(toHex(spelt), toHex(b), `${name}: another spelling`);
		} catch (err) {
			if (!(err instanceof SeaError)) throw new Error(`${name}: ${toHex(b)}`, { cause: err });
		}
	}
}

const market = vectors<{ purpose: string; body: string; statement: string }[]>("plugins/market/testdata/statements.json");
const bodies = (purpose: string) => market.filter((v) => v.purpose === purpose).map((v) => hex(v.body));
const statements = market.map((v) => hex(v.statement));
const said = (purpose: string) => decode(hex(market.find((v) => v.purpose === purpose)!.statement));

test("CBOR, frames and statements of any bytes", async () => {
	const { accepted } = vectors<{ accepted: { hex: string }[] }>("identity/cbor/testdata/cbor.json");
	const frames = vectors<{ hex: string }[]>("node/internal/frame/testdata/frames.json").map((v) => hex(v.hex));
	const values = [...accepted.map((v) => hex(v.hex)), ...frames, ...statements];
	await fuzz("cbor", values, (b) => encode(decodeExact(b)), 6000);
	await fuzz("frame", frames, (b) => encodeFrame(decodeFrame(b)), 6000);
	await fuzz("statement", statements, (b) => Statement.decode(b).encode());
	const joiner = new Joiner();
	await fuzz("parts", [encodeFrame([Tag.part, 0, 5, new Uint8Array(9)]), encodeFrame([Tag.part, 1, 5, new Uint8Array(9)])], (b) => {
		const f = decodeFrame(b);
		if (f[0] === Tag.part) joiner.add(f);
		return undefined;
	});
	await fuzz("refusal", [concat(new Uint8Array(1), encode([7, "no"]))], (b) => void readRefusal(b));
});

test("routed calls, records and descriptions of any bytes", async () => {
	const routed = vectors<{ kind: string; statement: string }[]>("node/internal/route/testdata/statements.json");
	const of = (kind: string) => routed.filter((v) => v.kind === kind).map((v) => hex(v.statement));
	await fuzz("request", of("request"), (b) => readRequest(b).signed.encode());
	await fuzz("reply", of("reply"), (b) => readReply(b).signed.encode());
	const offers = vectors<{ bytes: string; kind: string }[]>("node/transport/rtcnet/testdata/description.json").filter((v) => v.kind === "offer");
	await fuzz("description", offers.map((v) => hex(v.bytes)), (b) => encodeDescription(parseDescription(b, Kind.offer)));

	// What is signed is read after its signature: so they are signed.
	const pair = await Pair.generate(0);
	const signed = (name: string, purpose: string, seeds: Bytes[], look: (s: Statement) => Promise<unknown>) =>
		fuzz(name, seeds, async (b) => void (await look(await Statement.sign(pair, purpose, b))), 500);
	const contact = { v: 1, exp: 2000, iat: 1000, key: new Uint8Array(32), net: "n", caps: ["rtc"], seal: new Uint8Array(32), urls: ["wss://a"] };
	await signed("contact", "sea/contact/1", [encode(contact)], (s) => openContact(s, "n", 1500));
	const { message } = vectors<{ message: string }>("node/internal/gossip/testdata/channel.json");
	const f = decodeFrame(hex(message)) as Framed<32>;
	await signed("message", "sea/publish/1", [f[4]], (s) => openPublish([f[0], f[1], 0, s.by, s.body, s.sig], "sea"));
	const certificates = vectors<{ body: string }[]>("identity/testdata/certificates.json");
	await signed("certificate", "sea/cert/1", certificates.map((v) => hex(v.body)), openCertificate);
});

test("ledger messages of any bytes", async () => {
	const all = vectors<{ name: string; hex: string }[]>("ledger/testdata/vectors.json");
	const layouts: [string, Layout<never>][] = [
		["entry", entry as Layout<never>], ["head", head as Layout<never>], ["grant", grant as Layout<never>], ["terms of a lock", terms as Layout<never>],
		["voucher", voucher as Layout<never>], ["release", release as Layout<never>], ["recovery", recovery as Layout<never>], ["ack", ack as Layout<never>],
		["position", position as Layout<never>],
	];
	for (const [name, layout] of layouts) {
		const seeds = all.filter((v) => v.name.startsWith(name) && isOne(hex(v.hex), layout)).map((v) => hex(v.hex));
		await fuzz(name, seeds, (b) => pack(layout, unpack(b, layout, name)));
	}
	const pushes = all.filter((v) => v.name.startsWith("push")).map((v) => hex(v.hex));
	await fuzz("push", pushes, async (b) => {
		const { line, grant, runs } = unpack(b, pushed, "push");
		return pack(push, { line, grant, runs: await Promise.all(runs.map(open)) });
	});
});

function isOne(b: Bytes, layout: Layout<never>): boolean {
	try {
		unpack(b, layout, "");
		return true;
	} catch {
		return false;
	}
}

test("jobs and what the market says, of any bytes", async () => {
	const compute = vectors<{ Job?: object; Outcome?: object; CBOR: string }[]>("compute/testdata/vectors.json");
	const of = (is: (v: (typeof compute)[number]) => unknown) => compute.filter(is).map((v) => hex(v.CBOR));
	await fuzz("job", of((v) => v.Job), (b) => encodeJob(decodeJob(b)));
	await fuzz("outcome", of((v) => v.Outcome), (b) => encodeOutcome(decodeOutcome(b)));
	await fuzz("receipt", of((v) => !v.Job && !v.Outcome), (b) => encodeReceipt(decodeReceipt(b)));

	const forms = { offer, ask, quote, refusal, order, delivery, cancel } as unknown as { [name: string]: Form<unknown> };
	for (const [name, form] of Object.entries(forms)) {
		await fuzz(name, bodies(form.purpose), (b) => {
			const v = read(b, form.shape, name);
			form.wrong?.(v);
			return encode(v);
		});
	}

	const [empty, hash] = [new Uint8Array(0), new Uint8Array(32)];
	const cursor = { stdout: 0, stderr: 1, fuel: 1n << 60n, input: 0, running: true, wait: 25_000 };
	const where = {
		state: "running", fuel: 5, input: 0, stdout: utf8("out"), stderr: empty, stdout_size: 3, stderr_size: 0,
		refusal: null, receipt: null, delivery: null, outcome: empty, outcome_size: 0,
	};
	const [offered, asked, quoted, no, ordered, bill, stop] = Object.values(forms).map((form) => said(form.purpose));
	const calls: [string, Shape<unknown>, unknown[]][] = [
		["offerAnswer", offerAnswer, [{ offer: offered }]],
		["askRequest", askRequest, [{ ask: asked }]],
		["askAnswer", askAnswer, [{ quote: quoted, refusal: null }, { quote: null, refusal: no }]],
		["orderRequest", orderRequest, [{ order: ordered, quote: quoted, ask: asked, ...cursor }]],
		["followRequest", followRequest, [{ order: hash, ...cursor }, { order: hash, ...cursor, held: "seller_paused", voucher: hash }]],
		["follow", follow, [where, { ...where, state: "delivered", receipt: bill, delivery: bill, release: hash, outcome: utf8("o"), outcome_size: 1 }]],
		["cancelRequest", cancelRequest, [{ cancel: stop }]],
		["due", due, [{ order: hash }]],
		["dueAnswer", dueAnswer, [{ known: true }]],
		["get", get, [{ hash, offset: 0, size: 1 }]],
	];
	for (const [name, shape, seeds] of calls) await fuzz(name, seeds.map((v) => encode(v)), (b) => encode(plain(read(b, shape, name))));
});
