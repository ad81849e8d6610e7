// The guest's memory, as one call of the world sees it. Offsets are the guest's
// words, so every access is checked: FAULT beyond the end.

import * as errno from "./errno.ts";

const maxSpans = 1024; // of one read or write

/** maxTransfer is the most bytes of one read, write or readdir. */
export const maxTransfer = 1 << 20;

export class Memory {
	readonly #bytes: Uint8Array;
	readonly #view: DataView;

	/** buffer is that of a WebAssembly.Memory, or empty when there is none. */
	constructor(buffer: ArrayBuffer) {
		this.#bytes = new Uint8Array(buffer);
		this.#view = new DataView(buffer);
	}

	#check(at: number, n: number): void {
		if (at + n > this.#bytes.length) throw errno.FAULT;
	}

	/** span is n bytes, which are the guest's own. */
	span(at: number, n: number): Uint8Array {
		this.#check(at, n);
		return this.#bytes.subarray(at, at + n);
	}

	/** view is the same as a DataView. */
	view(at: number, n: number): DataView {
		this.#check(at, n);
		return new DataView(this.#bytes.buffer, at, n);
	}

	put32(at: number, v: number): void {
		this.#check(at, 4);
		this.#view.setUint32(at, v, true);
	}

	put64(at: number, v: bigint): void {
		this.#check(at, 8);
		this.#view.setBigUint64(at, v, true);
	}

	/** spans reads an array of count (pointer, length) pairs. Bytes beyond maxTransfer are left out. */
	spans(at: number, count: number): Spans {
		if (count > maxSpans) throw errno.INVAL;
		this.#check(at, count * 8);
		const spans = new Spans();
		for (let i = 0; i < count; i++) {
			const p = this.#view.getUint32(at + i * 8, true);
			const n = this.#view.getUint32(at + i * 8 + 4, true);
			spans.add(this.span(p, n).subarray(0, maxTransfer - spans.size));
		}
		return spans;
	}
}

/** Spans are the places of one read or write, in order. */
export class Spans {
	readonly #list: Uint8Array[] = [];
	/** size is how many bytes they have together. */
	size = 0;

	add(bytes: Uint8Array): void {
		if (bytes.length === 0) return;
		this.#list.push(bytes);
		this.size += bytes.length;
	}

	/** bytes are copies of the first n. */
	bytes(n: number): Uint8Array<ArrayBuffer> {
		const all = new Uint8Array(n);
		let done = 0;
		for (const span of this.#list) {
			if (done === n) break;
			const piece = span.subarray(0, n - done);
			all.set(piece, done);
			done += piece.length;
		}
		return all;
	}

	/** fill puts the bytes into the spans. */
	fill(bytes: Uint8Array): void {
		let done = 0;
		for (const span of this.#list) {
			const piece = bytes.subarray(done, done + span.length);
			span.set(piece);
			done += piece.length;
		}
	}
}
