// Noise_XX_25519_AESGCM_SHA256, the Noise specification's revision 34, and the
// parts that HPKE needs too: X25519, HKDF and AES-256-GCM by WebCrypto.

import { type Bytes, concat, none, sha256, utf8 } from "../bytes.ts";

/** tagSize is how many bytes AES-GCM adds. */
export const tagSize = 16;

/** KeyPair is an X25519 key pair. */
export interface KeyPair {
	readonly public: Bytes;
	readonly secret: CryptoKey;
}

/** newKeyPair draws one whose secret cannot be read. */
export async function newKeyPair(): Promise<KeyPair> {
	const made = (await crypto.subtle.generateKey("X25519", false, ["deriveBits"])) as CryptoKeyPair;
	return { public: new Uint8Array(await crypto.subtle.exportKey("raw", made.publicKey)), secret: made.privateKey };
}

/** agree is X25519 (RFC 7748 §6.1). It rejects when the result is all zeros. */
export async function agree(mine: CryptoKey, theirs: Bytes): Promise<Bytes> {
	const key = await crypto.subtle.importKey("raw", theirs, "X25519", false, []);
	const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: key }, mine, 256));
	if (shared.every((x) => x === 0)) throw new Error("an X25519 key of small order");
	return shared;
}

/** hmac is HMAC-SHA-256 of the pieces. */
export async function hmac(key: Bytes, ...pieces: Uint8Array[]): Promise<Bytes> {
	// WebCrypto takes no empty key; it means the same as zeros.
	const made = await crypto.subtle.importKey("raw", key.length ? key : new Uint8Array(32), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
	return new Uint8Array(await crypto.subtle.sign("HMAC", made, concat(...pieces)));
}

/** Cipher is AES-256-GCM under one key. */
export class Cipher {
	private constructor(readonly key: CryptoKey) {}

	/** of is the cipher with a key of 32 bytes. */
	static async of(key: Bytes): Promise<Cipher> {
		return new Cipher(await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]));
	}

	/** seal encrypts; nonce has 12 bytes and is never used twice. */
	async seal(nonce: Bytes, plain: Uint8Array, data: Bytes): Promise<Bytes> {
		return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: data }, this.key, plain as Bytes));
	}

	/** open decrypts, or rejects. */
	async open(nonce: Bytes, closed: Uint8Array, data: Bytes): Promise<Bytes> {
		return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce, additionalData: data }, this.key, closed as Bytes));
	}
}

/** nonceOf is 4 zero bytes and a count, big-endian; bit 63 marks the second lane. */
export function nonceOf(n: number, bulk = false): Bytes {
	const b = new Uint8Array(12);
	const view = new DataView(b.buffer);
	view.setUint32(4, Math.floor(n / 2 ** 32) + (bulk ? 2 ** 31 : 0));
	view.setUint32(8, n % 2 ** 32);
	return b;
}

/** Handshake is one side of a Noise XX handshake; its messages are written and read in turn. */
export class Handshake {
	#h: Bytes;
	#ck: Bytes;
	#cipher: Cipher | undefined;
	#n = 0;
	#theirEphemeral: Bytes = none;
	#step = 0; // messages so far

	/** theirs is the other side's static key, once it has come. */
	theirs: Bytes = none;

	private constructor(
		h: Bytes,
		readonly initiator: boolean,
		readonly mine: KeyPair,
		readonly ephemeral: KeyPair,
	) {
		this.#h = this.#ck = h;
	}

	/** begin starts a handshake. ephemeral is drawn, but for tests. */
	static async begin(initiator: boolean, prologue: Bytes, mine: KeyPair, ephemeral?: KeyPair): Promise<Handshake> {
		const name = utf8("Noise_XX_25519_AESGCM_SHA256"); // 28 bytes: padded with zeros to 32
		const made = new Handshake(concat(name, new Uint8Array(32 - name.length)), initiator, mine, ephemeral ?? (await newKeyPair()));
		await made.#mixHash(prologue);
		return made;
	}

	/** write makes this side's next message. */
	async write(payload: Bytes): Promise<Bytes> {
		const pieces: Bytes[] = [];
		if (this.#step < 2) {
			await this.#mixHash(this.ephemeral.public);
			pieces.push(this.ephemeral.public);
		}
		if (this.#step === 1) await this.#mixKey(this.ephemeral.secret, this.#theirEphemeral); // ee
		if (this.#step > 0) {
			pieces.push(await this.#encrypt(this.mine.public)); // s
			await this.#mixKey(this.mine.secret, this.#theirEphemeral); // es or se
		}
		pieces.push(await this.#encrypt(payload));
		this.#step++;
		return concat(...pieces);
	}

	/** read gives the payload of the other side's next message, or rejects. */
	async read(message: Bytes): Promise<Bytes> {
		let at = 0;
		const take = (n: number) => {
			if (message.length < at + n) throw new Error("a handshake message is too short");
			return message.slice(at, (at += n));
		};
		if (this.#step < 2) {
			this.#theirEphemeral = take(32);
			await this.#mixHash(this.#theirEphemeral);
		}
		if (this.#step === 1) await this.#mixKey(this.ephemeral.secret, this.#theirEphemeral);
		if (this.#step > 0) {
			this.theirs = await this.#decrypt(take(32 + tagSize));
			await this.#mixKey(this.ephemeral.secret, this.theirs);
		}
		const payload = await this.#decrypt(message.slice(at));
		this.#step++;
		return payload;
	}

	/** split gives the ciphers after the last message: initiator to responder, and back. */
	async split(): Promise<[Cipher, Cipher]> {
		const [a, b] = await this.#hkdf(none);
		return [await Cipher.of(a), await Cipher.of(b)];
	}

	/** hash names the handshake. */
	get hash(): Bytes {
		return this.#h;
	}

	async #mixHash(data: Uint8Array): Promise<void> {
		this.#h = await sha256(this.#h, data);
	}

	async #hkdf(input: Bytes): Promise<[Bytes, Bytes]> {
		const key = await hmac(this.#ck, input);
		const first = await hmac(key, Uint8Array.of(1));
		return [first, await hmac(key, first, Uint8Array.of(2))];
	}

	async #mixKey(mine: CryptoKey, theirs: Bytes): Promise<void> {
		const [ck, key] = await this.#hkdf(await agree(mine, theirs));
		this.#ck = ck;
		this.#cipher = await Cipher.of(key);
		this.#n = 0;
	}

	async #encrypt(plain: Bytes): Promise<Bytes> {
		const out = this.#cipher ? await this.#cipher.seal(nonceOf(this.#n++), plain, this.#h) : plain;
		await this.#mixHash(out);
		return out;
	}

	async #decrypt(closed: Bytes): Promise<Bytes> {
		const plain = this.#cipher ? await this.#cipher.open(nonceOf(this.#n++), closed, this.#h) : closed;
		await this.#mixHash(closed);
		return plain;
	}
}
