// Sealed calls: nobody on the way reads what is asked. HPKE (RFC 9180) in base
// mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. See
// docs/PROTOCOL.md, part 4.

import { type Bytes, concat, draw, none, utf8 } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { bytes, orNull, read, text, tuple, uint } from "../identity/shape.ts";
import { statement, type Statement } from "../identity/statement.ts";
import { isScope } from "./frame.ts";
import { agree, Cipher, hmac, type KeyPair, newKeyPair, tagSize } from "./noise.ts";
import { type Request } from "./request.ts";
import { type Outcome } from "./rpc.ts";

/** maxRouted is the largest body of a routed call or its answer, in bytes. */
export const maxRouted = 64 << 10;

const kem = concat(utf8("KEM"), Uint8Array.of(0, 0x20));
const suite = concat(utf8("HPKE"), Uint8Array.of(0, 0x20, 0, 1, 0, 2));

const inside = tuple(text(1, 64), bytes(0, maxRouted), orNull(statement));
const outcome = tuple(uint(2 ** 32 - 1), text(0, 256), bytes(0, maxRouted));

/** Call is what is asked: a scope, a body of at most maxRouted bytes, and by whom the source may act. */
export interface Call {
	readonly scope: string;
	readonly body: Bytes;
	readonly certificate: Statement | null;
}

/** Bound are the members of a request that a sealed call opens in, and in no other. */
export type Bound = Pick<Request, "net" | "source" | "to" | "id" | "iat" | "exp">;

const bound = (r: Bound) => encode([r.net, r.source, r.to.getArrayBuffer(), r.id, r.iat, r.exp]);

/** sealCall gives a request's body for the node with the sealing key to, and what opens the answer. */
export async function sealCall(to: Bytes, r: Bound, call: Call): Promise<{ body: Bytes; answers: Answers }> {
	if (call.body.length > maxRouted) throw new SeaError("too_large", `a body of ${call.body.length} bytes, a routed one at most ${maxRouted}`);
	const mine = await newKeyPair();
	const context = await schedule(await agree(mine.secret, to), mine.public, to);
	const plain = encode([call.scope, call.body, call.certificate?.value() ?? null]);
	return { body: concat(mine.public, await context.cipher.seal(context.nonce, plain, bound(r))), answers: context.answers };
}

/**
 * openCall opens what was sealed to keys. It rejects with SeaError "expired" when
 * it was sealed to others. What opens and is no call gives only answers.
 */
export async function openCall(keys: KeyPair, r: Bound & { body: Bytes }): Promise<{ call?: Call; answers: Answers }> {
	let plain: Bytes;
	let context;
	try {
		const enc = r.body.slice(0, 32);
		context = await schedule(await agree(keys.secret, enc), enc, keys.public);
		plain = await context.cipher.open(context.nonce, r.body.subarray(32), bound(r));
	} catch {
		throw new SeaError("expired", "the call does not open: it was sealed to a key of an earlier run");
	}
	const { answers } = context;
	try {
		const [scope, body, certificate] = read(plain, inside, "sealed call");
		if (!isScope(scope) || (certificate && certificate.body.length > 1024)) return { answers };
		return { call: { scope, body, certificate }, answers };
	} catch {
		return { answers };
	}
}

/** Answers seals or opens the answer to one sealed call. */
export class Answers {
	constructor(readonly cipher: Cipher) {}

	/** seal closes an answer to the request with this hash. */
	async seal(request: Bytes, o: Outcome): Promise<Bytes> {
		const nonce = draw(12);
		return concat(nonce, await this.cipher.seal(nonce, encode([o.code, o.text, o.body]), request));
	}

	/** open rejects with SeaError "bad_request" when it is none. */
	async open(request: Bytes, body: Bytes): Promise<Outcome> {
		try {
			const plain = await this.cipher.open(body.slice(0, 12), body.subarray(12), request);
			const [code, said, answer] = read(plain, outcome, "sealed answer");
			return { code, text: said, body: answer };
		} catch {
			throw new SeaError("bad_request", `the answer does not open (${body.length - 12 - tagSize} bytes)`);
		}
	}
}

/** schedule is RFC 9180 §5.1 in base mode, after §4.1 has agreed on dh. */
async function schedule(dh: Bytes, enc: Bytes, to: Bytes) {
	const prk = await extract(kem, none, "eae_prk", dh);
	const shared = await expand(kem, prk, "shared_secret", concat(enc, to), 32);
	const context = concat(
		new Uint8Array(1), await extract(suite, none, "psk_id_hash", none), await extract(suite, none, "info_hash", utf8("sea/seal/1")),
	);
	const secret = await extract(suite, shared, "secret", none);
	const exporter = await expand(suite, secret, "exp", context, 32);
	return {
		cipher: await Cipher.of(await expand(suite, secret, "key", context, 32)),
		nonce: await expand(suite, secret, "base_nonce", context, 12),
		answers: new Answers(await Cipher.of(await expand(suite, exporter, "sec", utf8("sea/unseal/1"), 32))),
	};
}

const extract = (id: Bytes, salt: Bytes, label: string, input: Bytes) => hmac(salt, utf8("HPKE-v1"), id, utf8(label), input);

/** expand makes at most 32 bytes. */
async function expand(id: Bytes, prk: Bytes, label: string, info: Bytes, n: number): Promise<Bytes> {
	const made = await hmac(prk, Uint8Array.of(0, n), utf8("HPKE-v1"), id, utf8(label), info, Uint8Array.of(1));
	return made.slice(0, n);
}
