// What an entity said: bytes that it signed for a purpose. See docs/PROTOCOL.md,
// part 1.

import { type Bytes, concat, sha256, utf8 } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode, type Value } from "./cbor.ts";
import { checkKey, keySize, type Signer, signatureSize, verify } from "./ed25519.ts";
import { bytes, read, type Shape, tuple } from "./shape.ts";

/** maxBody is the longest body of a statement, in bytes. */
export const maxBody = 1 << 20;

function input(purpose: string, body: Uint8Array): Bytes {
	if (!/^[a-z0-9/:._-]{1,64}$/.test(purpose)) {
		throw new SeaError("purpose", `bad purpose ${JSON.stringify(purpose.slice(0, 80))}`);
	}
	if (body.length > maxBody) throw new SeaError("length", `a statement's body has more than ${maxBody} bytes`);
	return concat(utf8(purpose), new Uint8Array(1), body);
}

const parts = tuple(bytes(keySize), bytes(0, maxBody), bytes(signatureSize));

/**
 * Statement is who said what. The body is kept as the bytes that came, and is
 * looked at only through open, which verifies it.
 */
export class Statement {
	constructor(
		/** by is the signer's key. */
		readonly by: Bytes,
		/** body is what was signed, not verified yet. */
		readonly body: Bytes,
		readonly sig: Bytes,
	) {}

	/** sign makes signer's statement. SeaError "purpose" or "length". */
	static async sign(signer: Signer, purpose: string, body: Bytes): Promise<Statement> {
		const said = input(purpose, body);
		// A verifiable draw hashes points of 32 bytes as signatures hash what is signed.
		if (said.length === 32) throw new SeaError("length", "a statement of 32 bytes, purpose included, is not signed");
		return new Statement(signer.key, body, await signer.sign(said));
	}

	/** decode reads what encode wrote. It checks the form and the key, not the signature. */
	static decode(b: Uint8Array): Statement {
		return read(b, statement, "statement");
	}

	/** open gives the body when the signature holds for purpose, else SeaError "signature" or "key". */
	async open(purpose: string): Promise<Bytes> {
		if (!(await verify(this.by, input(purpose, this.body), this.sig))) {
			throw new SeaError("signature", `${purpose}: the signature does not hold`);
		}
		return this.body;
	}

	/** hash names the statement by who said what for what; the signature is left out. */
	hash(purpose: string): Promise<Bytes> {
		return sha256(utf8("sea:statement:1"), this.by, input(purpose, this.body));
	}

	/** value is the array [by, body, sig], to stand inside other messages. */
	value(): Value {
		return [this.by, this.body, this.sig];
	}

	/** encode gives the array's CBOR. */
	encode(): Bytes {
		return encode(this.value());
	}
}

/** statement is the shape of a statement: its form and its key, not its signature. */
export const statement: Shape<Statement> = (v, name) => {
	const [by, body, sig] = parts(v, name);
	checkKey(by);
	return new Statement(by, body, sig);
};
