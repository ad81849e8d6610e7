// The stream of random bytes of a job: ChaCha8Rand, C2SP's chacha8rand, which
// Go's math/rand/v2 calls ChaCha8.
//
// A key gives 16 ChaCha8 blocks, four at a time with their words interleaved;
// the last 32 of these 1,024 bytes are the next key and nothing else.

const bufferSize = 1024;
const keySize = 32;

export class Random {
	readonly #key = new Uint32Array(8);
	readonly #bytes = new Uint8Array(bufferSize);
	readonly #words = new DataView(this.#bytes.buffer);
	#at = bufferSize - keySize; // empty

	/** seed has 32 bytes. */
	constructor(seed: Uint8Array) {
		const view = new DataView(seed.buffer, seed.byteOffset, keySize);
		for (let i = 0; i < 8; i++) this.#key[i] = view.getUint32(i * 4, true);
	}

	/** fill writes the next bytes of the stream. */
	fill(to: Uint8Array): void {
		for (let done = 0; done < to.length; ) {
			if (this.#at === bufferSize - keySize) this.#refill();
			const n = Math.min(to.length - done, bufferSize - keySize - this.#at);
			to.set(this.#bytes.subarray(this.#at, this.#at + n), done);
			this.#at += n;
			done += n;
		}
	}

	#refill(): void {
		for (let counter = 0; counter < 16; counter++) {
			const block = this.#block(counter);
			const group = (counter >> 2) * 256;
			for (let i = 0; i < 16; i++) {
				this.#words.setUint32(group + i * 16 + (counter & 3) * 4, block[i]!, true);
			}
		}
		this.#at = 0;
		// Copied now, used with the next refill: nobody reads these bytes.
		for (let i = 0; i < 8; i++) this.#key[i] = this.#words.getUint32(bufferSize - keySize + i * 4, true);
	}

	/** #block is ChaCha with 8 rounds, where only the key is added back. */
	#block(counter: number): Uint32Array {
		const x = new Uint32Array(16);
		x.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
		x.set(this.#key, 4);
		x[12] = counter;
		for (let round = 0; round < 8; round += 2) {
			for (let i = 0; i < 4; i++) quarter(x, i, i + 4, i + 8, i + 12);
			for (let i = 0; i < 4; i++) quarter(x, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3));
		}
		for (let i = 0; i < 8; i++) x[4 + i]! += this.#key[i]!;
		return x;
	}
}

function quarter(x: Uint32Array, a: number, b: number, c: number, d: number): void {
	x[a]! += x[b]!;
	x[d] = turn(x[d]! ^ x[a]!, 16);
	x[c]! += x[d]!;
	x[b] = turn(x[b]! ^ x[c]!, 12);
	x[a]! += x[b]!;
	x[d] = turn(x[d]! ^ x[a]!, 8);
	x[c]! += x[d]!;
	x[b] = turn(x[b]! ^ x[c]!, 7);
}

function turn(v: number, n: number): number {
	return (v << n) | (v >>> (32 - n));
}
