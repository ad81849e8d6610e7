// The space in which the sea finds things: addresses of 224 bits and the XOR
// distance between them. See docs/PROTOCOL.md, part 2.

import { type Bytes, compare, concat, draw, fromHex, sha256, toHex, utf8 } from "../bytes.ts";
import { SeaError } from "../error.ts";

const size = 28;
const bits = size * 8;

/**
 * HashAddress is a point in the sea, most significant bit first. It says where
 * to look, never whom to trust. It never changes.
 */
export class HashAddress {
	readonly #b: Bytes;

	private constructor(b: Bytes) {
		this.#b = b;
	}

	/** make is the address of data: the first 28 bytes of its SHA-256. Text is taken as UTF-8. */
	static async make(data: ArrayBuffer | Uint8Array | string): Promise<HashAddress> {
		const b = typeof data === "string" ? utf8(data) : new Uint8Array(data);
		return new HashAddress((await sha256(b)).slice(0, size));
	}

	/** from reads an address: 28 bytes, or as text 56 lower-case hex digits. Else SeaError "address". */
	static from(data: ArrayBuffer | Uint8Array | string): HashAddress {
		if (typeof data !== "string") {
			const b = new Uint8Array(data); // a copy, unless it is an ArrayBuffer
			if (b.length !== size) throw wrong(`${b.length} bytes, want ${size}`);
			return new HashAddress(b.slice());
		}
		if (data.length !== 2 * size) throw wrong(`${data.length} characters, want ${2 * size}`);
		const b = fromHex(data);
		if (!b) throw wrong("a character is not a lower-case hex digit");
		return new HashAddress(b);
	}

	/** ofNode is where the node with this key is. */
	static async ofNode(key: Uint8Array): Promise<HashAddress> {
		return new HashAddress((await sha256(utf8("sea:node:1"), key)).slice(0, size));
	}

	/** ofChannel is where the members of a channel meet. */
	static ofChannel(id: string): Promise<HashAddress> {
		return HashAddress.make("sea:chan:1" + id);
	}

	/**
	 * randomise keeps the bits before startBit, 0 to 224, and draws the others. So
	 * addr.flip(j).randomise(j + 1) has logDist j to addr.
	 */
	randomise(startBit: number): HashAddress {
		checkBit("randomise from", startBit, bits);
		return new HashAddress(draw(size).map((drawn, i) => {
			const kept = 0xff00 >> Math.min(Math.max(startBit - 8 * i, 0), 8); // of this byte's bits
			return (this.#b[i]! & kept) | (drawn & ~kept);
		}));
	}

	/** flip turns one bit, 0 to 223, over. */
	flip(bit: number): HashAddress {
		checkBit("flip of", bit, bits - 1);
		const b = this.#b.slice();
		b[bit >> 3]! ^= 0x80 >> bit % 8;
		return new HashAddress(b);
	}

	/** getArrayBuffer gives a copy of the 28 bytes. */
	getArrayBuffer(): ArrayBuffer {
		return this.#b.slice().buffer;
	}

	/** toString gives the text form, 56 lower-case hex digits. */
	toString(): string {
		return toHex(this.#b);
	}

	/** toJSON is toString. */
	toJSON(): string {
		return this.toString();
	}

	/** equals tells whether both are the same point. */
	equals(other: HashAddress): boolean {
		return compare(this.#b, other.#b) === 0;
	}

	/**
	 * dist is the XOR distance to 24 significant bits, an exact float32: 0 for equal
	 * addresses, otherwise 2^-97 to 2^127 - 2^103. Cut off, not rounded. Different
	 * distances may give the same value; compareTo sees all bits.
	 */
	dist(other: HashAddress): number {
		const first = this.logDist(other);
		if (first === bits) return 0;
		// The four bytes from the one that holds bit first contain the 24 bits after at
		// most 7 zeros.
		let window = 0;
		for (let i = 0; i < 4; i++) {
			const at = (first >> 3) + i;
			window = window * 256 + (at < size ? this.#b[at]! ^ other.#b[at]! : 0);
		}
		return Math.floor(window / 2 ** (8 - (first % 8))) * 2 ** (103 - first);
	}

	/** logDist is the index of the first bit that differs, 0 to 223; 224 for equal addresses. */
	logDist(other: HashAddress): number {
		for (let i = 0; i < size; i++) {
			const x = this.#b[i]! ^ other.#b[i]!;
			if (x !== 0) return i * 8 + Math.clz32(x) - 24;
		}
		return bits;
	}

	/**
	 * compareTo orders a and b by their whole XOR distance from this address: below
	 * 0 if a is nearer, above if b is, 0 only if they are equal.
	 */
	compareTo(a: HashAddress, b: HashAddress): number {
		const at = a.logDist(b) >> 3; // the byte in which they differ; behind the last one there is nothing to differ
		return (this.#b[at]! ^ a.#b[at]!) - (this.#b[at]! ^ b.#b[at]!);
	}
}

const wrong = (why: string) => new SeaError("address", `not an address: ${why}`);

function checkBit(what: string, bit: number, most: number): void {
	if (!Number.isInteger(bit) || bit < 0 || bit > most) throw new RangeError(`${what} bit ${bit}, not 0 to ${most}`);
}

/** bytesOf gives a copy of an address's bytes. */
export const bytesOf = (a: HashAddress): Bytes => new Uint8Array(a.getArrayBuffer());

/** joined is the bytes of some addresses, one after the other. */
export const joined = (all: readonly HashAddress[]): Bytes => concat(...all.map(bytesOf));

/** split is joined's other way, of bytes in pieces of 28. */
export const split = (b: Bytes): HashAddress[] =>
	Array.from({ length: b.length / size }, (_, i) => HashAddress.from(b.subarray(size * i, size * i + size)));
