// Ed25519 with the rules of docs/PROTOCOL.md, part 1: which keys are accepted,
// and ZIP-215 for signatures, so that no two peers disagree.

import { type Bytes, concat, fromHex, sha256, toHex, utf8 } from "../bytes.ts";
import { SeaError } from "../error.ts";

/** keySize and signatureSize are in bytes. */
export const keySize = 32;
export const signatureSize = 64;

/** Signer is who has a private key. */
export interface Signer {
	/** key is the public key, 32 bytes. */
	readonly key: Bytes;
	/** sign gives the signature of RFC 8032 §5.1.6 (pure Ed25519), 64 bytes. */
	sign(message: Uint8Array): Promise<Bytes>;
}

/** Pair is a signer whose private key the browser keeps. It can be put in IndexedDB, and stays there. */
export class Pair implements Signer {
	private constructor(
		readonly key: Bytes,
		/** secret signs and cannot be read. */
		readonly secret: CryptoKey,
	) {}

	/**
	 * generate draws keys until one has so many bits of work: 12, what the public
	 * network asks for, takes about 4,096 of them.
	 */
	static async generate(bits = 12): Promise<Pair> {
		for (;;) {
			// A few at once, for each waits for another thread.
			const drawn = await Promise.all(Array.from({ length: bits > 0 ? 64 : 1 }, Pair.#draw));
			for (const pair of drawn) {
				if ((await work(pair.key)) >= bits && acceptable(pair.key)) return pair;
			}
		}
	}

	static async #draw(): Promise<Pair> {
		const made = (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
		return new Pair(new Uint8Array(await crypto.subtle.exportKey("raw", made.publicKey)), made.privateKey);
	}

	/** of is a pair that was kept. */
	static of(key: Bytes, secret: CryptoKey): Pair {
		checkKey(key);
		return new Pair(key, secret);
	}

	/** fromSeed is the pair of RFC 8032's private key, 32 bytes. */
	static async fromSeed(seed: Uint8Array): Promise<Pair> {
		const head = fromHex("302e020100300506032b657004220420")!; // RFC 8410 §7
		const open = await crypto.subtle.importKey("pkcs8", concat(head, seed), "Ed25519", true, ["sign"]);
		const { x } = await crypto.subtle.exportKey("jwk", open);
		const text = atob(x!.replaceAll("-", "+").replaceAll("_", "/"));
		return Pair.of(Uint8Array.from(text, (c) => c.charCodeAt(0)), open);
	}

	async sign(message: Uint8Array): Promise<Bytes> {
		return new Uint8Array(await crypto.subtle.sign("Ed25519", this.secret, message as Bytes));
	}
}

/** work is the number of leading zero bits of SHA-256(SHA-256("sea:pow:1" ‖ key)). */
export async function work(key: Uint8Array): Promise<number> {
	const b = await sha256(await sha256(utf8("sea:pow:1"), key));
	const first = b.findIndex((x) => x !== 0);
	return first < 0 ? 8 * b.length : 8 * first + Math.clz32(b[first]!) - 24;
}

// The field's prime, and the y of the points of order 8; the other half of them has
// prime - y. Points of smaller order have 0, 1 and prime - 1.
const prime = 2n ** 255n - 19n;
const order8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;

function acceptable(key: Uint8Array): boolean {
	const y = BigInt.asUintN(255, BigInt(`0x${toHex(key.slice().reverse())}`)); // without the sign of x
	return y > 1n && y < prime - 1n && y !== order8 && y !== prime - order8;
}

/**
 * checkKey throws SeaError "key" unless b are 32 bytes, the canonical encoding of
 * a y that is of no point of small order. Whether y is of a point at all shows
 * when a signature is verified: none holds under a key that is no point.
 */
export function checkKey(b: Uint8Array): void {
	if (b.length !== keySize) throw new SeaError("key", `a key of ${b.length} bytes, want ${keySize}`);
	if (!acceptable(b)) throw new SeaError("key", "a key that is of small order or not canonical");
}

/**
 * verify tells whether signature is key's of message by ZIP-215. The browser's own
 * "yes" is final once the key was checked; on its "no", which a few signatures
 * get that others accept, a slower implementation decides.
 */
export async function verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
	checkKey(key);
	if (signature.length !== signatureSize) return false;
	const native = await importKey(key);
	if (native && (await crypto.subtle.verify("Ed25519", native, signature as Bytes, message as Bytes))) return true;
	if (waiting >= maxWaiting) return false;
	waiting++;
	const mine = turn.then(() => verifySlowly(key, message, signature)).finally(() => waiting--);
	turn = mine.then(({ took }) => new Promise((resolve) => setTimeout(resolve, took)), () => {});
	return (await mine).holds;
}

// The slower one takes the page's own thread, some ms each time, and any peer can ask
// for it by a signature that does not hold. So it is one at a time, with as long a rest
// after it; so many wait, and what comes then does not hold.
const maxWaiting = 64;
let waiting = 0;
let turn: Promise<unknown> = Promise.resolve();

async function verifySlowly(key: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<{ holds: boolean; took: number }> {
	const { verifyAsync } = await import("@noble/ed25519");
	const began = performance.now();
	const holds = await verifyAsync(signature, message, key, { zip215: true });
	return { holds, took: performance.now() - began };
}

async function importKey(key: Uint8Array): Promise<CryptoKey | undefined> {
	try {
		return await crypto.subtle.importKey("raw", key as Bytes, "Ed25519", false, ["verify"]);
	} catch {
		return undefined; // not a point, or a browser without Ed25519
	}
}
