// Memory is the guest's, as one call of the world sees it. Offsets are the
// guest's words, so every access is checked: FAULT beyond the end.
import * as errno from "./errno.mjs";

const MAX_SPANS = 1024; // of one read or write
export const MAX_TRANSFER = 1 << 20; // bytes of one read, write or readdir

export class Memory {
  #bytes;
  #view;

  // buffer is that of a WebAssembly.Memory, or empty when there is none.
  constructor(buffer) {
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }

  #check(at, n) {
    if (at + n > this.#bytes.length) throw errno.FAULT;
  }

  // span is n bytes, which are the guest's own.
  span(at, n) {
    this.#check(at, n);
    return this.#bytes.subarray(at, at + n);
  }

  // view is the same as a DataView.
  view(at, n) {
    this.#check(at, n);
    return new DataView(this.#bytes.buffer, at, n);
  }

  put32(at, v) {
    this.#check(at, 4);
    this.#view.setUint32(at, v, true);
  }

  put64(at, v) {
    this.#check(at, 8);
    this.#view.setBigUint64(at, v, true);
  }

  // spans reads an array of count (pointer, length) pairs. Bytes beyond
  // MAX_TRANSFER are left out.
  spans(at, count) {
    if (count > MAX_SPANS) throw errno.INVAL;
    this.#check(at, count * 8);
    const spans = new Spans();
    for (let i = 0; i < count; i++) {
      const p = this.#view.getUint32(at + i * 8, true);
      const n = this.#view.getUint32(at + i * 8 + 4, true);
      spans.add(this.span(p, n).subarray(0, MAX_TRANSFER - spans.size));
    }
    return spans;
  }
}

// Spans are the places of one read or write, in order.
class Spans {
  #list = [];
  size = 0;

  add(bytes) {
    if (bytes.length === 0) return;
    this.#list.push(bytes);
    this.size += bytes.length;
  }

  // bytes are copies of the first n.
  bytes(n) {
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

  // fill puts the bytes into the spans.
  fill(bytes) {
    let done = 0;
    for (const span of this.#list) {
      const piece = bytes.subarray(done, done + span.length);
      span.set(piece);
      done += piece.length;
    }
  }
}
