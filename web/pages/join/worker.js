// ../src/error.ts
var SeaError = class extends Error {
  code;
  constructor(code, text4) {
    super(text4);
    this.name = "SeaError";
    this.code = code;
  }
};

// ../src/bytes.ts
var encoder = new TextEncoder();
var none = new Uint8Array(0);
function utf8(text4) {
  return encoder.encode(text4);
}
function concat(...pieces) {
  const whole3 = new Uint8Array(pieces.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of pieces) {
    whole3.set(p, at);
    at += p.length;
  }
  return whole3;
}
function compare(a, b) {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

// ../src/identity/cbor.ts
var maxDepth = 32;
var maxElements = 65536;
var Float = class {
  constructor(value) {
    this.value = value;
  }
  value;
};
var uint = 0;
var negative = 1;
var bytes = 2;
var text = 3;
var array = 4;
var tag = 6;
var simple = 7;
function decodeExact(b) {
  return whole(new Reader(b, true));
}
function whole(r) {
  const v = read(r, 0);
  if (r.at !== r.b.length) throw r.fail(r.at, `${r.b.length - r.at} bytes after the value`);
  return v;
}
function refuse(what) {
  return new SeaError("cbor", `write: ${what}`);
}
function read(r, depth2) {
  const at = r.at;
  const { major, n } = r.head();
  switch (major) {
    case uint:
      return n;
    case negative: {
      const v = -1n - BigInt(n);
      if (v < -(1n << 63n)) throw r.fail(at, "integer below -2^63");
      return v >= Number.MIN_SAFE_INTEGER ? Number(v) : v;
    }
    case bytes:
      return r.take(at, n).slice();
    case text:
      return r.text(at, n);
    case tag:
      throw r.fail(at, `tag ${n}: tags are not used`);
    case simple:
      return r.simple(at);
  }
  if (depth2 === maxDepth) throw r.fail(at, `more than ${maxDepth} levels deep`);
  if (n > maxElements) throw r.fail(at, `${n} members, ${maxElements} at most`);
  const count = Number(n);
  const rest = r.b.length - r.at;
  if (major === array) {
    if (count > rest) throw r.fail(at, `array of ${count} members in ${rest} bytes`);
    const list2 = [];
    for (let i = 0; i < count; i++) list2.push(read(r, depth2 + 1));
    return list2;
  }
  if (count > rest / 2) throw r.fail(at, `map of ${count} pairs in ${rest} bytes`);
  return readPairs(r, count, depth2 + 1);
}
function readPairs(r, count, depth2) {
  const made2 = {};
  let last;
  for (let i = 0; i < count; i++) {
    const at = r.at;
    const { major, n } = r.head();
    if (major !== text) throw r.fail(at, "map key is not text");
    const name2 = r.text(at, n);
    const key = r.b.subarray(at, r.at);
    const order = last ? compare(key, last) : 1;
    if (order <= 0) throw r.fail(at, order === 0 ? "map key comes twice" : "map keys are out of order");
    last = key;
    Object.defineProperty(made2, name2, { value: read(r, depth2), enumerable: true, writable: true, configurable: true });
  }
  return made2;
}
var Writer = class {
  #b = new Uint8Array(64);
  #n = 0;
  /** done gives what was written; nothing may be written after it. */
  done() {
    return this.#b.subarray(0, this.#n);
  }
  #room(n) {
    const at = this.#n;
    if (at + n > this.#b.length) {
      const larger = new Uint8Array(Math.max(at + n, 2 * this.#b.length));
      larger.set(this.#b);
      this.#b = larger;
    }
    this.#n += n;
    return at;
  }
  byte(x) {
    const at = this.#room(1);
    this.#b[at] = x;
  }
  raw(b) {
    const at = this.#room(b.length);
    this.#b.set(b, at);
  }
  /** head writes a head in its shortest form. n is 0 … 2^64-1. */
  head(major, n) {
    const m = major << 5;
    if (n < 24) return this.byte(m | Number(n));
    const power = n < 256 ? 0 : n < 65536 ? 1 : n < 4294967296 ? 2 : 3;
    this.byte(m | 24 + power);
    const size = 1 << power;
    const at = this.#room(size);
    for (let i = size - 1, left = BigInt(n); i >= 0; i--, left >>= 8n) this.#b[at + i] = Number(left & 0xffn);
  }
  bytes(b) {
    this.head(bytes, b.length);
    this.raw(b);
  }
  text(s) {
    if (/\p{Surrogate}/u.test(s)) throw refuse("text with half a surrogate pair");
    const b = utf8(s);
    this.head(text, b.length);
    this.raw(b);
  }
  /** float writes the shortest float that keeps f, and not-a-number as f97e00. */
  float(f) {
    const half = toHalf(f);
    const size = half !== void 0 ? 2 : Math.fround(f) === f ? 4 : 8;
    this.byte(249 + (size >> 2));
    const at = this.#room(size);
    const view = new DataView(this.#b.buffer);
    if (half !== void 0) view.setUint16(at, half);
    else if (size === 4) view.setFloat32(at, f);
    else view.setFloat64(at, f);
  }
};
var Reader = class {
  constructor(b, exact = false) {
    this.b = b;
    this.exact = exact;
    this.#view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  }
  b;
  exact;
  at = 0;
  #view;
  fail(at, why) {
    return new SeaError("cbor", `byte ${at}: ${why}`);
  }
  /** head reads a major type and its argument in the shortest spelling. */
  head() {
    const at = this.at;
    const first = this.b[at];
    if (first === void 0) throw this.fail(at, "the value ends early");
    const major = first >> 5;
    const info = first & 31;
    this.at++;
    if (info < 24) return { major, n: info };
    if (info > 27) throw this.fail(at, `indefinite length or reserved head 0x${first.toString(16)}`);
    const size = 1 << info - 24;
    if (this.b.length - this.at < size) throw this.fail(at, "the head ends early");
    const n = this.#uint(size);
    this.at += size;
    const least2 = [24, 256, 65536, 4294967296][info - 24];
    if (major !== simple && n < least2) throw this.fail(at, `${n} is not written in the shortest way`);
    return { major, n };
  }
  #uint(size) {
    if (size === 1) return this.#view.getUint8(this.at);
    if (size === 2) return this.#view.getUint16(this.at);
    if (size === 4) return this.#view.getUint32(this.at);
    const n = this.#view.getBigUint64(this.at);
    return n <= Number.MAX_SAFE_INTEGER ? Number(n) : n;
  }
  /** take steps over n bytes of the string whose head is at at. They are b's own. */
  take(at, n) {
    const rest = this.b.length - this.at;
    if (n > rest) throw this.fail(at, `string of ${n} bytes, ${rest} are there`);
    this.at += Number(n);
    return this.b.subarray(this.at - Number(n), this.at);
  }
  /** text is take of UTF-8. */
  text(at, n) {
    const b = this.take(at, n);
    try {
      return decoder.decode(b);
    } catch {
      throw this.fail(at, "text is not UTF-8");
    }
  }
  /** simple gives the simple value or float whose head was read at at. */
  simple(at) {
    const v = this.#simple(at);
    return this.exact && typeof v === "number" ? new Float(v) : v;
  }
  #simple(at) {
    const info = this.b[at] & 31;
    if (info >= 20 && info <= 22) return [false, true, null][info - 20];
    if (info < 25) throw this.fail(at, `simple value ${info === 24 ? this.b[at + 1] : info}: only false, true and null are used`);
    const view = this.#view;
    const f = info === 25 ? ofHalf(view.getUint16(at + 1)) : info === 26 ? view.getFloat32(at + 1) : view.getFloat64(at + 1);
    const w = new Writer();
    w.float(f);
    if (compare(w.done(), this.b.subarray(at, this.at)) !== 0) {
      throw this.fail(at, info === 25 ? "not-a-number is not written as f97e00" : "float is not written in the shortest way");
    }
    return f;
  }
};
var decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
function ofHalf(bits) {
  const exponent = bits >> 10 & 31;
  const mantissa = bits & 1023;
  const sign = bits & 32768 ? -1 : 1;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent ? mantissa + 1024 : mantissa) * 2 ** (Math.max(exponent, 1) - 25);
}
function toHalf(f) {
  const [bits] = new Uint32Array(Float32Array.of(f).buffer);
  const sign = bits >>> 16 & 32768;
  if (Number.isNaN(f)) return 32256;
  if (Math.abs(f) === Infinity) return sign | 31744;
  const exponent = Math.max((bits >>> 23 & 255) - 127, -14);
  const mantissa = Math.abs(f) * 2 ** (10 - exponent);
  if (exponent > 15 || mantissa % 1) return void 0;
  return sign | (exponent + 14 << 10) + mantissa;
}

// ../src/identity/shape.ts
function read2(b, shape, name2) {
  return shape(decodeExact(b), name2);
}
function wrong(name2, why) {
  return new SeaError("cbor", `${name2}: ${why}`);
}
var bytes2 = (least2, most = least2) => (v, name2) => {
  if (!(v instanceof Uint8Array) || v.length < least2 || v.length > most) {
    throw wrong(name2, least2 === most ? `not ${least2} bytes` : `not ${least2} to ${most} bytes`);
  }
  return v;
};
var text2 = (least2, most) => (v, name2) => {
  if (typeof v !== "string" || v.length > most || v.length * 3 < least2) throw wrong(name2, "not a text of the right size");
  const n = utf8(v).length;
  if (n < least2 || n > most) throw wrong(name2, `a text of ${n} bytes, not ${least2} to ${most}`);
  return v;
};
var list = (shape, most) => (v, name2) => {
  if (!Array.isArray(v) || v.length > most) throw wrong(name2, `not a list of at most ${most}`);
  return v.map((member, i) => shape(member, `${name2} ${i + 1}`));
};
var tuple = (...shapes) => (v, name2) => {
  if (!Array.isArray(v) || v.length !== shapes.length) throw wrong(name2, `not an array of ${shapes.length}`);
  return shapes.map((shape, i) => shape(v[i], `${name2} ${i + 1}`));
};

// ../src/compute/most.ts
var moduleBytes = 64 << 20;
var jobBytes = 48 << 10;
var fuel = 1n << 62n;
var outputBytes = 1 << 30;
var files = 1 << 14;
var depth = 1 << 18;
var wallMillis = 7 * 24 * 60 * 60 * 1e3;

// ../src/compute/wasi/errno.ts
var Errno = class {
  constructor(number) {
    this.number = number;
  }
  number;
};
var BADF = new Errno(8);
var BUSY = new Errno(10);
var EXIST = new Errno(20);
var FAULT = new Errno(21);
var ILSEQ = new Errno(25);
var INVAL = new Errno(28);
var ISDIR = new Errno(31);
var MFILE = new Errno(33);
var NAMETOOLONG = new Errno(37);
var NOENT = new Errno(44);
var NOMEM = new Errno(48);
var NOSPC = new Errno(51);
var NOTDIR = new Errno(54);
var NOTEMPTY = new Errno(55);
var NOTSOCK = new Errno(57);
var NOTSUP = new Errno(58);
var ROFS = new Errno(69);
var SPIPE = new Errno(70);
var NOTCAPABLE = new Errno(76);

// ../src/compute/wasi/tree.ts
var maxPath = 1024;
var maxName = 255;
var maxParts = 32;
var strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
var Node = class _Node {
  constructor(name2, ino, folder, writable2) {
    this.name = name2;
    this.ino = ino;
    this.folder = folder;
    this.writable = writable2;
    this.bytes = utf8(name2);
  }
  name;
  ino;
  folder;
  writable;
  /** kids are a folder's, by name. */
  kids = /* @__PURE__ */ new Map();
  /** data is a file's; what lies beyond size is zeros. */
  data = new Uint8Array(0);
  size = 0;
  /** open is how many descriptors hold it. */
  open = 0;
  /** parent is null when the node was removed; the root is its own. */
  parent = null;
  /** bytes are those of the name. */
  bytes;
  /** of makes a node that cannot be written. */
  static of(data) {
    const node = new _Node("", 0n, false, false);
    node.hold(data);
    return node;
  }
  /** hold gives an input its bytes, which are not copied. */
  hold(data) {
    this.data = data;
    this.size = data.length;
  }
  /** left is how many bytes lie behind an offset. */
  left(offset) {
    const size = BigInt(this.size);
    return offset < size ? size - offset : 0n;
  }
  /** sorted are the entries in the byte order of their names. */
  sorted() {
    return [...this.kids.values()].sort((a, b) => compare(a.bytes, b.bytes));
  }
  /** resize sets the size; bytes that come new are zeros. */
  resize(size) {
    if (size < this.size) {
      this.data.fill(0, size, this.size);
    } else if (size > this.data.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.data.length));
      grown.set(this.data);
      this.data = grown;
    }
    this.size = size;
  }
};
var fresh = { parts: 0, bytes: 0, nodes: 1 };
var Tree = class {
  root;
  out;
  #inos = 0;
  #nodes = 0;
  // of the quota
  #most;
  /** most is the quota of files and folders. */
  constructor(inputs, most) {
    this.#most = most;
    this.root = new Node("", this.#ino(), true, false);
    this.root.parent = this.root;
    this.out = new Node("out", this.#ino(), true, true);
    this.#add(this.root, this.out);
    for (const input of inputs) this.#input(input);
  }
  #ino() {
    return BigInt(++this.#inos);
  }
  #add(folder, node) {
    folder.kids.set(node.name, node);
    node.parent = folder;
  }
  #input({ path: path2, data }) {
    const parts = path2.split("/");
    let folder = this.root;
    parts.forEach((name2, i) => {
      const last = i === parts.length - 1;
      let node = folder.kids.get(name2);
      if (!node) {
        node = new Node(name2, this.#ino(), !last, false);
        this.#add(folder, node);
        this.#nodes++;
      }
      if (last) node.hold(data);
      folder = node;
    });
  }
  /** resolve follows a path from a folder, and never out of it. */
  resolve(from, raw) {
    if (raw.length === 0) throw NOENT;
    let path2;
    try {
      path2 = strict.decode(raw);
    } catch (err) {
      if (!(err instanceof TypeError)) throw err;
      throw ILSEQ;
    }
    if (raw.includes(0)) throw INVAL;
    if (path2[0] === "/") throw NOTCAPABLE;
    let place = { folder: from, name: null, node: from, slash: false };
    let climbed = 0;
    const parts = path2.split("/");
    parts.forEach((name2, i) => {
      if (name2 === "") {
        place.slash = i === parts.length - 1;
        return;
      }
      const at = place.node;
      if (!at) throw NOENT;
      if (!at.folder) throw NOTDIR;
      if (name2 === ".") {
        place = { folder: at, name: null, node: at, slash: false };
      } else if (name2 === "..") {
        if (--climbed < 0) throw NOTCAPABLE;
        if (!at.parent) throw NOENT;
        place = { folder: at.parent, name: null, node: at.parent, slash: false };
      } else {
        if (utf8(name2).length > maxName) throw NAMETOOLONG;
        climbed++;
        place = { folder: at, name: name2, node: at.kids.get(name2) ?? null, slash: false };
      }
    });
    if (place.slash && place.node && !place.node.folder) throw NOTDIR;
    return place;
  }
  /** vacant gives the name, or throws unless something of the given reach may be put at the place. */
  vacant(place, reach = fresh) {
    if (place.name === null) throw INVAL;
    if (!place.folder.parent) throw NOENT;
    if (!place.folder.writable) throw ROFS;
    let parts = 0;
    let bytes3 = 0;
    for (let n = place.folder; n !== this.root; n = n.parent) {
      parts++;
      bytes3 += n.bytes.length + 1;
    }
    if (parts + 1 + reach.parts > maxParts || bytes3 + utf8(place.name).length + reach.bytes > maxPath) {
      throw NAMETOOLONG;
    }
    return place.name;
  }
  reach(node) {
    const all3 = { ...fresh };
    for (const kid of node.kids.values()) {
      const r = this.reach(kid);
      all3.parts = Math.max(all3.parts, r.parts + 1);
      all3.bytes = Math.max(all3.bytes, r.bytes + kid.bytes.length + 1);
      all3.nodes += r.nodes;
    }
    return all3;
  }
  /** make puts a new file or folder at the place. */
  make(place, folder) {
    const name2 = this.vacant(place);
    if (this.#nodes >= this.#most) throw NOSPC;
    this.#nodes++;
    const node = new Node(name2, this.#ino(), folder, true);
    this.#add(place.folder, node);
    return node;
  }
  /** removable gives what is at the place, or throws unless it may go away. */
  removable({ node, name: name2 }) {
    if (!node) throw NOENT;
    if (name2 === null) throw INVAL;
    if (node === this.out) throw BUSY;
    if (!node.writable) throw ROFS;
    return node;
  }
  unlink(node) {
    node.parent.kids.delete(node.name);
    node.parent = null;
    this.#nodes--;
  }
  /** move puts a node under a name in a folder, where nothing is. */
  move(node, folder, name2) {
    node.parent.kids.delete(node.name);
    node.name = name2;
    node.bytes = utf8(name2);
    this.#add(folder, node);
  }
  /** list is what is below "out", sorted by path in byte order. */
  list() {
    const all3 = [];
    const walk = (folder, above2) => {
      for (const node of folder.kids.values()) {
        const path2 = above2 + node.name;
        all3.push({ key: utf8(path2), entry: { path: path2, dir: node.folder, data: node.data.subarray(0, node.size) } });
        walk(node, path2 + "/");
      }
    };
    walk(this.out, "");
    return all3.sort((a, b) => compare(a.key, b.key)).map((e) => e.entry);
  }
};

// ../src/compute/wasi/desc.ts
function filetype(kind) {
  return kind === "folder" ? 3 : kind === "file" ? 4 : 0;
}
var Right = { read: 1n << 1n, write: 1n << 6n };
var seeks = 1n << 2n | 1n << 5n;
var writes = Right.write | 1n << 8n | 1n << 22n;
var pathSize = 1n << 19n;
var all = (1n << 30n) - 1n;
var Desc = class {
  constructor(kind, node, read4, write, flags = 0) {
    this.kind = kind;
    this.node = node;
    this.read = read4;
    this.write = write;
    this.flags = flags;
  }
  kind;
  node;
  read;
  write;
  flags;
  pos = 0n;
  /** list is a folder's entries as of the last rewind. */
  list = null;
  /** preopened is the root's, which the guest finds open. */
  preopened = false;
  /** stdio is whether it is a stream, without a position. */
  get stdio() {
    return this.kind !== "folder" && this.kind !== "file";
  }
  get type() {
    return filetype(this.kind);
  }
  /** rights are what the descriptor can do, and what those opened from it can. */
  get rights() {
    if (this.kind === "folder") return [all & ~(Right.read | seeks | writes | pathSize), all];
    let base = all;
    if (!this.write) base &= ~writes;
    if (!this.read) base &= ~Right.read;
    if (this.stdio) base &= ~seeks;
    return [base, 0n];
  }
};

// ../src/compute/wasi/memory.ts
var maxSpans = 1024;
var maxTransfer = 1 << 20;
var Memory = class {
  #bytes;
  #view;
  /** buffer is that of a WebAssembly.Memory, or empty when there is none. */
  constructor(buffer) {
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }
  #check(at, n) {
    if (at + n > this.#bytes.length) throw FAULT;
  }
  /** span is n bytes, which are the guest's own. */
  span(at, n) {
    this.#check(at, n);
    return this.#bytes.subarray(at, at + n);
  }
  /** view is the same as a DataView. */
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
  /** spans reads an array of count (pointer, length) pairs. Bytes beyond maxTransfer are left out. */
  spans(at, count) {
    if (count > maxSpans) throw INVAL;
    this.#check(at, count * 8);
    const spans = new Spans();
    for (let i = 0; i < count; i++) {
      const p = this.#view.getUint32(at + i * 8, true);
      const n = this.#view.getUint32(at + i * 8 + 4, true);
      spans.add(this.span(p, n).subarray(0, maxTransfer - spans.size));
    }
    return spans;
  }
};
var Spans = class {
  #list = [];
  /** size is how many bytes they have together. */
  size = 0;
  add(bytes3) {
    if (bytes3.length === 0) return;
    this.#list.push(bytes3);
    this.size += bytes3.length;
  }
  /** bytes are copies of the first n. */
  bytes(n) {
    const all3 = new Uint8Array(n);
    let done = 0;
    for (const span of this.#list) {
      if (done === n) break;
      const piece = span.subarray(0, n - done);
      all3.set(piece, done);
      done += piece.length;
    }
    return all3;
  }
  /** fill puts the bytes into the spans. */
  fill(bytes3) {
    let done = 0;
    for (const span of this.#list) {
      const piece = bytes3.subarray(done, done + span.length);
      span.set(piece);
      done += piece.length;
    }
  }
};

// ../src/compute/wasi/number.ts
var u64Max = (1n << 64n) - 1n;
var i64Max = (1n << 63n) - 1n;
function least(a, b) {
  return a < b ? a : b;
}

// ../src/compute/wasi/random.ts
var bufferSize = 1024;
var keySize = 32;
var Random = class {
  #key = new Uint32Array(8);
  #bytes = new Uint8Array(bufferSize);
  #words = new DataView(this.#bytes.buffer);
  #at = bufferSize - keySize;
  // empty
  /** seed has 32 bytes. */
  constructor(seed) {
    const view = new DataView(seed.buffer, seed.byteOffset, keySize);
    for (let i = 0; i < 8; i++) this.#key[i] = view.getUint32(i * 4, true);
  }
  /** fill writes the next bytes of the stream. */
  fill(to) {
    for (let done = 0; done < to.length; ) {
      if (this.#at === bufferSize - keySize) this.#refill();
      const n = Math.min(to.length - done, bufferSize - keySize - this.#at);
      to.set(this.#bytes.subarray(this.#at, this.#at + n), done);
      this.#at += n;
      done += n;
    }
  }
  #refill() {
    for (let counter = 0; counter < 16; counter++) {
      const block = this.#block(counter);
      const group = (counter >> 2) * 256;
      for (let i = 0; i < 16; i++) {
        this.#words.setUint32(group + i * 16 + (counter & 3) * 4, block[i], true);
      }
    }
    this.#at = 0;
    for (let i = 0; i < 8; i++) this.#key[i] = this.#words.getUint32(bufferSize - keySize + i * 4, true);
  }
  /** #block is ChaCha with 8 rounds, where only the key is added back. */
  #block(counter) {
    const x = new Uint32Array(16);
    x.set([1634760805, 857760878, 2036477234, 1797285236]);
    x.set(this.#key, 4);
    x[12] = counter;
    for (let round = 0; round < 8; round += 2) {
      for (let i = 0; i < 4; i++) quarter(x, i, i + 4, i + 8, i + 12);
      for (let i = 0; i < 4; i++) quarter(x, i, 4 + (i + 1 & 3), 8 + (i + 2 & 3), 12 + (i + 3 & 3));
    }
    for (let i = 0; i < 8; i++) x[4 + i] += this.#key[i];
    return x;
  }
};
function quarter(x, a, b, c, d) {
  x[a] += x[b];
  x[d] = turn(x[d] ^ x[a], 16);
  x[c] += x[d];
  x[b] = turn(x[b] ^ x[c], 12);
  x[a] += x[b];
  x[d] = turn(x[d] ^ x[a], 8);
  x[c] += x[d];
  x[b] = turn(x[b] ^ x[c], 7);
}
function turn(v, n) {
  return v << n | v >>> 32 - n;
}

// ../src/compute/wasi/world.ts
var callPrice = 1000n;
var maxOpen = 1024;
var maxListed = 65536;
var Stop = class {
  constructor(end, code = 0) {
    this.end = end;
    this.code = code;
  }
  end;
  code;
};
var World = class {
  /** stdout and stderr are what was written, piece by piece. */
  stdout = [];
  stderr = [];
  args;
  env;
  random;
  tree;
  start;
  /** slept is how far polls have moved the clock. */
  slept = 0n;
  #tank;
  #outputBytes;
  #descs;
  #listed = 0;
  #bytes = 0;
  // of the output quota
  constructor(c, tank) {
    this.#tank = tank;
    this.args = c.args.map((s) => utf8(s + "\0"));
    this.env = c.env.map((s) => utf8(s + "\0"));
    this.random = new Random(c.seed);
    this.tree = new Tree(c.files, c.maxFiles);
    this.start = c.start;
    this.#outputBytes = c.outputBytes;
    const root = new Desc("folder", this.tree.root, true, false);
    root.preopened = true;
    this.tree.root.open++;
    this.#descs = [
      new Desc("stdin", Node.of(c.stdin), true, false),
      new Desc("stdout", null, false, true),
      new Desc("stderr", null, false, true),
      root
    ];
  }
  // ---- fuel and time
  /** used is the guest's counter. */
  get used() {
    return this.#tank.used;
  }
  pay(n) {
    this.#tank.pay(BigInt(n));
  }
  /** begin pays for a call that copies n bytes. */
  begin(n = 0) {
    this.pay(callPrice + BigInt(n));
  }
  /** elapsed is the fuel and the sleep so far, in nanoseconds. */
  get elapsed() {
    return this.used + this.slept;
  }
  /** last is how far the clock goes. */
  get last() {
    return i64Max - this.start;
  }
  /** now is a clock's time. */
  now(id) {
    switch (id) {
      case 0:
        return this.start + least(this.elapsed, this.last);
      case 1:
        return least(this.elapsed, this.last);
      case 2:
      case 3:
        return this.used;
    }
    throw INVAL;
  }
  // ---- descriptors
  get(fd) {
    const d = this.#descs[fd];
    if (!d) throw BADF;
    return d;
  }
  /** slot is the lowest number that is free. */
  slot() {
    const free = this.#descs.indexOf(null);
    if (free >= 0) return free;
    if (this.#descs.length >= maxOpen) throw MFILE;
    return this.#descs.length;
  }
  /** open puts a descriptor at a number that is free. */
  open(fd, d) {
    if (d.node) d.node.open++;
    this.#descs[fd] = d;
  }
  /** shut closes one that is open. */
  shut(fd) {
    const d = this.get(fd);
    this.#descs[fd] = null;
    this.#unlist(d);
    if (d.node) {
      d.node.open--;
      this.drop(d.node);
    }
  }
  /** renumber moves one over another; both are open. */
  renumber(fd, to) {
    const d = this.get(fd);
    this.shut(to);
    this.#descs[to] = d;
    this.#descs[fd] = null;
  }
  /** at is where a path leads that lies in memory. */
  at(m, fd, path2, n) {
    const d = this.get(fd);
    if (d.kind !== "folder") throw NOTDIR;
    if (n > maxPath) throw NAMETOOLONG;
    const raw = m.span(path2, n);
    this.pay(n);
    return this.tree.resolve(d.node, raw);
  }
  /** relist takes the snapshot of a folder's entries. */
  relist(d) {
    const n = d.node.kids.size;
    this.#unlist(d);
    if (this.#listed + n > maxListed) throw NOMEM;
    this.pay(8 * n);
    this.#listed += n;
    return d.list = d.node.sorted();
  }
  #unlist(d) {
    this.#listed -= d.list?.length ?? 0;
    d.list = null;
  }
  // ---- what is written
  /** say writes to stdout or stderr what there is room for. */
  say(to, bytes3) {
    this.pay(bytes3.length);
    const fits = bytes3.slice(0, this.#room);
    this.#bytes += fits.length;
    if (fits.length > 0) this[to].push(fits);
    if (fits.length < bytes3.length) throw new Stop("output_limit");
  }
  /** print writes to stdout as one call without its bound. */
  print(bytes3) {
    this.begin();
    this.say("stdout", bytes3);
  }
  get #room() {
    return this.#outputBytes - this.#bytes;
  }
  /** extend grows a file with zeros, which are paid like written bytes. */
  extend(node, size) {
    const more = size - BigInt(node.size);
    if (more <= 0n) return;
    this.pay(least(more, BigInt(this.#outputBytes)));
    if (!this.grow(node, size)) throw new Stop("output_limit");
  }
  /** grow makes a file larger, as far as there is room: false when that is less. */
  grow(node, size) {
    const more = size - BigInt(node.size);
    if (more <= 0n) return true;
    const fits = Number(least(more, BigInt(this.#room)));
    this.#bytes += fits;
    node.resize(node.size + fits);
    return BigInt(fits) === more;
  }
  truncate(node, size) {
    this.#bytes -= node.size - size;
    node.resize(size);
  }
  /** unlink takes a file or an empty folder away. */
  unlink(node) {
    this.tree.unlink(node);
    this.drop(node);
  }
  /** drop gives back the room of a file that has neither name nor descriptor. */
  drop(node) {
    if (node.parent === null && node.open === 0 && node.writable) this.truncate(node, 0);
  }
};

// ../src/compute/wasi/file.ts
var Flag = { append: 1, all: 31 };
var entryHead = 24;
var here = utf8(".");
var above = utf8("..");
function readable(w, fd) {
  const d = w.get(fd);
  if (d.kind === "folder") throw ISDIR;
  if (!d.read) throw BADF;
  return d;
}
function writable(w, fd) {
  const d = w.get(fd);
  if (!d.write) throw BADF;
  return d;
}
function positioned(d) {
  if (d.stdio) throw SPIPE;
  if (d.kind === "folder") throw BADF;
  return d;
}
function read3(w, m, node, iovs, count, offset, result) {
  const spans = m.spans(iovs, count);
  const n = Number(least(BigInt(spans.size), node.left(offset)));
  m.put32(result, n);
  w.pay(n);
  const at = n > 0 ? Number(offset) : 0;
  spans.fill(node.data.subarray(at, at + n));
  return n;
}
function store(w, node, spans, offset) {
  if (spans.size === 0) return;
  if (offset > i64Max - BigInt(maxTransfer)) throw INVAL;
  w.pay(spans.size);
  w.extend(node, offset);
  const whole3 = w.grow(node, offset + BigInt(spans.size));
  const at = Number(offset);
  node.data.set(spans.bytes(Math.min(node.size - at, spans.size)), at);
  if (!whole3) throw new Stop("output_limit");
}
function stat(w, m, result, type, node) {
  const v = m.view(result, 64);
  w.pay(64);
  for (let i = 0; i < 64; i += 8) v.setBigUint64(i, 0n);
  v.setBigUint64(0, 1n, true);
  v.setUint8(16, type);
  v.setBigUint64(24, 1n, true);
  if (type !== 0) {
    v.setBigUint64(8, node.ino, true);
    v.setBigUint64(32, BigInt(node.size), true);
  }
  for (const at of [40, 48, 56]) v.setBigUint64(at, w.start, true);
}
function checkTimes(flags) {
  if (flags > 15 || (flags & 3) === 3 || (flags & 12) === 12) throw INVAL;
}
function noSocket(w, _m, fd) {
  w.get(fd);
  throw NOTSOCK;
}
var file = {
  fd_advise(w, _m, fd, _offset, _len, advice) {
    positioned(w.get(fd));
    if (advice > 5) throw INVAL;
  },
  fd_allocate(w, _m, fd, offset, len) {
    const d = w.get(fd);
    if (d.stdio) throw SPIPE;
    if (!d.write) throw BADF;
    if (len === 0n) throw INVAL;
    w.extend(d.node, least(u64Max, offset + len));
  },
  fd_close: (w, _m, fd) => w.shut(fd),
  fd_datasync: (w, _m, fd) => void w.get(fd),
  fd_fdstat_get(w, m, fd, result) {
    const d = w.get(fd);
    const v = m.view(result, 24);
    w.pay(24);
    const [base, inheriting] = d.rights;
    v.setBigUint64(0, 0n);
    v.setUint8(0, d.type);
    v.setUint16(2, d.flags, true);
    v.setBigUint64(8, base, true);
    v.setBigUint64(16, inheriting, true);
  },
  fd_fdstat_set_flags(w, _m, fd, flags) {
    const d = w.get(fd);
    if (flags > Flag.all) throw INVAL;
    d.flags = flags;
  },
  fd_fdstat_set_rights(w, _m, fd) {
    w.get(fd);
    throw NOTSUP;
  },
  fd_filestat_get(w, m, fd, result) {
    const d = w.get(fd);
    stat(w, m, result, d.type, d.node);
  },
  fd_filestat_set_size(w, _m, fd, size) {
    const d = w.get(fd);
    if (d.kind !== "file") throw INVAL;
    if (!d.write) throw BADF;
    if (size <= d.node.size) w.truncate(d.node, Number(size));
    else w.extend(d.node, size);
  },
  fd_filestat_set_times(w, _m, fd, _atim, _mtim, flags) {
    const d = w.get(fd);
    checkTimes(flags);
    if (d.node && !d.node.writable) throw ROFS;
  },
  fd_pread(w, m, fd, iovs, count, offset, result) {
    read3(w, m, positioned(readable(w, fd)).node, iovs, count, offset, result);
  },
  fd_prestat_dir_name(w, m, fd, path2, len) {
    if (!w.get(fd).preopened) throw BADF;
    if (len < 1) throw NAMETOOLONG;
    m.span(path2, 1)[0] = 47;
  },
  fd_prestat_get(w, m, fd, result) {
    if (!w.get(fd).preopened) throw BADF;
    const v = m.view(result, 8);
    v.setUint32(0, 0, true);
    v.setUint32(4, 1, true);
  },
  fd_pwrite(w, m, fd, iovs, count, offset, result) {
    const d = positioned(writable(w, fd));
    const spans = m.spans(iovs, count);
    m.put32(result, spans.size);
    store(w, d.node, spans, offset);
  },
  fd_read(w, m, fd, iovs, count, result) {
    const d = readable(w, fd);
    d.pos += BigInt(read3(w, m, d.node, iovs, count, d.pos, result));
  },
  fd_readdir(w, m, fd, at, len, cookie, result) {
    const d = w.get(fd);
    if (d.kind !== "folder") throw NOTDIR;
    const out = m.span(at, Math.min(len, maxTransfer));
    m.span(result, 4);
    const list2 = cookie === 0n || !d.list ? w.relist(d) : d.list;
    w.pay(out.length);
    const entries = BigInt(list2.length) + 2n;
    let done = 0;
    for (let i = cookie; i < entries && done < out.length; i++) {
      const node = i === 0n ? d.node : i === 1n ? d.node.parent ?? d.node : list2[Number(i) - 2];
      const name2 = i === 0n ? here : i === 1n ? above : node.bytes;
      const entry = new Uint8Array(entryHead + name2.length);
      const v = new DataView(entry.buffer);
      v.setBigUint64(0, i + 1n, true);
      v.setBigUint64(8, node.ino, true);
      v.setUint32(16, name2.length, true);
      v.setUint8(20, filetype(node.folder ? "folder" : "file"));
      entry.set(name2, entryHead);
      const fits = entry.subarray(0, out.length - done);
      out.set(fits, done);
      done += fits.length;
    }
    m.put32(result, done);
  },
  fd_renumber(w, _m, fd, to) {
    w.get(fd);
    w.get(to);
    if (fd !== to) w.renumber(fd, to);
  },
  fd_seek(w, m, fd, offset, whence, result) {
    const d = positioned(w.get(fd));
    if (whence > 2) throw INVAL;
    const from = whence === 0 ? 0n : whence === 1 ? d.pos : BigInt(d.node.size);
    const to = BigInt.asIntN(64, from + offset);
    if (to < 0n) throw INVAL;
    m.put64(result, to);
    d.pos = to;
  },
  fd_sync: (w, _m, fd) => void w.get(fd),
  fd_tell: (w, m, fd, result) => m.put64(result, positioned(w.get(fd)).pos),
  fd_write(w, m, fd, iovs, count, result) {
    const d = writable(w, fd);
    const spans = m.spans(iovs, count);
    m.put32(result, spans.size);
    if (d.kind === "stdout" || d.kind === "stderr") {
      w.say(d.kind, spans.bytes(spans.size));
      return;
    }
    if (d.flags & Flag.append) d.pos = BigInt(d.node.size);
    store(w, d.node, spans, d.pos);
    d.pos += BigInt(spans.size);
  },
  sock_accept: noSocket,
  sock_recv: noSocket,
  sock_send: noSocket,
  sock_shutdown: noSocket
};

// ../src/compute/wasi/path.ts
var How = { create: 1, folder: 2, exclusive: 4, truncate: 8, all: 15 };
function unsupported() {
  throw NOTSUP;
}
var path = {
  path_create_directory(w, m, fd, at, n) {
    const place = w.at(m, fd, at, n);
    if (place.node) throw EXIST;
    w.tree.make(place, true);
  },
  path_filestat_get(w, m, fd, _lookup, at, n, result) {
    const { node } = w.at(m, fd, at, n);
    if (!node) throw NOENT;
    stat(w, m, result, filetype(node.folder ? "folder" : "file"), node);
  },
  path_filestat_set_times(w, m, fd, _lookup, at, n, _atim, _mtim, flags) {
    const { node } = w.at(m, fd, at, n);
    checkTimes(flags);
    if (!node) throw NOENT;
    if (!node.writable) throw ROFS;
  },
  path_link: unsupported,
  path_open(w, m, fd, _lookup, at, n, how, base, _inheriting, flags, result) {
    if (how > How.all || flags > Flag.all || how & How.create && how & How.folder) throw INVAL;
    const place = w.at(m, fd, at, n);
    const write = (base & Right.write) !== 0n;
    let node = place.node;
    if (!node) {
      if (!(how & How.create)) throw NOENT;
    } else {
      const change = write || (how & How.truncate) !== 0;
      if (how & How.create && how & How.exclusive) throw EXIST;
      if (node.folder && (change || how & How.create)) throw ISDIR;
      if (!node.folder && how & How.folder) throw NOTDIR;
      if (change && !node.writable) throw ROFS;
    }
    m.span(result, 4);
    const slot = w.slot();
    if (!node) {
      if (place.slash) throw ISDIR;
      node = w.tree.make(place, false);
    } else if (how & How.truncate) {
      w.truncate(node, 0);
    }
    w.open(slot, new Desc(node.folder ? "folder" : "file", node, (base & Right.read) !== 0n, write, flags));
    m.put32(result, slot);
  },
  path_readlink(w, m, fd, at, n) {
    const { node } = w.at(m, fd, at, n);
    throw node ? INVAL : NOENT;
  },
  path_remove_directory(w, m, fd, at, n) {
    const node = w.tree.removable(w.at(m, fd, at, n));
    if (!node.folder) throw NOTDIR;
    if (node.kids.size > 0) throw NOTEMPTY;
    w.unlink(node);
  },
  path_rename(w, m, fd, at, n, newFd, newAt, newN) {
    const from = w.at(m, fd, at, n);
    const to = w.at(m, newFd, newAt, newN);
    const node = w.tree.removable(from);
    const old = to.node;
    if (!node.folder && to.slash && !old) throw NOTDIR;
    const reach = w.tree.reach(node);
    w.pay(16 * reach.nodes);
    const name2 = w.tree.vacant(to, reach);
    for (let up = to.folder; up !== w.tree.root; up = up.parent) {
      if (up === node) throw INVAL;
    }
    if (old === node) return;
    if (old) {
      if (node.folder && !old.folder) throw NOTDIR;
      if (!node.folder && old.folder) throw ISDIR;
      if (old.kids.size > 0) throw NOTEMPTY;
      w.unlink(old);
    }
    w.tree.move(node, to.folder, name2);
  },
  path_symlink: unsupported,
  path_unlink_file(w, m, fd, at, n) {
    const node = w.tree.removable(w.at(m, fd, at, n));
    if (node.folder) throw ISDIR;
    w.unlink(node);
  }
};

// ../src/compute/wasi/text.ts
function strings(w, m, list2, pointers, buf) {
  const bytes3 = total(list2);
  m.span(pointers, list2.length * 4);
  m.span(buf, bytes3);
  w.pay(list2.length * 4 + bytes3);
  for (const s of list2) {
    m.put32(pointers, buf);
    m.span(buf, s.length).set(s);
    pointers += 4;
    buf += s.length;
  }
}
function sizes(m, list2, count, size) {
  m.put32(count, list2.length);
  m.put32(size, total(list2));
}
function total(list2) {
  return list2.reduce((n, s) => n + s.length, 0);
}
var text3 = {
  args_get: (w, m, pointers, buf) => strings(w, m, w.args, pointers, buf),
  args_sizes_get: (w, m, count, size) => sizes(m, w.args, count, size),
  environ_get: (w, m, pointers, buf) => strings(w, m, w.env, pointers, buf),
  environ_sizes_get: (w, m, count, size) => sizes(m, w.env, count, size)
};

// ../src/compute/wasi/time.ts
var maxSubscriptions = 1024;
var randomPiece = 65536;
var subscriptionSize = 48;
var eventSize = 32;
function subscription(w, v, at) {
  const s = { user: v.getBigUint64(at, true), tag: v.getUint8(at + 8), errno: 0, bytes: 0n, due: null };
  try {
    switch (s.tag) {
      case 0:
        s.due = due(w, v.getUint32(at + 16, true), v.getBigUint64(at + 24, true), v.getUint16(at + 40, true));
        break;
      case 1:
      case 2:
        s.bytes = ready(w.get(v.getUint32(at + 16, true)), s.tag === 2);
        break;
      default:
        throw INVAL;
    }
  } catch (err) {
    if (!(err instanceof Errno)) throw err;
    s.errno = err.number;
  }
  return s;
}
function due(w, id, timeout, flags) {
  const time2 = w.now(id);
  if (id > 1) throw NOTSUP;
  if (flags > 1) throw INVAL;
  if (flags === 0) return timeout;
  return timeout > time2 ? timeout - time2 : 0n;
}
function ready(d, write) {
  if (write ? !d.write : !d.read) throw BADF;
  if (write) return BigInt(maxTransfer);
  return d.kind === "folder" ? 0n : d.node.left(d.pos);
}
var time = {
  clock_res_get(w, m, id, result) {
    w.now(id);
    m.put64(result, 1n);
  },
  clock_time_get(w, m, id, _precision, result) {
    m.put64(result, w.now(id));
  },
  random_get(w, m, at, n) {
    const bytes3 = m.span(at, n);
    for (let i = 0; i < n; i += randomPiece) {
      const piece = bytes3.subarray(i, i + randomPiece);
      w.pay(piece.length);
      w.random.fill(piece);
    }
  },
  /** poll_oneoff writes the events of what is due first, and sleeps until then. */
  poll_oneoff(w, m, from, to, count, result) {
    if (count === 0 || count > maxSubscriptions) throw INVAL;
    const input = m.span(from, subscriptionSize * count);
    const out = m.view(to, eventSize * count);
    m.span(result, 4);
    w.pay((subscriptionSize + eventSize) * count);
    const copy = new DataView(input.slice().buffer);
    const subs = Array.from({ length: count }, (_, i) => subscription(w, copy, subscriptionSize * i));
    const elapsed = w.elapsed;
    const when = (s) => s.due === null ? elapsed : least(u64Max, elapsed + s.due);
    const wake = subs.reduce((first, s) => least(first, when(s)), u64Max);
    let events = 0;
    for (const s of subs) {
      if (s.due !== null && when(s) > wake) continue;
      const at = eventSize * events++;
      for (let i = 0; i < eventSize; i += 8) out.setBigUint64(at + i, 0n);
      out.setBigUint64(at, s.user, true);
      out.setUint16(at + 8, s.errno, true);
      out.setUint8(at + 10, s.tag);
      out.setBigUint64(at + 16, s.bytes, true);
    }
    const end = least(wake, w.last);
    if (end > elapsed) w.slept += end - elapsed;
    m.put32(result, events);
  },
  sched_yield() {
  },
  proc_exit(_w, _m, code) {
    throw new Stop("exit", code | 0);
  },
  proc_raise() {
    throw NOTSUP;
  }
};

// ../src/compute/wasi/calls.ts
var module = "wasi_snapshot_preview1";
var all2 = { ...text3, ...time, ...file, ...path };
var params = {
  args_get: "ii",
  args_sizes_get: "ii",
  clock_res_get: "ii",
  clock_time_get: "ili",
  environ_get: "ii",
  environ_sizes_get: "ii",
  fd_advise: "illi",
  fd_allocate: "ill",
  fd_close: "i",
  fd_datasync: "i",
  fd_fdstat_get: "ii",
  fd_fdstat_set_flags: "ii",
  fd_fdstat_set_rights: "ill",
  fd_filestat_get: "ii",
  fd_filestat_set_size: "il",
  fd_filestat_set_times: "illi",
  fd_pread: "iiili",
  fd_prestat_dir_name: "iii",
  fd_prestat_get: "ii",
  fd_pwrite: "iiili",
  fd_read: "iiii",
  fd_readdir: "iiili",
  fd_renumber: "ii",
  fd_seek: "ilii",
  fd_sync: "i",
  fd_tell: "ii",
  fd_write: "iiii",
  path_create_directory: "iii",
  path_filestat_get: "iiiii",
  path_filestat_set_times: "iiiilli",
  path_link: "iiiiiii",
  path_open: "iiiiillii",
  path_readlink: "iiiiii",
  path_remove_directory: "iii",
  path_rename: "iiiiii",
  path_symlink: "iiiii",
  path_unlink_file: "iii",
  poll_oneoff: "iiii",
  proc_exit: "i",
  proc_raise: "i",
  random_get: "ii",
  sched_yield: "",
  sock_accept: "iii",
  sock_recv: "iiiiii",
  sock_send: "iiiii",
  sock_shutdown: "ii"
};
function calls(world, memory) {
  const functions = {};
  for (const [name2, letters] of Object.entries(params)) {
    const call = all2[name2];
    functions[name2] = (...args) => {
      world.begin();
      for (let i = 0; i < letters.length; i++) {
        args[i] = letters[i] === "l" ? BigInt.asUintN(64, args[i]) : args[i] >>> 0;
      }
      try {
        call(world, new Memory(memory()), ...args);
        return 0;
      } catch (err) {
        if (err instanceof Errno) return err.number;
        throw err;
      }
    };
  }
  return functions;
}

// ../src/compute/guest.ts
var Meter = {
  fuel: "sea:fuel",
  limit: "sea:limit",
  depth: "sea:depth",
  maxDepth: "sea:max_depth",
  status: "sea:status",
  start: "sea:start",
  memory: "sea:memory",
  hold: "sea:hold"
};
var Status = { limit: 1, depth: 2, grow: 3 };
var traps = [
  [/^unreachable$/, "unreachable"],
  [/^memory access out of bounds$/, "memory_bounds"],
  [/^table index is out of bounds$/, "table_access"],
  [/^table access out of bounds$/, "table_access"],
  [/^element segment out of bounds$/, "table_access"],
  [/^(null function|function signature mismatch|null function or function signature mismatch)$/, "table_access"],
  [/^(divide|remainder) by zero$/, "divide_by_zero"],
  [/^divide result unrepresentable$/, "integer_overflow"],
  [/^float unrepresentable in integer range$/, "integer_overflow"]
];
var Pointer = class {
};
function run(module2, task, watch) {
  return new Guest(module2, task, watch).play();
}
var Guest = class {
  #task;
  #watch;
  #world;
  #exports;
  /** #bound is where the job's fuel or stopAt ends the guest. */
  #bound;
  constructor(module2, task, watch) {
    this.#task = task;
    this.#watch = watch;
    this.#world = new World(task, this);
    this.#exports = instantiate(module2, calls(this.#world, () => this.#memory));
    this.#bound = task.stopAt > 0n ? least(task.fuel, task.stopAt - 1n) : task.fuel;
    this.#set(Meter.maxDepth, task.depth);
    this.#exports[Meter.hold].set(0, importable(() => this.#hold()));
  }
  get #memory() {
    return this.#exports[Meter.memory]?.buffer ?? new ArrayBuffer(0);
  }
  #get(name2) {
    return this.#exports[name2].value;
  }
  #set(name2, value) {
    this.#exports[name2].value = value;
  }
  // ---- the World's tank
  get used() {
    return this.#get(Meter.fuel);
  }
  /** pay: that the job's fuel is used up decides before anything else, for it is the same on every machine. */
  pay(n) {
    const used = this.used;
    if (used + n > this.#task.fuel) {
      this.#set(Meter.fuel, this.#task.fuel + 1n);
      throw new Stop("out_of_fuel");
    }
    if (used > this.#bound) throw new Stop("interrupted");
    this.#set(Meter.fuel, used + n);
  }
  /** #hold is called by the guest at a check that finds more than the limit used. It has all to say. */
  #hold() {
    const used = this.used;
    if (used > this.#task.fuel) throw new Stop("out_of_fuel");
    if (used > this.#bound) throw new Stop("interrupted");
    const more = this.#watch(used);
    if (more === void 0) throw new Stop("interrupted");
    this.#set(Meter.limit, least(this.#bound, used + more));
  }
  // ---- calls of the guest
  /** #call calls an export, from depth 0. */
  #call(name2, ...args) {
    this.#set(Meter.depth, 0);
    this.#set(Meter.status, 0);
    return this.#exports[name2](...args);
  }
  /**
   * play makes the calls of a job and says how they ended. Using up the fuel comes
   * before all else, because a straight run of code is paid as a whole before it
   * traps or returns.
   */
  play() {
    let thrown;
    try {
      if (this.#exports[Meter.start]) this.#call(Meter.start);
      if (this.#task.entry !== "") this.#react();
      else this.#call("_start");
    } catch (err) {
      thrown = err ?? new Error("nothing was thrown");
    }
    const used = this.used;
    const { end, code, trap } = used > this.#task.fuel ? { end: "out_of_fuel", code: 0, trap: "" } : this.#ended(thrown);
    return {
      end,
      code,
      trap,
      fuel: least(used, this.#task.fuel),
      pages: this.#memory.byteLength / 65536,
      stdout: this.#world.stdout,
      stderr: this.#world.stderr,
      files: this.#world.tree.list()
    };
  }
  #ended(thrown) {
    if (thrown === void 0) return { end: "exit", code: 0, trap: "" };
    if (thrown instanceof Stop) return { end: thrown.end, code: thrown.code, trap: "" };
    if (thrown instanceof Pointer) return { end: "trap", code: 0, trap: "bad_pointer" };
    if (!(thrown instanceof WebAssembly.RuntimeError)) throw failure(String(thrown));
    switch (this.#get(Meter.status)) {
      case Status.depth:
        return { end: "trap", code: 0, trap: "call_depth" };
      case Status.grow:
        throw failure("memory did not grow, though the job's limit allows it");
      case Status.limit:
        throw failure("stopped below its limit");
    }
    for (const [words, trap] of traps) {
      if (words.test(thrown.message)) return { end: "trap", code: 0, trap };
    }
    throw failure(`no word for the trap "${thrown.message}"`);
  }
  /** #react hands a reactor its input and prints what it returns. */
  #react() {
    const { stdin, entry } = this.#task;
    if (typeof this.#exports["_initialize"] === "function") this.#call("_initialize");
    let at = 0;
    if (stdin.length > 0) {
      at = this.#call("malloc", stdin.length) >>> 0;
      this.#world.begin(stdin.length);
      if (at === 0) throw new Pointer();
      this.#bytes(at, stdin.length).set(stdin);
    }
    const packed = BigInt.asUintN(64, this.#call(entry, at, stdin.length));
    this.#world.print(this.#bytes(Number(packed >> 32n), Number(packed & 0xffffffffn)));
  }
  /** #bytes are n bytes of the guest's memory. */
  #bytes(at, n) {
    if (n === 0) return new Uint8Array(0);
    const memory = this.#memory;
    if (at + n > memory.byteLength) throw new Pointer();
    return new Uint8Array(memory, at, n);
  }
};
function failure(why) {
  return new SeaError("engine", why);
}
function instantiate(module2, functions) {
  try {
    return new WebAssembly.Instance(module2, { [module]: functions }).exports;
  } catch (err) {
    if (err instanceof WebAssembly.LinkError || err instanceof WebAssembly.RuntimeError) {
      throw new SeaError("module", err.message);
    }
    throw failure(String(err));
  }
}
var passing = new Uint8Array([
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  4,
  1,
  96,
  0,
  0,
  2,
  5,
  1,
  0,
  0,
  0,
  0,
  7,
  4,
  1,
  0,
  0,
  0
]);
function importable(f) {
  return new WebAssembly.Instance(new WebAssembly.Module(passing), { "": { "": f } }).exports[""];
}

// ../src/compute/meter.ts
var name = text2(0, moduleBytes);
var maxEntries = 1e4;
var maxMetered = 1 << 30;
var made = tuple(list(tuple(name, name, name), maxEntries), list(tuple(name, name), maxEntries), bytes2(0, maxMetered));
function meter(rewriter, module2, pages) {
  const { code, stdout, stderr } = rewrite(rewriter, module2, pages);
  if (code !== 0) throw new SeaError("module", new TextDecoder().decode(stderr).slice(0, 300));
  const [imports, exports, wasm] = read2(stdout, made, "the rewriter's answer");
  for (const [from, called, type] of imports) checkImport(from, called, type);
  return { wasm, exports: new Map(exports) };
}
function rewrite(rewriter, module2, pages) {
  let used = 0n;
  const w = new World(
    {
      args: ["webmeter", String(pages)],
      env: [],
      stdin: module2,
      files: [],
      seed: new Uint8Array(32),
      start: 0n,
      outputBytes: maxMetered,
      maxFiles: 0
    },
    {
      get used() {
        return used;
      },
      pay(n) {
        used += n;
      }
    }
  );
  let code = 0;
  const functions = calls(w, () => instance.exports["memory"].buffer);
  const instance = new WebAssembly.Instance(rewriter, { [module]: functions });
  try {
    instance.exports["_start"]();
  } catch (err) {
    if (!(err instanceof Stop) || err.end !== "exit") throw new SeaError("engine", `the rewriter: ${String(err)}`);
    code = err.code;
  }
  return { code, stdout: concat(...w.stdout), stderr: concat(...w.stderr) };
}
function checkImport(from, called, type) {
  if (from !== module || !type.includes(">")) {
    throw new SeaError("module", `import of ${type} ${called} of module ${from}: guests get functions of ${module} and nothing else`);
  }
  if (!Object.hasOwn(params, called)) throw new SeaError("module", `import of ${called} of ${module}, which does not have it`);
  const want = params[called] + (called === "proc_exit" ? ">" : ">i");
  if (type !== want) throw new SeaError("module", `import of ${called} of ${module} with the wrong type`);
}
function checkEntry(exports, entry) {
  const need = (called, type) => {
    if (exports.get(called) !== type) throw new SeaError("module", `exports no function ${called} of type ${type}`);
  };
  if (entry === "") return need("_start", ">");
  need(entry, "ii>l");
  need("malloc", "i>i");
  if (exports.get("_initialize")?.includes(">")) need("_initialize", ">");
}

// ../src/compute/work.ts
var Cell = { state: 0, share: 1, count: 2 };
var State = { run: 0, pause: 1, stop: 2 };
var wholeShare = 1e3;
var sliceMillis = 2;
var leastSlice = 10000n;
var mostSlice = 50000000n;
var progressMillis = 100;
var longestRest = 1e3;
var Work = class {
  // the last one: jobs come in rows
  constructor(rewriter, cells) {
    this.rewriter = rewriter;
    this.cells = cells;
  }
  rewriter;
  cells;
  #program;
  /**
   * do runs a job. begun is called before the guest's first instruction, progress
   * with its fuel now and then. SeaError "module" or "engine", as run.
   */
  do(order, begun, progress) {
    const { job } = order;
    const { code, exports } = this.#prepare(order);
    checkEntry(exports, job.entry ?? "");
    const l = job.limits;
    const task = {
      entry: job.entry ?? "",
      args: job.args,
      env: job.env,
      stdin: order.stdin,
      files: job.files.map((f, i) => ({ path: f.path, data: order.files[i] })),
      seed: job.seed,
      start: job.start,
      fuel: l.fuel,
      depth: l.depth,
      stopAt: order.stopAt,
      outputBytes: l.output_bytes,
      maxFiles: l.files
    };
    begun();
    return whole2(run(code, task, this.#watch(l.wall_ms, progress)));
  }
  #prepare({ job, module: module2 }) {
    const pages = job.limits.memory_pages;
    const last = this.#program;
    if (last && last.pages === pages && compare(last.hash, job.module) === 0) return last;
    this.#program = void 0;
    const { wasm, exports } = meter(this.rewriter, module2, pages);
    let code;
    try {
      code = new WebAssembly.Module(wasm);
    } catch (err) {
      if (!(err instanceof WebAssembly.CompileError)) throw new SeaError("engine", String(err));
      throw new SeaError("module", `not valid: ${err.message}`);
    }
    return this.#program = { hash: job.module, pages, code, exports };
  }
  /** #watch looks at the cells and the clock, rests, and makes slices that take about sliceMillis. */
  #watch(wall, progress) {
    const began = performance.now();
    let [before, then, told, slice, until] = [0n, began, began, leastSlice, began + wall];
    return (used) => {
      const now = performance.now();
      const took = now - then;
      if (now - told > progressMillis) {
        progress(used);
        told = now;
      }
      until += this.#rest(took, until);
      if (Atomics.load(this.cells, Cell.state) === State.stop || performance.now() >= until) return void 0;
      const next = took < sliceMillis / 2 ? 2n * slice : BigInt(Math.round(Number(used - before) / took * sliceMillis));
      slice = next < leastSlice ? leastSlice : next > mostSlice ? mostSlice : next;
      [before, then] = [used, performance.now()];
      return slice;
    };
  }
  /** #rest waits while the guest is paused, and as long as its share wants; it gives how long it was paused, ms. */
  #rest(took, until) {
    const share = Atomics.load(this.cells, Cell.share);
    let rest = share < wholeShare ? Math.min(longestRest, took * (wholeShare - share) / share) : 0;
    let paused = 0;
    for (; ; ) {
      const state = Atomics.load(this.cells, Cell.state);
      const from = performance.now();
      if (state === State.stop || state === State.run && (rest < 1 || from >= until + paused)) return paused;
      Atomics.wait(this.cells, Cell.state, state, state === State.run ? Math.min(rest, until + paused - from) : Infinity);
      const waited = performance.now() - from;
      if (state === State.run) rest -= waited;
      else paused += waited;
    }
  }
};
function whole2(o) {
  return {
    ...o,
    stdout: concat(...o.stdout),
    stderr: concat(...o.stderr),
    files: o.files.map((f) => ({ ...f, data: f.data.slice() }))
  };
}

// ../src/compute/worker.ts
var scope = globalThis;
var work;
scope.onmessage = ({ data }) => {
  if ("rewriter" in data) {
    work = new Work(data.rewriter, data.cells ?? own());
    return;
  }
  try {
    if (!work) throw new SeaError("engine", "an order before the setup");
    const done = work.do(data, () => scope.postMessage({ begun: true }), (fuel2) => scope.postMessage({ fuel: fuel2 }));
    scope.postMessage({ done }, [done.stdout.buffer, done.stderr.buffer]);
  } catch (err) {
    if (err instanceof SeaError && err.code === "module") scope.postMessage({ refused: err.message });
    else scope.postMessage({ failed: err instanceof SeaError ? err.message : String(err) });
  }
};
function own() {
  const cells = new Int32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer, 0, Cell.count);
  cells[Cell.share] = wholeShare;
  return cells;
}
