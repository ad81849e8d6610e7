var __defProp = Object.defineProperty;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __esm = (fn, res, err) => function __init() {
  if (err) throw err[0];
  try {
    return fn && (res = (0, fn[__getOwnPropNames(fn)[0]])(fn = 0)), res;
  } catch (e) {
    throw err = [e], e;
  }
};
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};

// ../src/bytes.ts
function utf8(text3) {
  return encoder.encode(text3);
}
function concat(...pieces2) {
  const whole2 = new Uint8Array(pieces2.reduce((n, p) => n + p.length, 0));
  let at2 = 0;
  for (const p of pieces2) {
    whole2.set(p, at2);
    at2 += p.length;
  }
  return whole2;
}
function compare(a, b) {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}
function toHex(b) {
  return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
}
function fromHex(text3) {
  if (text3.length % 2 || /[^0-9a-f]/.test(text3)) return void 0;
  return Uint8Array.from({ length: text3.length / 2 }, (_, i) => parseInt(text3.slice(2 * i, 2 * i + 2), 16));
}
async function sha256(...pieces2) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...pieces2)));
}
var encoder, none, draw;
var init_bytes = __esm({
  "../src/bytes.ts"() {
    "use strict";
    encoder = new TextEncoder();
    none = new Uint8Array(0);
    draw = (n) => crypto.getRandomValues(new Uint8Array(n));
  }
});

// ../src/error.ts
var rpcCodes, SeaError;
var init_error = __esm({
  "../src/error.ts"() {
    "use strict";
    rpcCodes = [
      "ok",
      "internal",
      "no_handler",
      "bad_request",
      "busy",
      "unreachable",
      "timeout",
      "refused",
      "not_found",
      "too_large",
      "expired",
      "replayed",
      "unavailable",
      "cancelled"
    ];
    SeaError = class extends Error {
      code;
      constructor(code2, text3) {
        super(text3);
        this.name = "SeaError";
        this.code = code2;
      }
    };
  }
});

// ../src/identity/cbor.ts
function encode(v) {
  const w = new Writer();
  write(w, v, 0);
  return w.done();
}
function decode(b) {
  return whole(new Reader(b));
}
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
function write(w, v, depth2) {
  switch (typeof v) {
    case "boolean":
      return w.byte(v ? 245 : 244);
    case "string":
      return w.text(v);
    case "bigint":
      if (v >= 1n << 64n || v < -(1n << 63n)) throw refuse("an integer outside -2^63 \u2026 2^64-1");
      return v < 0n ? w.head(negative, -1n - v) : w.head(uint, v);
    case "number":
      if (!Number.isSafeInteger(v) || Object.is(v, -0)) return w.float(v);
      return v < 0 ? w.head(negative, -1 - v) : w.head(uint, v);
    case "object":
      break;
    default:
      throw refuse(`${typeof v} has no encoding`);
  }
  if (v === null) return w.byte(246);
  if (v instanceof Float) return w.float(v.value);
  if (v instanceof Uint8Array) return w.bytes(v);
  if (v instanceof ArrayBuffer) return w.bytes(new Uint8Array(v));
  if (depth2 === maxDepth) throw refuse(`more than ${maxDepth} levels deep`);
  if (Array.isArray(v)) {
    if (v.length > maxElements) throw refuse(`${v.length} members, ${maxElements} at most`);
    w.head(array, v.length);
    for (const member of v) write(w, member, depth2 + 1);
    return;
  }
  const proto = Object.getPrototypeOf(v);
  if (v instanceof Map) return pairs(w, [...v], depth2 + 1);
  if (proto !== Object.prototype && proto !== null) {
    throw refuse(`${v.constructor?.name ?? "this object"} has no encoding`);
  }
  pairs(w, Object.entries(v).filter(([, member]) => member !== void 0), depth2 + 1);
}
function pairs(w, all, depth2) {
  if (all.length > maxElements) throw refuse(`${all.length} members, ${maxElements} at most`);
  const sorted = all.map(([name, member]) => {
    if (typeof name !== "string") throw refuse("map key is not text");
    const key3 = new Writer();
    key3.text(name);
    return { key: key3.done(), member };
  });
  sorted.sort((a, b) => compare(a.key, b.key));
  w.head(map, sorted.length);
  for (const { key: key3, member } of sorted) {
    w.raw(key3);
    write(w, member, depth2);
  }
}
function read(r, depth2) {
  const at2 = r.at;
  const { major, n } = r.head();
  switch (major) {
    case uint:
      return n;
    case negative: {
      const v = -1n - BigInt(n);
      if (v < -(1n << 63n)) throw r.fail(at2, "integer below -2^63");
      return v >= Number.MIN_SAFE_INTEGER ? Number(v) : v;
    }
    case bytes:
      return r.take(at2, n).slice();
    case text:
      return r.text(at2, n);
    case tag:
      throw r.fail(at2, `tag ${n}: tags are not used`);
    case simple:
      return r.simple(at2);
  }
  if (depth2 === maxDepth) throw r.fail(at2, `more than ${maxDepth} levels deep`);
  if (n > maxElements) throw r.fail(at2, `${n} members, ${maxElements} at most`);
  const count3 = Number(n);
  const rest3 = r.b.length - r.at;
  if (major === array) {
    if (count3 > rest3) throw r.fail(at2, `array of ${count3} members in ${rest3} bytes`);
    const list2 = [];
    for (let i = 0; i < count3; i++) list2.push(read(r, depth2 + 1));
    return list2;
  }
  if (count3 > rest3 / 2) throw r.fail(at2, `map of ${count3} pairs in ${rest3} bytes`);
  return readPairs(r, count3, depth2 + 1);
}
function readPairs(r, count3, depth2) {
  const made = {};
  let last;
  for (let i = 0; i < count3; i++) {
    const at2 = r.at;
    const { major, n } = r.head();
    if (major !== text) throw r.fail(at2, "map key is not text");
    const name = r.text(at2, n);
    const key3 = r.b.subarray(at2, r.at);
    const order3 = last ? compare(key3, last) : 1;
    if (order3 <= 0) throw r.fail(at2, order3 === 0 ? "map key comes twice" : "map keys are out of order");
    last = key3;
    Object.defineProperty(made, name, { value: read(r, depth2), enumerable: true, writable: true, configurable: true });
  }
  return made;
}
function ofHalf(bits2) {
  const exponent = bits2 >> 10 & 31;
  const mantissa = bits2 & 1023;
  const sign2 = bits2 & 32768 ? -1 : 1;
  if (exponent === 31) return mantissa ? NaN : sign2 * Infinity;
  return sign2 * (exponent ? mantissa + 1024 : mantissa) * 2 ** (Math.max(exponent, 1) - 25);
}
function toHalf(f) {
  const [bits2] = new Uint32Array(Float32Array.of(f).buffer);
  const sign2 = bits2 >>> 16 & 32768;
  if (Number.isNaN(f)) return 32256;
  if (Math.abs(f) === Infinity) return sign2 | 31744;
  const exponent = Math.max((bits2 >>> 23 & 255) - 127, -14);
  const mantissa = Math.abs(f) * 2 ** (10 - exponent);
  if (exponent > 15 || mantissa % 1) return void 0;
  return sign2 | (exponent + 14 << 10) + mantissa;
}
var maxDepth, maxElements, Float, uint, negative, bytes, text, array, map, tag, simple, Writer, Reader, decoder;
var init_cbor = __esm({
  "../src/identity/cbor.ts"() {
    "use strict";
    init_bytes();
    init_error();
    maxDepth = 32;
    maxElements = 65536;
    Float = class {
      constructor(value) {
        this.value = value;
      }
      value;
    };
    uint = 0;
    negative = 1;
    bytes = 2;
    text = 3;
    array = 4;
    map = 5;
    tag = 6;
    simple = 7;
    Writer = class {
      #b = new Uint8Array(64);
      #n = 0;
      /** done gives what was written; nothing may be written after it. */
      done() {
        return this.#b.subarray(0, this.#n);
      }
      #room(n) {
        const at2 = this.#n;
        if (at2 + n > this.#b.length) {
          const larger = new Uint8Array(Math.max(at2 + n, 2 * this.#b.length));
          larger.set(this.#b);
          this.#b = larger;
        }
        this.#n += n;
        return at2;
      }
      byte(x) {
        const at2 = this.#room(1);
        this.#b[at2] = x;
      }
      raw(b) {
        const at2 = this.#room(b.length);
        this.#b.set(b, at2);
      }
      /** head writes a head in its shortest form. n is 0 … 2^64-1. */
      head(major, n) {
        const m = major << 5;
        if (n < 24) return this.byte(m | Number(n));
        const power = n < 256 ? 0 : n < 65536 ? 1 : n < 4294967296 ? 2 : 3;
        this.byte(m | 24 + power);
        const size3 = 1 << power;
        const at2 = this.#room(size3);
        for (let i = size3 - 1, left = BigInt(n); i >= 0; i--, left >>= 8n) this.#b[at2 + i] = Number(left & 0xffn);
      }
      bytes(b) {
        this.head(bytes, b.length);
        this.raw(b);
      }
      text(s2) {
        if (/\p{Surrogate}/u.test(s2)) throw refuse("text with half a surrogate pair");
        const b = utf8(s2);
        this.head(text, b.length);
        this.raw(b);
      }
      /** float writes the shortest float that keeps f, and not-a-number as f97e00. */
      float(f) {
        const half = toHalf(f);
        const size3 = half !== void 0 ? 2 : Math.fround(f) === f ? 4 : 8;
        this.byte(249 + (size3 >> 2));
        const at2 = this.#room(size3);
        const view = new DataView(this.#b.buffer);
        if (half !== void 0) view.setUint16(at2, half);
        else if (size3 === 4) view.setFloat32(at2, f);
        else view.setFloat64(at2, f);
      }
    };
    Reader = class {
      constructor(b, exact = false) {
        this.b = b;
        this.exact = exact;
        this.#view = new DataView(b.buffer, b.byteOffset, b.byteLength);
      }
      b;
      exact;
      at = 0;
      #view;
      fail(at2, why) {
        return new SeaError("cbor", `byte ${at2}: ${why}`);
      }
      /** head reads a major type and its argument in the shortest spelling. */
      head() {
        const at2 = this.at;
        const first = this.b[at2];
        if (first === void 0) throw this.fail(at2, "the value ends early");
        const major = first >> 5;
        const info = first & 31;
        this.at++;
        if (info < 24) return { major, n: info };
        if (info > 27) throw this.fail(at2, `indefinite length or reserved head 0x${first.toString(16)}`);
        const size3 = 1 << info - 24;
        if (this.b.length - this.at < size3) throw this.fail(at2, "the head ends early");
        const n = this.#uint(size3);
        this.at += size3;
        const least2 = [24, 256, 65536, 4294967296][info - 24];
        if (major !== simple && n < least2) throw this.fail(at2, `${n} is not written in the shortest way`);
        return { major, n };
      }
      #uint(size3) {
        if (size3 === 1) return this.#view.getUint8(this.at);
        if (size3 === 2) return this.#view.getUint16(this.at);
        if (size3 === 4) return this.#view.getUint32(this.at);
        const n = this.#view.getBigUint64(this.at);
        return n <= Number.MAX_SAFE_INTEGER ? Number(n) : n;
      }
      /** take steps over n bytes of the string whose head is at at. They are b's own. */
      take(at2, n) {
        const rest3 = this.b.length - this.at;
        if (n > rest3) throw this.fail(at2, `string of ${n} bytes, ${rest3} are there`);
        this.at += Number(n);
        return this.b.subarray(this.at - Number(n), this.at);
      }
      /** text is take of UTF-8. */
      text(at2, n) {
        const b = this.take(at2, n);
        try {
          return decoder.decode(b);
        } catch {
          throw this.fail(at2, "text is not UTF-8");
        }
      }
      /** simple gives the simple value or float whose head was read at at. */
      simple(at2) {
        const v = this.#simple(at2);
        return this.exact && typeof v === "number" ? new Float(v) : v;
      }
      #simple(at2) {
        const info = this.b[at2] & 31;
        if (info >= 20 && info <= 22) return [false, true, null][info - 20];
        if (info < 25) throw this.fail(at2, `simple value ${info === 24 ? this.b[at2 + 1] : info}: only false, true and null are used`);
        const view = this.#view;
        const f = info === 25 ? ofHalf(view.getUint16(at2 + 1)) : info === 26 ? view.getFloat32(at2 + 1) : view.getFloat64(at2 + 1);
        const w = new Writer();
        w.float(f);
        if (compare(w.done(), this.b.subarray(at2, this.at)) !== 0) {
          throw this.fail(at2, info === 25 ? "not-a-number is not written as f97e00" : "float is not written in the shortest way");
        }
        return f;
      }
    };
    decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  }
});

// ../src/identity/shape.ts
function read2(b, shape4, name) {
  return shape4(decodeExact(b), name);
}
function wrong(name, why) {
  return new SeaError("cbor", `${name}: ${why}`);
}
var uint2, wide, uint64, bytes2, text2, bool, orNull, list, tuple, map2, optional, version;
var init_shape = __esm({
  "../src/identity/shape.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    uint2 = (most2 = Number.MAX_SAFE_INTEGER) => (v, name) => {
      if (typeof v !== "number" || !Number.isSafeInteger(v) || v < 0 || v > most2) {
        throw wrong(name, `not an integer from 0 to ${most2}`);
      }
      return v;
    };
    wide = (v, name) => {
      return BigInt(uint64(v, name));
    };
    uint64 = (v, name) => {
      if (typeof v !== "number" && typeof v !== "bigint" || v < 0) throw wrong(name, "not an integer from 0 to 2^64 - 1");
      return v;
    };
    bytes2 = (least2, most2 = least2) => (v, name) => {
      if (!(v instanceof Uint8Array) || v.length < least2 || v.length > most2) {
        throw wrong(name, least2 === most2 ? `not ${least2} bytes` : `not ${least2} to ${most2} bytes`);
      }
      return v;
    };
    text2 = (least2, most2) => (v, name) => {
      if (typeof v !== "string" || v.length > most2 || v.length * 3 < least2) throw wrong(name, "not a text of the right size");
      const n = utf8(v).length;
      if (n < least2 || n > most2) throw wrong(name, `a text of ${n} bytes, not ${least2} to ${most2}`);
      return v;
    };
    bool = (v, name) => {
      if (typeof v !== "boolean") throw wrong(name, "neither true nor false");
      return v;
    };
    orNull = (shape4) => (v, name) => v === null ? null : shape4(v, name);
    list = (shape4, most2) => (v, name) => {
      if (!Array.isArray(v) || v.length > most2) throw wrong(name, `not a list of at most ${most2}`);
      return v.map((member, i) => shape4(member, `${name} ${i + 1}`));
    };
    tuple = (...shapes2) => (v, name) => {
      if (!Array.isArray(v) || v.length !== shapes2.length) throw wrong(name, `not an array of ${shapes2.length}`);
      return shapes2.map((shape4, i) => shape4(v[i], `${name} ${i + 1}`));
    };
    map2 = (fields) => (v, name) => {
      if (v === null || typeof v !== "object" || Array.isArray(v) || v instanceof Uint8Array || v instanceof Float) throw wrong(name, "not a map");
      for (const key3 of Object.keys(v)) {
        if (!Object.hasOwn(fields, key3)) throw wrong(name, `a field ${JSON.stringify(key3.slice(0, 40))} that is not known here`);
      }
      const made = {};
      for (const [key3, shape4] of Object.entries(fields)) {
        const member = shape4(Object.hasOwn(v, key3) ? v[key3] : void 0, `${name}: ${key3}`);
        if (member !== void 0) made[key3] = member;
      }
      return made;
    };
    optional = (shape4) => (v, name) => {
      if (v === void 0) return void 0;
      const zero2 = v === 0 || v === "" || v === false || v === null || (v instanceof Uint8Array || Array.isArray(v)) && v.length === 0;
      if (zero2) throw wrong(name, "a zero value is written");
      return shape4(v, name);
    };
    version = (v, name) => {
      if (v !== 1) throw wrong(name, `version ${String(v)} is not known here`);
      return 1;
    };
  }
});

// ../src/compute/blob.ts
async function blobOf(b) {
  return { hash: await sha256(b), size: b.length };
}
function checkBlob(b, name) {
  if (b.hash.length !== hashSize || !Number.isSafeInteger(b.size) || b.size < 0 || b.size > maxInputBytes) {
    throw invalid(`${name}: not a hash and up to ${maxInputBytes} bytes`);
  }
  if (b.size === 0 !== (compare(b.hash, emptyHash) === 0)) {
    throw invalid(`${name}: hash and size disagree about being empty`);
  }
}
async function load(what, b, blobs) {
  if (b.size === 0) return new Uint8Array(0);
  const data = await blobs.open(b.hash);
  if (data.length !== b.size || compare(await sha256(data), b.hash) !== 0) {
    throw new SeaError("blob", `the bytes of ${what} do not have its hash`);
  }
  return data;
}
function checkPath(p) {
  const all = p.split("/");
  const clean2 = all.every((part2) => part2 !== "" && part2 !== "." && part2 !== ".." && utf8(part2).length <= maxName);
  if (!clean2 || p.includes("\0") || all.length > maxParts || utf8(p).length > maxPath) {
    throw invalid(`path ${JSON.stringify(p.slice(0, 80))} is not clean, or too long`);
  }
}
function parents(p) {
  const all = [];
  for (let at2 = p.indexOf("/"); at2 >= 0; at2 = p.indexOf("/", at2 + 1)) all.push(p.slice(0, at2));
  return all;
}
function checkSorted(paths) {
  let before;
  for (const p of paths) {
    const b = utf8(p);
    if (before && compare(before, b) >= 0) throw invalid(`path ${JSON.stringify(p.slice(0, 80))} is not sorted`);
    before = b;
  }
}
function invalid(why) {
  return new SeaError("invalid", why);
}
var maxInputBytes, maxPath, maxName, maxParts, emptyHash, hashSize, parts, emptyBlob, blob;
var init_blob = __esm({
  "../src/compute/blob.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_shape();
    maxInputBytes = 1 << 30;
    maxPath = 1024;
    maxName = 255;
    maxParts = 32;
    emptyHash = new Uint8Array([
      227,
      176,
      196,
      66,
      152,
      252,
      28,
      20,
      154,
      251,
      244,
      200,
      153,
      111,
      185,
      36,
      39,
      174,
      65,
      228,
      100,
      155,
      147,
      76,
      164,
      149,
      153,
      27,
      120,
      82,
      184,
      85
    ]);
    hashSize = 32;
    parts = map2({ hash: bytes2(hashSize), size: uint2(maxInputBytes) });
    emptyBlob = { hash: emptyHash, size: 0 };
    blob = (v, name) => {
      const b = parts(v, name);
      checkBlob(b, name);
      return b;
    };
  }
});

// ../src/compute/most.ts
var moduleBytes, jobBytes, fuel, memoryPages, outputBytes, files, depth, wallMillis;
var init_most = __esm({
  "../src/compute/most.ts"() {
    "use strict";
    moduleBytes = 64 << 20;
    jobBytes = 48 << 10;
    fuel = 1n << 62n;
    memoryPages = 65535;
    outputBytes = 1 << 30;
    files = 1 << 14;
    depth = 1 << 18;
    wallMillis = 7 * 24 * 60 * 60 * 1e3;
  }
});

// ../src/compute/job.ts
function defaultLimits() {
  return { fuel: 10000000000n, memory_pages: 8192, output_bytes: 64 << 20, files: 1024, depth: 4096, wall_ms: 6e5 };
}
function newJob(module, moduleSize) {
  return {
    v: 1,
    module,
    module_size: moduleSize,
    args: [],
    env: [],
    stdin: emptyBlob,
    files: [],
    limits: defaultLimits(),
    seed: new Uint8Array(32),
    start: 0n,
    tariff: tariff1
  };
}
function encodeJob(j) {
  checkJob(j);
  const b = encode(j);
  if (b.length > jobBytes) throw invalid(`job: ${b.length} bytes, at most ${jobBytes}`);
  return b;
}
function decodeJob(b) {
  if (b.length > jobBytes) throw invalid(`job: ${b.length} bytes, at most ${jobBytes}`);
  const j = read2(b, shape, "job");
  checkJob(j);
  return j;
}
function hashJob(j) {
  return sha256(encodeJob(j));
}
function checkJob(j) {
  if (j.tariff !== tariff1) throw invalid(`job: tariff ${j.tariff}, only ${tariff1} is known`);
  within("module_size", j.module_size, 8, moduleBytes);
  if (j.module.length !== hashSize || j.seed.length !== 32) throw invalid("job: module and seed have 32 bytes");
  if (j.entry !== void 0 && (j.entry === "" || utf8(j.entry).length > maxEntry || j.entry.startsWith(reserved))) {
    throw invalid(`job: an entry of 1 to ${maxEntry} bytes that does not begin with ${reserved}`);
  }
  within("start", j.start, 0, maxStart);
  const l = j.limits;
  within("fuel", l.fuel, 1, fuel);
  within("memory_pages", l.memory_pages, 1, memoryPages);
  within("output_bytes", l.output_bytes, 0, outputBytes);
  within("files", l.files, 0, files);
  within("depth", l.depth, 1, depth);
  within("wall_ms", l.wall_ms, 1, wallMillis);
  checkStrings(j.args, j.env);
  checkBlob(j.stdin, "stdin");
  checkFiles(j);
}
function within(name, got, least2, most2) {
  if (!(got >= least2 && got <= most2)) throw invalid(`job: ${name} is ${got}, not ${least2} to ${most2}`);
}
function checkStrings(args2, env) {
  let total = 0;
  for (const strings of [args2, env]) {
    if (strings.length > maxArgs) throw invalid(`job: ${strings.length} arguments or environment entries, at most ${maxArgs}`);
    for (const s2 of strings) {
      if (s2.includes("\0")) throw invalid("job: NUL in an argument or environment entry");
      total += utf8(s2).length + 1;
    }
  }
  if (total > maxArgBytes) throw invalid(`job: ${total} bytes of arguments and environment, at most ${maxArgBytes}`);
  const names = /* @__PURE__ */ new Set();
  for (const s2 of env) {
    const at2 = s2.indexOf("=");
    if (at2 < 1) throw invalid("job: an environment entry that is not NAME=VALUE");
    names.add(s2.slice(0, at2));
  }
  if (names.size < env.length) throw invalid("job: a name twice in the environment");
}
function checkFiles(j) {
  if (j.files.length > maxInputs) throw invalid(`job: ${j.files.length} input files, at most ${maxInputs}`);
  let total = j.stdin.size;
  const folders = /* @__PURE__ */ new Set();
  for (const f of j.files) {
    checkPath(f.path);
    if (f.path === "out" || f.path.startsWith("out/")) throw invalid("job: an input in the output folder");
    checkBlob(f, f.path);
    total += f.size;
    for (const folder of parents(f.path)) folders.add(folder);
  }
  if (total > maxInputBytes) throw invalid(`job: ${total} bytes of inputs, at most ${maxInputBytes}`);
  checkSorted(j.files.map((f) => f.path));
  if (j.files.some((f) => folders.has(f.path))) throw invalid("job: a path that is a file and a folder");
  if (j.files.length + folders.size > j.limits.files) {
    throw invalid(`job: limit files is ${j.limits.files}, the inputs alone are ${j.files.length + folders.size}`);
  }
}
var tariff1, maxEntry, maxArgs, maxArgBytes, maxInputs, maxStart, reserved, limits, file, shape;
var init_job = __esm({
  "../src/compute/job.ts"() {
    "use strict";
    init_bytes();
    init_cbor();
    init_shape();
    init_blob();
    init_most();
    tariff1 = 1;
    maxEntry = 128;
    maxArgs = 256;
    maxArgBytes = 32 << 10;
    maxInputs = 512;
    maxStart = 1n << 62n;
    reserved = "sea:";
    limits = map2({
      fuel: wide,
      memory_pages: uint2(memoryPages),
      output_bytes: uint2(outputBytes),
      files: uint2(files),
      depth: uint2(depth),
      wall_ms: uint2(wallMillis)
    });
    file = map2({ path: text2(1, 1024), hash: bytes2(hashSize), size: uint2(maxInputBytes) });
    shape = map2({
      v: version,
      module: bytes2(hashSize),
      module_size: uint2(moduleBytes),
      entry: optional(text2(1, maxEntry)),
      args: list(text2(0, maxArgBytes), maxArgs),
      env: list(text2(0, maxArgBytes), maxArgs),
      stdin: blob,
      files: list(file, maxInputs),
      limits,
      seed: bytes2(32),
      start: wide,
      tariff: uint2()
    });
  }
});

// ../src/identity/ed25519.ts
async function work(key3) {
  const b = await sha256(await sha256(utf8("sea:pow:1"), key3));
  const first = b.findIndex((x) => x !== 0);
  return first < 0 ? 8 * b.length : 8 * first + Math.clz32(b[first]) - 24;
}
function acceptable(key3) {
  const y = BigInt.asUintN(255, BigInt(`0x${toHex(key3.slice().reverse())}`));
  return y > 1n && y < prime - 1n && y !== order8 && y !== prime - order8;
}
function checkKey(b) {
  if (b.length !== keySize) throw new SeaError("key", `a key of ${b.length} bytes, want ${keySize}`);
  if (!acceptable(b)) throw new SeaError("key", "a key that is of small order or not canonical");
}
async function verify(key3, message3, signature) {
  checkKey(key3);
  if (signature.length !== signatureSize) return false;
  const native = await importKey(key3);
  if (native && await crypto.subtle.verify("Ed25519", native, signature, message3)) return true;
  if (waiting >= maxWaiting) return false;
  waiting++;
  const mine = turn.then(() => verifySlowly(key3, message3, signature)).finally(() => waiting--);
  turn = mine.then(({ took }) => new Promise((resolve) => setTimeout(resolve, took)), () => {
  });
  return (await mine).holds;
}
async function verifySlowly(key3, message3, signature) {
  const { verifyAsync } = await import("@noble/ed25519");
  const began = performance.now();
  const holds = await verifyAsync(signature, message3, key3, { zip215: true });
  return { holds, took: performance.now() - began };
}
async function importKey(key3) {
  try {
    return await crypto.subtle.importKey("raw", key3, "Ed25519", false, ["verify"]);
  } catch {
    return void 0;
  }
}
var keySize, signatureSize, Pair, prime, order8, maxWaiting, waiting, turn;
var init_ed25519 = __esm({
  "../src/identity/ed25519.ts"() {
    "use strict";
    init_bytes();
    init_error();
    keySize = 32;
    signatureSize = 64;
    Pair = class _Pair {
      constructor(key3, secret) {
        this.key = key3;
        this.secret = secret;
      }
      key;
      secret;
      /**
       * generate draws keys until one has so many bits of work: 12, what the public
       * network asks for, takes about 4,096 of them.
       */
      static async generate(bits2 = 12) {
        for (; ; ) {
          const drawn = await Promise.all(Array.from({ length: bits2 > 0 ? 64 : 1 }, _Pair.#draw));
          for (const pair of drawn) {
            if (await work(pair.key) >= bits2 && acceptable(pair.key)) return pair;
          }
        }
      }
      static async #draw() {
        const made = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
        return new _Pair(new Uint8Array(await crypto.subtle.exportKey("raw", made.publicKey)), made.privateKey);
      }
      /** of is a pair that was kept. */
      static of(key3, secret) {
        checkKey(key3);
        return new _Pair(key3, secret);
      }
      /** fromSeed is the pair of RFC 8032's private key, 32 bytes. */
      static async fromSeed(seed) {
        const head2 = fromHex("302e020100300506032b657004220420");
        const open4 = await crypto.subtle.importKey("pkcs8", concat(head2, seed), "Ed25519", true, ["sign"]);
        const { x } = await crypto.subtle.exportKey("jwk", open4);
        const text3 = atob(x.replaceAll("-", "+").replaceAll("_", "/"));
        return _Pair.of(Uint8Array.from(text3, (c) => c.charCodeAt(0)), open4);
      }
      async sign(message3) {
        return new Uint8Array(await crypto.subtle.sign("Ed25519", this.secret, message3));
      }
    };
    prime = 2n ** 255n - 19n;
    order8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
    maxWaiting = 64;
    waiting = 0;
    turn = Promise.resolve();
  }
});

// ../src/identity/statement.ts
function input(purpose3, body4) {
  if (!/^[a-z0-9/:._-]{1,64}$/.test(purpose3)) {
    throw new SeaError("purpose", `bad purpose ${JSON.stringify(purpose3.slice(0, 80))}`);
  }
  if (body4.length > maxBody) throw new SeaError("length", `a statement's body has more than ${maxBody} bytes`);
  return concat(utf8(purpose3), new Uint8Array(1), body4);
}
var maxBody, parts2, Statement, statement;
var init_statement = __esm({
  "../src/identity/statement.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_ed25519();
    init_shape();
    maxBody = 1 << 20;
    parts2 = tuple(bytes2(keySize), bytes2(0, maxBody), bytes2(signatureSize));
    Statement = class _Statement {
      constructor(by, body4, sig2) {
        this.by = by;
        this.body = body4;
        this.sig = sig2;
      }
      by;
      body;
      sig;
      /** sign makes signer's statement. SeaError "purpose" or "length". */
      static async sign(signer, purpose3, body4) {
        const said2 = input(purpose3, body4);
        if (said2.length === 32) throw new SeaError("length", "a statement of 32 bytes, purpose included, is not signed");
        return new _Statement(signer.key, body4, await signer.sign(said2));
      }
      /** decode reads what encode wrote. It checks the form and the key, not the signature. */
      static decode(b) {
        return read2(b, statement, "statement");
      }
      /** open gives the body when the signature holds for purpose, else SeaError "signature" or "key". */
      async open(purpose3) {
        if (!await verify(this.by, input(purpose3, this.body), this.sig)) {
          throw new SeaError("signature", `${purpose3}: the signature does not hold`);
        }
        return this.body;
      }
      /** hash names the statement by who said what for what; the signature is left out. */
      hash(purpose3) {
        return sha256(utf8("sea:statement:1"), this.by, input(purpose3, this.body));
      }
      /** value is the array [by, body, sig], to stand inside other messages. */
      value() {
        return [this.by, this.body, this.sig];
      }
      /** encode gives the array's CBOR. */
      encode() {
        return encode(this.value());
      }
    };
    statement = (v, name) => {
      const [by, body4, sig2] = parts2(v, name);
      checkKey(by);
      return new Statement(by, body4, sig2);
    };
  }
});

// ../src/compute/result.ts
function encodeOutcome(o) {
  checkOutcome(o);
  return encode(o);
}
function decodeOutcome(b) {
  if (b.length > maxOutcomeBytes) throw invalid(`outcome: ${b.length} bytes, at most ${maxOutcomeBytes}`);
  const o = read2(b, shape2, "outcome");
  checkOutcome(o);
  return o;
}
function hashOutcome(o) {
  return sha256(encodeOutcome(o));
}
function checkEnd(e, exit) {
  if (e !== "exit" && exit !== 0) throw invalid(`end ${e} with exit code ${exit}`);
}
function checkOutcome(o) {
  checkEnd(o.end, o.code);
  if (o.end === "trap" !== (o.trap !== "")) throw invalid(`end ${o.end} with trap ${JSON.stringify(o.trap)}`);
  checkBlob(o.stdout, "stdout");
  checkBlob(o.stderr, "stderr");
  if (o.files.length > files) throw invalid(`${o.files.length} files, at most ${files}`);
  let total = o.stdout.size + o.stderr.size;
  const folders = /* @__PURE__ */ new Set();
  for (const f of o.files) {
    checkPath(f.path);
    checkBlob(f, f.path);
    if (f.dir && f.size > 0) throw invalid("an output folder with bytes");
    const at2 = f.path.lastIndexOf("/");
    if (at2 >= 0 && !folders.has(f.path.slice(0, at2))) throw invalid("an output file in no folder");
    if (f.dir) folders.add(f.path);
    total += f.size;
  }
  checkSorted(o.files.map((f) => f.path));
  if (total > outputBytes) throw invalid(`${total} bytes of output, at most ${outputBytes}`);
}
var ends, trapWords, maxOutcomeBytes, word, end, code, outFile, shape2;
var init_result = __esm({
  "../src/compute/result.ts"() {
    "use strict";
    init_bytes();
    init_cbor();
    init_shape();
    init_blob();
    init_most();
    ends = ["exit", "trap", "out_of_fuel", "output_limit", "interrupted"];
    trapWords = [
      "unreachable",
      "memory_bounds",
      "table_access",
      "divide_by_zero",
      "integer_overflow",
      "call_depth",
      "bad_pointer"
    ];
    maxOutcomeBytes = 20 << 20;
    word = (words) => (v, name) => {
      if (typeof v !== "string" || !words.includes(v)) throw invalid(`${name}: not a word that is known`);
      return v;
    };
    end = word(ends);
    code = (v, name) => {
      if (typeof v !== "number" || v !== (v | 0) || Object.is(v, -0)) throw invalid(`${name}: not a number of 32 bits`);
      return v;
    };
    outFile = map2({ path: text2(1, 1024), dir: bool, hash: bytes2(hashSize), size: uint2(outputBytes) });
    shape2 = map2({
      v: version,
      end,
      code,
      trap: word(["", ...trapWords]),
      stdout: blob,
      stderr: blob,
      files: list(outFile, files)
    });
  }
});

// ../src/compute/receipt.ts
function encodeReceipt(r) {
  checkReceipt(r);
  return encode(r);
}
function decodeReceipt(b) {
  const r = read2(b, shape3, "receipt");
  checkReceipt(r);
  return r;
}
function signReceipt(r, signer) {
  return Statement.sign(signer, receiptPurpose, encodeReceipt(r));
}
async function openReceipt(s2) {
  return decodeReceipt(await s2.open(receiptPurpose));
}
function checkReceipt(r) {
  if (r.fuel > fuel) throw invalid(`receipt: fuel is ${r.fuel}, at most ${fuel} is possible`);
  if (r.tariff !== tariff1) throw invalid(`receipt: tariff ${r.tariff}, only ${tariff1} is known`);
  checkEnd(r.end, r.code);
}
var receiptPurpose, shape3;
var init_receipt = __esm({
  "../src/compute/receipt.ts"() {
    "use strict";
    init_cbor();
    init_shape();
    init_statement();
    init_blob();
    init_job();
    init_most();
    init_result();
    receiptPurpose = "sea/receipt/1";
    shape3 = map2({
      v: version,
      job: bytes2(hashSize),
      result: bytes2(hashSize),
      end,
      code,
      fuel: wide,
      peak_pages: uint2(memoryPages),
      tariff: uint2(),
      engine: text2(0, 128)
    });
  }
});

// ../src/emitter.ts
var Emitter;
var init_emitter = __esm({
  "../src/emitter.ts"() {
    "use strict";
    Emitter = class {
      #listeners = /* @__PURE__ */ new Map();
      /** on has a listener called at each event of a name, in the order in which they came. */
      on(name, listener) {
        let all = this.#listeners.get(name);
        if (!all) this.#listeners.set(name, all = /* @__PURE__ */ new Set());
        all.add(listener);
      }
      /** off takes one away. */
      off(name, listener) {
        this.#listeners.get(name)?.delete(listener);
      }
      /** emit calls those who listen, and resolves when all have done their work. What one throws is nobody's to catch, and the others are called. */
      async emit(name, ...args2) {
        await Promise.all([...this.#listeners.get(name) ?? []].map(async (listener) => {
          try {
            await listener(...args2);
          } catch (err) {
            queueMicrotask(() => {
              throw err;
            });
          }
        }));
      }
    };
  }
});

// ../src/node/addr.ts
function checkBit(what, bit, most2) {
  if (!Number.isInteger(bit) || bit < 0 || bit > most2) throw new RangeError(`${what} bit ${bit}, not 0 to ${most2}`);
}
var size, bits, HashAddress, wrong2, bytesOf, joined, split;
var init_addr = __esm({
  "../src/node/addr.ts"() {
    "use strict";
    init_bytes();
    init_error();
    size = 28;
    bits = size * 8;
    HashAddress = class _HashAddress {
      #b;
      constructor(b) {
        this.#b = b;
      }
      /** make is the address of data: the first 28 bytes of its SHA-256. Text is taken as UTF-8. */
      static async make(data) {
        const b = typeof data === "string" ? utf8(data) : new Uint8Array(data);
        return new _HashAddress((await sha256(b)).slice(0, size));
      }
      /** from reads an address: 28 bytes, or as text 56 lower-case hex digits. Else SeaError "address". */
      static from(data) {
        if (typeof data !== "string") {
          const b2 = new Uint8Array(data);
          if (b2.length !== size) throw wrong2(`${b2.length} bytes, want ${size}`);
          return new _HashAddress(b2.slice());
        }
        if (data.length !== 2 * size) throw wrong2(`${data.length} characters, want ${2 * size}`);
        const b = fromHex(data);
        if (!b) throw wrong2("a character is not a lower-case hex digit");
        return new _HashAddress(b);
      }
      /** ofNode is where the node with this key is. */
      static async ofNode(key3) {
        return new _HashAddress((await sha256(utf8("sea:node:1"), key3)).slice(0, size));
      }
      /** ofChannel is where the members of a channel meet. */
      static ofChannel(id) {
        return _HashAddress.make("sea:chan:1" + id);
      }
      /**
       * randomise keeps the bits before startBit, 0 to 224, and draws the others. So
       * addr.flip(j).randomise(j + 1) has logDist j to addr.
       */
      randomise(startBit) {
        checkBit("randomise from", startBit, bits);
        return new _HashAddress(draw(size).map((drawn, i) => {
          const kept = 65280 >> Math.min(Math.max(startBit - 8 * i, 0), 8);
          return this.#b[i] & kept | drawn & ~kept;
        }));
      }
      /** flip turns one bit, 0 to 223, over. */
      flip(bit) {
        checkBit("flip of", bit, bits - 1);
        const b = this.#b.slice();
        b[bit >> 3] ^= 128 >> bit % 8;
        return new _HashAddress(b);
      }
      /** getArrayBuffer gives a copy of the 28 bytes. */
      getArrayBuffer() {
        return this.#b.slice().buffer;
      }
      /** toString gives the text form, 56 lower-case hex digits. */
      toString() {
        return toHex(this.#b);
      }
      /** toJSON is toString. */
      toJSON() {
        return this.toString();
      }
      /** equals tells whether both are the same point. */
      equals(other) {
        return compare(this.#b, other.#b) === 0;
      }
      /**
       * dist is the XOR distance to 24 significant bits, an exact float32: 0 for equal
       * addresses, otherwise 2^-97 to 2^127 - 2^103. Cut off, not rounded. Different
       * distances may give the same value; compareTo sees all bits.
       */
      dist(other) {
        const first = this.logDist(other);
        if (first === bits) return 0;
        let window4 = 0;
        for (let i = 0; i < 4; i++) {
          const at2 = (first >> 3) + i;
          window4 = window4 * 256 + (at2 < size ? this.#b[at2] ^ other.#b[at2] : 0);
        }
        return Math.floor(window4 / 2 ** (8 - first % 8)) * 2 ** (103 - first);
      }
      /** logDist is the index of the first bit that differs, 0 to 223; 224 for equal addresses. */
      logDist(other) {
        for (let i = 0; i < size; i++) {
          const x = this.#b[i] ^ other.#b[i];
          if (x !== 0) return i * 8 + Math.clz32(x) - 24;
        }
        return bits;
      }
      /**
       * compareTo orders a and b by their whole XOR distance from this address: below
       * 0 if a is nearer, above if b is, 0 only if they are equal.
       */
      compareTo(a, b) {
        const at2 = a.logDist(b) >> 3;
        return (this.#b[at2] ^ a.#b[at2]) - (this.#b[at2] ^ b.#b[at2]);
      }
    };
    wrong2 = (why) => new SeaError("address", `not an address: ${why}`);
    bytesOf = (a) => new Uint8Array(a.getArrayBuffer());
    joined = (all) => concat(...all.map(bytesOf));
    split = (b) => Array.from({ length: b.length / size }, (_, i) => HashAddress.from(b.subarray(size * i, size * i + size)));
  }
});

// ../src/node/frame.ts
function decodeFrame(b) {
  const v = decodeExact(b);
  const tag2 = Array.isArray(v) ? v[0] : void 0;
  if (typeof tag2 !== "number" || !Object.hasOwn(shapes, tag2)) throw new SeaError("frame", `tag ${String(tag2)} is not known here`);
  const members2 = shapes[tag2];
  return [tag2, ...members2(v.slice(1), `frame ${tag2}`)];
}
var maxBody2, maxStatement, maxFrame, maxPiece, maxSigned, scopeForm, isScope, scope, body, word2, channel, pieces, ids, members, shapes, encodeFrame;
var init_frame = __esm({
  "../src/node/frame.ts"() {
    "use strict";
    init_error();
    init_cbor();
    init_shape();
    maxBody2 = 1 << 20;
    maxStatement = 66 << 10;
    maxFrame = maxBody2 + 1024;
    maxPiece = (16 << 10) - 17;
    maxSigned = 66048;
    scopeForm = /^[a-z0-9./:_-]{1,64}$/;
    isScope = (text3) => scopeForm.test(text3);
    scope = (v, name) => {
      if (typeof v !== "string" || !isScope(v)) throw new SeaError("frame", `${name} is no scope`);
      return v;
    };
    body = bytes2(0, maxBody2);
    word2 = uint2(2 ** 32 - 1);
    channel = bytes2(28);
    pieces = (size3, least2, most2) => {
      const whole2 = bytes2(least2 * size3, most2 * size3);
      return (v, name) => {
        const b = whole2(v, name);
        if (b.length % size3) throw new SeaError("frame", `${name}: ${b.length} bytes are not pieces of ${size3}`);
        return b;
      };
    };
    ids = pieces(16, 0, 64);
    members = pieces(28, 0, 8);
    shapes = {
      0: tuple(text2(0, 256)),
      // observed
      1: tuple(uint64),
      // number
      2: tuple(uint64),
      3: tuple(word2, text2(0, 256)),
      // reason, text
      4: tuple(uint2(1 << 21)),
      // bytes
      5: tuple(uint64, uint2(maxFrame), bytes2(1, maxPiece)),
      // id, left, data
      6: tuple(),
      7: tuple(scope, body),
      8: tuple(uint64, scope, body),
      // id
      9: tuple(uint64, word2, text2(0, 256), body),
      // id, code, text
      10: tuple(uint64),
      // id
      11: tuple(uint64, uint2(24), uint2(2), uint2(4), bytes2(1, maxStatement)),
      // hop, ttl, attempt, budget
      12: tuple(uint64),
      // hop
      13: tuple(uint64, word2, uint2(4)),
      // hop, code, budget
      14: tuple(uint2(2), bytes2(1, maxStatement)),
      // attempt
      15: tuple(uint2(2)),
      // need
      16: tuple(text2(0, 1024)),
      // URLs, one a line
      24: tuple(uint64, uint2(1), uint2(17408), bytes2(1, 8192)),
      // stream, out, left, data
      25: tuple(uint64, uint2(1), uint2(65536)),
      26: tuple(uint64, uint2(1)),
      32: tuple(channel, uint2(1), bytes2(32), bytes2(1, maxSigned), bytes2(64)),
      // past, author, body, signature
      33: tuple(channel, ids),
      34: tuple(channel, ids),
      35: tuple(channel),
      36: tuple(channel, uint2(2), ids),
      // want
      37: tuple(channel, uint2(1), ids, members),
      // yes
      38: tuple(channel),
      39: tuple(channel, bytes2(28), uint2(6)),
      // who, ttl
      40: tuple(channel, pieces(28, 1, 6), members),
      // path
      41: tuple(channel, pieces(28, 0, 6), members),
      42: tuple(channel, uint2(16))
      // want
    };
    encodeFrame = (f) => encode(f);
  }
});

// ../src/node/tag.ts
var welcome, ping, pong, close, credit, part, open, message, request, reply, cancel, routed, ack, nak, answer, need, elsewhere, relay, relayCredit, relayEnd, publish, have, graft, prune, neighbour, partner, leave, walk, shuffle, shuffled, past;
var init_tag = __esm({
  "../src/node/tag.ts"() {
    "use strict";
    welcome = 0;
    ping = 1;
    pong = 2;
    close = 3;
    credit = 4;
    part = 5;
    open = 6;
    message = 7;
    request = 8;
    reply = 9;
    cancel = 10;
    routed = 11;
    ack = 12;
    nak = 13;
    answer = 14;
    need = 15;
    elsewhere = 16;
    relay = 24;
    relayCredit = 25;
    relayEnd = 26;
    publish = 32;
    have = 33;
    graft = 34;
    prune = 35;
    neighbour = 36;
    partner = 37;
    leave = 38;
    walk = 39;
    shuffle = 40;
    shuffled = 41;
    past = 42;
  }
});

// ../src/node/gossip.ts
async function newPublish(signer, m) {
  const s2 = await Statement.sign(signer, publishPurpose, encode({ v: 1, ...m }));
  return [publish, m.chan, 0, s2.by, s2.body, s2.sig];
}
async function idOf(f) {
  return toHex((await signed(f).hash(publishPurpose)).subarray(0, 16));
}
async function openPublish(f, net) {
  const { v: _, ...m } = read2(await signed(f).open(publishPurpose), messageBody, "message");
  if (!isScope(m.scope) || m.net !== net || compare(m.chan, f[1]) !== 0) throw new SeaError("bad_request", "a message for another channel");
  return { ...m, author: f[3] };
}
function newRecord(signer, net, chan, every) {
  return Statement.sign(signer, memberPurpose, encode({ v: 1, iat: Date.now(), net, chan, every }));
}
async function openRecord(s2, net, chan) {
  const r = read2(await s2.open(memberPurpose), recordBody, "record");
  const now = Date.now();
  if (r.net !== net || compare(r.chan, chan) !== 0 || r.every < 1) throw new SeaError("bad_request", "the record is of another channel");
  if (now - r.iat > maxSkew + recordLife || r.iat - now > maxSkew) throw new SeaError("bad_request", "the record does not hold now");
  return r.every;
}
function places(id) {
  return Promise.all([HashAddress.ofChannel(id), HashAddress.make(`sea:salt:1:1:${id}`), HashAddress.make(`sea:salt:1:2:${id}`)]);
}
var maxPublished, maxSkew, publishPurpose, memberPurpose, recordLife, messageBody, recordBody, signed;
var init_gossip = __esm({
  "../src/node/gossip.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_shape();
    init_statement();
    init_addr();
    init_frame();
    init_tag();
    maxPublished = 64 << 10;
    maxSkew = 12e4;
    publishPurpose = "sea/publish/1";
    memberPurpose = "sea/member/1";
    recordLife = 9e4;
    messageBody = map2({
      v: version,
      iat: uint2(),
      net: text2(0, 1 << 17),
      num: uint64,
      body: bytes2(0, maxPublished),
      chan: bytes2(28),
      scope: text2(1, 64)
    });
    recordBody = map2({ v: version, iat: uint2(), net: text2(0, 256), chan: bytes2(28), every: uint2(86400) });
    signed = ([, , , author, body4, sig2]) => new Statement(author, body4, sig2);
  }
});

// ../src/node/reason.ts
var offline, duplicate, replaced, full, broken, silent, refused, unwanted;
var init_reason = __esm({
  "../src/node/reason.ts"() {
    "use strict";
    offline = 1;
    duplicate = 2;
    replaced = 3;
    full = 4;
    broken = 5;
    silent = 6;
    refused = 7;
    unwanted = 9;
  }
});

// ../src/identity/cert.ts
async function openCertificate(s2) {
  const { v: _, ...c } = read2(await s2.open(purpose), body2, "certificate");
  return check(c);
}
async function acting(node2, shown2, now) {
  if (!shown2) return node2;
  try {
    const c = await openCertificate(shown2);
    const second = BigInt(Math.floor(now / 1e3));
    const same2 = (key3) => key3.every((x, i) => x === node2[i]);
    return same2(c.node) && !same2(shown2.by) && c.from <= second && second <= c.until ? shown2.by : node2;
  } catch (err) {
    if (err instanceof SeaError) return node2;
    throw err;
  }
}
function check(c) {
  const bad3 = (why) => new SeaError("certificate", `bad certificate: ${why}`);
  checkKey(c.node);
  c.can.forEach((word3, i) => {
    if (!/^[a-z0-9:-]{1,32}$/.test(word3)) throw bad3(`word ${i + 1} is not 1 to 32 of a-z, 0-9, : and -`);
    if (i > 0 && word3 <= c.can[i - 1]) throw bad3("words are not sorted, or one comes twice");
  });
  if (c.budget >= 1n << 62n) throw bad3("budget is 2^62 or more");
  if (c.from > c.until || c.until >= 1n << 63n) throw bad3("it holds at no time");
  return c;
}
var purpose, body2;
var init_cert = __esm({
  "../src/identity/cert.ts"() {
    "use strict";
    init_error();
    init_ed25519();
    init_shape();
    purpose = "sea/cert/1";
    body2 = map2({
      v: version,
      node: bytes2(32),
      can: list(text2(1, 32), 16),
      budget: wide,
      from: wide,
      until: wide,
      serial: wide
    });
  }
});

// ../src/node/contact.ts
async function signContact(signer, c) {
  return { ...c, by: signer.key, signed: await Statement.sign(signer, purpose2, encode({ v: 1, ...c })) };
}
async function openContact(signed3, net, now) {
  const { v: _, ...c } = read2(await signed3.open(purpose2), body3, "contact record");
  const bad3 = (why) => new SeaError("contact", `contact record: ${why}`);
  if (![...c.urls, ...c.caps].every((s2) => /^[!-~]+$/.test(s2))) throw bad3("a URL or word with other characters");
  if (c.caps.some((word3, i) => i > 0 && word3 <= c.caps[i - 1])) throw bad3("capabilities are not sorted");
  if (c.exp < c.iat || c.exp - c.iat > maxLife) throw bad3("it holds for no time, or too long");
  if (c.net !== net) throw bad3("it is of another network");
  if (now < c.iat - slack || now > c.exp + slack) throw bad3("it does not hold now; compare the clocks");
  return { ...c, by: signed3.by, signed: signed3 };
}
var purpose2, slack, maxLife, body3;
var init_contact = __esm({
  "../src/node/contact.ts"() {
    "use strict";
    init_error();
    init_cbor();
    init_shape();
    init_statement();
    purpose2 = "sea/contact/1";
    slack = 10 * 6e4;
    maxLife = 7 * 24 * 36e5;
    body3 = map2({
      v: version,
      exp: uint2(),
      iat: uint2(),
      key: bytes2(32),
      net: text2(1, 64),
      caps: list(text2(1, 32), 16),
      seal: bytes2(32),
      urls: list(text2(1, 256), 4)
    });
  }
});

// ../src/node/noise.ts
async function newKeyPair() {
  const made = await crypto.subtle.generateKey("X25519", false, ["deriveBits"]);
  return { public: new Uint8Array(await crypto.subtle.exportKey("raw", made.publicKey)), secret: made.privateKey };
}
async function agree(mine, theirs) {
  const key3 = await crypto.subtle.importKey("raw", theirs, "X25519", false, []);
  const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: key3 }, mine, 256));
  if (shared.every((x) => x === 0)) throw new Error("an X25519 key of small order");
  return shared;
}
async function hmac(key3, ...pieces2) {
  const made = await crypto.subtle.importKey("raw", key3.length ? key3 : new Uint8Array(32), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", made, concat(...pieces2)));
}
function nonceOf(n, bulk = false) {
  const b = new Uint8Array(12);
  const view = new DataView(b.buffer);
  view.setUint32(4, Math.floor(n / 2 ** 32) + (bulk ? 2 ** 31 : 0));
  view.setUint32(8, n % 2 ** 32);
  return b;
}
var tagSize, Cipher, Handshake;
var init_noise = __esm({
  "../src/node/noise.ts"() {
    "use strict";
    init_bytes();
    tagSize = 16;
    Cipher = class _Cipher {
      constructor(key3) {
        this.key = key3;
      }
      key;
      /** of is the cipher with a key of 32 bytes. */
      static async of(key3) {
        return new _Cipher(await crypto.subtle.importKey("raw", key3, "AES-GCM", false, ["encrypt", "decrypt"]));
      }
      /** seal encrypts; nonce has 12 bytes and is never used twice. */
      async seal(nonce, plain, data) {
        return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: data }, this.key, plain));
      }
      /** open decrypts, or rejects. */
      async open(nonce, closed, data) {
        return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce, additionalData: data }, this.key, closed));
      }
    };
    Handshake = class _Handshake {
      constructor(h2, initiator, mine, ephemeral) {
        this.initiator = initiator;
        this.mine = mine;
        this.ephemeral = ephemeral;
        this.#h = this.#ck = h2;
      }
      initiator;
      mine;
      ephemeral;
      #h;
      #ck;
      #cipher;
      #n = 0;
      #theirEphemeral = none;
      #step = 0;
      // messages so far
      /** theirs is the other side's static key, once it has come. */
      theirs = none;
      /** begin starts a handshake. ephemeral is drawn, but for tests. */
      static async begin(initiator, prologue2, mine, ephemeral) {
        const name = utf8("Noise_XX_25519_AESGCM_SHA256");
        const made = new _Handshake(concat(name, new Uint8Array(32 - name.length)), initiator, mine, ephemeral ?? await newKeyPair());
        await made.#mixHash(prologue2);
        return made;
      }
      /** write makes this side's next message. */
      async write(payload2) {
        const pieces2 = [];
        if (this.#step < 2) {
          await this.#mixHash(this.ephemeral.public);
          pieces2.push(this.ephemeral.public);
        }
        if (this.#step === 1) await this.#mixKey(this.ephemeral.secret, this.#theirEphemeral);
        if (this.#step > 0) {
          pieces2.push(await this.#encrypt(this.mine.public));
          await this.#mixKey(this.mine.secret, this.#theirEphemeral);
        }
        pieces2.push(await this.#encrypt(payload2));
        this.#step++;
        return concat(...pieces2);
      }
      /** read gives the payload of the other side's next message, or rejects. */
      async read(message3) {
        let at2 = 0;
        const take2 = (n) => {
          if (message3.length < at2 + n) throw new Error("a handshake message is too short");
          return message3.slice(at2, at2 += n);
        };
        if (this.#step < 2) {
          this.#theirEphemeral = take2(32);
          await this.#mixHash(this.#theirEphemeral);
        }
        if (this.#step === 1) await this.#mixKey(this.ephemeral.secret, this.#theirEphemeral);
        if (this.#step > 0) {
          this.theirs = await this.#decrypt(take2(32 + tagSize));
          await this.#mixKey(this.ephemeral.secret, this.theirs);
        }
        const payload2 = await this.#decrypt(message3.slice(at2));
        this.#step++;
        return payload2;
      }
      /** split gives the ciphers after the last message: initiator to responder, and back. */
      async split() {
        const [a, b] = await this.#hkdf(none);
        return [await Cipher.of(a), await Cipher.of(b)];
      }
      /** hash names the handshake. */
      get hash() {
        return this.#h;
      }
      async #mixHash(data) {
        this.#h = await sha256(this.#h, data);
      }
      async #hkdf(input2) {
        const key3 = await hmac(this.#ck, input2);
        const first = await hmac(key3, Uint8Array.of(1));
        return [first, await hmac(key3, first, Uint8Array.of(2))];
      }
      async #mixKey(mine, theirs) {
        const [ck, key3] = await this.#hkdf(await agree(mine, theirs));
        this.#ck = ck;
        this.#cipher = await Cipher.of(key3);
        this.#n = 0;
      }
      async #encrypt(plain) {
        const out = this.#cipher ? await this.#cipher.seal(nonceOf(this.#n++), plain, this.#h) : plain;
        await this.#mixHash(out);
        return out;
      }
      async #decrypt(closed) {
        const plain = this.#cipher ? await this.#cipher.open(nonceOf(this.#n++), closed, this.#h) : closed;
        await this.#mixHash(closed);
        return plain;
      }
    };
  }
});

// ../src/node/wire.ts
var maxMessage;
var init_wire = __esm({
  "../src/node/wire.ts"() {
    "use strict";
    maxMessage = 17408;
  }
});

// ../src/node/hello.ts
function readRefusal(message3) {
  if (message3[0] !== 0 || message3.length > 1024) return void 0;
  const [reason2, said2] = read2(message3.subarray(1), refusal, "refusal");
  return new Refused(reason2, said2);
}
async function initiate(party, talk2, decide) {
  const noise = await Handshake.begin(true, prologue(party), party.keys);
  return telling(talk2, async () => {
    talk2.send(concat(versionByte, await noise.write(none)));
    const proof = await prove(party, noise, await hear(talk2));
    await decide(proof);
    talk2.send(concat(versionByte, await noise.write(says(party))));
    const [out, into] = await noise.split();
    return new Session(proof, true, out, into);
  });
}
async function respond(party, talk2) {
  const noise = await Handshake.begin(false, prologue(party), party.keys);
  return telling(talk2, async () => {
    if ((await opened(noise, await hear(talk2))).length > 0) throw new SeaError("handshake", "the first message is too long");
    talk2.send(concat(versionByte, await noise.write(says(party))));
    const proof = await prove(party, noise, await hear(talk2));
    const [into, out] = await noise.split();
    return new Session(proof, false, out, into);
  });
}
function says(p) {
  return encode([p.record.signed.value(), p.certificate?.value() ?? null, Date.now(), p.run, p.agent]);
}
async function telling(talk2, shake) {
  try {
    return await shake();
  } catch (err) {
    if (err instanceof SeaError && !(err instanceof Refused && !err.ours)) {
      const reason2 = err instanceof Refused ? err.reason : refused;
      talk2.send(concat(new Uint8Array(1), encode([reason2, err.message.slice(0, 80)])));
    }
    throw err;
  }
}
async function hear(talk2) {
  const message3 = await talk2.next();
  const refused2 = readRefusal(message3);
  if (refused2) throw refused2;
  if (message3[0] !== 1) throw new SeaError("handshake", `version ${message3[0]} is not known here, this node speaks version 1`);
  if (message3.length > maxPayload + 97) throw new SeaError("handshake", "a handshake message is too long");
  return message3.slice(1);
}
async function opened(noise, message3) {
  try {
    return await noise.read(message3);
  } catch {
    throw new SeaError("handshake", "a handshake message does not verify (another network, or bytes were changed)");
  }
}
async function prove(party, noise, message3) {
  const b = await opened(noise, message3);
  const bad3 = (why) => new SeaError("handshake", why);
  if (b.length > maxPayload) throw bad3("a hello that is too long");
  const [signed3, certificate, clock2, run3, agent] = read2(b, payload, "hello");
  const now = Date.now();
  const node2 = signed3.by;
  if (await work(node2) < party.work) throw bad3(`a key with less than ${party.work} bits of work`);
  if (Math.abs(clock2 - now) > maxSkew2) throw bad3("the clocks differ by more than 10 minutes");
  const record2 = await openContact(signed3, party.network, now);
  if (compare(record2.key, noise.theirs) !== 0) throw bad3("the contact record vouches for another key than this handshake's");
  return { addr: await HashAddress.ofNode(node2), node: node2, certificate, record: record2, run: run3, agent, skew: clock2 - now };
}
var versionByte, maxPayload, maxSkew2, payload, refusal, Refused, prologue, entityOf, Session;
var init_hello = __esm({
  "../src/node/hello.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_cert();
    init_ed25519();
    init_shape();
    init_statement();
    init_addr();
    init_contact();
    init_reason();
    init_noise();
    init_wire();
    versionByte = Uint8Array.of(1);
    maxPayload = 4096;
    maxSkew2 = 10 * 6e4;
    payload = tuple(statement, orNull(statement), uint2(), bytes2(8), text2(0, 64));
    refusal = tuple(uint2(2 ** 32 - 1), text2(0, 256));
    Refused = class extends SeaError {
      constructor(reason2, text3, ours = false, elsewhere2 = []) {
        super("handshake", `${ours ? "refused" : "the other side refused"}, reason ${reason2}${text3 && ": "}${text3}`);
        this.reason = reason2;
        this.ours = ours;
        this.elsewhere = elsewhere2;
      }
      reason;
      ours;
      elsewhere;
    };
    prologue = (party) => concat(utf8("sea:link\0"), utf8(party.network));
    entityOf = (p) => acting(p.node, p.certificate, Date.now());
    Session = class {
      constructor(peer, initiator, out, into) {
        this.peer = peer;
        this.initiator = initiator;
        this.out = out;
        this.into = into;
      }
      peer;
      initiator;
      out;
      into;
      #out = [0, 0];
      #in = [0, 0];
      /** seal makes the message that carries a frame. */
      async seal(frame, lane) {
        return concat(versionByte, await this.out.seal(nonceOf(this.#out[lane]++, lane === 1), frame, versionByte));
      }
      /** open gives the frame. It rejects with SeaError when a message was changed, lost, repeated or moved. */
      async open(message3, lane) {
        if (message3[0] !== 1 || message3.length > maxMessage - 1024) throw new SeaError("frame", "not a sealed message of version 1");
        try {
          return await this.into.open(nonceOf(this.#in[lane]++, lane === 1), message3.subarray(1), versionByte);
        } catch {
          throw new SeaError("frame", "a sealed message does not open");
        }
      }
    };
  }
});

// ../src/node/inbox.ts
var maxWaiting2, messageCost, Inbox;
var init_inbox = __esm({
  "../src/node/inbox.ts"() {
    "use strict";
    init_error();
    maxWaiting2 = 24 << 20;
    messageCost = 128;
    Inbox = class {
      constructor(wire) {
        this.wire = wire;
        wire.start(
          (message3, lane) => {
            this.#bytes += message3.length + messageCost;
            this.#waiting.push([message3, lane]);
            if (this.#bytes > maxWaiting2) this.stop("the other side sends more than it may");
            this.#wake();
          },
          (why) => this.stop(why)
        );
      }
      wire;
      #waiting = [];
      #bytes = 0;
      #wake = () => {
      };
      /** why says in words how the wire ended; "" while it has not. */
      why = "";
      /** stop ends the wire; what has come can still be taken. */
      stop(why) {
        this.why ||= why || "the wire ended";
        this.wire.close();
        this.#wake();
      }
      /** take gives the next message and its lane, undefined after the last one. */
      async take() {
        while (this.#waiting.length === 0) {
          if (this.why) return void 0;
          await new Promise((resolve) => this.#wake = resolve);
        }
        const next = this.#waiting.shift();
        this.#bytes -= next[0].length + messageCost;
        return next;
      }
      send(message3) {
        this.wire.send(message3, 0);
      }
      async next() {
        const [message3, lane] = await this.take() ?? [];
        if (!message3 || lane !== 0) throw new SeaError("handshake", this.why || "a message on the wrong lane");
        return message3;
      }
    };
  }
});

// ../src/node/parts.ts
function* cut(id, frame) {
  for (let at2 = 0; at2 < frame.length; at2 += piece) {
    const data = frame.subarray(at2, at2 + piece);
    yield [part, id, frame.length - at2 - data.length, data];
  }
}
var maxOpen, piece, mayBeCut, Joiner;
var init_parts = __esm({
  "../src/node/parts.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_frame();
    init_tag();
    maxOpen = 4;
    piece = 16348;
    mayBeCut = /* @__PURE__ */ new Set([message, request, reply, routed, answer, publish]);
    Joiner = class {
      #next = 0;
      #open = /* @__PURE__ */ new Map();
      /** add gives the frame when a part was its last. SeaError "frame" when the part may not come now. */
      add([, id, left, data]) {
        const wrong4 = (why) => new SeaError("frame", `part of frame ${id}: ${why}`);
        let whole2 = this.#open.get(id);
        if (!whole2) {
          const size3 = left + data.length;
          if (id !== this.#next || this.#open.size === maxOpen) throw wrong4("it may not begin now");
          if (size3 > maxFrame) throw wrong4("too large");
          this.#next++;
          this.#open.set(id, whole2 = { left: size3, size: size3, pieces: [] });
        }
        if (left !== whole2.left - data.length) throw wrong4("a gap or an overlap");
        whole2.left = left;
        whole2.pieces.push(data);
        if (left > 0) return void 0;
        this.#open.delete(id);
        const f = decodeFrame(concat(...whole2.pieces));
        if (whole2.size <= maxPiece || !mayBeCut.has(f[0])) throw wrong4("a frame that is not cut");
        return f;
      }
    };
  }
});

// ../src/node/outbox.ts
var high, inOrder, Outbox;
var init_outbox = __esm({
  "../src/node/outbox.ts"() {
    "use strict";
    init_frame();
    init_tag();
    init_parts();
    high = 256 << 10;
    inOrder = /* @__PURE__ */ new Set([message, relay, relayEnd]);
    Outbox = class {
      constructor(session, wire, failed4) {
        this.session = session;
        this.wire = wire;
        const lanes = wire.lanes === 2 ? [0, 1] : [0];
        this.flushed = Promise.all(lanes.map((lane) => this.#run(lane).catch(failed4)));
      }
      session;
      wire;
      #small = [];
      #messages = [];
      #large = [];
      // that are not messages, not begun
      #open = [];
      #id = 0;
      #turn = 0;
      #closed = false;
      #wakes = [];
      /** waiting is how many bytes are not handed to the wire yet. */
      waiting = 0;
      /** frames is how many wait that are not large. */
      get frames() {
        return this.#small.length;
      }
      /** flushed resolves when all lanes have ended. */
      flushed;
      /** push puts a frame in its queue. */
      push(f, gone) {
        if (this.#closed) return;
        const waiting2 = { bytes: encodeFrame(f), gone };
        this.waiting += waiting2.bytes.length;
        if (inOrder.has(f[0])) this.#messages.push(waiting2);
        else if (waiting2.bytes.length > maxPiece) this.#large.push(waiting2);
        else this.#small.push(waiting2);
        this.#wake();
      }
      /** close drops what waits, sends last, and ends. */
      close(last) {
        for (const queue of [this.#small, this.#messages, this.#large, this.#open]) queue.length = 0;
        if (last) this.push(last);
        this.#closed = true;
        this.#wake();
      }
      #wake() {
        for (const wake of this.#wakes.splice(0)) wake();
      }
      async #run(lane) {
        for (; ; ) {
          const next = this.#next(lane);
          if (next) {
            const sealed = await this.session.seal(next.bytes, lane);
            if (this.wire.buffered(lane) > high) await this.wire.drained(lane);
            this.wire.send(sealed, lane);
            this.waiting -= next.counted;
            next.gone?.();
          } else if (this.#closed) {
            return;
          } else {
            await new Promise((resolve) => this.#wakes.push(resolve));
          }
        }
      }
      /** next is what a lane carries now: with two, the second has messages and parts. */
      #next(lane) {
        const both = this.wire.lanes === 1;
        if (lane === 0) {
          const w = this.#small.shift();
          if (w) return { ...w, counted: w.bytes.length };
          if (!both) return void 0;
        }
        const first = this.#begin();
        const turns = this.#open.length + (first ? 1 : 0);
        if (turns === 0) return void 0;
        const turn2 = this.#turn++ % turns;
        if (turn2 === this.#open.length) {
          this.#messages.shift();
          return { ...first, counted: first.bytes.length };
        }
        const flow = this.#open[turn2];
        const { value, done: done4 } = flow.parts.next();
        if (!done4) return { bytes: value, gone: void 0, counted: 0 };
        this.#open.splice(turn2, 1);
        this.waiting -= flow.whole.bytes.length;
        flow.whole.gone?.();
        return this.#next(lane);
      }
      /**
       * begin cuts large frames, as many as may be open at once and one message at a
       * time, and gives the message that is next and goes uncut.
       */
      #begin() {
        for (; ; ) {
          const next = this.#open.some((flow) => flow.message) ? void 0 : this.#messages[0];
          const large2 = next !== void 0 && next.bytes.length > maxPiece;
          const whole2 = large2 ? next : this.#large[0];
          if (!whole2 || this.#open.length === maxOpen) return large2 ? void 0 : next;
          (large2 ? this.#messages : this.#large).shift();
          this.#open.push({ parts: this.#parts(whole2.bytes), whole: whole2, message: large2 });
        }
      }
      /** parts takes its number when the first part goes. */
      *#parts(frame) {
        for (const part2 of cut(this.#id++, frame)) yield encodeFrame(part2);
      }
    };
  }
});

// ../src/node/rpc.ts
function failed(err) {
  const code2 = err instanceof SeaError ? rpcCodes.indexOf(err.code) : -1;
  const known2 = code2 > 0;
  return { code: known2 ? code2 : 1, text: known2 ? clip(err.message) : "", body: none };
}
function result({ code: code2, text: text3, body: body4 }) {
  if (code2 === 0) return body4;
  const name = rpcCodes[code2] ?? "internal";
  throw new SeaError(name, text3 ? clean(text3) : `the other side answered: ${name.replace("_", " ")}`);
}
function clip(text3) {
  const encoded = new Uint8Array(256);
  const { read: read3 } = new TextEncoder().encodeInto(text3.replace(/\p{Surrogate}/gu, "?"), encoded);
  return text3.replace(/\p{Surrogate}/gu, "?").slice(0, read3);
}
function clean(text3) {
  return text3.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
var done;
var init_rpc = __esm({
  "../src/node/rpc.ts"() {
    "use strict";
    init_bytes();
    init_error();
    done = (body4) => ({ code: 0, text: "", body: body4 });
  }
});

// ../src/node/stream.ts
var maxPiece2, window, pieceCost, quarter, maxStreams, Stream;
var init_stream = __esm({
  "../src/node/stream.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_tag();
    init_wire();
    maxPiece2 = 8192;
    window = 1 << 16;
    pieceCost = 64;
    quarter = window >> 2;
    maxStreams = 16;
    Stream = class {
      /** The relay has said its number for the connection. SeaError "busy" when the link has too many. */
      constructor(link, id) {
        this.link = link;
        this.id = id;
        if (link.streams.has(id) || link.streams.size >= maxStreams) throw new SeaError("busy", "too many connections over one relay");
        link.streams.set(id, this);
      }
      link;
      id;
      lanes = 1;
      remote = "";
      #unsent = [];
      #credit = window;
      #rooms = [];
      #closing = false;
      #pieces = [];
      // of the message that comes
      #left = 0;
      // of it
      #owed = 0;
      // that came, without credit yet
      #message = (_) => {
      };
      #ended = (_) => {
      };
      #why = "";
      /** buffered has no measure but the other end's window: while that is full nothing more should come. */
      buffered() {
        return this.#unsent.length > 0 ? Infinity : 0;
      }
      /** send: see Wire. */
      send(message3) {
        if (this.#why || this.#closing) return;
        this.#unsent.push(message3);
        this.#flow();
      }
      /** drained: see Wire. */
      async drained() {
        while (!this.#why && this.#unsent.length > 0) await new Promise((room) => this.#rooms.push(room));
      }
      /** start: see Wire. */
      start(message3, ended) {
        this.#ended = ended;
        this.#message = (m) => message3(m, 0);
        if (this.#why) ended(this.#why);
      }
      /** close: see Wire. */
      close() {
        this.#closing = true;
        this.#flow();
      }
      /** frame takes what the relay has passed on. */
      frame(f) {
        switch (f[0]) {
          case relay:
            return this.#take(f[3], f[4]);
          case relayCredit:
            this.#credit = Math.min(this.#credit + f[3], window);
            return this.#flow();
          case relayEnd:
            return this.end("the relayed connection ended");
        }
      }
      /** end ends the stream at once. */
      end(why) {
        if (this.#why) return;
        this.#why = why;
        this.link.streams.delete(this.id);
        this.link.send([relayEnd, this.id, 0]);
        this.#room();
        this.#ended(why);
      }
      #flow() {
        for (let message3; (message3 = this.#unsent[0]) && !this.#why; ) {
          const cost2 = message3.length + Math.ceil(message3.length / maxPiece2) * pieceCost;
          if (this.#credit < cost2) return;
          this.#credit -= cost2;
          this.#unsent.shift();
          for (let at2 = 0; at2 < message3.length; at2 += maxPiece2) {
            const piece3 = message3.subarray(at2, at2 + maxPiece2);
            this.link.send([relay, this.id, 0, message3.length - at2 - piece3.length, piece3]);
          }
        }
        this.#room();
        if (this.#closing) this.end("closed on this side");
      }
      #room() {
        for (const room of this.#rooms.splice(0)) room();
      }
      /** take joins a piece. What does not follow, or is more than the window, ends the stream. */
      #take(left, data) {
        const size3 = data.length + left;
        this.#owed += data.length + pieceCost;
        if ((this.#left ? size3 !== this.#left : size3 > maxMessage) || this.#owed > window) return this.end("the relay passed on what does not fit");
        this.#pieces.push(data);
        this.#left = left;
        if (left > 0) return;
        const message3 = concat(...this.#pieces);
        this.#pieces = [];
        if (this.#owed >= quarter) {
          this.link.send([relayCredit, this.id, 0, this.#owed]);
          this.#owed = 0;
        }
        if (!this.#closing) this.#message(message3);
      }
    };
  }
});

// ../src/node/link.ts
var maxCalls, maxCallBytes, window2, quarter2, maxUnsent, messageCost2, maxStrikes, maxUnread, maxFrames, lastWait, Link;
var init_link = __esm({
  "../src/node/link.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_frame();
    init_reason();
    init_tag();
    init_outbox();
    init_parts();
    init_rpc();
    maxCalls = 256;
    maxCallBytes = 16 << 20;
    window2 = 1 << 20;
    quarter2 = window2 >> 2;
    maxUnsent = 8 << 20;
    messageCost2 = 64;
    maxStrikes = 2;
    maxUnread = 24 << 20;
    maxFrames = 8192;
    lastWait = 500;
    Link = class {
      since = Date.now();
      session;
      peer;
      initiator;
      /** key is the peer's address as text, for maps. */
      key;
      /** heard is when the last frame came, Unix ms. */
      heard = Date.now();
      /** rtt is the smoothed round trip in ms, 0 until the first is measured. */
      rtt = 0;
      /** ours and theirs are how much each side needs the link, 0 to 2. */
      ours = 2;
      theirs = 2;
      /** used tells that an application at this end wants the link, greeted that one at the other end does. */
      used = false;
      greeted = false;
      /** streams are this side's ends of connections that the peer relays, by its numbers. Their bound is Stream's. */
      streams = /* @__PURE__ */ new Map();
      /** why is the reason in words, once it has ended. */
      why = "";
      #owner;
      #inbox;
      #outbox;
      #joiner = new Joiner();
      #strikes = 0;
      #ids = 0;
      #calls = /* @__PURE__ */ new Map();
      #callBytes = 0;
      #serving = /* @__PURE__ */ new Map();
      #servingBytes = 0;
      #pings = 0;
      #pinged = /* @__PURE__ */ new Map();
      #sent = 0;
      // bytes of messages that the peer has not taken
      #unsent = 0;
      #messages = [];
      #owed = 0;
      // bytes of the peer's messages for which it has no credit yet
      #taken = 0;
      // of them, what was taken
      #alive = new AbortController();
      #closing = false;
      // the peer has said Close
      constructor(owner, session, inbox) {
        this.#owner = owner;
        this.#inbox = inbox;
        this.session = session;
        this.peer = session.peer;
        this.initiator = session.initiator;
        this.key = session.peer.addr.toString();
        this.#outbox = new Outbox(session, inbox.wire, (err) => this.end(broken, String(err)));
      }
      get addr() {
        return this.peer.addr;
      }
      /** alive aborts when the link ends. */
      get alive() {
        return this.#alive.signal;
      }
      /** waiting is how many bytes wait to be sent. */
      get waiting() {
        return this.#outbox.waiting;
      }
      /** busy tells whether anybody uses the link. */
      get busy() {
        return this.used || this.greeted || this.#calls.size + this.#serving.size + this.streams.size > 0;
      }
      /** wire is what it goes over. */
      get wire() {
        return this.#inbox.wire;
      }
      /** relays tells whether the peer relays connections for us: nothing is relayed twice. */
      get relays() {
        return !this.wire.relayed && this.peer.record.caps.includes("relay");
      }
      /** remote is the peer's address as the wire shows it, or "". */
      get remote() {
        return this.wire.remote;
      }
      /** send sends a frame, unless the link has ended. gone is called when the wire has all of it. */
      send(f, gone) {
        if (this.alive.aborted) return;
        if (this.waiting > maxUnread || this.#outbox.frames > maxFrames) return this.end(silent, "the other side does not read");
        this.#outbox.push(f, gone);
      }
      /** run takes frames until the wire ends. */
      async run() {
        for (let got; got = await this.#inbox.take(); ) {
          if (this.alive.aborted) continue;
          try {
            const [message3, lane] = got;
            const f = decodeFrame(await this.session.open(message3, lane));
            this.heard = Date.now();
            const whole2 = f[0] === part ? this.#joiner.add(f) : f;
            if (whole2) this.#take(whole2);
          } catch (err) {
            this.end(broken, err instanceof SeaError ? err.message : "an error here");
          }
        }
        this.#ended(this.#inbox.why);
      }
      /** end closes the link and tells the peer why. */
      end(reason2, text3 = "") {
        this.#ended(text3 || `ended with reason ${reason2}`, [close, reason2, text3.slice(0, 80)]);
      }
      #ended(why, last) {
        if (this.alive.aborted) return;
        this.why = why;
        this.#alive.abort();
        this.#outbox.close(last);
        const stop = () => this.#inbox.stop(why);
        const timer = setTimeout(stop, lastWait);
        void this.#outbox.flushed.then(() => {
          if (!this.#closing && last) return;
          clearTimeout(timer);
          stop();
        });
        for (const answer5 of this.#calls.values()) answer5({ code: 5, text: `the link ended: ${why}`, body: none });
        for (const serving of this.#serving.values()) serving.abort();
        for (const message3 of this.#messages.splice(0)) message3.failed(new SeaError("unreachable", `the link ended: ${why}`));
        for (const { heard } of this.#pinged.values()) heard(Infinity);
        for (const stream of this.streams.values()) stream.end("the link to the relay ended");
        this.#owner.down(this);
      }
      /** strike counts what an honest peer does not send; the third ends the link. */
      strike(why) {
        if (++this.#strikes > maxStrikes) this.end(broken, why);
      }
      /** ping gives the round trip in ms; it rejects when the link ends or nothing comes within wait ms. */
      ping(wait = 5e3) {
        const n = this.#pings++;
        return new Promise((resolve, reject) => {
          const over = (ms) => {
            clearTimeout(timer);
            this.#pinged.delete(n);
            if (ms === Infinity) return reject(new SeaError("timeout", "no sign of life"));
            this.measured(ms);
            resolve(ms);
          };
          const timer = setTimeout(over, wait, Infinity);
          if (this.alive.aborted || this.#pinged.size > 64) return over(Infinity);
          this.#pinged.set(n, { at: performance.now(), heard: over });
          this.send([ping, n]);
        });
      }
      /** measured smooths a round trip in, ms. */
      measured(ms) {
        this.rtt = this.rtt ? this.rtt + (ms - this.rtt) / 8 : ms;
      }
      /** call asks the peer. There is no deadline but the signal. */
      async call(scope2, body4, signal) {
        if (!isScope(scope2)) throw new SeaError("bad_request", `no scope: ${scope2}`);
        if (body4.length > maxBody2) throw new SeaError("too_large", `a body of ${body4.length} bytes, at most ${maxBody2}`);
        signal?.throwIfAborted();
        if (this.alive.aborted) throw new SeaError("unreachable", `the link ended: ${this.why}`);
        if (this.#calls.size >= maxCalls || this.#callBytes + body4.length > maxCallBytes) throw new SeaError("busy", "too many calls over one link");
        const id = this.#ids++;
        this.#callBytes += body4.length;
        const cancel4 = () => {
          this.send([cancel, id]);
          this.#calls.get(id)?.({ code: 13, text: "", body: none });
        };
        signal?.addEventListener("abort", cancel4);
        try {
          return result(
            await new Promise((resolve) => {
              this.#calls.set(id, resolve);
              this.send([request, id, scope2, body4]);
            })
          );
        } finally {
          signal?.removeEventListener("abort", cancel4);
          this.#calls.delete(id);
          this.#callBytes -= body4.length;
        }
      }
      /** open tells the peer, once, that an application talks. */
      open() {
        if (!this.used) this.send([open]);
        this.used = true;
      }
      /**
       * message sends a one-way message, in order. It resolves when the peer's window
       * has room for it; who waits for that is never too fast. Rejects with "busy"
       * when more than 8 MiB wait, "unreachable" when the link has ended.
       */
      message(scope2, body4) {
        return new Promise((begun2, failed4) => {
          if (!isScope(scope2)) return failed4(new SeaError("bad_request", `no scope: ${scope2}`));
          if (body4.length > maxBody2) return failed4(new SeaError("too_large", `a message of ${body4.length} bytes, at most ${maxBody2}`));
          if (this.alive.aborted) return failed4(new SeaError("unreachable", `the link ended: ${this.why}`));
          const cost2 = scope2.length + body4.length + messageCost2;
          if (this.#unsent + cost2 > maxUnsent) return failed4(new SeaError("busy", "too much waits to be sent: wait for send"));
          this.#unsent += cost2;
          this.#messages.push({ f: [message, scope2, body4], cost: cost2, begun: begun2, failed: failed4 });
          this.#flow();
        });
      }
      /** flow sends as many messages as the peer's window takes. */
      #flow() {
        for (let m; m = this.#messages[0]; ) {
          if (this.#sent + m.cost > window2 && this.#sent >= quarter2) return;
          this.#messages.shift();
          this.#sent += m.cost;
          this.#unsent -= m.cost;
          this.send(m.f);
          m.begun();
        }
      }
      #take(f) {
        switch (f[0]) {
          case ping:
            return this.send([pong, f[1]]);
          case pong: {
            const p = this.#pinged.get(f[1]);
            return p?.heard(performance.now() - p.at);
          }
          case close:
            this.#closing = true;
            return this.end(f[1], clean(f[2]));
          case credit:
            if (f[1] > this.#sent) throw new SeaError("frame", "credit for more than was sent");
            this.#sent -= f[1];
            return this.#flow();
          case open:
            return this.#greet();
          case message: {
            const cost2 = f[1].length + f[2].length + messageCost2;
            if (this.#owed + cost2 > window2 && this.#owed >= quarter2) throw new SeaError("frame", "more messages than the window takes");
            this.#owed += cost2;
            this.#greet();
            return void this.#owner.message(this, f[1], f[2]).then(() => this.#credit(cost2));
          }
          case request:
            if (this.#serving.has(f[1])) throw new SeaError("frame", "a request with an id that is under way");
            return void this.#request(f);
          case reply:
            return this.#calls.get(f[1])?.({ code: f[2], text: f[3], body: f[4] });
          case cancel:
            return this.#serving.get(f[1])?.abort();
          case need:
            this.theirs = f[1];
            break;
          case relay:
          case relayCredit:
          case relayEnd:
            if (f[2] === 1) this.streams.get(f[1])?.frame(f);
            return;
          case welcome:
          case part:
            throw new SeaError("frame", "a frame that may not come now");
        }
        this.#owner.frame(this, f);
      }
      /** greet tells, once, that the peer's application wants to talk. */
      #greet() {
        if (this.greeted) return;
        this.greeted = true;
        this.#owner.opened(this);
      }
      /** credit opens the peer's window again for what was taken. */
      #credit(cost2) {
        this.#taken += cost2;
        if (this.#taken < quarter2) return;
        this.#owed -= this.#taken;
        this.send([credit, this.#taken]);
        this.#taken = 0;
      }
      async #request([, id, scope2, body4]) {
        const reply2 = (o2, gone) => this.send([reply, id, o2.code, o2.text, o2.body], gone);
        const busy = failed(new SeaError("busy", "too many calls over one link"));
        if (this.#serving.size >= maxCalls || this.#servingBytes + body4.length > maxCallBytes) return reply2(busy);
        const cancelled = new AbortController();
        this.#serving.set(id, cancelled);
        let bytes3 = body4.length;
        this.#servingBytes += bytes3;
        let o;
        try {
          o = done(await this.#owner.serve(this, scope2, body4));
          if (o.body.length > maxBody2) throw new SeaError("too_large", `an answer of ${o.body.length} bytes, at most ${maxBody2}`);
        } catch (err) {
          o = failed(err);
        }
        if (this.#servingBytes - bytes3 + o.body.length > maxCallBytes) o = busy;
        this.#servingBytes += o.body.length - bytes3;
        bytes3 = o.body.length;
        const over = () => {
          this.#serving.delete(id);
          this.#servingBytes -= bytes3;
        };
        if (cancelled.signal.aborted) over();
        else reply2(o, over);
      }
    };
  }
});

// ../src/node/chance.ts
var about, any, shuffle2;
var init_chance = __esm({
  "../src/node/chance.ts"() {
    "use strict";
    about = (ms) => ms * (0.8 + 0.4 * Math.random());
    any = (list2) => list2[Math.floor(Math.random() * list2.length)];
    shuffle2 = (list2) => list2.map((x) => [Math.random(), x]).sort(([a], [b]) => a - b).map(([, x]) => x);
  }
});

// ../src/node/bootstrap.ts
var pauseFirst, pauseLast, maxElsewhere, Bootstraps;
var init_bootstrap = __esm({
  "../src/node/bootstrap.ts"() {
    "use strict";
    init_error();
    init_chance();
    init_hello();
    pauseFirst = 1e3;
    pauseLast = 6e4;
    maxElsewhere = 4;
    Bootstraps = class {
      /** dial links to who listens at a URL; entered is told of each such link. */
      constructor(urls, dial, entered) {
        this.dial = dial;
        this.entered = entered;
        this.#all = urls.map((url) => ({ url, link: void 0, dialling: false, until: 0, pause: 0 }));
      }
      dial;
      entered;
      #all;
      /** first dials all and resolves with the first link; it rejects when there is none, with the reasons. */
      async first() {
        try {
          await Promise.any(this.#all.map((b) => this.#try(b)));
        } catch (err) {
          const why = err instanceof AggregateError ? err.errors.map((e) => e instanceof Error ? e.message : String(e)) : [];
          throw new SeaError("unreachable", why.join("; ") || "no bootstrap was named");
        }
      }
      /** again enters by those that are linked, and dials those that are not and were let be. */
      again() {
        for (const b of this.#all) {
          if (b.link && !b.link.alive.aborted) this.entered(b.link);
          else if (!b.dialling && Date.now() >= b.until) void this.#try(b).catch(() => {
          });
        }
      }
      async #try(b) {
        b.dialling = true;
        try {
          b.link = await this.#dial(b.url);
          b.pause = 0;
          this.entered(b.link);
        } catch (err) {
          b.pause = Math.min(Math.max(2 * b.pause, pauseFirst), pauseLast);
          b.until = Date.now() + about(b.pause);
          throw err;
        } finally {
          b.dialling = false;
        }
      }
      /** dial goes on to the nodes that a full one names. */
      async #dial(url) {
        try {
          return await this.dial(url);
        } catch (err) {
          const others = err instanceof Refused ? err.elsewhere.filter((other) => other.startsWith("wss://")) : [];
          for (const other of others.slice(0, maxElsewhere)) {
            const link = await this.dial(other).catch(() => void 0);
            if (link) return link;
          }
          throw err;
        }
      }
    };
  }
});

// ../src/node/handover.ts
var moved, openWait, Handover;
var init_handover = __esm({
  "../src/node/handover.ts"() {
    "use strict";
    moved = new Uint8Array(1);
    openWait = 15e3;
    Handover = class {
      constructor(old) {
        this.old = old;
      }
      old;
      lanes = 1;
      #next;
      // this side has moved to it
      #followed = false;
      // and the other side has
      #late;
      #over = false;
      #message = (_, _lane) => {
      };
      #ended = (_) => {
      };
      /** seeking tells that a direct way is being looked for. */
      seeking = false;
      /** relayed tells whether this side sends over the relay. */
      get relayed() {
        return !this.#next;
      }
      /** remote: see Wire. */
      get remote() {
        return this.#way.remote;
      }
      get #way() {
        return this.#next ?? this.old;
      }
      /** buffered: see Wire. */
      buffered() {
        return this.#way.buffered(0);
      }
      /** send: see Wire. */
      send(message3) {
        this.#way.send(message3, 0);
      }
      /** drained: see Wire. */
      drained() {
        return this.#way.drained(0);
      }
      /** move sends everything from now on over next, which it takes over. */
      move(next) {
        if (this.#over || this.#next) return next.close();
        this.old.send(moved, 0);
        this.#next = next;
        this.#follow();
      }
      /** start: see Wire. */
      start(message3, ended) {
        this.#message = message3;
        this.#ended = ended;
        this.old.start(
          (m) => {
            if (m.length !== 1) return this.#followed || message3(m, 0);
            this.#followed = true;
            this.#late = setTimeout(() => this.#end("the other side moved to a way that does not open here"), openWait);
            this.#follow();
          },
          (why) => this.#followed || this.#end(why)
        );
      }
      /** close: see Wire. */
      close() {
        this.old.close();
        this.#next?.close();
        this.#end("closed on this side");
      }
      /** follow reads on from the direct way when both sides have moved, and lets the old one go. */
      #follow() {
        const next = this.#next;
        if (!next || !this.#followed) return;
        clearTimeout(this.#late);
        this.old.close();
        next.start(
          (m, lane) => lane === 0 ? this.#message(m, 0) : this.close(),
          (why) => this.#end(why)
        );
      }
      #end(why) {
        if (this.#over) return;
        this.#over = true;
        clearTimeout(this.#late);
        this.old.close();
        this.#next?.close();
        this.#ended(why);
      }
    };
  }
});

// ../src/node/relayed.ts
async function relayTo(reach3, to, direct, hurry) {
  const answer5 = await reach3.callFrom(to, void 0, "sea:relays", new Uint8Array(0));
  const relays = read2(answer5, named, "relays")[0].map((a) => HashAddress.from(a));
  relays.sort((a, b) => Number(!reach3.link(a)) - Number(!reach3.link(b)));
  const failures = [];
  for (const relay2 of relays) {
    try {
      if (relay2.equals(to) || relay2.equals(reach3.addr)) throw new SeaError("refused", "no peer relays for itself");
      const by = reach3.link(relay2) ?? await direct(relay2);
      if (!by.relays) throw new SeaError("unavailable", "it does not relay");
      const [id] = read2(await by.call("sea:relay", encode([new Uint8Array(to.getArrayBuffer())]), AbortSignal.timeout(relayWait)), given, "stream");
      const wire = new Handover(new Stream(by, id));
      const link = await reach3.greet(wire, to);
      if (link.wire === wire && reach3.negotiator && link.peer.record.caps.includes("rtc")) void seek(reach3, link, wire, hurry);
      return link;
    } catch (err) {
      failures.push(`relay ${relay2}: ${err instanceof Error ? err.message : String(err)}`);
    }
  }
  throw new SeaError("unreachable", failures.join("; ") || `no neighbour of ${to} relays`);
}
function relayedTo(reach3, by, body4) {
  if (!by.relays) throw new SeaError("refused", "only from a neighbour that says it relays");
  const [id, from2] = read2(body4, coming, "connection");
  reach3.welcome(new Handover(new Stream(by, id)), HashAddress.from(from2)).catch(() => {
  });
  return new Uint8Array(0);
}
async function seek(reach3, link, wire, now) {
  for (; ; now = false) {
    if (!now) await pause(link.alive);
    if (link.alive.aborted || !wire.relayed) return;
    const offer3 = await reach3.negotiator.offer(link.remote).catch(() => void 0);
    if (!offer3) continue;
    try {
      const answer5 = await link.call("sea:rtc", encode([offer3.bytes]), AbortSignal.any([link.alive, AbortSignal.timeout(iceWait)]));
      wire.move(await offer3.accept(read2(answer5, described, "answer")[0]));
    } catch {
      offer3.close();
    }
  }
}
function pause(alive) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      alive.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, seekEvery);
    alive.addEventListener("abort", over);
  });
}
async function directTo(reach3, { wire, remote }, body4) {
  if (!(wire instanceof Handover) || !wire.relayed) throw new SeaError("refused", "there is a link already");
  if (!reach3.negotiator) throw new SeaError("unavailable", "there is no WebRTC here");
  if (wire.seeking) throw new SeaError("refused", "an offer is being answered");
  wire.seeking = true;
  try {
    const answer5 = await reach3.negotiator.answer(read2(body4, described, "offer")[0], remote);
    void answer5.wire().then((next) => wire.move(next)).catch(() => {
    }).finally(() => wire.seeking = false);
    return encode([answer5.bytes]);
  } catch (err) {
    wire.seeking = false;
    throw err;
  }
}
var relayWait, iceWait, seekEvery, named, given, coming;
var init_relayed = __esm({
  "../src/node/relayed.ts"() {
    "use strict";
    init_error();
    init_cbor();
    init_shape();
    init_addr();
    init_connect();
    init_handover();
    init_stream();
    relayWait = 1e4;
    iceWait = 15e3;
    seekEvery = 6e4;
    named = tuple(list(bytes2(28), 4));
    given = tuple(uint64);
    coming = tuple(uint64, bytes2(28));
  }
});

// ../src/node/connect.ts
function said(err) {
  return err instanceof Error ? err.message : String(err);
}
var iceWait2, strangerWait, maxAnswering, directAlone, described, Connector;
var init_connect = __esm({
  "../src/node/connect.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_shape();
    init_addr();
    init_relayed();
    iceWait2 = 15e3;
    strangerWait = 4e3;
    maxAnswering = 16;
    directAlone = 3e3;
    described = tuple(bytes2(1, 16384));
    Connector = class {
      constructor(reach3) {
        this.reach = reach3;
      }
      reach;
      #dials = /* @__PURE__ */ new Map();
      #offers = /* @__PURE__ */ new Map();
      /** to gives the link to a node, and makes it if need be; first is a neighbour that may know the node. */
      to(a, first) {
        const link = this.reach.link(a);
        if (link) return Promise.resolve(link);
        const key3 = a.toString();
        let dial = this.#dials.get(key3);
        if (!dial) {
          dial = this.#to(a, first).finally(() => this.#dials.delete(key3));
          this.#dials.set(key3, dial);
        }
        return dial;
      }
      /** to finds a node and links to it, directly or, when that fails or takes long, over a relay. The first link is taken. */
      async #to(a, first) {
        const { urls } = await this.reach.find(a, first);
        const over = new AbortController();
        const direct = this.#direct(a, first, urls, over.signal);
        let late;
        const slow = new Promise((resolve) => late = setTimeout(resolve, directAlone));
        let failed4 = false;
        try {
          const link = await Promise.race([direct, slow]).catch(() => void (failed4 = true));
          if (link) return link;
          const relayed = relayTo(this.reach, a, async (relay2) => {
            const { urls: urls2 } = await this.reach.find(relay2, void 0);
            return this.#direct(relay2, void 0, urls2, over.signal);
          }, !failed4);
          return await Promise.any([direct, relayed]);
        } catch (err) {
          const reasons = err instanceof AggregateError ? err.errors : [err];
          throw new SeaError("unreachable", `no link to ${a}: ${reasons.map(said).join("; ")}`);
        } finally {
          clearTimeout(late);
          over.abort();
        }
      }
      /** direct tries one way after the other, until over aborts. */
      async #direct(a, first, urls, over) {
        const failures = [];
        const ways2 = [() => this.#negotiate(a, first, over)];
        for (const url of urls.filter((u) => u.startsWith("wss://"))) {
          ways2.push(async () => this.reach.greet(await this.reach.dial(url, strangerWait), a));
        }
        for (const way of ways2) {
          if (over.aborted) break;
          try {
            return await way();
          } catch (err) {
            failures.push(said(err));
          }
        }
        throw new SeaError("unreachable", failures.join("; "));
      }
      /** negotiate offers WebRTC. Of two that offer to each other at once the smaller address's offer is taken. */
      async #negotiate(to, first, over) {
        const { negotiator } = this.reach;
        if (!negotiator) throw new SeaError("unavailable", "there is no WebRTC here");
        const key3 = to.toString();
        if (this.#offers.has(key3)) return this.#yield(to, "the other side's offer is being answered");
        const offer3 = await negotiator.offer(this.#towards(to)?.remote ?? "");
        const mine = { issued: 0, withdrawn: false, close: () => offer3.close() };
        if (this.#offers.has(key3)) {
          offer3.close();
          return this.#yield(to, "the other side's offer is being answered");
        }
        this.#offers.set(key3, mine);
        const stop = () => offer3.close();
        over.addEventListener("abort", stop);
        try {
          const body4 = await this.reach.callFrom(to, first, "sea:rtc", encode([offer3.bytes]));
          const [answer5] = read2(body4, described, "answer");
          return await this.reach.greet(await offer3.accept(answer5), to);
        } catch (err) {
          offer3.close();
          if (!mine.withdrawn && !(err instanceof SeaError && err.code === "refused")) throw err;
          return this.#yield(to, String(err));
        } finally {
          over.removeEventListener("abort", stop);
          if (this.#offers.get(key3) === mine) this.#offers.delete(key3);
        }
      }
      /** yield waits for the link that the other side makes. */
      async #yield(to, why) {
        const link = await this.reach.linked(to, iceWait2);
        if (link) return link;
        throw new SeaError("unreachable", why);
      }
      /** towards is the neighbour by which a request to a node leaves. */
      #towards(to) {
        return [...this.reach.links()].sort((a, b) => to.compareTo(a.addr, b.addr))[0];
      }
      /** offered answers a peer's offer, issued at (Unix ms) and brought by the neighbour via. */
      async offered(from2, via, issued, body4) {
        const { negotiator } = this.reach;
        if (!negotiator) throw new SeaError("unavailable", "there is no WebRTC here");
        const [offer3] = read2(body4, described, "offer");
        const old = this.reach.link(from2);
        if (old) {
          if (await old.ping(2e3).then(() => true, () => false)) throw new SeaError("refused", "there is a link already");
          old.end(3);
        }
        const key3 = from2.toString();
        const other = this.#offers.get(key3);
        if (other) {
          const smaller = compare(bytesOf(this.reach.addr), bytesOf(from2)) < 0;
          if (other.issued === 0 ? smaller : issued <= other.issued) throw new SeaError("refused", "another offer is on its way");
          other.withdrawn = true;
          other.close();
        } else if (this.#offers.size >= maxAnswering) {
          throw new SeaError("busy", "too many offers");
        }
        const place2 = { issued, withdrawn: false, close: () => {
        } };
        this.#offers.set(key3, place2);
        const leave2 = () => {
          if (this.#offers.get(key3) === place2) this.#offers.delete(key3);
        };
        try {
          const answer5 = await negotiator.answer(offer3, via?.remote ?? "");
          place2.close = () => answer5.close();
          if (place2.withdrawn) {
            answer5.close();
            throw new SeaError("refused", "a later offer is being answered");
          }
          void answer5.wire().then((wire) => this.reach.welcome(wire, from2)).catch(() => {
          }).finally(leave2);
          return encode([answer5.bytes]);
        } catch (err) {
          leave2();
          throw err;
        }
      }
    };
  }
});

// ../src/node/request.ts
async function newRequest(signer, r) {
  const not = r.not?.getArrayBuffer() ?? new ArrayBuffer(0);
  const body4 = encode({ ...r, v: 1, to: r.to.getArrayBuffer(), not });
  const signed3 = await Statement.sign(signer, requestPurpose, body4);
  return { ...r, source: signer.key, signed: signed3, encoded: signed3.encode() };
}
function readRequest(b) {
  const signed3 = Statement.decode(b);
  const { v: _, ...r } = read2(signed3.body, requestBody, "request");
  const bad3 = (why) => new SeaError("bad_request", `request: ${why}`);
  if (r.scope !== sealedScope && (r.body.length > 0 || r.scope !== nearScope && r.scope !== contactScope)) throw bad3("it is not sealed");
  if (r.not.length > 0 && r.scope !== nearScope) throw bad3("it leaves a node out");
  if (r.exp < r.iat || r.exp - r.iat > maxLife2) throw bad3("it holds for no time, or too long");
  return {
    ...r,
    source: signed3.by,
    to: HashAddress.from(r.to),
    not: r.not.length > 0 ? HashAddress.from(r.not) : void 0,
    signed: signed3,
    encoded: b
  };
}
async function newReply(signer, r) {
  const signed3 = await Statement.sign(signer, replyPurpose, encode({ v: 1, ...r }));
  return { ...r, by: signer.key, signed: signed3, encoded: signed3.encode() };
}
function readReply(b) {
  const signed3 = Statement.decode(b);
  const { v: _, ...r } = read2(signed3.body, replyBody, "reply");
  return { ...r, by: signed3.by, signed: signed3, encoded: b };
}
async function fits(reply2, request3) {
  return reply2.net === request3.net && compare(reply2.id, request3.id) === 0 && compare(reply2.to, request3.source) === 0 && compare(reply2.req, await hashOf(request3)) === 0 && (request3.scope === nearScope || (await HashAddress.ofNode(reply2.by)).equals(request3.to));
}
var maxLife2, slack2, nearScope, contactScope, sealedScope, requestPurpose, replyPurpose, notShape, requestBody, replyBody, verifyRequest, hashOf, verifyReply;
var init_request = __esm({
  "../src/node/request.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_shape();
    init_statement();
    init_addr();
    maxLife2 = 3e4;
    slack2 = 12e4;
    nearScope = "sea:nearest";
    contactScope = "sea:contact";
    sealedScope = "sea:sealed";
    requestPurpose = "sea/rpc/1";
    replyPurpose = "sea/reply/1";
    notShape = (v, name) => {
      const b = bytes2(0, 28)(v, name);
      if (b.length === 28 ? b.every((x) => x === 0) : b.length > 0) throw new SeaError("cbor", `${name}: no address`);
      return b;
    };
    requestBody = map2({
      v: version,
      id: bytes2(16),
      to: bytes2(28),
      exp: uint2(),
      iat: uint2(),
      net: text2(0, 1 << 20),
      not: notShape,
      body: bytes2(0, 66816),
      scope: text2(0, 64)
    });
    replyBody = map2({
      v: version,
      id: bytes2(16),
      to: bytes2(32),
      net: text2(0, 1 << 20),
      req: bytes2(32),
      body: bytes2(0, 66816),
      code: uint2(2 ** 32 - 1),
      text: text2(0, 256)
    });
    verifyRequest = (r) => r.signed.open(requestPurpose);
    hashOf = (r) => r.signed.hash(requestPurpose);
    verifyReply = (r) => r.signed.open(replyPurpose);
  }
});

// ../src/node/rate.ts
var Rate, Rates;
var init_rate = __esm({
  "../src/node/rate.ts"() {
    "use strict";
    Rate = class {
      constructor(perSecond, burst) {
        this.perSecond = perSecond;
        this.burst = burst;
        this.#left = burst;
      }
      perSecond;
      burst;
      #left;
      #at = performance.now();
      /** take tells whether there were n tokens, and takes them. */
      take(n = 1) {
        if (!this.fits(n)) return false;
        this.#left -= n;
        return true;
      }
      /** fits tells whether there are n tokens. */
      fits(n) {
        this.#fill();
        return this.#left >= n;
      }
      /** full tells whether nothing was taken lately. */
      get full() {
        this.#fill();
        return this.#left >= this.burst;
      }
      #fill() {
        const now = performance.now();
        this.#left = Math.min(this.burst, this.#left + (now - this.#at) / 1e3 * this.perSecond);
        this.#at = now;
      }
    };
    Rates = class {
      constructor(perSecond, burst, most2) {
        this.perSecond = perSecond;
        this.burst = burst;
        this.most = most2;
      }
      perSecond;
      burst;
      most;
      #all = /* @__PURE__ */ new Map();
      /** take tells whether one had a token, and takes it. While most are remembered who took some lately, others have none. */
      take(key3) {
        let rate = this.#all.get(key3);
        if (!rate) {
          if (this.#all.size >= this.most) {
            for (const [other, r] of this.#all) if (r.full) this.#all.delete(other);
          }
          if (this.#all.size >= this.most) return false;
          this.#all.set(key3, rate = new Rate(this.perSecond, this.burst));
        }
        return rate.take();
      }
    };
  }
});

// ../src/node/seen.ts
var Seen;
var init_seen = __esm({
  "../src/node/seen.ts"() {
    "use strict";
    Seen = class {
      constructor(life, most2) {
        this.life = life;
        this.most = most2;
      }
      life;
      most;
      #young = /* @__PURE__ */ new Set();
      #old = /* @__PURE__ */ new Set();
      #since = performance.now();
      /** add tells whether a key is new, and remembers it. */
      add(key3) {
        const now = performance.now();
        if (now - this.#since > this.life || this.#young.size >= this.most) {
          this.#old = now - this.#since > 2 * this.life ? /* @__PURE__ */ new Set() : this.#young;
          this.#young = /* @__PURE__ */ new Set();
          this.#since = now;
        }
        if (this.has(key3)) return false;
        this.#young.add(key3);
        return true;
      }
      has(key3) {
        return this.#young.has(key3) || this.#old.has(key3);
      }
    };
  }
});

// ../src/node/router.ts
function keyOf(request3, attempt) {
  return `${toHex(request3.source)}${toHex(request3.id)}${attempt}`;
}
var flightLife, maxFlights, maxBacks, keptFor, maxKept, alternates, warm, minAckWait, maxAckWait, callWait, retryWait, maxTTL, maxAttempt, maxBudget, maxSources, maxGuarded, guardShare, maxReplies, maxServing, Router;
var init_router = __esm({
  "../src/node/router.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_ed25519();
    init_addr();
    init_tag();
    init_rate();
    init_request();
    init_rpc();
    init_seen();
    flightLife = 3e4;
    maxFlights = 512;
    maxBacks = 3;
    keptFor = 4e3;
    maxKept = 4096;
    alternates = 3;
    warm = 5e3;
    minAckWait = 250;
    maxAckWait = 2e3;
    callWait = 1e4;
    retryWait = 3e3;
    maxTTL = 24;
    maxAttempt = 2;
    maxBudget = 4;
    maxSources = 256;
    maxGuarded = 4096;
    guardShare = 4;
    maxReplies = 4 << 20;
    maxServing = 64;
    Router = class {
      constructor(site) {
        this.site = site;
      }
      site;
      #flights = /* @__PURE__ */ new Map();
      #hops = /* @__PURE__ */ new Map();
      #lastHop = 0;
      #seen = new Seen(6e4, 8192);
      #sources = new Rates(50, 200, maxSources);
      #rates = /* @__PURE__ */ new WeakMap();
      #guarded = /* @__PURE__ */ new Map();
      // by source and id, the oldest first
      #guards = /* @__PURE__ */ new Map();
      // how many of them are whose
      #replies = 0;
      // bytes of them
      #serving = 0;
      #began = 0;
      /** up notes when the first link came. */
      up() {
        this.#began ||= Date.now();
      }
      /** down has what waits for a neighbour tried elsewhere. */
      down(link) {
        for (const f of [...this.#hops.values()]) if (f.tried.at(-1) === link) this.#another(f);
      }
      /** stop ends all that is under way. */
      stop() {
        for (const f of [...this.#flights.values()]) {
          this.#drop(f);
          f.own?.failed(rpcCodes.indexOf("unreachable"));
        }
      }
      /**
       * ask sends a request of this node's on its way, at once through one neighbour,
       * after 3 s and 6 s or when an attempt fails through others, and gives the reply
       * within 10 s. first, when it is given, is where the first attempt begins.
       */
      ask(request3, first) {
        const { to } = request3;
        const used = [];
        let attempt = 0;
        let flying = 0;
        return new Promise((resolve, reject) => {
          let retry;
          const end2 = setTimeout(() => finish(() => reject(new SeaError("timeout", `${to} did not answer in ${callWait / 1e3} s`))), callWait);
          const finish = (tell) => {
            clearTimeout(end2);
            clearTimeout(retry);
            for (let i = 0; i <= maxAttempt; i++) {
              const f = this.#flights.get(keyOf(request3, i));
              if (f?.own) this.#drop(f);
            }
            tell();
          };
          const begin = () => {
            clearTimeout(retry);
            if (attempt < maxAttempt) retry = setTimeout(next, retryWait);
            flying++;
            this.#begin(request3, attempt, used.slice(), attempt === 0 ? first : void 0, {
              done: (reply2) => finish(() => resolve(reply2)),
              failed: (code2) => {
                flying--;
                if (flying > 0) return;
                if (attempt < maxAttempt) return next();
                finish(() => reject(new SeaError(rpcCodes[code2] ?? "unreachable", `no way to ${to} from ${[...this.site.links()].length} links`)));
              },
              handed: (link) => used.push(link)
            });
          };
          const next = () => {
            attempt++;
            begin();
          };
          begin();
        });
      }
      /** draft is a request without its signature. */
      draft(to, scope2, body4, not) {
        const iat = Date.now();
        return { id: draw(16), to, iat, exp: iat + maxLife2, net: this.site.network, not, body: body4, scope: scope2 };
      }
      #begin(request3, attempt, avoid, first, own) {
        const key3 = keyOf(request3, attempt);
        if (this.#flights.size >= maxFlights) return own.failed(rpcCodes.indexOf("busy"));
        this.#seen.add(key3);
        this.#forward(this.#flight({ key: key3, request: request3, source: this.site.addr, attempt, own, backs: [], ttl: maxTTL, budget: maxBudget }), avoid, first);
      }
      #flight(f) {
        const made = {
          ...f,
          tried: [],
          hop: 0,
          timer: void 0,
          over: setTimeout(() => {
            this.#drop(made);
            made.own?.failed(rpcCodes.indexOf("timeout"));
          }, flightLife)
        };
        this.#flights.set(f.key, made);
        return made;
      }
      /** routed takes a request from a neighbour. */
      async routed(link, [, hop, ttl, attempt, budget, statement2]) {
        const nak2 = (code2) => link.send([nak, hop, rpcCodes.indexOf(code2), budget]);
        let request3;
        try {
          request3 = readRequest(statement2);
        } catch (err) {
          link.strike(String(err));
          return nak2("bad_request");
        }
        const key3 = keyOf(request3, attempt);
        const source = await HashAddress.ofNode(request3.source);
        if (request3.net !== this.site.network) return nak2("refused");
        if (await work(request3.source) < this.site.work) {
          link.strike("the source's key has too little work");
          return nak2("refused");
        }
        let rate = this.#rates.get(link);
        if (!rate) this.#rates.set(link, rate = new Rate(50, 200));
        if (!rate.take()) return nak2("busy");
        if (Date.now() - request3.exp > slack2) return nak2("expired");
        if (!this.#seen.has(key3)) {
          try {
            await verifyRequest(request3);
          } catch (err) {
            link.strike(String(err));
            return nak2("bad_request");
          }
          if (!this.#sources.take(toHex(request3.source))) return nak2("busy");
        }
        const known2 = this.#flights.get(key3);
        if (known2 && !known2.own && known2.backs.length < maxBacks && known2.backs.every((b) => b.link !== link)) {
          known2.backs.push({ link, hop });
          link.send([ack, hop]);
          if (known2.reply) link.send([answer, attempt, known2.reply.encoded]);
          return;
        }
        if (this.#seen.has(key3)) return nak2("replayed");
        if (this.#flights.size >= maxFlights) return nak2("busy");
        this.#seen.add(key3);
        link.send([ack, hop]);
        this.#forward(this.#flight({ key: key3, request: request3, source, attempt, own: void 0, backs: [{ link, hop }], ttl, budget }));
      }
      /** forward finds the next neighbour, or makes this node the end, or gives the request back. */
      #forward(f, avoid = [], first) {
        const { to, not, scope: scope2 } = f.request;
        this.#unhop(f);
        if (to.equals(this.site.addr) && !not?.equals(to)) return this.#arrive(f);
        const next = first && !first.alive.aborted && !not?.equals(first.addr) ? first : this.#next(f, avoid);
        if (!next || f.ttl === 0 || f.tried.length > alternates) return this.#giveUp(f, scope2);
        f.hop = ++this.#lastHop;
        f.tried.push(next);
        this.#hops.set(f.hop, f);
        f.timer = setTimeout(() => {
          this.site.suspect(next);
          this.#another(f);
        }, Math.min(Math.max(4 * next.rtt, minAckWait), maxAckWait));
        next.send([routed, f.hop, f.ttl - 1, f.attempt, f.budget, f.request.encoded]);
        f.own?.handed(next);
      }
      /** next is the best neighbour that was not tried. */
      #next(f, avoid) {
        const { to, not, scope: scope2 } = f.request;
        const now = Date.now();
        const fresh2 = now - this.#began >= 2 * warm && scope2 === nearScope && !not?.equals(to);
        let best;
        let shunned = false;
        for (const link of this.site.links()) {
          const a = link.addr;
          if (not?.equals(a) || a.equals(f.source) || f.backs[0]?.link === link || f.tried.includes(link)) continue;
          if (!f.own && to.compareTo(a, this.site.addr) >= 0) continue;
          const young2 = fresh2 && now - link.since < warm && !a.equals(to);
          if (young2 && !f.own) continue;
          const shun = young2 || avoid.includes(link);
          if (!best || shunned && !shun || shunned === shun && to.compareTo(a, best.addr) < 0) [best, shunned] = [link, shun];
        }
        return best;
      }
      /** giveUp ends a request here when nobody nearer can be reached. */
      #giveUp(f, scope2) {
        if (scope2 === nearScope && !f.own && !f.request.not?.equals(this.site.addr)) return this.#arrive(f);
        this.#drop(f);
        const code2 = rpcCodes.indexOf("unreachable");
        f.own?.failed(code2);
        for (const { link, hop } of f.backs) link.send([nak, hop, code2, f.budget]);
      }
      #another(f) {
        this.#unhop(f);
        if (f.budget === 0) return this.#giveUp(f, f.request.scope);
        f.budget--;
        return this.#forward(f);
      }
      #unhop(f) {
        clearTimeout(f.timer);
        this.#hops.delete(f.hop);
        f.hop = 0;
      }
      #drop(f) {
        this.#unhop(f);
        clearTimeout(f.over);
        this.#flights.delete(f.key);
      }
      /** acked takes an Ack. */
      acked(link, hop) {
        const f = this.#hops.get(hop);
        if (f?.tried.at(-1) === link) clearTimeout(f.timer);
      }
      /** naked takes a Nak. */
      naked(link, [, hop, , budget]) {
        const f = this.#hops.get(hop);
        if (f?.tried.at(-1) !== link) return;
        f.budget = Math.min(f.budget, budget);
        this.#another(f);
      }
      /** answer takes a reply from a neighbour. */
      async answer(link, [, attempt, statement2]) {
        try {
          const reply2 = readReply(statement2);
          const f = this.#flights.get(`${toHex(reply2.to)}${toHex(reply2.id)}${attempt}`);
          if (!f || f.reply || !f.tried.includes(link)) return;
          await verifyReply(reply2);
          if (!await fits(reply2, f.request)) throw new SeaError("bad_request", "a reply that fits no request");
          this.#answered(f, reply2);
        } catch (err) {
          link.strike(String(err));
        }
      }
      #answered(f, reply2) {
        if (f.reply || this.#flights.get(f.key) !== f) return;
        this.#drop(f);
        if (f.own) return f.own.done(reply2);
        f.reply = reply2;
        for (const { link } of f.backs) link.send([answer, f.attempt, reply2.encoded]);
        if (this.#flights.size > maxFlights / 2 || reply2.encoded.length > maxKept) return;
        this.#flights.set(f.key, f);
        f.over = setTimeout(() => this.#drop(f), keptFor);
      }
      /** arrive makes this node the end of the path. */
      #arrive(f) {
        this.#unhop(f);
        void this.#judge(f).then((reply2) => this.#answered(f, reply2));
      }
      /** judge keeps a request from being carried out twice. */
      async #judge(f) {
        const { request: request3 } = f;
        const refuse2 = (code2, text3) => this.#reply(request3, failed(new SeaError(code2, text3)));
        const now = Date.now();
        if (now - request3.exp > slack2 || request3.iat - now > slack2) return refuse2("expired", "the request expired, or is dated ahead; compare the clocks");
        const hash3 = toHex(await hashOf(request3));
        const source = toHex(request3.source);
        const name = source + toHex(request3.id);
        const known2 = this.#guarded.get(name);
        if (known2?.hash === hash3 && known2.reply) return known2.reply;
        if (known2) return refuse2("replayed", "the request was carried out before, or another one had this id");
        for (const [other, { until }] of this.#guarded) {
          if (until >= now) break;
          this.#unguard(other);
        }
        const held = this.#guards.get(source) ?? 0;
        if (held > (maxGuarded - this.#guarded.size) / guardShare || this.#serving >= maxServing) return refuse2("busy", "too many requests");
        this.#serving++;
        const guarded = { hash: hash3, until: request3.exp + slack2, reply: void 0, size: 0 };
        this.#guarded.set(name, guarded);
        this.#guards.set(source, held + 1);
        const carried = this.site.carryOut(request3, f.backs[0]?.link).then(
          (says2) => this.#reply(request3, says2),
          (err) => this.#reply(request3, failed(err))
        );
        guarded.reply = carried;
        const reply2 = await carried.finally(() => this.#serving--);
        if (this.#guarded.get(name) === guarded) {
          guarded.size = reply2.encoded.length;
          this.#replies += guarded.size;
          for (const old of this.#guarded.values()) {
            if (this.#replies <= maxReplies) break;
            this.#replies -= old.size;
            if (old.size > 0) old.reply = void 0;
            old.size = 0;
          }
        }
        return reply2;
      }
      #unguard(name) {
        const { size: size3 } = this.#guarded.get(name);
        this.#replies -= size3;
        this.#guarded.delete(name);
        const source = name.slice(0, 64);
        const left = this.#guards.get(source) - 1;
        if (left > 0) this.#guards.set(source, left);
        else this.#guards.delete(source);
      }
      async #reply(request3, says2) {
        return newReply(this.site.signer, { ...says2, id: request3.id, to: request3.source, net: request3.net, req: await hashOf(request3) });
      }
    };
  }
});

// ../src/node/sealed.ts
async function sealCall(to, r, call) {
  if (call.body.length > maxRouted) throw new SeaError("too_large", `a body of ${call.body.length} bytes, a routed one at most ${maxRouted}`);
  const mine = await newKeyPair();
  const context = await schedule(await agree(mine.secret, to), mine.public, to);
  const plain = encode([call.scope, call.body, call.certificate?.value() ?? null]);
  return { body: concat(mine.public, await context.cipher.seal(context.nonce, plain, bound(r))), answers: context.answers };
}
async function openCall(keys, r) {
  let plain;
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
    const [scope2, body4, certificate] = read2(plain, inside, "sealed call");
    if (!isScope(scope2) || certificate && certificate.body.length > 1024) return { answers };
    return { call: { scope: scope2, body: body4, certificate }, answers };
  } catch {
    return { answers };
  }
}
async function schedule(dh, enc, to) {
  const prk = await extract(kem, none, "eae_prk", dh);
  const shared = await expand(kem, prk, "shared_secret", concat(enc, to), 32);
  const context = concat(
    new Uint8Array(1),
    await extract(suite, none, "psk_id_hash", none),
    await extract(suite, none, "info_hash", utf8("sea/seal/1"))
  );
  const secret = await extract(suite, shared, "secret", none);
  const exporter = await expand(suite, secret, "exp", context, 32);
  return {
    cipher: await Cipher.of(await expand(suite, secret, "key", context, 32)),
    nonce: await expand(suite, secret, "base_nonce", context, 12),
    answers: new Answers(await Cipher.of(await expand(suite, exporter, "sec", utf8("sea/unseal/1"), 32)))
  };
}
async function expand(id, prk, label, info, n) {
  const made = await hmac(prk, Uint8Array.of(0, n), utf8("HPKE-v1"), id, utf8(label), info, Uint8Array.of(1));
  return made.slice(0, n);
}
var maxRouted, kem, suite, inside, outcome, bound, Answers, extract;
var init_sealed = __esm({
  "../src/node/sealed.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_shape();
    init_statement();
    init_frame();
    init_noise();
    maxRouted = 64 << 10;
    kem = concat(utf8("KEM"), Uint8Array.of(0, 32));
    suite = concat(utf8("HPKE"), Uint8Array.of(0, 32, 0, 1, 0, 2));
    inside = tuple(text2(1, 64), bytes2(0, maxRouted), orNull(statement));
    outcome = tuple(uint2(2 ** 32 - 1), text2(0, 256), bytes2(0, maxRouted));
    bound = (r) => encode([r.net, r.source, r.to.getArrayBuffer(), r.id, r.iat, r.exp]);
    Answers = class {
      constructor(cipher) {
        this.cipher = cipher;
      }
      cipher;
      /** seal closes an answer to the request with this hash. */
      async seal(request3, o) {
        const nonce = draw(12);
        return concat(nonce, await this.cipher.seal(nonce, encode([o.code, o.text, o.body]), request3));
      }
      /** open rejects with SeaError "bad_request" when it is none. */
      async open(request3, body4) {
        try {
          const plain = await this.cipher.open(body4.slice(0, 12), body4.subarray(12), request3);
          const [code2, said2, answer5] = read2(plain, outcome, "sealed answer");
          return { code: code2, text: said2, body: answer5 };
        } catch {
          throw new SeaError("bad_request", `the answer does not open (${body4.length - 12 - tagSize} bytes)`);
        }
      }
    };
    extract = (id, salt, label, input2) => hmac(salt, utf8("HPKE-v1"), id, utf8(label), input2);
  }
});

// ../src/node/settle.ts
async function welcomed(session, inbox) {
  let elsewhere2 = [];
  for (; ; ) {
    const message3 = await inbox.next();
    const refused2 = readRefusal(message3);
    if (refused2) throw refused2;
    const f = decodeFrame(await session.open(message3, 0));
    switch (f[0]) {
      case welcome:
        return;
      case close:
        throw new Refused(f[1], clean(f[2]), false, elsewhere2);
      case elsewhere:
        elsewhere2 = f[1].split("\n");
        break;
      default:
        throw new SeaError("handshake", "another frame instead of a welcome");
    }
  }
}
var helloWait, probeWait, yieldWait, Settler;
var init_settle = __esm({
  "../src/node/settle.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_addr();
    init_frame();
    init_reason();
    init_tag();
    init_hello();
    init_inbox();
    init_rpc();
    helloWait = 5e3;
    probeWait = 2e3;
    yieldWait = 5e3;
    Settler = class {
      constructor(home) {
        this.home = home;
      }
      home;
      #claims = /* @__PURE__ */ new Map();
      /** greet gives the link to the node at the end of a wire that this side dialled, also when that is another one. want is who it must be. */
      async greet(wire, want) {
        const inbox = new Inbox(wire);
        const timer = setTimeout(() => inbox.stop("the handshake took longer than 5 s"), helloWait);
        const claim = { ours: true, lost: false, inbox };
        let to;
        try {
          const session = await initiate(this.home.party, inbox, async (proof) => {
            to = proof.addr;
            this.#claim(proof, want, claim);
          });
          await welcomed(session, inbox);
          this.#unclaim(to, claim);
          if (claim.lost || this.home.link(to)) throw new Refused(duplicate, "", true);
          return this.home.add(session, inbox);
        } catch (err) {
          inbox.stop(String(err));
          if (to) this.#unclaim(to, claim);
          if (to && (claim.lost || err instanceof Refused && err.reason === duplicate)) {
            const other = await this.home.linked(to, yieldWait);
            if (other) return other;
          }
          throw err instanceof SeaError ? err : new SeaError("handshake", String(err));
        } finally {
          clearTimeout(timer);
        }
      }
      /** welcome is greet on a wire that the other side began. */
      async welcome(wire, want) {
        const inbox = new Inbox(wire);
        const timer = setTimeout(() => inbox.stop("the handshake took longer than 5 s"), helloWait);
        const claim = { ours: false, lost: false, inbox };
        let from2;
        try {
          const session = await respond(this.home.party, inbox);
          from2 = session.peer.addr;
          try {
            await this.#decide(session.peer, want, claim);
          } catch (err) {
            if (err instanceof Refused) inbox.send(await session.seal(encodeFrame([close, err.reason, ""]), 0));
            throw err;
          }
          const welcome2 = await session.seal(encodeFrame([welcome, wire.remote]), 0);
          if (claim.lost || inbox.why) throw new SeaError("handshake", inbox.why || "another link came first");
          inbox.send(welcome2);
          return this.home.add(session, inbox);
        } catch (err) {
          inbox.stop(String(err));
          throw err;
        } finally {
          clearTimeout(timer);
          if (from2) this.#unclaim(from2, claim);
        }
      }
      /** claim decides whether a dialled peer may know who this is. */
      #claim({ addr }, want, claim) {
        const refuse2 = (reason2, text3 = "") => new Refused(reason2, text3, true);
        if (addr.equals(this.home.addr)) throw refuse2(refused, "this is the same node");
        if (want && !addr.equals(want)) throw refuse2(unwanted, "another node was looked for");
        if (this.home.link(addr) || this.#claims.has(addr.toString())) throw refuse2(duplicate);
        if (!this.home.room(this.#claims.size)) throw refuse2(full);
        this.#claims.set(addr.toString(), claim);
      }
      #unclaim(a, claim) {
        if (this.#claims.get(a.toString()) === claim) this.#claims.delete(a.toString());
      }
      /** decide says whether a peer that dialled is welcome, and ends an older link to it. */
      async #decide(peer, want, claim) {
        const refuse2 = (reason2, text3 = "") => new Refused(reason2, text3, true);
        const { addr } = peer;
        if (addr.equals(this.home.addr)) throw refuse2(refused, "this is the same node");
        if (!addr.equals(want)) throw refuse2(unwanted, "another node was looked for");
        const old = this.home.link(addr);
        if (old) {
          const lives = await old.ping(probeWait).then(() => true, () => false);
          if (lives && compare(old.peer.run, peer.run) === 0) throw refuse2(duplicate);
          old.end(replaced);
        }
        const rival = this.#claims.get(addr.toString());
        if (rival) {
          const smaller = compare(bytesOf(this.home.addr), bytesOf(addr)) < 0;
          if (!rival.ours || smaller) throw refuse2(duplicate);
          rival.lost = true;
          rival.inbox.stop("the other side's dialling was taken");
        }
        if (!this.home.room(this.#claims.size)) throw refuse2(full);
        this.#claims.set(addr.toString(), claim);
      }
    };
  }
});

// ../src/node/table.ts
var siblings, perBucket, young, settle, floor, Table;
var init_table = __esm({
  "../src/node/table.ts"() {
    "use strict";
    siblings = 6;
    perBucket = 2;
    young = 15;
    settle = 3e4;
    floor = 24;
    Table = class {
      constructor(self, links) {
        this.self = self;
        this.all = [...links].sort((a, b) => self.compareTo(a.addr, b.addr));
        this.siblings = this.all.slice(0, siblings);
        this.depth = this.siblings.length < siblings ? 0 : this.bucket(this.siblings.at(-1).addr);
      }
      self;
      /** all has the nearest first. */
      all;
      /** siblings are the nearest. */
      siblings;
      /** depth is the bucket of the farthest sibling, 0 while there are too few. */
      depth;
      /** bucket is how many leading bits an address shares with this node's. */
      bucket(a) {
        return this.self.logDist(a);
      }
      /** inBucket are the links into one. */
      inBucket(bucket) {
        return this.all.filter((l) => this.bucket(l.addr) === bucket);
      }
      /** near tells whether an address would be a sibling's. */
      near(a) {
        return this.siblings.length < siblings || this.self.compareTo(a, this.siblings.at(-1).addr) < 0;
      }
      /** wants tells whether a bucket has too few links, with those that are being made. */
      wants(bucket, making) {
        return bucket <= this.depth && this.inBucket(bucket).length + making < perBucket;
      }
      /** target is an address to look for in a bucket: away from the one link there. */
      target(bucket) {
        const there = this.inBucket(bucket);
        if (there.length === 1 && bucket + 1 < 224) return there[0].addr.flip(bucket + 1).randomise(bucket + 2);
        return this.self.flip(bucket).randomise(bucket + 1);
      }
      /** nearest are the links nearest to an address, without one. */
      nearest(to, not, most2) {
        return this.all.filter((l) => !l.addr.equals(not)).sort((a, b) => to.compareTo(a.addr, b.addr)).slice(0, most2);
      }
      /** weigh says how much each link is needed: 2 it is the only one of its kind or a sibling, 1 there is another, 0 not. */
      weigh() {
        const needs = /* @__PURE__ */ new Map();
        for (const bucket of new Set(this.all.map((l) => this.bucket(l.addr)))) {
          const links = this.inBucket(bucket).sort((a, b) => Number(b.theirs >= 2) - Number(a.theirs >= 2) || a.since - b.since);
          const few = this.all.length < young || links.length === 1;
          links.forEach((l, i) => needs.set(l, few || this.siblings.includes(l) ? 2 : i < perBucket ? 1 : 0));
        }
        return needs;
      }
      /** excess are the links to give up, above floor: that nobody needs, the youngest first. */
      excess(now) {
        const over = this.all.length - floor;
        if (over <= 0) return [];
        return this.all.filter((l) => !l.busy && l.ours === 0 && l.theirs === 0 && now - l.since > settle).sort((a, b) => b.since - a.since).slice(0, over);
      }
    };
  }
});

// ../src/node/upkeep.ts
var askEvery, askSiblings, fillEvery, fillYoung, youngFor, selfFirst, selfLast, rejoinEvery, missFirst, missLast, maxMissed, maxLinking, maxLooks, maxTold, jump, doubtFor, sayLess, nearWait, Upkeep;
var init_upkeep = __esm({
  "../src/node/upkeep.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_addr();
    init_chance();
    init_reason();
    init_tag();
    init_table();
    askEvery = 3e4;
    askSiblings = 2;
    fillEvery = 1e4;
    fillYoung = 1e3;
    youngFor = 3e4;
    selfFirst = 5e3;
    selfLast = 24e4;
    rejoinEvery = 6e5;
    missFirst = 3e4;
    missLast = 6e5;
    maxMissed = 256;
    maxLinking = 4;
    maxLooks = 2;
    maxTold = 8;
    jump = 2e4;
    doubtFor = 5e3;
    sayLess = 2e4;
    nearWait = 5e3;
    Upkeep = class {
      constructor(node2) {
        this.node = node2;
      }
      node;
      #now = Date.now();
      #joined = 0;
      #askAt = 0;
      #fillAt = 0;
      #selfAt = 0;
      #selfIn = selfFirst;
      #rejoinAt = Date.now() + rejoinEvery;
      #looks = 0;
      #linking = /* @__PURE__ */ new Map();
      #missed = /* @__PURE__ */ new Map();
      #said = /* @__PURE__ */ new WeakMap();
      table() {
        return new Table(this.node.addr, this.node.links());
      }
      /** up takes a new link in. */
      up(link) {
        this.#missed.delete(link.key);
        const table = this.table();
        if (table.all.length === 1) {
          this.#joined = this.#now = Date.now();
          this.enter(link);
        }
        if (table.siblings.includes(link)) void this.#ask(link);
        this.#fillAt = Math.min(this.#fillAt, Date.now() + fillYoung);
        this.#weigh(table);
      }
      /** down looks for another in a link's place soon. */
      down() {
        const soon = Date.now() + 500 + Math.random() * 1e3;
        this.#askAt = Math.min(this.#askAt, soon);
        this.#fillAt = Math.min(this.#fillAt, soon);
      }
      /** enter looks this node up through a neighbour, often a bootstrap. */
      enter(link) {
        this.#selfIn = selfFirst;
        this.#selfAt = Date.now() + selfFirst;
        void this.#lookSelf(link);
      }
      /** tick does what is due. */
      tick() {
        const now = Date.now();
        const slept = Math.abs(now - this.#now) > jump;
        this.#now = now;
        const table = this.table();
        if (table.all.length === 0) return this.node.rejoin();
        if (slept) {
          for (const link of table.all) void this.doubt(link, 3e3);
          this.#missed.clear();
          this.#joined = now;
          this.#rejoinAt = now + 3e3;
        }
        for (const link of table.all) this.#watch(link, now, table);
        if (now >= this.#askAt) {
          this.#askAt = now + about(askEvery);
          for (const link of shuffle2(table.siblings).slice(0, askSiblings)) void this.#ask(link);
        }
        if (now >= this.#selfAt) {
          this.#selfIn = Math.min(2 * this.#selfIn, selfLast);
          this.#selfAt = now + about(this.#selfIn);
          void this.#lookSelf(any(table.all.slice(table.all.length >> 1)));
        }
        if (now >= this.#fillAt) this.#fill(table, now);
        if (now >= this.#rejoinAt) {
          this.#rejoinAt = now + about(rejoinEvery);
          this.node.rejoin();
        }
        this.#weigh(table);
        for (const link of table.excess(now)) link.end(unwanted);
      }
      /** doubt ends a link that gives no sign of life in time. */
      async doubt(link, wait = doubtFor) {
        const before = link.heard;
        await link.ping(wait).catch(() => {
          if (link.heard === before) link.end(silent);
        });
      }
      /** near answers a neighbour: who is near to it, or to an address. */
      near(link, body4) {
        const to = body4.length > 0 ? HashAddress.from(body4) : link.addr;
        return joined(this.table().nearest(to, link.addr, maxTold).map((l) => l.addr));
      }
      /** watch pings a silent link, and gives it up. One that is used is watched closely, one that is not needed hardly. */
      #watch(link, now, table) {
        const [idle, dead] = link.busy ? [7e3, 15e3] : link.ours >= 2 ? [2e4, 28e3] : [55e3, 12e4];
        const silent2 = now - link.heard;
        if (silent2 > dead) return link.end(silent);
        if (silent2 < idle || silent2 - idle > 1500) return;
        if (table.siblings.includes(link)) void this.#ask(link);
        else void link.ping().catch(() => {
        });
      }
      #weigh(table) {
        const now = Date.now();
        for (const [link, need2] of table.weigh()) {
          link.ours = need2;
          const said2 = this.#said.get(link) ?? { need: 2, since: now };
          if (need2 === said2.need) said2.since = now;
          else if (need2 > said2.need || now - said2.since > sayLess) {
            link.send([need, need2]);
            said2.need = need2;
          }
          this.#said.set(link, said2);
        }
      }
      /** ask asks a neighbour who is near to this node. */
      async #ask(link) {
        const began = performance.now();
        try {
          const near = await this.#nearOf(link);
          link.measured(performance.now() - began);
          const table = this.table();
          for (const a of near) {
            const bucket = table.bucket(a);
            if (table.near(a) || table.wants(bucket, this.#making(bucket))) void this.#link(a, link);
          }
        } catch {
          if (!link.alive.aborted) void link.ping().catch(() => {
          });
        }
      }
      async #nearOf(link, to) {
        const b = await link.call("sea:near", to ? bytesOf(to) : none, AbortSignal.timeout(nearWait));
        if (b.length % 28 || b.length > 28 * maxTold) {
          const err = new SeaError("bad_request", "sea:near: an answer of the wrong length");
          link.strike(String(err));
          throw err;
        }
        return split(b);
      }
      async #lookSelf(first) {
        try {
          const found2 = await this.node.nearestTo(this.node.addr, first);
          if (this.node.link(found2) || !this.table().near(found2)) return;
          this.#selfIn = selfFirst;
          await this.#link(found2, first);
        } catch {
        }
      }
      /** fill looks for nodes in buckets with too few links, shallow ones first. */
      #fill(table, now) {
        this.#fillAt = now + about(now - this.#joined < youngFor ? fillYoung : fillEvery);
        for (let bucket = 0; bucket <= table.depth && this.#looks < maxLooks; bucket++) {
          const pause2 = this.#missed.get(`bucket ${bucket}`);
          if (table.wants(bucket, this.#making(bucket)) && !(pause2 && now < pause2.until)) {
            this.#looks++;
            void this.#fillOne(table, bucket).finally(() => this.#looks--);
          }
        }
      }
      async #fillOne(table, bucket) {
        const deeper = table.all.filter((l) => table.bucket(l.addr) > bucket);
        const first = any(deeper.length > 0 ? deeper : table.all);
        const target = table.target(bucket);
        try {
          const named2 = (await this.#nearOf(first, target)).filter((a) => table.bucket(a) === bucket && !this.node.link(a) && !this.#isMissed(a));
          const to = named2[0] ?? await this.node.nearestTo(target, first);
          if (table.bucket(to) === bucket && !this.node.link(to)) return await this.#link(to, first);
          this.#miss(`bucket ${bucket}`, fillEvery, selfLast);
        } catch {
        }
      }
      #making(bucket) {
        return [...this.#linking.values()].filter((a) => this.node.addr.logDist(a) === bucket).length;
      }
      #isMissed(a) {
        return Date.now() < (this.#missed.get(a.toString())?.until ?? 0);
      }
      async #link(to, first) {
        const key3 = to.toString();
        if (to.equals(this.node.addr) || this.node.link(to) || this.#linking.has(key3) || this.#linking.size >= maxLinking || this.#isMissed(to)) return;
        this.#linking.set(key3, to);
        try {
          await this.node.linkTo(to, first);
        } catch {
          this.#miss(key3, missFirst, missLast);
        } finally {
          this.#linking.delete(key3);
        }
      }
      /** miss lets a node or bucket be for a while, twice as long each time. */
      #miss(key3, first, last) {
        const now = Date.now();
        if (this.#missed.size >= maxMissed) {
          for (const [other, { until }] of this.#missed) if (until < now) this.#missed.delete(other);
        }
        if (this.#missed.size >= maxMissed) return;
        const pause2 = Math.min(Math.max(2 * (this.#missed.get(key3)?.pause ?? 0), first), last);
        this.#missed.set(key3, { until: now + pause2, pause: pause2 });
      }
    };
  }
});

// ../src/node/websocket.ts
async function dialWebSocket(url, signal) {
  let socket;
  try {
    socket = new WebSocket(url, "sea.1");
  } catch {
    throw new SeaError("unreachable", `no URL of a WebSocket, or one that this page may not open: ${url}`);
  }
  socket.binaryType = "arraybuffer";
  try {
    await new Promise((resolve, reject) => {
      const fail = () => reject(new SeaError("unreachable", `no WebSocket at ${url}`));
      socket.onopen = () => socket.protocol === "sea.1" ? resolve() : fail();
      socket.onclose = socket.onerror = fail;
      signal.addEventListener("abort", fail, { once: true });
      if (signal.aborted) fail();
    });
  } catch (err) {
    socket.close();
    throw err;
  }
  return new Socket(socket);
}
var pollEvery, Socket;
var init_websocket = __esm({
  "../src/node/websocket.ts"() {
    "use strict";
    init_error();
    init_wire();
    pollEvery = 10;
    Socket = class {
      lanes = 1;
      remote;
      #socket;
      constructor(socket) {
        this.#socket = socket;
        this.remote = new URL(socket.url).host;
      }
      buffered() {
        return this.#socket.bufferedAmount;
      }
      send(message3) {
        if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message3);
      }
      async drained() {
        const enough = this.#socket.bufferedAmount / 2;
        while (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount > enough) {
          await new Promise((resolve) => setTimeout(resolve, pollEvery));
        }
      }
      start(message3, ended) {
        this.#socket.onmessage = ({ data }) => {
          if (data instanceof ArrayBuffer && data.byteLength > 0 && data.byteLength <= maxMessage) message3(new Uint8Array(data), 0);
          else this.close();
        };
        const closed = (code2) => {
          this.#socket.onmessage = this.#socket.onclose = null;
          ended(`the WebSocket closed (${code2})`);
        };
        this.#socket.onclose = ({ code: code2 }) => closed(code2);
        if (this.#socket.readyState > WebSocket.OPEN) closed(1006);
      }
      close() {
        this.#socket.close(1e3);
      }
    };
  }
});

// ../src/node/node.ts
function contactOf(o, keys, seal) {
  const iat = Date.now();
  return signContact(o.signer, {
    net: o.network ?? "sea",
    key: keys.public,
    seal: seal.public,
    urls: [],
    caps: o.negotiator ? ["rtc"] : [],
    iat,
    exp: iat + recordLife2
  });
}
function within2(signal, work3) {
  if (!signal) return work3;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new SeaError("cancelled", "the call was cancelled"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    work3.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
var recordLife2, dialWait, maxLinks, maxContacts, maxRelaysNamed, contactAnswer, Node2, Stale;
var init_node = __esm({
  "../src/node/node.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_cert();
    init_ed25519();
    init_shape();
    init_statement();
    init_addr();
    init_bootstrap();
    init_connect();
    init_contact();
    init_reason();
    init_tag();
    init_hello();
    init_link();
    init_noise();
    init_request();
    init_relayed();
    init_router();
    init_rpc();
    init_sealed();
    init_settle();
    init_upkeep();
    init_websocket();
    recordLife2 = 24 * 36e5;
    dialWait = 1e4;
    maxLinks = 80;
    maxContacts = 1024;
    maxRelaysNamed = 4;
    contactAnswer = tuple(statement, orNull(statement));
    Node2 = class _Node {
      addr;
      signer;
      network;
      work;
      negotiator;
      certificate;
      /** watchers hear what happens. */
      watchers = /* @__PURE__ */ new Set();
      #handlers = /* @__PURE__ */ new Map();
      #links = /* @__PURE__ */ new Map();
      #contacts = /* @__PURE__ */ new Map();
      // by address, the latest used last
      #seal;
      #settler = new Settler(this);
      #connector = new Connector(this);
      #party;
      #router = new Router(this);
      #upkeep = new Upkeep(this);
      #bootstraps;
      #ticker;
      constructor(o, addr, seal, party) {
        this.addr = addr;
        this.signer = o.signer;
        this.network = party.network;
        this.work = party.work;
        this.negotiator = o.negotiator;
        this.certificate = party.certificate;
        this.#seal = seal;
        this.#party = party;
        this.#own("sea:ping", (body4) => {
          if (body4.length > 64) throw new SeaError("too_large", "sea:ping takes 64 bytes");
          return body4;
        });
        this.#own(nearScope, (body4, from2) => this.#about(body4, from2));
        this.#own(contactScope, (body4, from2) => this.#about(body4, from2));
        this.#own("sea:near", (body4, from2) => {
          const link = this.#direct(from2, body4, body4.length === 0);
          return this.#upkeep.near(link, body4);
        });
        this.#own("sea:relays", () => {
          const relays = [...this.links()].filter((l) => l.relays).slice(0, maxRelaysNamed);
          return encode([relays.map((l) => new Uint8Array(l.addr.getArrayBuffer()))]);
        });
        this.#own("sea:relayed", (body4, from2) => relayedTo(this, this.#direct(from2, body4, true), body4));
        this.#own("sea:rtc", (body4, from2) => directTo(this, this.#direct(from2, body4, true), body4));
        this.#own("sea:silent", (body4, from2) => {
          this.#direct(from2, body4, false);
          const of = this.link(HashAddress.from(body4));
          if (of && Date.now() - of.heard > 3e3) void this.#upkeep.doubt(of);
          return none;
        });
      }
      /** create makes a node that is offline. */
      static async create(o) {
        const keys = await newKeyPair();
        const seal = await newKeyPair();
        const party = {
          network: o.network ?? "sea",
          work: o.work ?? 12,
          keys,
          certificate: o.certificate ?? null,
          run: draw(8),
          agent: o.agent ?? "peersea",
          record: await contactOf(o, keys, seal)
        };
        return new _Node(o, await HashAddress.ofNode(o.signer.key), seal, party);
      }
      /** isOnline tells whether there is a link. */
      get isOnline() {
        return this.#links.size > 0;
      }
      get party() {
        return this.#party;
      }
      /**
       * online joins the sea by bootstraps, URLs of ws://, wss:// or sea://, and
       * resolves with the first link. It rejects with "unreachable" when none of them
       * answers. From then on they are dialled again when they are lost.
       */
      async online(urls) {
        if (this.#ticker) throw new SeaError("bad_request", "this node is online, or goes there");
        this.#ticker = setInterval(() => this.#tick(), 1e3);
        this.#router = new Router(this);
        this.#upkeep = new Upkeep(this);
        this.#connector = new Connector(this);
        this.#bootstraps = new Bootstraps(
          urls,
          async (url) => this.#settler.greet(await this.dial(url, dialWait)),
          (link) => this.#upkeep.enter(link)
        );
        try {
          await this.#bootstraps.first();
        } catch (err) {
          this.offline();
          throw err;
        }
      }
      /** offline leaves: all links end. */
      offline() {
        clearInterval(this.#ticker);
        this.#ticker = this.#bootstraps = void 0;
        for (const link of [...this.#links.values()]) link.end(offline);
        this.negotiator?.close();
        this.#router.stop();
      }
      /** handle answers a scope of one's own; undefined takes the handler away. Scopes that begin with sea: are the node's. */
      handle(scope2, handler) {
        if (scope2.startsWith("sea:")) throw new SeaError("bad_request", `${scope2} is a scope of the node's own`);
        if (handler) this.#handlers.set(scope2, handler);
        else this.#handlers.delete(scope2);
      }
      /** own is handle for what belongs to the node: its other parts call it. */
      #own(scope2, handler) {
        this.#handlers.set(scope2, handler);
      }
      /** serveMembers lets channels answer at meeting places. */
      serveMembers(handler) {
        this.#own("sea:members", handler);
      }
      /** call asks the node at an address: over the link, or routed and sealed, at most 10 s and 64 KiB then. */
      call(to, scope2, body4, signal) {
        return this.#call(to, void 0, scope2, body4, signal);
      }
      callFrom(to, first, scope2, body4) {
        return this.#call(to, first, scope2, body4);
      }
      async #call(to, first, scope2, body4, signal) {
        if (to.equals(this.addr)) {
          return this.#serve(scope2, body4, { addr: to, node: this.signer.key, entity: await this.#entity(), direct: false });
        }
        const link = this.link(to);
        if (link) return link.call(scope2, body4, signal);
        if (body4.length > maxRouted) throw new SeaError("too_large", `a body of ${body4.length} bytes, a routed one at most ${maxRouted}: connect first`);
        this.#mustBeOnline();
        const known2 = this.#contacts.get(to.toString());
        const contact = known2 ?? await this.#ask(to, contactScope, first);
        try {
          return await within2(signal, this.#callSealed(contact, to, first, scope2, body4));
        } catch (err) {
          if (!(err instanceof Stale) || !known2) throw err;
          const fresh2 = await this.#ask(to, contactScope, first);
          if (compare(fresh2.seal, known2.seal) === 0) throw err;
          return await within2(signal, this.#callSealed(fresh2, to, first, scope2, body4));
        }
      }
      async #callSealed(contact, to, first, scope2, body4) {
        const draft = this.#router.draft(to, sealedScope, none);
        const sealed = await sealCall(contact.seal, { ...draft, source: this.signer.key }, { scope: scope2, body: body4, certificate: this.certificate });
        const request3 = await newRequest(this.signer, { ...draft, body: sealed.body });
        const reply2 = await this.#router.ask(request3, first);
        if (reply2.code === 10) throw new Stale("expired", reply2.text || "the call does not open there");
        if (reply2.code !== 0) result({ ...reply2, body: none });
        return result(await sealed.answers.open(await hashOf(request3), reply2.body));
      }
      /** nearest gives the address of the node nearest to another, which may be this one, asked first at a neighbour. */
      async nearest(to, first) {
        const found2 = await this.nearestTo(to, first);
        return to.compareTo(found2, this.addr) < 0 ? found2 : this.addr;
      }
      /** nearestContact is nearest of the others, with its contact record. */
      nearestContact(to) {
        return this.#ask(to, nearScope);
      }
      async nearestTo(to, first) {
        return HashAddress.ofNode((await this.#ask(to, nearScope, first)).by);
      }
      /** ask asks for a contact record: of the node at to, or of the other node nearest to it. */
      async #ask(to, scope2, first) {
        this.#mustBeOnline();
        const draft = this.#router.draft(to, scope2, none, scope2 === nearScope ? this.addr : void 0);
        const reply2 = await this.#router.ask(await newRequest(this.signer, draft), first);
        return this.#learn(result({ ...reply2 }), reply2.by);
      }
      /** learn reads a contact record that by has shown. */
      async #learn(body4, by) {
        const [signed3] = read2(body4, contactAnswer, "contact");
        if (by && compare(signed3.by, by) !== 0) throw new SeaError("contact", "the contact record is another node's");
        if (await work(signed3.by) < this.work) throw new SeaError("contact", "a key with too little work");
        const contact = await openContact(signed3, this.network, Date.now());
        this.#keep(contact, await HashAddress.ofNode(contact.by));
        return contact;
      }
      #keep(contact, a) {
        const key3 = a.toString();
        this.#contacts.delete(key3);
        this.#contacts.set(key3, contact);
        if (this.#contacts.size > maxContacts) this.#contacts.delete(this.#contacts.keys().next().value);
      }
      async find(to, first) {
        if (first && !first.addr.equals(to)) {
          try {
            const body4 = await first.call(contactScope, bytesOf(to), AbortSignal.timeout(5e3));
            const contact2 = await this.#learn(body4);
            if ((await HashAddress.ofNode(contact2.by)).equals(to)) return contact2;
          } catch {
          }
        }
        const contact = await this.#ask(to, nearScope, first);
        if (!(await HashAddress.ofNode(contact.by)).equals(to)) throw new SeaError("unreachable", `nobody is at ${to}`);
        return contact;
      }
      /** connect gives the link to a node, and makes it if need be. Rejects with "unreachable" and the reasons. */
      async connect(to) {
        if (to.equals(this.addr)) throw new SeaError("bad_request", "this is the node's own address");
        this.#mustBeOnline();
        return this.#connector.to(to);
      }
      linkTo(to, first) {
        return this.#connector.to(to, first);
      }
      /** link is the link to a node, if there is one. */
      link(a) {
        return this.#links.get(a.toString());
      }
      /** links are all. */
      links() {
        return this.#links.values();
      }
      linked(to, ms) {
        const there = this.link(to);
        if (there) return Promise.resolve(there);
        return new Promise((resolve) => {
          const over = (link) => {
            clearTimeout(timer);
            this.watchers.delete(watcher);
            resolve(link);
          };
          const watcher = { up: (link) => link.addr.equals(to) && over(link) };
          const timer = setTimeout(over, ms);
          this.watchers.add(watcher);
        });
      }
      async dial(url, ms) {
        if (!url.startsWith("sea://")) return dialWebSocket(url, AbortSignal.timeout(ms));
        if (!this.negotiator) throw new SeaError("unavailable", "there is no WebRTC here");
        return this.negotiator.dial(url);
      }
      greet(wire, want) {
        return this.#settler.greet(wire, want);
      }
      welcome(wire, want) {
        return this.#settler.welcome(wire, want);
      }
      room(claims) {
        if (!this.#ticker) return false;
        if (this.#links.size + claims < maxLinks) return true;
        const least2 = [...this.links()].filter((l) => !l.busy && l.ours === 0 && l.theirs === 0).sort((a, b) => b.since - a.since)[0];
        least2?.end(full);
        return least2 !== void 0;
      }
      add(session, inbox) {
        if (!this.#ticker) throw new SeaError("offline", "this node went offline during the handshake");
        const link = new Link(this, session, inbox);
        this.#links.set(link.key, link);
        this.#keep(link.peer.record, link.addr);
        this.#router.up();
        void link.run();
        this.#upkeep.up(link);
        for (const w of [...this.watchers]) w.up?.(link);
        return link;
      }
      down(link) {
        if (this.#links.get(link.key) !== link) return;
        this.#links.delete(link.key);
        this.#router.down(link);
        this.#upkeep.down();
        for (const w of [...this.watchers]) w.down?.(link);
        if (this.#links.size === 0) this.#bootstraps?.again();
      }
      rejoin() {
        this.#bootstraps?.again();
      }
      suspect(link) {
        void this.#upkeep.doubt(link);
      }
      opened(link) {
        for (const w of [...this.watchers]) w.opened?.(link);
      }
      async message(link, scope2, body4) {
        await Promise.all([...this.watchers].map((w) => w.message?.(link, scope2, body4)));
      }
      frame(link, f) {
        switch (f[0]) {
          case routed:
            return void this.#router.routed(link, f);
          case ack:
            return this.#router.acked(link, f[1]);
          case nak:
            return this.#router.naked(link, f);
          case answer:
            return void this.#router.answer(link, f);
        }
        for (const w of [...this.watchers]) w.frame?.(link, f);
      }
      async serve(link, scope2, body4) {
        const { addr, node: node2 } = link.peer;
        return this.#serve(scope2, body4, { addr, node: node2, entity: await entityOf(link.peer), direct: true });
      }
      async #serve(scope2, body4, from2) {
        const handler = this.#handlers.get(scope2);
        if (!handler) throw new SeaError("no_handler", `scope ${scope2} is not served here`);
        return handler(body4, from2);
      }
      /** carryOut does what a routed request to this node asks. */
      async carryOut(request3, via) {
        const addr = await HashAddress.ofNode(request3.source);
        if (request3.scope !== sealedScope) return done(this.#about(request3.body, { addr, node: request3.source, entity: request3.source, direct: false }));
        const { call, answers } = await openCall(this.#seal, request3);
        let says2;
        try {
          if (!call) throw new SeaError("bad_request", "a sealed call that cannot be read");
          const from2 = { addr, node: request3.source, entity: await acting(request3.source, call.certificate, Date.now()), direct: false };
          const body4 = call.scope === "sea:rtc" ? await this.#connector.offered(addr, via, request3.iat, call.body) : await this.#serve(call.scope, call.body, from2);
          if (body4.length > maxRouted) throw new SeaError("too_large", `the answer has ${body4.length} bytes, a routed one at most ${maxRouted}`);
          says2 = done(body4);
        } catch (err) {
          says2 = failed(err);
        }
        return done(await answers.seal(await hashOf(request3), says2));
      }
      /** about answers sea:nearest and sea:contact: with this node's record, or over a link with a neighbour's. */
      #about(body4, from2) {
        if (body4.length === 0) return encode([this.#party.record.signed.value(), this.certificate?.value() ?? null]);
        this.#direct(from2, body4, false);
        const other = this.link(HashAddress.from(body4));
        if (!other || Date.now() - other.heard > 1e4) throw new SeaError("not_found", "no neighbour is there");
        return encode([other.peer.record.signed.value(), null]);
      }
      /** direct gives the link that a question of a neighbour came over. */
      #direct(from2, body4, empty2) {
        const link = from2.direct ? this.link(from2.addr) : void 0;
        if (!link || !(empty2 || body4.length === 28)) throw new SeaError("bad_request", "this is for neighbours, and takes an address");
        return link;
      }
      #entity() {
        return acting(this.signer.key, this.certificate, Date.now());
      }
      #mustBeOnline() {
        if (!this.isOnline) throw new SeaError("offline", "this node is not online");
      }
      #tick() {
        this.#upkeep.tick();
        if (this.#party.record.exp - Date.now() < recordLife2 / 2) void this.#renew();
      }
      async #renew() {
        const { network, keys } = this.#party;
        const record2 = await contactOf({ signer: this.signer, network, ...this.negotiator && { negotiator: this.negotiator } }, keys, this.#seal);
        this.#party = { ...this.#party, record: record2 };
      }
    };
    Stale = class extends SeaError {
    };
  }
});

// ../src/node/lobby.ts
var maxRooms, maxRecords, maxRoomsOf, maxAnswer, maxCopies, recordLife3, placeWait, request2, answer2, Lobby;
var init_lobby = __esm({
  "../src/node/lobby.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_ed25519();
    init_shape();
    init_statement();
    init_addr();
    init_gossip();
    init_rate();
    maxRooms = 256;
    maxRecords = 64;
    maxRoomsOf = 32;
    maxAnswer = 16;
    maxCopies = 3;
    recordLife3 = 9e4;
    placeWait = 15e3;
    request2 = tuple(bytes2(28), bytes2(28), bool, orNull(statement));
    answer2 = tuple(uint2(), list(statement, maxAnswer));
    Lobby = class {
      constructor(node2) {
        this.node = node2;
        node2.serveMembers((body4, from2) => this.#serve(body4, from2));
      }
      node;
      #rooms = /* @__PURE__ */ new Map();
      #rates = new Rates(50, 200, maxRooms);
      /** lookUp announces this node, each every seconds, at a channel's places, and gives members and about how many there are. */
      async lookUp(id, every) {
        const at2 = await places(id);
        const chan = new Uint8Array(at2[0].getArrayBuffer());
        const record2 = await newRecord(this.node.signer, this.node.network, chan, every);
        const members2 = /* @__PURE__ */ new Map();
        const counts = [];
        await Promise.all(at2.map(async (place2) => {
          try {
            const [count3, records] = await this.#askAt(chan, place2, record2);
            if (count3 > 0) counts.push(count3);
            for (const r of records) {
              if (compare(r.by, this.node.signer.key) === 0) continue;
              await this.#check(r, chan);
              const a = await HashAddress.ofNode(r.by);
              members2.set(a.toString(), a);
            }
          } catch {
          }
        }));
        counts.sort((a, b) => a - b);
        return { members: [...members2.values()], count: counts[counts.length - 1 >> 1] ?? 0 };
      }
      async #askAt(chan, place2, record2) {
        const body4 = encode([chan, place2.getArrayBuffer(), false, record2.value()]);
        const there = await this.node.nearest(place2);
        const self = { addr: this.node.addr, node: this.node.signer.key, entity: this.node.signer.key, direct: true };
        const reply2 = there.equals(this.node.addr) ? await this.#serve(body4, self) : await this.node.call(there, "sea:members", body4, AbortSignal.timeout(placeWait));
        return read2(reply2, answer2, "sea:members");
      }
      async #check(r, chan) {
        if (await work(r.by) < this.node.work) throw new SeaError("bad_request", "the member's key has too little work");
        return openRecord(r, this.node.network, chan);
      }
      /** serve answers at this meeting place. */
      async #serve(body4, from2) {
        if (!this.#rates.take(toHex(from2.node))) throw new SeaError("busy", "too many requests");
        const [chan, at2, copy, record2] = read2(body4, request2, "sea:members");
        const place2 = HashAddress.from(at2);
        if (record2) {
          if (copy ? !from2.direct : compare(record2.by, from2.node) !== 0) throw new SeaError("refused", "the record is another node's");
          const every = await this.#check(record2, chan);
          this.#announce(toHex(chan), place2, record2, every);
          if (!copy) this.#copy(from2, place2, encode([chan, at2, true, record2.value()]));
        }
        if (copy) return encode([0, []]);
        const room = this.#rooms.get(toHex(chan));
        const records = room ? this.#alive(room.members).filter((k) => compare(k.signed.by, from2.node) !== 0) : [];
        const some = records.sort(() => Math.random() - 0.5).slice(0, maxAnswer);
        return encode([room?.members.size ?? 0, some.map((k) => k.signed.value())]);
      }
      #announce(chan, place2, signed3, every) {
        const member = toHex(signed3.by);
        let room = this.#rooms.get(chan);
        if (!room) {
          for (const [other, r] of this.#rooms) if (this.#alive(r.members).length === 0) this.#rooms.delete(other);
          const rooms = [...this.#rooms.values()];
          if (rooms.length >= maxRooms / 2 && rooms.filter((r) => r.members.has(member)).length >= maxRoomsOf) return;
          if (rooms.length >= maxRooms) {
            const [far, { place: farthest }] = [...this.#rooms].sort(([, a], [, b]) => this.node.addr.compareTo(b.place, a.place))[0];
            if (this.node.addr.compareTo(place2, farthest) >= 0) return;
            this.#rooms.delete(far);
          }
          this.#rooms.set(chan, room = { place: place2, members: /* @__PURE__ */ new Map() });
        }
        this.#alive(room.members);
        if (!room.members.has(member) && room.members.size >= maxRecords) {
          room.members.delete([...room.members.keys()][Math.floor(Math.random() * maxRecords)]);
        }
        room.members.set(member, { signed: signed3, every, until: Date.now() + recordLife3 });
      }
      #alive(members2) {
        const now = Date.now();
        for (const [member, { until }] of members2) if (until <= now) members2.delete(member);
        return [...members2.values()];
      }
      /** copy tells the neighbours nearest to the place. */
      #copy(from2, place2, body4) {
        const near = [...this.node.links()].filter((l) => !l.addr.equals(from2.addr)).sort((a, b) => place2.compareTo(a.addr, b.addr));
        for (const link of near.slice(0, maxCopies)) void link.call("sea:members", body4, AbortSignal.timeout(5e3)).catch(() => {
        });
      }
    };
  }
});

// ../src/node/membership.ts
function remember(list2, key3, ms) {
  if (list2.size >= maxRemembered) list2.delete(list2.keys().next().value);
  list2.set(key3, Date.now() + ms);
}
var active, maxActive, maxPassive, maxSuitors, maxLed, maxOurs, maxWalk, maxSample, floodMax, aliveEvery, deadAfter, dialWait2, answerWait, pauseAsking, goneFor, fresh, failedFor, shuffleEvery, announceEvery, firstLookup, firstGraft, nextGraft, maxStored, maxStoredBytes, maxWanted, maxIDs, maxRemembered, maxAuthors, maxRoom, Want, Rates2, Membership;
var init_membership = __esm({
  "../src/node/membership.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_ed25519();
    init_addr();
    init_chance();
    init_tag();
    init_gossip();
    init_rate();
    init_seen();
    active = 5;
    maxActive = 7;
    maxPassive = 30;
    maxSuitors = 8;
    maxLed = 4;
    maxOurs = 3;
    maxWalk = 6;
    maxSample = 8;
    floodMax = 1024;
    aliveEvery = 2500;
    deadAfter = 6e3;
    dialWait2 = 3e4;
    answerWait = 3e3;
    pauseAsking = 2e3;
    goneFor = 5e3;
    fresh = 15e3;
    failedFor = 2e4;
    shuffleEvery = 3e4;
    announceEvery = 6e4;
    firstLookup = 5e3;
    firstGraft = 400;
    nextGraft = 200;
    maxStored = 512;
    maxStoredBytes = 16 * 66048;
    maxWanted = 256;
    maxIDs = 64;
    maxRemembered = 64;
    maxAuthors = 1024;
    maxRoom = 256 << 10;
    Want = { room: 0, needed: 1, fresh: 2 };
    Rates2 = class {
      link = new Rate(1e3, 2e3);
      walks = new Rate(4, 32);
      asks = new Rate(1, 16);
      gifts = new Rate(256 << 10, 2 * maxStoredBytes);
      wants = 0;
    };
    Membership = class {
      constructor(node2, lobby, id, at2, hearer) {
        this.node = node2;
        this.lobby = lobby;
        this.id = id;
        this.at = at2;
        this.hearer = hearer;
        this.#chan = bytesOf(at2);
      }
      node;
      lobby;
      id;
      at;
      hearer;
      #chan;
      #began = Date.now();
      #partners = /* @__PURE__ */ new Map();
      #suitors = /* @__PURE__ */ new Map();
      #passive = /* @__PURE__ */ new Map();
      #gone = /* @__PURE__ */ new Map();
      // until when
      #failed = /* @__PURE__ */ new Map();
      #rates = /* @__PURE__ */ new WeakMap();
      #authors = /* @__PURE__ */ new Map();
      #own = { messages: new Rate(20, 20), bytes: new Rate(64 << 10, 128 << 10) };
      #seen = new Seen(24e4, 16384);
      #store = /* @__PURE__ */ new Map();
      #stored = 0;
      #wanted = /* @__PURE__ */ new Map();
      #number = Math.floor(Math.random() * 2 ** 48);
      #askAt = 0;
      #shuffleAt = Date.now() + about(shuffleEvery);
      #lookAt = 0;
      #pause = firstLookup;
      #met = false;
      #count = 0;
      #trading = false;
      #over = false;
      /** partners is how many there are. */
      get partners() {
        return this.#partners.size;
      }
      /**
       * say tells all members. Rejects with "busy" beyond 20 messages or 64 KiB a second. Nobody
       * hears it when nobody is there.
       */
      async say(scope2, body4) {
        if (!this.#own.messages.fits(1) || !this.#own.bytes.fits(body4.length + 200)) throw new SeaError("busy", "too much is said: 20 messages and 64 KiB a second are borne");
        this.#own.messages.take();
        this.#own.bytes.take(body4.length + 200);
        const m = { iat: Date.now(), net: this.node.network, num: this.#number++, body: body4, chan: this.#chan, scope: scope2 };
        const f = await newPublish(this.node.signer, m);
        const id = await idOf(f);
        this.#seen.add(id);
        this.#keep(id, f);
        this.#spread(id, f, void 0);
        return { ...m, author: this.node.signer.key };
      }
      /** leave tells the partners. */
      leave() {
        this.#over = true;
        for (const p of this.#partners.values()) p.link.send([leave, this.#chan]);
        this.#partners.clear();
      }
      /** lost takes a link out that has ended. */
      lost(link) {
        this.#lose(link.key);
      }
      /** tick does what is due; it is called five times a second. */
      tick() {
        const now = Date.now();
        for (const p of [...this.#partners.values()]) {
          if (now - p.heard >= deadAfter) {
            p.link.send([leave, this.#chan]);
            this.#lose(p.link.key);
            this.#remember(p.link.addr);
          } else if (now - p.spoke >= aliveEvery) this.#send(p.link, [have, this.#chan, none]);
        }
        for (const [key3, s2] of this.#suitors) if (now >= s2.until) this.#fail(key3);
        for (const list2 of [this.#gone, this.#failed]) for (const [key3, until] of list2) if (now >= until) list2.delete(key3);
        this.#graft(now);
        if (now >= this.#shuffleAt) {
          this.#shuffleAt = now + about(shuffleEvery);
          this.#trade();
        }
        if (now >= this.#lookAt) void this.#look(now);
        this.#maintain(now);
      }
      /** take takes a frame for this channel. */
      take(link, f) {
        const p = this.#partners.get(link.key);
        if (p) p.heard = Date.now();
        switch (f[0]) {
          case neighbour:
            return this.#neighbour(link, f);
          case partner:
            return this.#answered(link, f);
          case leave:
            return this.#left(link);
          case publish:
            return void this.#published(link, f).catch((err) => link.strike(String(err)));
        }
        if (!p) {
          if (!this.#suitors.has(link.key) && !this.#gone.has(link.key)) link.send([leave, this.#chan]);
          return;
        }
        switch (f[0]) {
          case have:
            return this.#have(p, f[2]);
          case graft:
            return this.#grafted(p, f[2]);
          case prune:
            p.lazy = true;
            return;
          case walk:
            return this.#walk(p, HashAddress.from(f[2]), f[3]);
          case shuffle:
            return this.#shuffled(p, split(f[2]), f[3]);
          case shuffled:
            return this.#traded(p, split(f[2]), f[3]);
          case past:
            return this.#past(p, f[2]);
        }
      }
      // Who the partners are.
      #maintain(now) {
        const alone = this.#partners.size === 0;
        if (alone && this.#suitors.size === 0 && this.#passive.size === 0) {
          this.#lookAt = Math.min(this.#lookAt, now + this.#pause);
          return;
        }
        if (now < this.#askAt) return;
        const most2 = alone && !this.#met ? 2 : active;
        const want = !alone ? Want.room : this.#met ? Want.needed : Want.fresh;
        while (this.#partners.size + this.#courted() < most2 && this.#suitors.size < maxSuitors) {
          const at2 = this.#pick(this.#passive.values());
          if (!at2) return;
          this.#court(at2, want, false);
        }
      }
      #courted() {
        return [...this.#suitors.values()].filter((s2) => !s2.led).length;
      }
      #court(at2, want, led) {
        const key3 = at2.toString();
        if (!this.#mayCourt(key3) || this.#suitors.size >= maxSuitors) return;
        const suitor = { at: at2, want, led, dialed: false, until: Date.now() + dialWait2 };
        this.#suitors.set(key3, suitor);
        this.node.connect(at2).then(
          (link) => {
            if (this.#over || this.#suitors.get(key3) !== suitor) return;
            suitor.dialed = true;
            suitor.until = Date.now() + answerWait;
            link.send([neighbour, this.#chan, want, want === Want.fresh ? none : this.#since(fresh)]);
          },
          () => this.#suitors.get(key3) === suitor && this.#fail(key3)
        );
      }
      #mayCourt(key3) {
        return key3 !== this.node.addr.toString() && !this.#partners.has(key3) && !this.#suitors.has(key3) && !this.#failed.has(key3);
      }
      #pick(from2) {
        return any([...from2].filter((a) => this.#mayCourt(a.toString())));
      }
      #fail(key3) {
        this.#suitors.delete(key3);
        this.#passive.delete(key3);
        remember(this.#failed, key3, failedFor);
      }
      #neighbour(link, [, , want, ids2]) {
        if (!this.#ratesOf(link).asks.take()) return;
        const members2 = this.#sample(maxSample, link.addr);
        const known2 = this.#partners.has(link.key);
        if (!known2 && want === Want.room && this.#partners.size >= maxActive) {
          this.#remember(link.addr);
          return link.send([partner, this.#chan, 0, none, members2]);
        }
        this.#join(link, false);
        this.#send(link, [partner, this.#chan, 1, want === Want.fresh ? none : this.#since(fresh), members2]);
        this.#news(this.#partners.get(link.key), ids2);
        if (want !== Want.fresh || known2) return;
        const led = shuffle2([...this.#partners.values()].filter((p) => p.link !== link)).slice(0, active - 1);
        for (const p of led) this.#send(p.link, [walk, this.#chan, bytesOf(link.addr), maxWalk]);
      }
      #answered(link, [, , yes, ids2, members2]) {
        const suitor = this.#suitors.get(link.key);
        if (!suitor?.dialed) {
          if (yes === 1 && !this.#partners.has(link.key)) link.send([leave, this.#chan]);
          return;
        }
        for (const a of split(members2)) this.#remember(a);
        if (yes === 0) {
          this.#suitors.delete(link.key);
          this.#remember(link.addr);
          this.#askAt = Date.now() + about(pauseAsking);
          return;
        }
        this.#join(link, !suitor.led);
        const p = this.#partners.get(link.key);
        if (!p.lazy) this.#send(link, [graft, this.#chan, none]);
        this.#news(p, ids2);
      }
      #join(link, ours) {
        this.#suitors.delete(link.key);
        this.#gone.delete(link.key);
        this.#passive.delete(link.key);
        if (this.#partners.has(link.key)) return;
        while (this.#partners.size >= maxActive) this.#evict();
        const now = Date.now();
        const lazy = [...this.#partners.values()].some((p) => !p.lazy);
        this.#partners.set(link.key, { link, heard: now, spoke: now, lazy, ours });
        this.#met = true;
        this.#pause = firstLookup;
        if (this.#partners.size === 1) this.hearer.partners(true);
      }
      /** evict gives a partner up for another: a lazy one if there is, and not those of our own choice. */
      #evict() {
        const all = [...this.#partners.values()];
        const kept = all.filter((p2) => p2.ours).length > maxOurs ? [] : all.filter((p2) => p2.ours);
        const may = all.filter((p2) => !kept.includes(p2));
        const p = any(may.filter((q) => q.lazy)) ?? any(may);
        p.link.send([leave, this.#chan]);
        remember(this.#gone, p.link.key, goneFor);
        this.#lose(p.link.key);
        this.#remember(p.link.addr);
      }
      #left(link) {
        if (this.#suitors.get(link.key)?.dialed) this.#suitors.delete(link.key);
        if (!this.#partners.has(link.key)) return;
        remember(this.#gone, link.key, goneFor);
        this.#lose(link.key);
        this.#remember(link.addr);
        this.#askAt = Math.max(this.#askAt, Date.now() + about(pauseAsking / (this.#partners.size === 0 ? 2 : 8)));
      }
      #lose(key3) {
        const lost = this.#partners.get(key3);
        this.#partners.delete(key3);
        if (this.#suitors.get(key3)?.dialed) this.#suitors.delete(key3);
        this.#passive.delete(key3);
        if (!lost) return;
        if (this.#partners.size === 0) this.hearer.partners(false);
        const lazy = lost.lazy ? void 0 : any([...this.#partners.values()].filter((p) => p.lazy));
        if (!lazy) return;
        lazy.lazy = false;
        this.#send(lazy.link, [graft, this.#chan, none]);
      }
      #remember(a) {
        const key3 = a.toString();
        if (key3 === this.node.addr.toString() || this.#partners.has(key3)) return;
        if (this.#passive.size >= maxPassive) this.#passive.delete(any([...this.#passive.keys()]));
        this.#passive.set(key3, a);
      }
      #walk(from2, who2, ttl) {
        if (who2.equals(this.node.addr) || !this.#ratesOf(from2.link).walks.take()) return;
        if (ttl === maxWalk / 2) this.#remember(who2);
        const next = any([...this.#partners.values()].filter((p) => p !== from2 && !p.link.addr.equals(who2)));
        if (ttl > 0 && next) return this.#send(next.link, [walk, this.#chan, bytesOf(who2), ttl - 1]);
        if (this.#suitors.size - this.#courted() < maxLed) this.#court(who2, Want.room, true);
      }
      #trade() {
        const p = any([...this.#partners.values()]);
        if (!p) return;
        this.#trading = true;
        this.#send(p.link, [shuffle, this.#chan, bytesOf(this.node.addr), this.#sample(maxSample - 1, p.link.addr)]);
      }
      #shuffled(from2, path, members2) {
        const on = (a) => path.some((b) => b.equals(a));
        if (!path.at(-1).equals(from2.link.addr) || on(this.node.addr) || !this.#ratesOf(from2.link).walks.take()) return;
        const next = any([...this.#partners.values()].filter((p) => !on(p.link.addr)));
        if (path.length < maxWalk && next) return this.#send(next.link, [shuffle, this.#chan, joined([...path, this.node.addr]), members2]);
        this.#send(from2.link, [shuffled, this.#chan, joined(path.slice(0, -1)), this.#sample(maxSample, path[0])]);
        for (const a of [path[0], ...split(members2)]) this.#remember(a);
      }
      #traded(from2, path, members2) {
        const last = path.at(-1);
        if (last) {
          const p = this.#partners.get(last.toString());
          if (p && this.#ratesOf(from2.link).walks.take()) this.#send(p.link, [shuffled, this.#chan, joined(path.slice(0, -1)), members2]);
          return;
        }
        if (this.#trading) for (const a of split(members2)) this.#remember(a);
        this.#trading = false;
      }
      #sample(n, not) {
        const all = [...[...this.#partners.values()].map((p) => p.link.addr), ...this.#passive.values()];
        return joined(shuffle2(all.filter((a) => !a.equals(not))).slice(0, n));
      }
      async #look(now) {
        const every = Math.min(announceEvery * Math.max(1, Math.floor(this.#count / 64)), 864e5);
        if (this.#partners.size > 0) this.#lookAt = now + about(every);
        else {
          this.#lookAt = now + this.#pause;
          this.#pause = Math.min(2 * this.#pause, announceEvery);
        }
        const { members: members2, count: count3 } = await this.lobby.lookUp(this.id, every / 1e3);
        if (this.#over) return;
        if (count3 > 0) this.#count = count3;
        for (const a of members2) this.#remember(a);
        if (this.#partners.size === 0) return this.#maintain(Date.now());
        const at2 = this.#pick(members2);
        if (!at2) return;
        if (this.#partners.size >= active) this.#evict();
        this.#court(at2, Want.needed, false);
      }
      // What is said.
      async #published(link, f) {
        const [, , past2, author, body4] = f;
        if (!this.#partners.has(link.key) && !this.#suitors.has(link.key) && !this.#gone.has(link.key)) return link.send([leave, this.#chan]);
        if (past2 === 1) return;
        const id = await idOf(f);
        const p = this.#partners.get(link.key);
        const large2 = body4.length > floodMax;
        if (this.#seen.has(id)) {
          this.#came(id);
          if (p && large2) {
            p.lazy = true;
            this.#send(link, [prune, this.#chan]);
          }
          return;
        }
        const rates = this.#authorOf(author);
        if (!this.#ratesOf(link).link.take() || !rates?.messages.fits(1) || !rates.bytes.fits(body4.length)) return this.#came(id);
        if (await work(author) < this.node.work) throw new SeaError("bad_request", "the author's key has too little work");
        const m = await openPublish(f, this.node.network);
        if (this.#over || !this.#seen.add(id)) return;
        this.#came(id);
        if (Math.abs(Date.now() - m.iat) > maxSkew || !rates.messages.take() || !rates.bytes.take(body4.length)) return;
        this.#keep(id, f);
        if (p && large2) p.lazy = false;
        this.#spread(id, f, link);
        this.hearer.heard(m);
      }
      #authorOf(author) {
        const key3 = toHex(author);
        let rates = this.#authors.get(key3);
        if (rates) return rates;
        if (this.#authors.size >= maxAuthors) {
          for (const [other, r] of this.#authors) if (r.messages.full && r.bytes.full) this.#authors.delete(other);
        }
        if (this.#authors.size >= maxAuthors) return void 0;
        this.#authors.set(key3, rates = { messages: new Rate(20, 40), bytes: new Rate(64 << 10, 256 << 10) });
        return rates;
      }
      #spread(id, f, from2) {
        for (const p of this.#partners.values()) {
          if (p.link === from2) continue;
          if (p.lazy && f[4].length > floodMax) this.#send(p.link, [have, this.#chan, fromHex(id)]);
          else this.#give(p.link, f);
        }
      }
      /** give sends a message, unless too much waits for the link. */
      #give(link, f) {
        if (link.waiting + f[4].length <= maxRoom) this.#send(link, f);
      }
      #keep(id, f) {
        this.#store.set(id, { f, at: Date.now() });
        this.#stored += f[4].length;
        for (const [oldest, { f: old }] of this.#store) {
          if (this.#store.size <= maxStored && this.#stored <= maxStoredBytes) break;
          this.#store.delete(oldest);
          this.#stored -= old[4].length;
        }
      }
      /** since are the names of what came in the last ms, the newest first. */
      #since(ms) {
        const from2 = Date.now() - ms;
        const ids2 = [...this.#store].filter(([, { at: at2 }]) => at2 >= from2).map(([id]) => id);
        return concat(...ids2.reverse().slice(0, maxIDs).map((id) => fromHex(id)));
      }
      #news(p, ids2) {
        if (Date.now() - this.#began >= fresh) this.#have(p, ids2);
      }
      #have(p, ids2) {
        for (let i = 0; i < ids2.length; i += 16) {
          const id = toHex(ids2.subarray(i, i + 16));
          if (this.#seen.has(id)) continue;
          const w = this.#wanted.get(id);
          if (w) {
            if (w.namers.length < maxActive && !w.namers.includes(p.link)) w.namers.push(p.link);
            continue;
          }
          const rates = this.#ratesOf(p.link);
          if (rates.wants >= maxWanted) continue;
          rates.wants++;
          this.#wanted.set(id, { at: Date.now() + firstGraft, namers: [p.link], first: p.link });
        }
      }
      #came(id) {
        const w = this.#wanted.get(id);
        if (!w) return;
        this.#wanted.delete(id);
        this.#ratesOf(w.first).wants--;
      }
      /** graft asks for what was named and did not come. */
      #graft(now) {
        const asks = /* @__PURE__ */ new Map();
        for (const [id, w] of this.#wanted) {
          if (now < w.at) continue;
          let p;
          while (!p && w.namers.length > 0) p = this.#partners.get(w.namers.shift().key);
          if (!p) {
            this.#came(id);
            continue;
          }
          w.at = now + nextGraft;
          const ids2 = asks.get(p) ?? [];
          if (ids2.length < maxIDs) ids2.push(id);
          asks.set(p, ids2);
        }
        for (const [p, ids2] of asks) {
          p.lazy = false;
          this.#send(p.link, [graft, this.#chan, concat(...ids2.map((id) => fromHex(id)))]);
        }
      }
      #grafted(p, ids2) {
        p.lazy = false;
        for (let i = 0; i < ids2.length; i += 16) {
          const kept = this.#store.get(toHex(ids2.subarray(i, i + 16)));
          if (kept && this.#ratesOf(p.link).gifts.take(kept.f[4].length)) this.#give(p.link, kept.f);
        }
      }
      #past(p, want) {
        const rates = this.#ratesOf(p.link);
        if (!rates.walks.take() || want === 0) return;
        for (const { f } of [...this.#store.values()].slice(-want)) {
          if (!rates.gifts.take(f[4].length)) return;
          this.#give(p.link, [publish, f[1], 1, f[3], f[4], f[5]]);
        }
      }
      #send(link, f) {
        const p = this.#partners.get(link.key);
        if (p) p.spoke = Date.now();
        link.send(f);
      }
      #ratesOf(link) {
        let rates = this.#rates.get(link);
        if (!rates) this.#rates.set(link, rates = new Rates2());
        return rates;
      }
    };
  }
});

// ../src/channel.ts
var maxChannels, tickEvery, Channel, Room, Channels;
var init_channel = __esm({
  "../src/channel.ts"() {
    "use strict";
    init_bytes();
    init_emitter();
    init_error();
    init_cbor();
    init_addr();
    init_frame();
    init_tag();
    init_gossip();
    init_lobby();
    init_membership();
    maxChannels = 64;
    tickEvery = 200;
    Channel = class extends Emitter {
      /** Channels are made by Sea.join. */
      constructor(id, room) {
        super();
        this.id = id;
        this.room = room;
        void room.then((r) => this.#over || r.join(this), () => this.disconnect());
      }
      id;
      room;
      #connected = false;
      #over = false;
      /** channelId is the channel's name. */
      channelId() {
        return this.id;
      }
      /** connected tells whether another member is there. */
      connected() {
        return this.#connected;
      }
      /**
       * send tells all other members a value that has a place in CBOR, of 64 KiB at most. It
       * rejects with "busy" beyond 20 messages or 64 KiB a second.
       */
      async send(scope2, value) {
        const body4 = encode(value ?? null);
        if (!isScope(scope2)) throw new SeaError("bad_request", `no scope: ${scope2}`);
        if (body4.length > maxPublished) throw new SeaError("too_large", `a message of ${body4.length} bytes, at most ${maxPublished}`);
        if (this.#over) throw new SeaError("unreachable", "this page has left the channel");
        await (await this.room).say(this, scope2, body4);
      }
      /** disconnect leaves the channel. */
      disconnect() {
        if (this.#over) return;
        this.#over = true;
        void this.room.then((r) => r.leave(this), () => {
        });
        this.partners(false);
      }
      /** heard gives a message to those who listen. */
      heard(m, author) {
        if (this.#over || m.scope === "connect" || m.scope === "disconnect") return;
        let value;
        try {
          value = decode(m.body);
        } catch {
          value = m.body;
        }
        void this.emit(m.scope, value, author);
      }
      /** partners is told when the first other member came, and when the last one went. */
      partners(some) {
        if (some === this.#connected) return;
        this.#connected = some;
        void this.emit(some ? "connect" : "disconnect");
      }
    };
    Room = class {
      constructor(node2, lobby, id, at2, empty2) {
        this.id = id;
        this.empty = empty2;
        this.membership = new Membership(node2, lobby, id, at2, this);
      }
      id;
      empty;
      #channels = /* @__PURE__ */ new Set();
      membership;
      join(c) {
        this.#channels.add(c);
        c.partners(this.membership.partners > 0);
      }
      leave(c) {
        this.#channels.delete(c);
        if (this.#channels.size === 0) this.empty(this);
      }
      async say(from2, scope2, body4) {
        const m = await this.membership.say(scope2, body4);
        await this.#tell(m, from2);
      }
      heard(m) {
        void this.#tell(m);
      }
      partners(some) {
        for (const c of [...this.#channels]) c.partners(some);
      }
      async #tell(m, not) {
        const author = await HashAddress.ofNode(m.author);
        for (const c of [...this.#channels]) if (c !== not) c.heard(m, author);
      }
    };
    Channels = class {
      constructor(node2) {
        this.node = node2;
        this.#lobby = new Lobby(node2);
        node2.watchers.add(this);
      }
      node;
      #rooms = /* @__PURE__ */ new Map();
      #lobby;
      #ticker;
      /** room gives the membership of a channel, and begins it if need be. */
      async room(id) {
        const at2 = await HashAddress.ofChannel(id);
        const key3 = at2.toString();
        let room = this.#rooms.get(key3);
        if (!room) {
          if (this.#rooms.size >= maxChannels) throw new SeaError("busy", `a member of ${maxChannels} channels already`);
          room = new Room(this.node, this.#lobby, id, at2, (r) => {
            if (this.#rooms.get(key3) !== r) return;
            this.#rooms.delete(key3);
            r.membership.leave();
            if (this.#rooms.size === 0) clearInterval(this.#ticker);
          });
          this.#rooms.set(key3, room);
          if (this.#rooms.size === 1) this.#ticker = setInterval(() => this.#tick(), tickEvery);
        }
        return room;
      }
      #tick() {
        if (this.node.isOnline) for (const room of this.#rooms.values()) room.membership.tick();
      }
      down(link) {
        for (const room of this.#rooms.values()) room.membership.lost(link);
      }
      frame(link, f) {
        if (f[0] < publish || f[0] > past) return;
        const chan = f[1];
        for (const room of this.#rooms.values()) {
          if (compare(bytesOf(room.membership.at), chan) === 0) return room.membership.take(link, f);
        }
        if (f[0] !== leave) link.send([leave, chan]);
      }
    };
  }
});

// ../src/connection.ts
var Connection;
var init_connection = __esm({
  "../src/connection.ts"() {
    "use strict";
    init_emitter();
    init_error();
    init_cbor();
    init_reason();
    Connection = class extends Emitter {
      /** Connections are made by Sea.connect. */
      constructor(node2, remote, link, left) {
        super();
        this.node = node2;
        this.remote = remote;
        this.left = left;
        this.#known = link instanceof Promise ? link.then((l) => this.#connect(l)) : Promise.resolve(this.#connect(link));
        this.#known.catch(() => this.#end());
      }
      node;
      remote;
      left;
      #link;
      #over = false;
      /** known resolves with the link, or rejects when there is no way to the peer. */
      #known;
      /** remoteId is the peer's address. */
      remoteId() {
        return this.remote;
      }
      /** connected tells whether there is a link. */
      connected() {
        return this.#link !== void 0 && !this.#over;
      }
      /** relayed tells whether what is sent goes over another peer at this moment, sealed: there is no direct way yet. */
      relayed() {
        return this.#link?.wire.relayed ?? false;
      }
      /** ready resolves when the peer is connected and rejects when it cannot be, with the reasons. */
      async ready() {
        await this.#known;
        return this;
      }
      /**
       * send sends a value that has a place in CBOR, of 1 MiB at most. It resolves when
       * it is on its way: who waits for that never fills the queue. It rejects with
       * "unreachable" when there is no link, "busy" when more than 8 MiB wait.
       */
      async send(scope2, value) {
        const body4 = encode(value ?? null);
        const link = await this.#known;
        if (this.#over) throw new SeaError("unreachable", "disconnected");
        await link.message(scope2, body4);
      }
      /** disconnect ends the link, unless it is this peer's only one into the sea or another Connection has it. */
      disconnect() {
        const link = this.#link;
        this.#end();
        if (link && !link.used && [...this.node.links()].length > 1) link.end(unwanted);
      }
      /** take gives a message to those who listen. Bytes that are no CBOR come as they are. */
      take(link, scope2, body4) {
        if (this.#over || link !== this.#link || scope2 === "connect" || scope2 === "disconnect") return;
        let value;
        try {
          value = decode(body4);
        } catch {
          value = body4;
        }
        return this.emit(scope2, value);
      }
      /** down is told of a link that has ended. */
      down(link) {
        if (link === this.#link) this.#end();
      }
      #connect(link) {
        if (this.#over || link.alive.aborted) throw new SeaError("unreachable", link.why || "disconnected");
        this.#link = link;
        link.open();
        void this.emit("connect");
        return link;
      }
      #end() {
        if (this.#over) return;
        this.#over = true;
        this.left(this);
        void this.emit("disconnect");
      }
    };
  }
});

// ../src/keys.ts
async function loadPair(work3) {
  if (typeof indexedDB === "undefined") return Pair.generate(work3);
  const name = `peersea/${work3}`;
  for (let i = 0; i < maxKeys; i++) {
    if (await lock(`${name}/${i}`)) return load2(name, i, work3);
  }
  throw new SeaError("key", `${maxKeys} tabs have a key each: close one`);
}
function lock(name) {
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, { ifAvailable: true }, (held) => {
      resolve(held !== null);
      return held && new Promise(() => {
      });
    }).catch(reject);
  });
}
async function load2(name, i, work3) {
  const db = await done2(Object.assign(indexedDB.open(name, 1), {
    onupgradeneeded() {
      this.result.createObjectStore("keys");
    }
  }));
  try {
    const kept = await done2(db.transaction("keys").objectStore("keys").get(i));
    if (kept) return Pair.of(kept.key, kept.secret);
    const made = await Pair.generate(work3);
    await done2(db.transaction("keys", "readwrite", { durability: "strict" }).objectStore("keys").put({ key: made.key, secret: made.secret }, i));
    return made;
  } finally {
    db.close();
  }
}
function done2(request3) {
  return new Promise((resolve, reject) => {
    request3.onsuccess = () => resolve(request3.result);
    request3.onerror = () => reject(request3.error);
  });
}
var maxKeys;
var init_keys = __esm({
  "../src/keys.ts"() {
    "use strict";
    init_error();
    init_ed25519();
    maxKeys = 64;
  }
});

// ../src/node/rtcaddress.ts
function parseIP(text3) {
  if (/[^\da-f:.]/i.test(text3)) return void 0;
  const four = /^\d+(\.\d+){3}$/.test(text3);
  let host;
  try {
    host = new URL(`http://${four ? text3 : `[${text3}]`}`).hostname;
  } catch {
    return void 0;
  }
  if (four) return host === text3 ? new Uint8Array(text3.split(".").map(Number)) : void 0;
  const [head2, tail] = host.slice(1, -1).split("::").map((half) => half ? half.split(":") : []);
  const words = [...head2, ...new Array(8 - head2.length - (tail ?? []).length).fill("0"), ...tail ?? []];
  return new Uint8Array(words.map((word3) => parseInt(word3, 16)).flatMap((word3) => [word3 >> 8, word3 & 255]));
}
function formatIP(ip) {
  if (ip.length === 4) return ip.join(".");
  return new URL(`http://[${toHex(ip).replace(/....(?!$)/g, "$&:")}]`).hostname.slice(1, -1);
}
function policyVia(remote) {
  const host = remote.replace(/:\d+$/, "").replace(/[[\]]/g, "");
  const from2 = parseIP(/^(.*\.)?localhost$/.test(host) ? "127.0.0.1" : host);
  const here = from2 ? digits(from2) : "-";
  const near = here.slice(0, from2?.length === 4 ? 8 : 18);
  return (ip) => {
    const at2 = digits(ip);
    if (loopback.test(at2)) return loopback.test(here);
    return !never.test(at2) && (!inside2.test(at2) || at2.startsWith(near));
  };
}
function policyOnly(only) {
  const here = digits(only);
  return (ip) => digits(ip) === here && (loopback.test(here) || !never.test(here));
}
var loopback, inside2, never, digits;
var init_rtcaddress = __esm({
  "../src/node/rtcaddress.ts"() {
    "use strict";
    init_bytes();
    loopback = /^(4:7f|6:0{31}1$)/;
    inside2 = /^(4:(0a|ac1|c0a8|64[4-7])|6:(f[cd]|fe[c-f]))/;
    never = new RegExp(
      "^(4:(00|a9fe|[ef]|646464c8|a83f8110|c00000c0)|6:(0{24}|0{20}ffff|0064ff9b(0{16}|0001)|20010000|2002|fd000ec2|fe[89ab]|ff))"
    );
    digits = (ip) => `${ip.length === 4 ? 4 : 6}:${toHex(ip)}`;
  }
});

// ../src/node/rtcdescription.ts
function encodeDescription(d) {
  return encode([1, d.kind, d.ufrag, d.password, d.fingerprint, d.candidates]);
}
function parseDescription(b, want) {
  if (b.length > maxBytes) throw bad("it is too long");
  let fields;
  try {
    const v = decodeExact(b);
    version(Array.isArray(v) ? v[0] : void 0, "it");
    fields = description(v, "it");
  } catch (err) {
    throw bad(err.message);
  }
  const [, kind2, ufrag, password, fingerprint, candidates] = fields;
  if (kind2 !== want) throw bad(`it is of kind ${kind2}, not ${want}`);
  if (/[^a-zA-Z0-9+/]/.test(ufrag + password)) throw bad("its ufrag or password has other characters");
  for (const c of candidates) if (!fits2(c)) throw bad(`its candidate ${c}`);
  return { kind: want, ufrag, password, fingerprint, candidates };
}
function fits2([type, ip, port, priority]) {
  return type > 0 && (ip.length === 4 || ip.length === 16 && !/^0{20}ffff/.test(toHex(ip))) && port > 0 && priority > 0;
}
function sdp(d, allowed) {
  const lines2 = [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    ...d.listening ? ["a=ice-lite"] : [],
    "a=group:BUNDLE 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    "a=sctp-port:5000",
    `a=max-message-size:${maxMessage}`,
    `a=setup:${d.listening ? "passive" : d.kind === Kind.answer ? "active" : "actpass"}`,
    `a=fingerprint:sha-256 ${toHex(d.fingerprint).toUpperCase().replace(/..(?!$)/g, "$&:")}`,
    `a=ice-ufrag:${d.ufrag}`,
    `a=ice-pwd:${d.password}`
  ];
  d.candidates.forEach(([type, ip, port, priority], i) => {
    if (!allowed(ip)) return;
    const related = type === 2 ? " raddr 0.0.0.0 rport 0" : "";
    lines2.push(`a=candidate:${i + 1} 1 udp ${priority} ${formatIP(ip)} ${port} typ ${types[type]}${related}`);
  });
  lines2.push("a=end-of-candidates", "");
  return lines2.join("\r\n");
}
function fromSDP(kind2, sdp2) {
  const field = (name) => sdp2.match(new RegExp(`^a=${name}(.*)$`, "m"))?.[1]?.trim() ?? "";
  const candidates = [];
  for (const [, line] of sdp2.matchAll(/^a=candidate:(.*)$/gm)) {
    const [, component, transport, priority, address = "", port, , type = ""] = line.trim().split(" ");
    const ip = parseIP(address);
    const c = ip && [types.indexOf(type), ip, Number(port), Number(priority)];
    if (c && component === "1" && /^udp$/i.test(transport) && fits2(c) && candidates.length < maxCandidates) candidates.push(c);
  }
  const fingerprint = fromHex(field("fingerprint:sha-256 ").replaceAll(":", "").toLowerCase());
  if (fingerprint?.length !== 32) throw bad("this browser's certificate has no SHA-256");
  return { kind: kind2, ufrag: field("ice-ufrag:"), password: field("ice-pwd:"), fingerprint, candidates };
}
var maxBytes, maxCandidates, Kind, types, candidate, description, bad;
var init_rtcdescription = __esm({
  "../src/node/rtcdescription.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_shape();
    init_rtcaddress();
    init_wire();
    maxBytes = 16 << 10;
    maxCandidates = 16;
    Kind = { offer: 1, answer: 2 };
    types = ["", "host", "srflx"];
    candidate = tuple(uint2(2), bytes2(4, 16), uint2(65535), uint2(2 ** 31 - 1));
    description = tuple(version, uint2(), text2(4, 256), text2(22, 256), bytes2(32), list(candidate, maxCandidates));
    bad = (why) => new SeaError("description", `bad offer or answer: ${why}`);
  }
});

// ../src/node/rtclane.ts
var laneWindow, overhead, quantum, high2, low, maxQueue, bye, RtcLane, cost, wrong3;
var init_rtclane = __esm({
  "../src/node/rtclane.ts"() {
    "use strict";
    init_wire();
    laneWindow = 1 << 20;
    overhead = 64;
    quantum = laneWindow / 4;
    high2 = 256 << 10;
    low = high2 / 2;
    maxQueue = 4 << 20;
    bye = "bye";
    RtcLane = class {
      #channel;
      #broken;
      #gone;
      #credit = laneWindow;
      #queue = [];
      // not in the channel yet
      #queued = 0;
      #held = [];
      // arrived, while nobody takes
      #taken = 0;
      // and not given back
      #open = 0;
      // cost of what is held or taken and not given back
      #deliver;
      #waiting = [];
      #state = "open";
      #over = false;
      // the other side has said bye
      /**
       * broken is called with what the other side did wrong, gone when it has said
       * bye. Neither ends the lane: its owner does.
       */
      constructor(channel3, broken2, gone) {
        this.#channel = channel3;
        this.#broken = broken2;
        this.#gone = gone;
        channel3.bufferedAmountLowThreshold = low;
        channel3.onbufferedamountlow = () => this.#flush();
        channel3.onmessage = ({ data }) => {
          if (this.#over || this.#state === "ended") return;
          const why = typeof data === "string" ? this.#text(data) : this.#message(new Uint8Array(data));
          if (why) this.#broken(why);
        };
      }
      /** buffered is how many bytes are not on their way yet. */
      get buffered() {
        return this.#queued + this.#channel.bufferedAmount;
      }
      /** send queues a message, or sends it if the window has room. */
      send(message3) {
        if (this.#state !== "open") return;
        if (wrong3(message3)) return this.#broken(wrong3(message3));
        if (this.#queued + message3.length > maxQueue) return this.#broken("more was sent than the wire takes");
        this.#queue.push(message3);
        this.#queued += message3.length;
        this.#flush();
      }
      /** drained resolves when there is room, or the lane has ended. */
      drained() {
        return new Promise((resolve) => {
          this.#waiting.push(resolve);
          this.#flush();
        });
      }
      /** start gives the messages that have come, and each that comes. */
      start(deliver) {
        this.#deliver = deliver;
        for (const message3 of this.#held.splice(0)) this.#take(message3);
      }
      /** leave sends bye after all that is queued; nothing is sent or given after it. */
      leave() {
        if (this.#state !== "open") return;
        this.#state = "leaving";
        this.#deliver = () => {
        };
        this.#flush();
      }
      /** end is the end of the channel. What has come can still be had by start. */
      end() {
        this.#state = "ended";
        this.#queue = [];
        this.#queued = 0;
        this.#flush();
      }
      #flush() {
        while (this.#queue.length > 0 && cost(this.#queue[0]) <= this.#credit && this.#channel.bufferedAmount <= high2) {
          const message3 = this.#queue.shift();
          this.#queued -= message3.length;
          this.#credit -= cost(message3);
          this.#write(message3);
        }
        if (this.#state === "leaving" && this.#queue.length === 0) {
          this.#state = "left";
          this.#write(bye);
        }
        if (this.#state === "ended" || this.buffered <= low) for (const wake of this.#waiting.splice(0)) wake();
      }
      #write(data) {
        try {
          this.#channel.send(data);
        } catch {
        }
      }
      #message(message3) {
        if (wrong3(message3)) return wrong3(message3);
        this.#open += cost(message3);
        if (this.#open > laneWindow) return "more came than the window takes";
        if (this.#deliver) this.#take(message3);
        else this.#held.push(message3);
        return "";
      }
      #take(message3) {
        this.#taken += cost(message3);
        if (this.#taken >= quantum && (this.#state === "open" || this.#state === "leaving")) {
          this.#write(String(this.#taken));
          this.#open -= this.#taken;
          this.#taken = 0;
        }
        this.#deliver(message3);
      }
      #text(text3) {
        if (text3 === bye) {
          this.#over = true;
          this.#gone();
          return "";
        }
        const n = /^[1-9][0-9]{0,6}$/.test(text3) ? Number(text3) : 0;
        if (n === 0 || n > laneWindow - this.#credit) return "text that is neither credit nor bye";
        this.#credit += n;
        this.#flush();
        return "";
      }
    };
    cost = (message3) => message3.length + overhead;
    wrong3 = (message3) => message3.length < 1 || message3.length > maxMessage ? `a message of ${message3.length} bytes` : "";
  }
});

// ../src/node/rtcpeer.ts
var gatherTime, expiry, lostTime, closeWait, RtcPeer;
var init_rtcpeer = __esm({
  "../src/node/rtcpeer.ts"() {
    "use strict";
    init_error();
    init_rtcaddress();
    init_rtcdescription();
    init_rtclane();
    gatherTime = 750;
    expiry = 6e4;
    lostTime = 1e4;
    closeWait = 1e3;
    RtcPeer = class {
      // that ends it unless it comes back
      constructor(stun, policy) {
        this.policy = policy;
        this.#gone = new Promise((_, fail) => this.#fail = fail);
        this.opened = Promise.race([new Promise((open4) => this.#settle = open4), this.#gone]);
        this.opened.catch(() => {
        });
        const pc = new RTCPeerConnection({ iceServers: stun.map((at2) => ({ urls: `stun:${at2}` })) });
        this.#pc = pc;
        pc.ondatachannel = () => this.#end("the other side opened a channel of its own");
        pc.onconnectionstatechange = () => this.#state();
        this.#lanes = ["control", "bulk"].map((name, id) => {
          const channel3 = pc.createDataChannel(name, { negotiated: true, id, ordered: true, protocol: "sea" });
          channel3.binaryType = "arraybuffer";
          channel3.onopen = () => this.#opening();
          channel3.onclose = () => this.#end("closed by the other side");
          return new RtcLane(
            channel3,
            (why) => this.#end(`${name} lane: ${why}`),
            () => this.#bye()
          );
        });
        this.#in(expiry, "given up: nothing followed in time");
      }
      policy;
      lanes = 2;
      remote = "";
      /** opened resolves when both lanes are open, else rejects with SeaError "wire". */
      opened;
      #pc;
      #lanes;
      #open = 0;
      // lanes
      #byes = 0;
      #why = "";
      // it has ended
      #ended = (_) => {
      };
      #gone;
      // rejects at the end
      #settle;
      #fail;
      #timer;
      // that ends it
      #lost;
      /** describe makes our offer or answer, with the candidates that are found in time. */
      async describe(kind2) {
        const pc = this.#pc;
        const gathered = new Promise((resolve) => {
          pc.onicecandidate = ({ candidate: candidate2 }) => candidate2 || resolve();
          setTimeout(resolve, gatherTime);
        });
        await this.#or(pc.setLocalDescription());
        await this.#or(gathered);
        return fromSDP(kind2, pc.localDescription.sdp);
      }
      /** hear takes the other side's description. */
      hear(d) {
        const type = d.kind === Kind.offer ? "offer" : "answer";
        return this.#or(this.#pc.setRemoteDescription({ type, sdp: sdp(d, this.policy) }));
      }
      /** wire gives the wire if it opens in time, ms from when both sides have both descriptions. */
      wire(time) {
        if (!this.#why && this.#open < 2) this.#in(time, "no way to the other side was found in time");
        return this.opened;
      }
      /** buffered: see Wire. */
      buffered(lane) {
        return this.#lanes[lane].buffered;
      }
      /** send: see Wire. */
      send(message3, lane) {
        this.#lanes[lane].send(message3);
      }
      /** drained: see Wire. */
      drained(lane) {
        return this.#lanes[lane].drained();
      }
      /** start: see Wire. */
      start(message3, ended) {
        this.#ended = ended;
        this.#lanes.forEach((lane, i) => lane.start((m) => message3(m, i)));
        if (this.#why) this.#ended(this.#why);
      }
      /** close says bye and ends the connection, at once if it is not open, within a second if it is. */
      close() {
        if (this.#why) return;
        if (this.#open < 2) return this.#end("closed on this side");
        for (const lane of this.#lanes) lane.leave();
        this.#in(closeWait, "closed on this side");
      }
      /**
       * or waits for a step. If it fails, so does the peer; if the peer ends first, that
       * ends the wait: what a closed RTCPeerConnection has promised stays open for ever.
       */
      async #or(step) {
        try {
          return await Promise.race([step, this.#gone]);
        } catch (err) {
          this.#end(err.message);
          throw this.#error();
        }
      }
      #error() {
        return new SeaError("wire", `WebRTC: ${this.#why}`);
      }
      #in(ms, why) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#end(why), ms);
      }
      #opening() {
        if (this.#why || ++this.#open < 2) return;
        clearTimeout(this.#timer);
        this.remote = this.#selected();
        this.#settle(this);
      }
      /** selected is the other side's address, as far as the browser tells. */
      #selected() {
        const { address, port } = this.#pc.sctp?.transport?.iceTransport?.getSelectedCandidatePair?.()?.remote ?? {};
        if (!parseIP(address ?? "")) return "";
        return `${address.includes(":") ? `[${address}]` : address}:${port}`;
      }
      #state() {
        const state2 = this.#pc.connectionState;
        clearTimeout(this.#lost);
        if (state2 === "failed" || state2 === "closed") this.#end("connection lost");
        if (state2 === "disconnected") this.#lost = setTimeout(() => this.#end("connection lost"), lostTime);
      }
      #bye() {
        if (++this.#byes === 2) this.#end("closed by the other side");
        else this.#in(closeWait, "closed by the other side");
      }
      #end(why) {
        if (this.#why) return;
        this.#why = why;
        clearTimeout(this.#timer);
        clearTimeout(this.#lost);
        for (const lane of this.#lanes) lane.end();
        this.#pc.close();
        this.#fail(this.#error());
        this.#ended(why);
      }
    };
  }
});

// ../src/node/rtc.ts
function parsePlace(text3) {
  const [, v6, host = v6, port, hex = ""] = /^sea:\/\/(?:\[(.+)\]|([0-9.]+)):([1-9][0-9]{0,4})\/#([0-9a-f]{64})$/.exec(text3) ?? [];
  const ip = parseIP(host ?? "");
  if (!ip || formatIP(ip) !== host || v6 !== void 0 !== (ip.length === 16) || Number(port) > 65535) {
    throw new SeaError("address", `not a sea://IP:PORT/#HASH address: ${text3.slice(0, 128)}`);
  }
  return { ip, port: Number(port), hash: fromHex(hex) };
}
function iceName() {
  return btoa(String.fromCharCode(...draw(15)));
}
var maxHalfOpen, Rtc;
var init_rtc = __esm({
  "../src/node/rtc.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_rtcaddress();
    init_rtcdescription();
    init_rtcpeer();
    maxHalfOpen = 32;
    Rtc = class {
      /** openTime is how long a connection may take to open once both sides have heard of each other, in ms. */
      constructor(openTime = 15e3) {
        this.openTime = openTime;
      }
      openTime;
      /** stun are servers, host:port, that tell the address outside a NAT. */
      stun = [];
      #offers = /* @__PURE__ */ new Set();
      #answers = /* @__PURE__ */ new Set();
      /**
       * offer begins a connection. via is the other end, host:port or "", of the link
       * that will carry it (see policyVia).
       */
      async offer(via) {
        const peer = this.#peer(this.#offers, this.stun, policyVia(via));
        return {
          bytes: encodeDescription(await peer.describe(Kind.offer)),
          accept: async (answer5) => {
            try {
              await peer.hear(parseDescription(answer5, Kind.answer));
            } catch (err) {
              peer.close();
              throw err;
            }
            return peer.wire(this.openTime);
          },
          close: () => this.#offers.delete(peer) && peer.close()
        };
      }
      /** answer takes the other side's offer, which came over a link to via. */
      async answer(offer3, via) {
        const d = parseDescription(offer3, Kind.offer);
        const peer = this.#peer(this.#answers, this.stun, policyVia(via));
        await peer.hear(d);
        return {
          bytes: encodeDescription(await peer.describe(Kind.answer)),
          wire: () => peer.wire(this.openTime),
          close: () => this.#answers.delete(peer) && peer.close()
        };
      }
      /** dial connects to who listens at a sea:// address and shows the certificate that it names. */
      async dial(url) {
        const { ip, port, hash: hash3 } = parsePlace(url);
        const policy = policyOnly(ip);
        if (!policy(ip)) throw new SeaError("wire", "WebRTC: an address that nothing may be sent to");
        const peer = this.#peer(this.#offers, [], policy);
        const ufrag = "sea+v1+" + iceName();
        void peer.describe(Kind.offer).catch(() => {
        });
        await peer.hear({
          kind: Kind.answer,
          ufrag,
          password: ufrag + "+anyone",
          fingerprint: hash3,
          candidates: [[1, ip, port, 1]],
          listening: true
        });
        return peer.wire(this.openTime);
      }
      /** close ends what is not open yet. Wires live on. */
      close() {
        for (const peer of [...this.#offers, ...this.#answers]) peer.close();
      }
      /** peer makes one that counts as under way until it is open or has ended. */
      #peer(among, stun, policy) {
        if (among.size >= maxHalfOpen) throw new SeaError("wire", "WebRTC: too many connections are being opened");
        const peer = new RtcPeer(stun, policy);
        among.add(peer);
        const done4 = () => among.delete(peer);
        peer.opened.then(done4, done4);
        return peer;
      }
    };
  }
});

// ../src/ledger/format.ts
function pack(layout, v) {
  const pieces2 = [];
  layout.write(pieces2, v);
  return concat(...pieces2);
}
function unpack(b, layout, what) {
  const r = new Unpacker(b, what);
  const v = layout.read(r);
  r.end();
  return v;
}
var maxAmount, maxSeq, maxTick, Unpacker, raw, hash, key, sig, small, large, amount, side, maybe, flag, many, struct, headed, record, message2, isZero, zero;
var init_format = __esm({
  "../src/ledger/format.ts"() {
    "use strict";
    init_bytes();
    init_error();
    maxAmount = (1n << 62n) - 1n;
    maxSeq = maxAmount;
    maxTick = 1n << 40n;
    Unpacker = class {
      constructor(b, what) {
        this.b = b;
        this.what = what;
      }
      b;
      what;
      at = 0;
      fail(why) {
        return new SeaError("bad_request", `${this.what}: ${why}`);
      }
      /** take copies the next n bytes. */
      take(n) {
        if (this.b.length - this.at < n) throw this.fail(`it ends at byte ${this.b.length} of at least ${this.at + n}`);
        this.at += n;
        return this.b.slice(this.at - n, this.at);
      }
      end() {
        if (this.at < this.b.length) throw this.fail(`${this.b.length - this.at} bytes too many`);
      }
    };
    raw = (n) => ({ read: (r) => r.take(n), write: (pieces2, v) => void pieces2.push(v) });
    hash = raw(32);
    key = raw(32);
    sig = raw(64);
    small = (size3, least2 = 0, most2 = 2 ** (8 * size3) - 1) => ({
      read(r) {
        const n = r.take(size3).reduce((sum, x) => 256 * sum + x, 0);
        if (n < least2 || n > most2) throw r.fail(`byte ${r.at - size3}: ${n} is not ${least2} to ${most2}`);
        return n;
      },
      write: (pieces2, v) => void pieces2.push(Uint8Array.from({ length: size3 }, (_, i) => v / 256 ** (size3 - 1 - i) & 255))
    });
    large = (least2 = 0n, most2 = (1n << 64n) - 1n) => ({
      read(r) {
        const b = r.take(8);
        const n = new DataView(b.buffer).getBigUint64(0);
        if (n < least2 || n > most2) throw r.fail(`byte ${r.at - 8}: ${n} is not ${least2} to ${most2}`);
        return n;
      },
      write(pieces2, v) {
        const b = new Uint8Array(8);
        new DataView(b.buffer).setBigUint64(0, v);
        pieces2.push(b);
      }
    });
    amount = large(0n, maxAmount);
    side = small(1, 0, 1);
    maybe = (layout) => ({
      read: (r) => flag.read(r) ? layout.read(r) : null,
      write(pieces2, v) {
        flag.write(pieces2, v === null ? 0 : 1);
        if (v !== null) layout.write(pieces2, v);
      }
    });
    flag = small(1, 0, 1);
    many = (count3, layout) => ({
      read: (r) => {
        const n = count3.read(r);
        const all = [];
        while (all.length < n) all.push(layout.read(r));
        return all;
      },
      write(pieces2, all) {
        count3.write(pieces2, all.length);
        for (const v of all) layout.write(pieces2, v);
      }
    });
    struct = (fields, wrong4 = () => void 0) => ({
      read(r) {
        const v = {};
        for (const [name, layout] of Object.entries(fields)) v[name] = layout.read(r);
        const why = wrong4(v);
        if (why) throw r.fail(why);
        return v;
      },
      write(pieces2, v) {
        for (const name of Object.keys(fields)) fields[name].write(pieces2, v[name]);
      }
    });
    headed = (layout, ...head2) => ({
      read(r) {
        head2.forEach((want, i) => {
          const got = r.take(1)[0];
          if (got !== want) throw r.fail(i === 0 ? `version ${got} is not known here, this program reads version ${want}` : `its type is ${got}, not ${want}`);
        });
        return layout.read(r);
      },
      write(pieces2, v) {
        pieces2.push(Uint8Array.from(head2));
        layout.write(pieces2, v);
      }
    });
    record = (fields, wrong4) => headed(struct(fields, wrong4), 1);
    message2 = (type, layout) => headed(layout, 1, type);
    isZero = (b) => b.every((x) => x === 0);
    zero = () => new Uint8Array(32);
  }
});

// ../src/ledger/kind.ts
var pay, lock2, settle2, void_, fold;
var init_kind = __esm({
  "../src/ledger/kind.ts"() {
    "use strict";
    pay = 1;
    lock2 = 2;
    settle2 = 3;
    void_ = 4;
    fold = 5;
  }
});

// ../src/ledger/entry.ts
function lineOf(a, b) {
  const [low2, high3] = sideOf(a, b) === 0 ? [a, b] : [b, a];
  return sha256(utf8("sea/line/1credit"), low2, high3);
}
function sideOf(a, b) {
  return compare(a, b) > 0 ? 1 : 0;
}
var entry, head, headPurpose;
var init_entry = __esm({
  "../src/ledger/entry.ts"() {
    "use strict";
    init_bytes();
    init_format();
    init_kind();
    entry = record(
      {
        line: hash,
        side,
        /** epoch counts the writer's recoveries, from 1. */
        epoch: small(4, 1, 1e3),
        seq: large(1n, maxSeq),
        /** prev is the hash of the entry before. */
        prev: hash,
        /** cum is all that was promised, held the rest of each open lock beside it. */
        cum: amount,
        held: amount,
        /** tick is the writer's clock in 10 s since 1970. */
        tick: large(0n, maxTick - 1n),
        kind: small(1, 1, 5),
        amount: large(1n, maxAmount),
        /** ref is what it is for. */
        ref: hash,
        /** body is the hash of what the kind says beside this. */
        body: hash
      },
      (e) => {
        const first = e.seq === 1n;
        const moves = e.kind === pay || e.kind === settle2 || e.kind === fold;
        return first !== isZero(e.prev) && "prev is zero for the first entry and for no other" || e.cum + e.held > maxAmount && "cum and held are 2^62 or more together" || moves && e.cum < e.amount && "cum is below amount" || e.kind === lock2 && e.held < e.amount && "held is below amount in a LOCK" || first && e.kind !== pay && e.kind !== lock2 && "the first entry is neither PAY nor LOCK" || first && e.cum + e.held !== e.amount && "cum or held is not amount in the first entry" || isZero(e.ref) && "ref is zero: a payment names what it is for" || e.kind === pay !== isZero(e.body) && "body hash is zero for PAY and for no other kind";
      }
    );
    head = struct({ entry, sig });
    headPurpose = "sea/head/1";
  }
});

// ../src/ledger/grant.ts
var grant, grantPurpose;
var init_grant = __esm({
  "../src/ledger/grant.ts"() {
    "use strict";
    init_format();
    grant = record({
      line: hash,
      seq: large(1n, maxSeq),
      creditor: key,
      /** limit is what the other key may owe; 0 takes it back. */
      limit: amount,
      /** expiry is the Unix second from which the limit is 0; 0 is never. */
      expiry: large(0n, 253402300799n),
      // the end of the year 9999
      sig
    });
    grantPurpose = "sea/grant/1";
  }
});

// ../src/ledger/lock.ts
function signed2(layout, v) {
  return pack(layout, v).slice(0, -64);
}
var terms, voucher, release, settlement, voiding, voucherPurpose, releasePurpose;
var init_lock = __esm({
  "../src/ledger/lock.ts"() {
    "use strict";
    init_format();
    terms = record({
      /** expiry is the tick from which the payer may take back what was not promised. */
      expiry: large(1n, maxTick - 1n),
      /** quote names what was agreed. */
      quote: hash,
      /** hash is the SHA-256 of the preimage that pays it out; zero: vouchers do. */
      hash
    });
    voucher = record({
      line: hash,
      /** side is the payer's, as it is of a release. */
      side,
      lock: hash,
      cum: large(1n, maxAmount),
      /** fuel is of the job in all. */
      fuel: large(),
      quote: hash,
      sig
    });
    release = record({ line: hash, side, lock: hash, cum: amount, sig });
    settlement = record({ lock: hash, preimage: hash });
    voiding = record({ lock: hash, release: maybe(release) });
    voucherPurpose = "sea/voucher/1";
    releasePurpose = "sea/release/1";
  }
});

// ../src/ledger/run.ts
function writeBody(pieces2, kind2, b) {
  const [name, layout] = bodies[kind2] ?? [];
  if (name) layout.write(pieces2, b[name]);
}
function readItem(r) {
  const at2 = r.at;
  const e = entry.read(r);
  const end2 = r.at;
  const [name, layout] = bodies[e.kind] ?? [];
  const b = name ? { [name]: layout.read(r) } : {};
  const about3 = b.voucher ?? b.voiding?.release;
  if (about3 && (compare(about3.line, e.line) !== 0 || about3.side !== e.side)) throw r.fail(`the body of entry ${e.seq} is about another half-chain`);
  if (b.voiding?.release && compare(b.voiding.release.lock, b.voiding.lock) !== 0) throw r.fail(`the release of entry ${e.seq} is of another lock`);
  return { entry: e, bytes: r.b.slice(at2, end2), body: b, bodyBytes: r.b.slice(end2, r.at) };
}
async function open2({ items, sig: sig2 }) {
  const hashes = await Promise.all(items.map((i) => sha256(i.bytes)));
  for (const [i, { entry: e, bodyBytes }] of items.entries()) {
    const bad3 = (why) => new SeaError("bad_request", `entry ${e.seq}: ${why}`);
    if (bodyBytes.length > 0 && compare(await sha256(bodyBytes), e.body) !== 0) throw bad3("its body is not the one that it names");
    const last = items[i - 1]?.entry;
    if (!last) continue;
    if (compare(e.line, last.line) !== 0 || e.side !== last.side || e.epoch !== last.epoch) throw bad3("a run over two half-chains, or two epochs");
    if (e.seq !== last.seq + 1n || compare(e.prev, hashes[i - 1]) !== 0) throw bad3("it does not name the entry before it in its run");
  }
  return { items: items.map(({ entry: e, body: body4 }, i) => ({ entry: e, body: body4, hash: hashes[i] })), sig: sig2 };
}
var bodies, count, found, run, firstOf, lastOf, from;
var init_run = __esm({
  "../src/ledger/run.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_entry();
    init_kind();
    init_format();
    init_lock();
    bodies = {
      [lock2]: ["terms", terms],
      [fold]: ["voucher", voucher],
      [settle2]: ["settlement", settlement],
      [void_]: ["voiding", voiding]
    };
    count = small(2, 1, 64);
    found = {
      read(r) {
        const n = count.read(r);
        const items = [];
        while (items.length < n) items.push(readItem(r));
        return { items, sig: sig.read(r) };
      },
      write() {
        throw new Error("ledger: a run that was not opened is not written");
      }
    };
    run = {
      read() {
        throw new Error("ledger: a run is read as found, and opened");
      },
      write(pieces2, v) {
        count.write(pieces2, v.items.length);
        for (const i of v.items) {
          entry.write(pieces2, i.entry);
          writeBody(pieces2, i.entry.kind, i.body);
        }
        sig.write(pieces2, v.sig);
      }
    };
    firstOf = (r) => r.items[0];
    lastOf = (r) => r.items[r.items.length - 1];
    from = (r, i) => ({ items: r.items.slice(i), sig: r.sig });
  }
});

// ../src/ledger/tally.ts
async function apply(t, { entry: e, hash: hash3, body: body4 }) {
  if (e.epoch !== t.epoch) return `entry ${e.seq} is of epoch ${e.epoch}, not ${t.epoch}`;
  if (e.seq !== t.seq + 1n) return `entry ${e.seq} follows entry ${t.seq}`;
  if (compare(e.prev, t.tip) !== 0) return `prev of entry ${e.seq} is not the hash of entry ${t.seq}`;
  const n = await move(t, e, body4);
  if (typeof n === "string") return `entry ${e.seq}: ${n}`;
  if (e.cum !== n.cum || e.held !== n.held) return `cum and held of entry ${e.seq} are ${e.cum} and ${e.held}, not ${n.cum} and ${n.held}`;
  return reach(n, e, hash3, body4);
}
function reach(t, e, hash3, body4) {
  const n = { ...t, seq: e.seq, tip: hash3 };
  if (!body4.terms) return n;
  return put(n, { id: hash3, seq: e.seq, ref: e.ref, amount: e.amount, folded: 0n, terms: body4.terms, void: false });
}
async function move(t, e, b) {
  const id = b.voucher?.lock ?? b.settlement?.lock ?? b.voiding?.lock;
  if (!id) {
    if (mostOf(t) + e.amount > maxAmount) return "all that is promised would be 2^62 or more";
    if (e.kind === pay) return { ...t, cum: t.cum + e.amount };
    if (Object.keys(t.locks).length >= maxLocks) return `${maxLocks} locks are not closed`;
    return { ...t, held: t.held + e.amount };
  }
  const k = findLock(t, id);
  if (!k) return "there is no such lock";
  if (compare(k.ref, e.ref) !== 0) return "its ref is not the lock's";
  if (b.voucher) {
    if (!fits3(b.voucher, k)) return "its voucher does not fit its lock";
    if (b.voucher.cum <= k.folded || e.amount !== b.voucher.cum - k.folded) return "amount is not the voucher less what is folded";
    return take(t, k, e.amount);
  }
  if (b.settlement) {
    if (!await opens(b.settlement, k)) return "its preimage is not the lock's";
    if (e.amount !== k.amount) return "amount is not the lock's";
    return take(t, k, e.amount);
  }
  const release2 = b.voiding.release;
  if (e.amount !== restOf(k)) return "amount is not the rest of the lock";
  if (release2 && release2.cum > k.folded) return "the release is above what is folded";
  if (!release2 && k.void) return "the lock is void already, and there is no release";
  const n = k.void ? t : { ...t, held: t.held - e.amount };
  if (release2 || byPreimage(k) && e.tick >= k.terms.expiry) return without(n, k);
  return put(n, { ...k, void: true });
}
function mostOf(t) {
  return Object.values(t.locks).reduce((sum, k) => sum + restOf(k), t.cum);
}
function take(t, k, amount3) {
  const n = { ...t, cum: t.cum + amount3, held: k.void ? t.held : t.held - amount3 };
  const folded = k.folded + amount3;
  return folded === k.amount ? without(n, k) : put(n, { ...k, folded });
}
function without(t, k) {
  const { [toHex(k.id)]: _, ...locks } = t.locks;
  return { ...t, locks };
}
var maxLocks, empty, restOf, byPreimage, fits3, opens, findLock, put;
var init_tally = __esm({
  "../src/ledger/tally.ts"() {
    "use strict";
    init_bytes();
    init_kind();
    init_format();
    maxLocks = 64;
    empty = () => ({ epoch: 1, seq: 0n, cum: 0n, held: 0n, tip: zero(), locks: {} });
    restOf = (k) => k.amount - k.folded;
    byPreimage = (k) => !isZero(k.terms.hash);
    fits3 = (v, k) => !byPreimage(k) && v.cum <= k.amount && compare(v.quote, k.terms.quote) === 0;
    opens = async (s2, k) => byPreimage(k) && compare(await sha256(s2.preimage), k.terms.hash) === 0;
    findLock = (t, id) => t.locks[toHex(id)];
    put = (t, k) => ({ ...t, locks: { ...t.locks, [toHex(k.id)]: k } });
  }
});

// ../src/ledger/account.ts
async function begun(self, peer) {
  const half = (side3) => ({ side: side3, tally: empty(), grant: null, said: {} });
  const side2 = sideOf(self, peer);
  return {
    v: 1,
    peer,
    line: await lineOf(self, peer),
    mine: half(side2),
    theirs: half(side2 === 0 ? 1 : 0),
    acked: { seq: 0n, grant: 0n },
    state: "open",
    reason: ""
  };
}
function saidOf(h2, lock3) {
  const b = h2.said[toHex(lock3)];
  return b && unpack(b, voucher, "voucher");
}
function dueOf(h2, k) {
  const cum = saidOf(h2, k.id)?.cum ?? 0n;
  return cum > k.folded ? cum - k.folded : 0n;
}
function claimOf(h2) {
  return Object.values(h2.tally.locks).reduce((sum, k) => sum + dueOf(h2, k), h2.tally.cum);
}
function standing(h2, tally) {
  const said2 = Object.fromEntries(Object.entries(h2.said).filter(([lock3]) => lock3 in tally.locks));
  return { ...h2, tally, said: said2 };
}
function saying(h2, v, b) {
  return (saidOf(h2, v.lock)?.cum ?? 0n) >= v.cum ? h2 : { ...h2, said: { ...h2.said, [toHex(v.lock)]: b } };
}
function limitOf(h2, now) {
  const g = grantOf(h2);
  return !g || g.expiry !== 0n && BigInt(Math.floor(now / 1e3)) >= g.expiry ? 0n : g.limit;
}
function undelivered(a) {
  return a.state !== "fenced" && (a.acked.seq < a.mine.tally.seq || a.acked.grant < (grantOf(a.mine)?.seq ?? 0n));
}
var grantOf;
var init_account = __esm({
  "../src/ledger/account.ts"() {
    "use strict";
    init_bytes();
    init_entry();
    init_format();
    init_grant();
    init_lock();
    init_tally();
    grantOf = (h2) => h2.grant ? unpack(h2.grant, grant, "grant") : null;
  }
});

// ../src/ledger/store.ts
function done3(request3) {
  return new Promise((resolve, reject) => {
    request3.onsuccess = () => resolve(request3.result);
    request3.onerror = () => reject(request3.error);
  });
}
var MemoryStore, IdbStore, turnKey;
var init_store = __esm({
  "../src/ledger/store.ts"() {
    "use strict";
    init_error();
    MemoryStore = class _MemoryStore {
      #all = /* @__PURE__ */ new Map();
      async list(first, last, most2) {
        const keys = [...this.#all.keys()].filter((k) => k >= first && k <= last).sort();
        return keys.slice(0, most2).map((k) => [k, structuredClone(this.#all.get(k))]);
      }
      async commit(puts, drops = []) {
        for (const k of drops) this.#all.delete(k);
        for (const [k, v] of structuredClone(puts)) this.#all.set(k, v);
      }
      /** copy is a store with the same in it: a backup. */
      copy() {
        const made = new _MemoryStore();
        for (const [k, v] of this.#all) made.#all.set(k, structuredClone(v));
        return made;
      }
      close() {
      }
    };
    IdbStore = class _IdbStore {
      constructor(db, turn2) {
        this.db = db;
        this.#turn = turn2;
        db.onversionchange = () => db.close();
      }
      db;
      #turn;
      #broken;
      /** open opens the store of a name, and makes it the first time. */
      static async open(name) {
        const request3 = indexedDB.open(name, 1);
        request3.onupgradeneeded = () => request3.result.createObjectStore("ledger");
        const db = await done3(request3);
        const turn2 = await done3(db.transaction("ledger").objectStore("ledger").get(turnKey));
        return new _IdbStore(db, turn2 ?? 0);
      }
      async list(first, last, most2) {
        const all = this.db.transaction("ledger").objectStore("ledger");
        const range = IDBKeyRange.bound(first, last);
        const [keys, values] = await Promise.all([done3(all.getAllKeys(range, most2)), done3(all.getAll(range, most2))]);
        return keys.map((k, i) => [k, values[i]]);
      }
      /** commit looks whether another tab has written since this one opened the store: then nothing is kept. */
      async commit(puts, drops = []) {
        if (this.#broken) throw this.#broken;
        try {
          await this.#write(puts, drops);
          this.#turn++;
        } catch (err) {
          this.#broken = new SeaError("unavailable", `the ledger cannot be written: ${err instanceof Error ? err.message : String(err)}`);
          throw this.#broken;
        }
      }
      #write(puts, drops) {
        return new Promise((resolve, reject) => {
          const change = this.db.transaction("ledger", "readwrite", { durability: "strict" });
          const all = change.objectStore("ledger");
          let other = false;
          change.oncomplete = () => resolve();
          change.onabort = () => reject(other ? new Error("another tab has written it") : change.error ?? new Error("the browser gave up"));
          const turn2 = all.get(turnKey);
          turn2.onsuccess = () => {
            other = (turn2.result ?? 0) !== this.#turn;
            if (other) return change.abort();
            for (const k of drops) all.delete(k);
            for (const [k, v] of puts) all.put(v, k);
            all.put(this.#turn + 1, turnKey);
          };
        });
      }
      close() {
        this.db.close();
      }
    };
    turnKey = "!turn";
  }
});

// ../src/ledger/book.ts
function known(record2) {
  const { v } = record2;
  if (v !== version2) throw new SeaError("unavailable", `the ledger is of version ${v}, this program reads version ${version2}`);
  return record2;
}
var maxParts2, maxKept2, maxTrimmed, version2, Book, pays, runKey, paidKey;
var init_book = __esm({
  "../src/ledger/book.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_kind();
    init_format();
    init_run();
    maxParts2 = 64;
    maxKept2 = 64n;
    maxTrimmed = 2048;
    version2 = 1;
    Book = class {
      constructor(store) {
        this.store = store;
      }
      store;
      /** own makes the store one key's, or rejects with "unavailable" when it is another's, or of another version. */
      async own(key3) {
        const [self] = await this.store.list("self", "self", 1);
        if (!self) return this.store.commit([["self", { v: version2, key: key3 }]]);
        if (compare(known(self[1]).key, key3) !== 0) throw new SeaError("unavailable", "the ledger is another key's");
      }
      /** accounts are all, most at most. */
      async accounts(most2) {
        const all = await this.store.list("line/", "line/~", most2);
        return all.map(([, a]) => known(a));
      }
      /** keep keeps an account and what belongs to it, and forgets other records. */
      keep(a, puts, drops) {
        return this.store.commit([...puts, [`line/${toHex(a.line)}`, a]], drops);
      }
      /** paid sums what a side has paid for ref. */
      async paid(line, side2, ref) {
        const key3 = paidKey(line, side2, ref);
        const [kept] = await this.store.list(key3, key3, 1);
        return kept?.[1] ?? { sum: 0n, parts: 0, seq: 0n };
      }
      /** runPuts are the records of a run, after others that are to be kept with it. */
      async runPuts(before, r) {
        const { line, side: side2, seq } = lastOf(r).entry;
        const puts = [[runKey(line, side2, seq), pack(run, r)]];
        for (const { entry: e } of r.items) {
          if (!pays(e)) continue;
          const key3 = paidKey(line, side2, e.ref);
          const pending = [...before, ...puts].filter(([k]) => k === key3).pop()?.[1];
          const { sum, parts: parts3 } = pending ?? await this.paid(line, side2, e.ref);
          if (parts3 < maxParts2) puts.push([key3, { sum: sum + e.amount, parts: parts3 + 1, seq: e.seq }]);
        }
        return puts;
      }
      /** trim takes out of puts what goes once a peer's half-chain has come to entry newest, and gives the records that go with it. */
      async trim(line, side2, newest, puts) {
        const last = newest - maxKept2;
        if (last < 1n) return [];
        const [first, end2] = [runKey(line, side2, 1n), runKey(line, side2, last)];
        const isOld = ([key3, v]) => key3 >= first && key3 <= end2 || key3.startsWith("ref/") && v.seq <= last;
        const drops = new Set(puts.filter(isOld).map(([key3]) => key3));
        puts.splice(0, puts.length, ...puts.filter((put2) => !isOld(put2)));
        const kept = new Set(puts.map(([key3]) => key3));
        for (const [key3, b] of await this.store.list(first, end2, maxTrimmed)) {
          drops.add(key3);
          for (const { entry: e } of unpack(b, found, "run").items) {
            const paid = paidKey(line, side2, e.ref);
            if (pays(e) && !kept.has(paid) && (await this.paid(line, side2, e.ref)).seq <= last) drops.add(paid);
          }
        }
        return [...drops];
      }
      /** runs are those of a half-chain from the one with entry seq on, most at most. */
      async runs(line, side2, seq, most2) {
        const all = await this.store.list(runKey(line, side2, seq), runKey(line, side2, (1n << 64n) - 1n), most2);
        return Promise.all(all.map(([, b]) => open2(unpack(b, found, "run"))));
      }
      /** held is entry seq of a half-chain with the run that it is in, undefined of a peer's that is forgotten. */
      async held(line, side2, seq) {
        const [r] = await this.runs(line, side2, seq, 1);
        const item = r?.items.find((i) => i.entry.seq === seq);
        return r && item && { item, run: r };
      }
      /** item is held of what is there. */
      async item(line, side2, seq) {
        const found2 = await this.held(line, side2, seq);
        if (!found2) throw new SeaError("unavailable", `the ledger's entry ${seq} is missing`);
        return found2;
      }
      /** proofPut is the record of two runs that cannot both be: of what is held, if anything is, and what was shown. */
      proofPut(line, held, shown2) {
        return [`proof/${toHex(line)}`, { v: 1, held: held && pack(run, held), shown: pack(run, shown2) }];
      }
    };
    pays = ({ kind: kind2 }) => kind2 !== lock2 && kind2 !== void_;
    runKey = (line, side2, seq) => `run/${toHex(line)}/${side2}/${seq.toString(16).padStart(16, "0")}`;
    paidKey = (line, side2, ref) => `ref/${toHex(line)}/${side2}/${toHex(ref)}`;
  }
});

// ../src/ledger/ledger.ts
function mustSign(a) {
  if (a.state === "fenced") throw new SeaError("unavailable", `the line is fenced: ${a.reason}`);
}
function lockFor(h2, ref) {
  return Object.values(h2.tally.locks).find((k) => compare(k.ref, ref) === 0);
}
function mustLock(h2, lock3) {
  const k = findLock(h2.tally, lock3);
  if (!k) throw new SeaError("not_found", "there is no such lock, or it is closed");
  return k;
}
var maxLines, maxOwnLines, maxLocks2, Ledger, locksOf, bad2, zero64;
var init_ledger = __esm({
  "../src/ledger/ledger.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_statement();
    init_account();
    init_book();
    init_entry();
    init_kind();
    init_format();
    init_grant();
    init_lock();
    init_run();
    init_tally();
    maxLines = 1e4;
    maxOwnLines = 1e3;
    maxLocks2 = 4096;
    Ledger = class _Ledger {
      /** watchers hear what changes. */
      watchers = /* @__PURE__ */ new Set();
      signer;
      book;
      #now;
      #accounts;
      // by the peer's key in hex
      #turn = Promise.resolve();
      // one change at a time
      constructor(signer, book, accounts, now) {
        this.signer = signer;
        this.book = book;
        this.#accounts = accounts;
        this.#now = now;
      }
      /** open reads the ledger of a key. now is the clock, Unix ms. "unavailable" when the store is another key's. */
      static async open(signer, store, now = Date.now) {
        const book = new Book(store);
        await book.own(signer.key);
        const accounts = new Map((await book.accounts(maxLines)).map((a) => [toHex(a.peer), a]));
        return new _Ledger(signer, book, accounts, now);
      }
      /** key is whose ledger it is. */
      get key() {
        return this.signer.key;
      }
      /** account gives what is held of the line with peer. */
      async account(peer) {
        return this.#accounts.get(toHex(peer)) ?? begun(this.key, peer);
      }
      /** lines are all. */
      lines() {
        return [...this.#accounts.values()].map((a) => this.#line(a));
      }
      /** owed sums what peers owe that never had a grant. */
      owed() {
        let sum = 0n;
        for (const { mine, theirs } of this.#accounts.values()) {
          const claim = mine.grant ? 0n : claimOf(theirs) - claimOf(mine);
          if (claim > 0n) sum += claim;
        }
        return sum;
      }
      /** line is the one with peer. */
      async line(peer) {
        return this.#line(await this.account(peer));
      }
      #line(a) {
        const now = this.#now();
        return {
          peer: a.peer,
          balance: a.theirs.tally.cum - a.mine.tally.cum,
          claim: claimOf(a.theirs) - claimOf(a.mine),
          granted: a.mine.grant !== null,
          theyMayOwe: limitOf(a.mine, now),
          iMayOwe: limitOf(a.theirs, now),
          state: a.state,
          reason: a.reason,
          undelivered: undelivered(a)
        };
      }
      /** paid sums what was paid for ref on the line with peer, in how many parts it ever was. */
      async paid(peer, ref) {
        const a = await this.account(peer);
        return { ours: (await this.book.paid(a.line, a.mine.side, ref)).sum, theirs: (await this.book.paid(a.line, a.theirs.side, ref)).sum };
      }
      /**
       * pay promises an amount for ref. When it resolves the promise is kept, and will
       * be delivered. For one peer and ref at most one payment is made: again does
       * nothing, and rejects when the amount is another. No limit is looked at.
       */
      pay(peer, amount3, ref) {
        return this.change(peer, async (d) => {
          const before = await this.book.paid(d.account.line, d.account.mine.side, ref);
          if (before.parts > 0 && before.sum !== amount3) throw bad2(`${before.sum} micro-credits were paid for it before`);
          if (before.parts > 0) return;
          if (lockFor(d.account.mine, ref)) throw bad2("there is a lock for it");
          await this.#write(d, [{ kind: pay, amount: amount3, ref, body: {} }]);
        });
      }
      /**
       * lock sets an amount aside for ref and gives the lock's id. Again gives the same
       * lock while it is not closed, and rejects when it is on other terms.
       */
      lock(peer, amount3, ref, terms2) {
        return this.change(peer, async (d) => {
          const k = lockFor(d.account.mine, ref);
          if (k) {
            if (k.void || k.amount !== amount3 || compare(pack(terms, k.terms), pack(terms, terms2)) !== 0) throw bad2("there is a lock for it on other terms");
            return k.id;
          }
          if ((await this.book.paid(d.account.line, d.account.mine.side, ref)).parts > 0) throw bad2("it was paid for before");
          await this.#write(d, [{ kind: lock2, amount: amount3, ref, body: { terms: terms2 } }]);
          return d.account.mine.tally.tip;
        });
      }
      /** voucher promises cum of a lock of ours. It is kept when it is given; one that is not higher is the one before. */
      voucher(peer, lock3, cum, fuel3) {
        return this.change(peer, async (d) => {
          const { mine, line } = d.account;
          const k = mustLock(mine, lock3);
          mustSign(d.account);
          const before = saidOf(mine, lock3);
          if (before && before.cum >= cum) return before;
          const draft = { line, side: mine.side, lock: lock3, cum, fuel: fuel3, quote: k.terms.quote, sig: zero64() };
          if (cum < 1n || !fits3(draft, k)) throw bad2("the lock has no room for the voucher");
          const v = { ...draft, sig: await this.#sign(voucherPurpose, signed2(voucher, draft)) };
          d.account = { ...d.account, mine: saying(mine, v, pack(voucher, v)) };
          return v;
        });
      }
      /**
       * fold makes the highest voucher of a lock of ours part of what is promised, and
       * takes the rest back: with the payee's release, or when the lock has expired. A
       * lock that is closed is not touched.
       */
      async fold(peer, lock3, release2) {
        if (release2) {
          const a = await this.account(peer);
          const of = compare(release2.line, a.line) === 0 && release2.side === a.mine.side && compare(release2.lock, lock3) === 0;
          if (!of) throw bad2("the release is of another lock");
          await new Statement(peer, signed2(release, release2), release2.sig).open(releasePurpose);
        }
        await this.change(peer, (d) => this.foldIn(d, lock3, release2));
      }
      /** foldIn is fold within a change, of a release that was verified. */
      async foldIn(d, lock3, release2) {
        const { mine } = d.account;
        const k = findLock(mine.tally, lock3);
        if (!k) return;
        const due3 = dueOf(mine, k);
        if (release2 && release2.cum > k.folded + due3) throw bad2("the release is above what was promised");
        const moves = [];
        if (due3 > 0n) moves.push({ kind: fold, amount: due3, ref: k.ref, body: { voucher: saidOf(mine, lock3) } });
        const over = restOf(k) === due3;
        if (!over && (release2 || !k.void && this.#tick() >= k.terms.expiry)) {
          moves.push({ kind: void_, amount: restOf(k) - due3, ref: k.ref, body: { voiding: { lock: lock3, release: release2 ?? null } } });
        }
        if (moves.length > 0) await this.#write(d, moves);
      }
      /** settleIn pays a lock of ours out by its preimage, within a change. */
      async settleIn(d, lock3, preimage) {
        const k = findLock(d.account.mine.tally, lock3);
        if (k) await this.#write(d, [{ kind: settle2, amount: k.amount, ref: k.ref, body: { settlement: { lock: lock3, preimage } } }]);
      }
      /** takeVoucher keeps a voucher that the peer signed, if it is the highest of its lock. */
      async takeVoucher(peer, b) {
        const v = unpack(b, voucher, "voucher");
        await new Statement(peer, signed2(voucher, v), v.sig).open(voucherPurpose);
        await this.change(peer, async (d) => {
          const { theirs, line } = d.account;
          if (compare(v.line, line) !== 0 || v.side !== theirs.side) throw new SeaError("refused", "the voucher is of another line");
          if (!fits3(v, mustLock(theirs, v.lock))) throw new SeaError("refused", "the voucher does not fit its lock");
          d.account = { ...d.account, theirs: saying(theirs, v, b) };
        });
      }
      /** release signs that the peer may close a lock of its once cum of it is folded: not below what is claimed of it. */
      async release(peer, lock3, cum) {
        const { theirs, line } = await this.account(peer);
        const k = mustLock(theirs, lock3);
        if (cum > k.amount || cum < k.folded + dueOf(theirs, k)) throw bad2("the release is below what is claimed, or above the lock");
        const draft = { line, side: theirs.side, lock: lock3, cum, sig: zero64() };
        return pack(release, { ...draft, sig: await this.#sign(releasePurpose, signed2(release, draft)) });
      }
      /** grant lets peer owe up to limit until expiry, Unix seconds, 0 for ever. The same again changes nothing. */
      grant(peer, limit, expiry2 = 0n) {
        return this.change(peer, async (d) => {
          const before = grantOf(d.account.mine);
          if (before && before.limit === limit && before.expiry === expiry2) return;
          await this.grantIn(d, (before?.seq ?? 0n) + 1n, limit, expiry2);
        });
      }
      /** grantIn signs a grant within a change. */
      async grantIn(d, seq, limit, expiry2) {
        if (limit < 0n || limit > maxAmount || expiry2 < 0n) throw bad2("a limit is 0 to 2^62 - 1 micro-credits, and no expiry is before 1970");
        mustSign(d.account);
        const { line, mine } = d.account;
        const draft = { line, seq, creditor: this.key, limit, expiry: expiry2, sig: zero64() };
        const made = { ...draft, sig: await this.#sign(grantPurpose, signed2(grant, draft)) };
        d.account = { ...d.account, mine: { ...mine, grant: pack(grant, made) } };
      }
      /**
       * change makes one change of the line with a peer, after all before. When it
       * resolves, that is kept; if fn throws, nothing is.
       */
      change(peer, fn) {
        const done4 = this.#turn.then(async () => {
          if (compare(peer, this.key) === 0) throw bad2("a key has no line with itself");
          const known2 = this.#accounts.has(toHex(peer));
          const before = await this.account(peer);
          const d = { account: before, puts: [], drops: [] };
          const out = await fn(d);
          if (d.account !== before || d.puts.length > 0) {
            this.#fits(d.account, before, known2);
            await this.book.keep(d.account, d.puts, d.drops);
            this.#accounts.set(toHex(peer), d.account);
            for (const w of [...this.watchers]) w(peer);
          }
          if (d.refusal) throw d.refusal;
          return out;
        });
        this.#turn = done4.catch(() => {
        });
        return done4;
      }
      /** fits throws "busy" when there is no room for a line that is new, or for more locks of peers without a grant. */
      #fits({ mine, theirs }, before, known2) {
        const most2 = mine.grant || mine.tally.seq > 0n ? maxLines : maxLines - maxOwnLines;
        if (!known2 && this.#accounts.size >= most2) throw new SeaError("busy", `${most2} lines are all that there is room for`);
        const more = locksOf(theirs) - locksOf(before.theirs);
        if (more <= 0 || mine.grant) return;
        let all = more;
        for (const a of this.#accounts.values()) if (!a.mine.grant) all += locksOf(a.theirs);
        if (all > maxLocks2) throw new SeaError("busy", `peers without a grant have ${maxLocks2} locks here that are not closed`);
      }
      /** write signs entries of ours, one run. */
      async #write(d, moves) {
        mustSign(d.account);
        const { line, mine } = d.account;
        const items = [];
        let tally = mine.tally;
        for (const { kind: kind2, amount: amount3, ref, body: body4 } of moves) {
          if (amount3 < 1n || amount3 > maxAmount || ref.length !== 32 || isZero(ref)) throw bad2("an amount is 1 to 2^62 - 1 micro-credits, and for something");
          const tick = this.#tick();
          const next = await move(tally, { kind: kind2, amount: amount3, ref, tick }, body4);
          if (typeof next === "string") throw bad2(next);
          const pieces2 = [];
          writeBody(pieces2, kind2, body4);
          const e = {
            line,
            side: mine.side,
            epoch: tally.epoch,
            seq: tally.seq + 1n,
            prev: tally.tip,
            cum: next.cum,
            held: next.held,
            tick,
            kind: kind2,
            amount: amount3,
            ref,
            body: pieces2.length > 0 ? await sha256(concat(...pieces2)) : zero()
          };
          const hash3 = await sha256(pack(entry, e));
          tally = reach(next, e, hash3, body4);
          items.push({ entry: e, hash: hash3, body: body4 });
        }
        const made = { items, sig: await this.#sign(headPurpose, tally.tip) };
        d.puts.push(...await this.book.runPuts(d.puts, made));
        d.account = { ...d.account, mine: standing(mine, tally) };
      }
      async #sign(purpose3, body4) {
        return (await Statement.sign(this.signer, purpose3, body4)).sig;
      }
      #tick() {
        const tick = BigInt(Math.floor(Math.max(this.#now(), 0) / 1e4));
        return tick < maxTick ? tick : maxTick - 1n;
      }
    };
    locksOf = (h2) => Object.keys(h2.tally.locks).length;
    bad2 = (why) => new SeaError("bad_request", why);
    zero64 = () => new Uint8Array(64);
  }
});

// ../src/ledger/message.ts
function about2(r, line, parts3) {
  if (parts3.some((p) => p && compare(p.line, line) !== 0)) throw r.fail("it has something of another line");
}
var maxMessage2, maxPush, maxShown, maxRuns, recovery, things, thing, shown, rest, positionFields, position, pushOf, push, pushRead, pushed, ack2;
var init_message = __esm({
  "../src/ledger/message.ts"() {
    "use strict";
    init_bytes();
    init_entry();
    init_format();
    init_grant();
    init_lock();
    init_run();
    maxMessage2 = 6e4;
    maxPush = 6e5;
    maxShown = 192;
    maxRuns = 2048;
    recovery = record({ line: hash, side, epoch: small(4, 2, 1e3), seq: large(0n, maxSeq), tip: hash, cum: amount, sig, consent: sig });
    things = {
      1: struct({ voucher }),
      2: struct({ release }),
      3: struct({ lock: hash, preimage: hash }),
      4: struct({ recovery })
    };
    thing = {
      read(r) {
        const type = small(1, 1, 4).read(r);
        return { type, ...things[type].read(r) };
      },
      write(pieces2, v) {
        pieces2.push(Uint8Array.of(v.type));
        things[v.type].write(pieces2, v);
      }
    };
    shown = many(small(1, 1, maxShown), thing);
    rest = {
      read: (r) => r.at < r.b.length ? shown.read(r) : [],
      write: (pieces2, all) => void (all.length > 0 && shown.write(pieces2, all))
    };
    positionFields = struct({ line: hash, head: maybe(head), grant: maybe(grant), shown: rest });
    position = message2(1, {
      read(r) {
        const p = positionFields.read(r);
        const things2 = p.shown.map((x) => x.type === 1 ? x.voucher : x.type === 2 ? x.release : x.type === 4 ? x.recovery : null);
        about2(r, p.line, [p.head?.entry, p.grant, ...things2]);
        return p;
      },
      write: (pieces2, v) => positionFields.write(pieces2, v)
    });
    pushOf = (layout) => message2(2, struct({ line: hash, grant: maybe(grant), runs: many(small(2, 0, maxRuns), layout) }));
    push = pushOf(run);
    pushRead = pushOf(found);
    pushed = {
      read(r) {
        if (r.b.length > maxPush) throw r.fail(`it has ${r.b.length} bytes, ${maxPush} at most`);
        const p = pushRead.read(r);
        about2(r, p.line, [p.grant, ...p.runs.map((x) => x.items[0].entry)]);
        return p;
      },
      write: (pieces2, v) => pushRead.write(pieces2, v)
    };
    ack2 = message2(
      3,
      struct(
        { line: hash, seq: large(0n, maxSeq), tip: hash, grant: large(0n, maxSeq), terms: hash },
        (a) => a.seq === 0n !== isZero(a.tip) && "tip is zero when seq is zero and never else" || a.grant === 0n !== isZero(a.terms) && "terms are zero when grant is zero and never else"
      )
    );
  }
});

// ../src/ledger/receive.ts
async function takePush(l, peer, message3) {
  const p = unpack(message3, pushed, "push");
  const runs = await Promise.all(p.runs.map(open2));
  const { line, theirs } = await l.account(peer);
  const stranger = (why) => new SeaError("refused", `not about the line with this peer: ${why}`);
  if (compare(p.line, line) !== 0) throw stranger("another line");
  if (p.grant && compare(p.grant.creditor, peer) !== 0) throw stranger("another creditor");
  if (runs.some((r) => firstOf(r).entry.side !== theirs.side)) throw stranger("the other side");
  await verify2(l, peer, p.grant, runs);
  return l.change(peer, async (d) => {
    if (d.account.state === "disputed") throw new SeaError("refused", "the line is disputed");
    const before = d.account;
    const fresh2 = [];
    for (const r of runs) {
      const wrong4 = await takeRun(l, d, r, fresh2);
      if (wrong4 === "gap") break;
      if (wrong4) return dispute(l, d, before, wrong4, r);
    }
    if (p.grant) takeGrant(d, p.grant);
    const { theirs: now } = d.account;
    if (fresh2.length > 0) d.drops.push(...await l.book.trim(line, now.side, now.tally.seq, d.puts));
    return answer3(d.account);
  });
}
async function verify2(l, peer, grant2, runs) {
  if (grant2) await new Statement(peer, signed2(grant, grant2), grant2.sig).open(grantPurpose);
  for (const r of runs) {
    await new Statement(peer, lastOf(r).hash, r.sig).open(headPurpose);
    for (const { body: body4 } of r.items) {
      if (body4.voucher) await new Statement(peer, signed2(voucher, body4.voucher), body4.voucher.sig).open(voucherPurpose);
      const x = body4.voiding?.release;
      if (x) await new Statement(l.key, signed2(release, x), x.sig).open(releasePurpose);
    }
  }
}
async function takeRun(l, d, r, fresh2) {
  const { line, theirs } = d.account;
  const held = theirs.tally;
  const [first, last] = [firstOf(r).entry.seq, lastOf(r).entry.seq];
  if (first > held.seq + 1n) return "gap";
  const heldAt = async (seq) => fresh2.find((f) => seq >= firstOf(f).entry.seq && seq <= lastOf(f).entry.seq) ?? (await l.book.held(line, theirs.side, seq))?.run;
  const common = last < held.seq ? last : held.seq;
  if (common >= first) {
    const run3 = await heldAt(common);
    if (!run3) return void 0;
    const [kept, shown2] = [run3, r].map((x) => x.items[Number(common - firstOf(x).entry.seq)]);
    if (kept.entry.epoch !== shown2.entry.epoch) throw oldEpoch();
    if (compare(kept.hash, shown2.hash) !== 0) return { why: `two entries ${common}`, held: run3 };
    if (last === common) return void 0;
  }
  const rest3 = from(r, Number(held.seq + 1n - first));
  if (firstOf(rest3).entry.epoch !== held.epoch) throw oldEpoch();
  let tally = held;
  for (const item of rest3.items) {
    const next = await apply(tally, item);
    if (typeof next === "string") return { why: next, held: held.seq > 0n && await heldAt(held.seq) || null };
    tally = next;
  }
  fresh2.push(rest3);
  d.puts.push(...await l.book.runPuts(d.puts, rest3));
  d.account = { ...d.account, theirs: standing(theirs, tally) };
  return void 0;
}
function dispute(l, d, before, { why, held }, shown2) {
  d.refusal = new SeaError("refused", `the entries contradict each other: ${why}`);
  if (before.theirs.tally.seq === 0n && before.mine.tally.seq === 0n && !before.mine.grant && !before.theirs.grant) throw d.refusal;
  d.puts.splice(0, d.puts.length, l.book.proofPut(before.line, held, shown2));
  d.account = { ...before, ...before.state === "open" && { state: "disputed", reason: d.refusal.message } };
  return new Uint8Array(0);
}
function takeGrant(d, g) {
  const { theirs } = d.account;
  const held = grantOf(theirs);
  if (held && g.seq < held.seq) return;
  if (held && g.seq === held.seq) {
    if (g.limit !== held.limit || g.expiry !== held.expiry) throw new SeaError("refused", `two grants ${g.seq}`);
    return;
  }
  d.account = { ...d.account, theirs: { ...theirs, grant: pack(grant, g) } };
}
async function answer3({ line, theirs }) {
  const g = grantOf(theirs);
  return pack(ack2, {
    line,
    seq: theirs.tally.seq,
    tip: theirs.tally.tip,
    grant: g?.seq ?? 0n,
    terms: g ? await sha256(signed2(grant, g)) : zero()
  });
}
var oldEpoch;
var init_receive = __esm({
  "../src/ledger/receive.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_statement();
    init_account();
    init_entry();
    init_format();
    init_grant();
    init_lock();
    init_message();
    init_run();
    init_tally();
    oldEpoch = () => new SeaError("refused", "an entry of an epoch that was not agreed to");
  }
});

// ../src/ledger/sync.ts
async function positionFor(l, peer) {
  const { line, theirs, state: state2 } = await l.account(peer);
  let head2 = null;
  if (theirs.tally.seq > 0n) {
    const { run: run3 } = await l.book.item(line, theirs.side, theirs.tally.seq);
    head2 = { entry: lastOf(run3).entry, sig: run3.sig };
  }
  const shown2 = [];
  for (const k of Object.values(theirs.tally.locks)) {
    if (dueOf(theirs, k) > 0n) shown2.push({ type: 1, voucher: saidOf(theirs, k.id) });
    else if (k.void && !byPreimage(k) && state2 === "open") {
      shown2.push({ type: 2, release: unpack(await l.release(peer, k.id, k.folded), release, "release") });
    }
  }
  return pack(position, { line, head: head2, grant: grantOf(theirs), shown: shown2 });
}
async function comparePosition(l, peer, message3) {
  const p = unpack(message3, position, "position");
  const { line, mine } = await l.account(peer);
  if (compare(p.line, line) !== 0) throw new SeaError("refused", "the position is of another line");
  if (p.head) {
    if (p.head.entry.side !== mine.side) throw new SeaError("refused", "the head is of the other side");
    await new Statement(l.key, await hashOfEntry(p.head), p.head.sig).open(headPurpose);
  }
  if (p.grant) {
    if (compare(p.grant.creditor, l.key) !== 0) throw new SeaError("refused", "the grant is another's");
    await new Statement(l.key, signed2(grant, p.grant), p.grant.sig).open(grantPurpose);
  }
  await l.change(peer, async (d) => {
    if (await isLost(l, d.account, p)) {
      const reason2 = "the peer has an entry of this ledger's that is not here: it was put back from an older copy";
      if (d.account.state !== "fenced") d.account = { ...d.account, state: "fenced", reason: reason2 };
    }
    if (d.account.state === "fenced") {
      d.refusal = new SeaError("unavailable", `the line is fenced: ${d.account.reason}`);
      return;
    }
    await takeGrant2(l, d, p);
    const ours = grantOf(d.account.mine);
    const grant2 = ours && p.grant && p.grant.seq === ours.seq ? ours.seq : 0n;
    const seq = p.head?.entry.seq ?? 0n;
    const { acked } = d.account;
    if (acked.seq !== seq || acked.grant !== grant2) d.account = { ...d.account, acked: { seq, grant: grant2 } };
  });
  for (const x of p.shown) await answer4(l, peer, x);
}
async function isLost(l, { line, mine }, { head: head2 }) {
  if (!head2) return false;
  if (head2.entry.seq > mine.tally.seq) return true;
  const { item } = await l.book.item(line, mine.side, head2.entry.seq);
  return compare(item.hash, await hashOfEntry(head2)) !== 0;
}
async function takeGrant2(l, d, { grant: grant2 }) {
  const ours = grantOf(d.account.mine);
  if (!grant2 || ours && grant2.seq < ours.seq) return;
  if (!ours || grant2.seq > ours.seq) {
    d.account = { ...d.account, mine: { ...d.account.mine, grant: pack(grant, grant2) } };
  } else if (grant2.limit !== ours.limit || grant2.expiry !== ours.expiry) {
    await l.grantIn(d, ours.seq + 1n, grant2.limit < ours.limit ? grant2.limit : ours.limit, ours.expiry);
  }
}
async function answer4(l, peer, x) {
  if (x.type === 4) return;
  if (x.type === 2) return l.fold(peer, x.release.lock, x.release);
  if (x.type === 1) await new Statement(l.key, signed2(voucher, x.voucher), x.voucher.sig).open(voucherPurpose);
  await l.change(peer, async (d) => {
    const { mine } = d.account;
    const k = findLock(mine.tally, x.type === 1 ? x.voucher.lock : x.lock);
    if (!k) return;
    if (x.type === 3) {
      if (!await opens(x, k)) throw new SeaError("refused", "it is not the preimage");
      return l.settleIn(d, x.lock, x.preimage);
    }
    if (x.voucher.side !== mine.side || !fits3(x.voucher, k)) throw new SeaError("refused", "the voucher does not fit its lock");
    const said2 = saying(mine, x.voucher, pack(voucher, x.voucher));
    if (said2 !== mine) d.account = { ...d.account, mine: said2 };
    if (k.void || k.folded > 0n) await l.foldIn(d, k.id, void 0);
  });
}
async function outboxFor(l, peer, room) {
  const a = await l.account(peer);
  if (!undelivered(a)) return void 0;
  const ours = grantOf(a.mine);
  const runs = [];
  let size3 = pushBase;
  for (const r of a.acked.seq < a.mine.tally.seq ? await l.book.runs(a.line, a.mine.side, a.acked.seq + 1n, maxRuns2) : []) {
    if ((size3 += pack(run, r).length) > room) break;
    runs.push(r);
  }
  return pack(push, { line: a.line, grant: ours && ours.seq > a.acked.grant ? ours : null, runs });
}
async function takeAck(l, peer, message3) {
  const got = unpack(message3, ack2, "ack");
  await l.change(peer, async (d) => {
    const { line, mine, acked } = d.account;
    const other = (why) => new OutOfStep(why);
    if (compare(got.line, line) !== 0) throw new SeaError("refused", "the answer is of another line");
    if (got.seq > mine.tally.seq) throw other("the peer holds more than is here");
    if (got.seq > 0n && compare((await l.book.item(line, mine.side, got.seq)).item.hash, got.tip) !== 0) throw other("the peer holds another entry");
    const ours = grantOf(mine);
    const newest = ours !== null && got.grant === ours.seq;
    if (newest && compare(await sha256(signed2(grant, ours)), got.terms) !== 0) throw other("the peer holds another grant");
    const grant2 = newest ? ours.seq : acked.grant;
    if (got.seq < acked.seq || got.seq === acked.seq && grant2 === acked.grant) throw other("the peer holds no more than before");
    d.account = { ...d.account, acked: { seq: got.seq, grant: grant2 } };
  });
}
var maxRuns2, pushBase, hashOfEntry, OutOfStep;
var init_sync = __esm({
  "../src/ledger/sync.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_statement();
    init_account();
    init_entry();
    init_format();
    init_grant();
    init_lock();
    init_message();
    init_run();
    init_tally();
    maxRuns2 = 64;
    pushBase = 200;
    hashOfEntry = (h2) => sha256(pack(entry, h2.entry));
    OutOfStep = class extends SeaError {
      constructor(why) {
        super("busy", `out of step: ${why}`);
      }
    };
  }
});

// ../src/ledger/credit.ts
async function told(work3) {
  try {
    return await work3;
  } catch (err) {
    if (err instanceof SeaError && (err.code === "signature" || err.code === "key")) throw new SeaError("refused", err.message);
    throw err;
  }
}
function isFinal(err) {
  return err instanceof SeaError && ["refused", "bad_request", "no_handler"].includes(err.code);
}
var callTime, minPause, maxPause, maxPeers, tries, syncScope, pushScope, Credit;
var init_credit = __esm({
  "../src/ledger/credit.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_addr();
    init_account();
    init_message();
    init_receive();
    init_sync();
    callTime = 2e4;
    minPause = 1e3;
    maxPause = 3e5;
    maxPeers = 1e3;
    tries = 3;
    syncScope = "credit:sync";
    pushScope = "credit:push";
    Credit = class {
      #node;
      #ledger;
      #peers = /* @__PURE__ */ new Map();
      // those that are being delivered to, by key in hex: maxPeers
      #met = /* @__PURE__ */ new WeakSet();
      // links over which positions were exchanged, and nothing failed since
      #waiters = /* @__PURE__ */ new Set();
      #watcher;
      #changed;
      #closed = false;
      constructor(node2, ledger2) {
        this.#node = node2;
        this.#ledger = ledger2;
        node2.handle(syncScope, (body4, from2) => told(this.#sync(from2.node, body4)));
        node2.handle(pushScope, (body4, from2) => told(takePush(ledger2, from2.node, body4)));
        this.#watcher = { up: (link) => void this.#up(link) };
        this.#changed = (peer) => void this.#look(peer);
        node2.watchers.add(this.#watcher);
        ledger2.watchers.add(this.#changed);
        for (const line of ledger2.lines()) if (line.undelivered) this.#begin(line.peer, false);
      }
      /** close ends delivery; the ledger stays. */
      close() {
        this.#closed = true;
        this.#node.handle(syncScope, void 0);
        this.#node.handle(pushScope, void 0);
        this.#node.watchers.delete(this.#watcher);
        this.#ledger.watchers.delete(this.#changed);
        for (const p of this.#peers.values()) p.wake?.();
      }
      /**
       * deliver resolves when the peer has acknowledged all that is signed for it. It
       * rejects when the peer refuses, when the line is fenced, and with "cancelled"
       * when signal aborts; delivery goes on after that.
       */
      async deliver(peer, signal) {
        for (; ; ) {
          const a = await this.#ledger.account(peer);
          if (a.state === "fenced") throw new SeaError("unavailable", `the line is fenced: ${a.reason}`);
          if (!undelivered(a)) return;
          await this.#news(peer, signal);
        }
      }
      /** news resolves after an attempt or a change, and rejects when that tells that trying again soon will not help. */
      #news(peer, signal) {
        return new Promise((resolve, reject) => {
          const over = (then) => {
            this.#waiters.delete(waiter);
            signal.removeEventListener("abort", abort);
            then();
          };
          const abort = () => over(() => reject(new SeaError("cancelled", "what was signed is not delivered yet")));
          const waiter = { peer, news: (err) => over(() => isFinal(err) ? reject(err) : resolve()) };
          if (signal.aborted) return abort();
          signal.addEventListener("abort", abort);
          this.#waiters.add(waiter);
          this.#begin(peer, false);
        });
      }
      async #up(link) {
        for (const p of this.#peers.values()) if (p.offline) p.wake?.();
        const { acked, theirs, mine } = await this.#ledger.account(link.peer.node);
        if (acked.seq + theirs.tally.seq + mine.tally.seq > 0n || mine.grant || theirs.grant) this.#begin(link.peer.node, true);
      }
      async #look(peer) {
        if (undelivered(await this.#ledger.account(peer))) this.#begin(peer, false);
        else this.#tell(peer);
      }
      #tell(peer, err) {
        for (const w of [...this.#waiters]) if (compare(w.peer, peer) === 0) w.news(err);
      }
      /** begin has the outbox for a peer delivered, unless that is under way. */
      #begin(key3, meet) {
        const name = toHex(key3);
        const p = this.#peers.get(name);
        if (p) {
          p.meet ||= meet;
          p.again = true;
          p.wake?.();
          return;
        }
        if (this.#closed || this.#peers.size >= maxPeers) return;
        const made = { key: key3, meet, again: false, wake: void 0, offline: false };
        this.#peers.set(name, made);
        void this.#deliver(made).finally(() => this.#peers.delete(name));
      }
      /** deliver empties the outbox for one peer, however often that takes. It never rejects. */
      async #deliver(p) {
        let pause2 = minPause;
        for (; ; ) {
          p.again = false;
          let failed4;
          await this.#attempt(p).catch((err) => failed4 = err);
          this.#tell(p.key, failed4);
          if (this.#closed) return;
          if (p.again) continue;
          if (!failed4 || !undelivered(await this.#ledger.account(p.key))) {
            if (p.again) continue;
            return;
          }
          p.offline = failed4 instanceof SeaError && failed4.code === "offline";
          await new Promise((resolve) => {
            const timer = p.offline ? void 0 : setTimeout(resolve, pause2 * (1 + Math.random()) / 2);
            p.wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
          p.wake = void 0;
          if (this.#closed) return;
          pause2 = p.again ? minPause : Math.min(2 * pause2, maxPause);
        }
      }
      /** attempt meets the peer if need be, and pushes until it has all. */
      async #attempt(p) {
        const to = await HashAddress.ofNode(p.key);
        for (let i = 0; ; i++) {
          const link = this.#node.link(to);
          if (p.meet || !link || !this.#met.has(link)) {
            p.meet = false;
            await comparePosition(this.#ledger, p.key, await this.#call(to, syncScope, await positionFor(this.#ledger, p.key)));
          }
          if (link) this.#met.add(link);
          try {
            return await this.#empty(p.key, to, link ? maxPush : maxMessage2);
          } catch (err) {
            if (link) this.#met.delete(link);
            if (!(err instanceof OutOfStep) || i + 1 >= tries) throw err;
          }
        }
      }
      async #empty(key3, to, room) {
        for (let push2; push2 = await outboxFor(this.#ledger, key3, room); ) {
          await takeAck(this.#ledger, key3, await this.#call(to, pushScope, push2));
        }
      }
      #call(to, scope2, body4) {
        return this.#node.call(to, scope2, body4, AbortSignal.timeout(callTime));
      }
      /** sync answers a peer's position. A line that is fenced answers too: the peer's half of it is whole. */
      async #sync(peer, body4) {
        await comparePosition(this.#ledger, peer, body4).catch(async (err) => {
          if ((await this.#ledger.account(peer)).state !== "fenced") throw err;
        });
        return positionFor(this.#ledger, peer);
      }
    };
  }
});

// ../src/market/reason.ts
var Refused2;
var init_reason2 = __esm({
  "../src/market/reason.ts"() {
    "use strict";
    init_error();
    Refused2 = class extends SeaError {
      reason;
      constructor(reason2, text3) {
        super("job", text3 || reason2);
        this.reason = reason2;
      }
    };
  }
});

// ../src/market/price.ts
function costOf(p, fuel3) {
  const cost2 = p.fee + up(fuel3 * p.price, gfuel);
  return cost2 < maxSum ? cost2 : void 0;
}
function covers(p, credit2, most2) {
  if (credit2 < p.fee) return 0n;
  if (p.price === 0n) return most2;
  const fuel3 = (credit2 - p.fee) * gfuel / p.price;
  return fuel3 < most2 ? fuel3 : most2;
}
function withMemory(p, gib, pages) {
  const price = p.price + up(gib * BigInt(pages), pagesPerGiB);
  return { fee: p.fee, price: price < maxSum ? price : maxSum - 1n };
}
var gfuel, maxSum, pagesPerGiB, up, least;
var init_price = __esm({
  "../src/market/price.ts"() {
    "use strict";
    gfuel = 1000000000n;
    maxSum = 1n << 62n;
    pagesPerGiB = 16384n;
    up = (a, b) => (a + b - 1n) / b;
    least = (a, b) => a < b ? a : b;
  }
});

// ../src/market/spec.ts
async function specOf(module, o) {
  const blobs = /* @__PURE__ */ new Map();
  const blob2 = async (data) => {
    const b = typeof data === "string" ? utf8(data) : data.slice();
    const made = await blobOf(b);
    if (b.length > 0) blobs.set(toHex(made.hash), [made, b]);
    return made;
  };
  const { hash: hash3 } = await blob2(module);
  const timeout = o.timeout ?? 6e5;
  const files2 = await Promise.all(Object.entries(o.files ?? {}).map(async ([path, data]) => ({ path, ...await blob2(data) })));
  files2.sort((a, b) => compare(utf8(a.path), utf8(b.path)));
  const fuel3 = BigInt(o.fuel ?? 0);
  const job = {
    ...newJob(hash3, module.length),
    ...o.entry !== void 0 && { entry: o.entry },
    args: o.args ?? [],
    env: o.env ?? [],
    stdin: await blob2(o.stdin ?? ""),
    files: files2,
    seed: o.seed ?? new Uint8Array(32),
    start: o.start ?? 0n,
    limits: { ...defaultLimits(), ...o.limits, fuel: fuel3 || 1n, wall_ms: Math.min(Math.max(1, Math.ceil(timeout)), wallMillis) }
  };
  try {
    encodeJob(job);
  } catch (err) {
    throw new Refused2("bad_job", err instanceof SeaError ? err.message : String(err));
  }
  return {
    job,
    blobs: [...blobs.values()],
    fuel: fuel3,
    timeout,
    options: o,
    maxCredit: microOf(o.maxCredit ?? 10),
    maxPrice: o.maxPrice === void 0 ? maxSum - 1n : microOf(o.maxPrice)
  };
}
function microOf(credits2) {
  const micro = Math.round(credits2 * 1e6);
  if (!(micro >= 0) || !Number.isSafeInteger(micro)) throw new Refused2("bad_job", `${credits2} is no sum of credits`);
  return BigInt(micro);
}
var blobsOf, jobFor, hashOf2;
var init_spec = __esm({
  "../src/market/spec.ts"() {
    "use strict";
    init_bytes();
    init_blob();
    init_job();
    init_most();
    init_error();
    init_price();
    init_reason2();
    blobsOf = (s2) => ({
      async open(hash3) {
        const [, b] = s2.blobs.find(([blob2]) => compare(blob2.hash, hash3) === 0) ?? [];
        if (!b) throw new SeaError("blob", "no such bytes");
        return b;
      }
    });
    jobFor = (s2, fuel3) => ({ ...s2.job, limits: { ...s2.job.limits, fuel: fuel3 } });
    hashOf2 = (job) => sha256(encodeJob(job));
  }
});

// ../src/market/statement.ts
function sign(form, signer, body4) {
  const b = encode({ v: 1, ...body4 });
  check2(form, b);
  return Statement.sign(signer, form.purpose, b);
}
async function open3(form, s2) {
  return check2(form, await s2.open(form.purpose));
}
function check2(form, b) {
  const v = read2(b, form.shape, form.purpose);
  const why = form.wrong?.(v);
  if (why) throw new SeaError("cbor", `${form.purpose}: ${why}`);
  return v;
}
function badLabels(labels) {
  const names = labels.map((l) => /^([a-z0-9._-]+)=[a-zA-Z0-9._-]*$/.exec(l)?.[1]);
  const wrong4 = names.some((n, i) => n === void 0 || labels[i].endsWith("\n") || i > 0 && n <= names[i - 1]);
  return wrong4 && "labels are not sorted NAME=VALUE";
}
var maxSlots, maxSlowest, leastQuantum, within3, amount2, hash2, slowest, offerShape, offer, askShape, ask, quoteShape, quote, reason, refusalShape, refusal2, orderShape, order, stops, deliveryShape, delivery, cancelShape, cancel2;
var init_statement2 = __esm({
  "../src/market/statement.ts"() {
    "use strict";
    init_cbor();
    init_shape();
    init_error();
    init_statement();
    init_rpc();
    init_price();
    maxSlots = 1024;
    maxSlowest = 1000000000000n;
    leastQuantum = 1000000n;
    within3 = (low2, high3) => (v, name) => {
      const n = wide(v, name);
      if (n < low2 || n > high3) throw new SeaError("cbor", `${name}: ${n} is not ${low2} to ${high3}`);
      return n;
    };
    amount2 = within3(0n, maxSum - 1n);
    hash2 = bytes2(32);
    slowest = optional(within3(1n, maxSlowest));
    offerShape = map2({
      v: version,
      /** for is the entity that asked. */
      for: hash2,
      fee: amount2,
      price: amount2,
      /** gib is how much more 10^9 fuel cost for each GiB of memory that a job may have. */
      gib: optional(amount2),
      caps: map2({ fuel: wide, pages: uint2(2 ** 32 - 1), output: wide, wall: wide, module: wide, input: wide }),
      slots: uint2(maxSlots),
      free: uint2(maxSlots),
      /** room is how much more the asker may come to owe, strangers the budget of all of them together. */
      room: amount2,
      strangers: amount2,
      slowest,
      labels: optional(list(text2(2, 64), 16)),
      tariff: uint2(),
      engine: text2(0, 128),
      at: uint2(),
      until: uint2()
    });
    offer = {
      purpose: "sea/offer/1",
      shape: offerShape,
      wrong: (o) => o.free > o.slots && "more slots are free than there are" || clean(o.engine) !== o.engine && "the engine's name has control characters" || o.until < o.at && "it holds at no time" || badLabels(o.labels ?? [])
    };
    askShape = map2({
      v: version,
      /** offer is the hash of the offer it answers, zeros when none was seen. */
      offer: hash2,
      to: hash2,
      job: bytes2(1, 48 << 10),
      /** credit is the most that the job may cost, price the most that 10^9 fuel may. */
      credit: amount2,
      price: amount2,
      /** resold is whether a result that the seller holds from before will do: a tab never says so. */
      resold: optional(bool),
      nonce: bytes2(16)
    });
    ask = { purpose: "sea/ask/1", shape: askShape };
    quoteShape = map2({
      v: version,
      ask: hash2,
      job: hash2,
      fee: amount2,
      price: amount2,
      slowest,
      /** quantum is the fuel after which the seller wants the next voucher; without one the job is paid on delivery. */
      quantum: optional(within3(leastQuantum, (1n << 64n) - 1n)),
      /** resold is which part of the usual price it is, in percent, for a result from before. */
      resold: optional(within3(1n, 100n)),
      ceiling: amount2,
      /** until is when it ends, by the seller's clock. */
      until: uint2()
    });
    quote = { purpose: "sea/quote/1", shape: quoteShape };
    reason = (v, name) => {
      const word3 = text2(1, 32)(v, name);
      if (!/^[a-z_]+$/.test(word3) || word3.endsWith("\n")) throw new SeaError("cbor", `${name}: not a word of a-z and _`);
      return word3;
    };
    refusalShape = map2({ v: version, of: hash2, reason, text: text2(0, 256), room: amount2 });
    refusal2 = {
      purpose: "sea/refusal/1",
      shape: refusalShape,
      wrong: (r) => clean(r.text) !== r.text && "the text has control characters"
    };
    orderShape = map2({ v: version, quote: hash2, at: uint2() });
    order = { purpose: "sea/order/1", shape: orderShape };
    stops = ["too_slow", "no_voucher", "credit_limit", "revoked"];
    deliveryShape = map2({ v: version, order: hash2, receipt: hash2, cost: amount2, reason: optional(reason) });
    delivery = {
      purpose: "sea/delivery/1",
      shape: deliveryShape,
      wrong: (d) => d.reason !== void 0 && !stops.includes(d.reason) && `the job was stopped for the reason ${d.reason}`
    };
    cancelShape = map2({ v: version, order: hash2 });
    cancel2 = { purpose: "sea/cancel/1", shape: cancelShape };
  }
});

// ../src/market/wire.ts
var followBytes, followMillis, state, offerAnswer, askAnswer, follow, cursor, cursorShape, askRequest, orderRequest, followRequest, cancelRequest, dueAnswer, due, get;
var init_wire2 = __esm({
  "../src/market/wire.ts"() {
    "use strict";
    init_shape();
    init_error();
    init_result();
    init_statement();
    init_statement2();
    followBytes = 256 << 10;
    followMillis = 25e3;
    state = (v, name) => {
      if (typeof v !== "string" || !["taken", "running", "delivered", "paid", "refused"].includes(v)) throw new SeaError("cbor", `${name}: not a state`);
      return v;
    };
    offerAnswer = map2({ offer: statement });
    askAnswer = map2({ quote: orNull(statement), refusal: orNull(statement) });
    follow = map2({
      state,
      fuel: wide,
      held: optional(reason),
      input: wide,
      stdout: bytes2(0, followBytes),
      stderr: bytes2(0, followBytes),
      stdout_size: wide,
      stderr_size: wide,
      refusal: orNull(statement),
      receipt: orNull(statement),
      delivery: orNull(statement),
      release: optional(bytes2(1, 1024)),
      outcome: bytes2(0, followBytes),
      outcome_size: uint2(maxOutcomeBytes)
    });
    cursor = {
      stdout: wide,
      stderr: wide,
      fuel: wide,
      input: wide,
      running: bool,
      held: optional(reason),
      wait: uint2(),
      voucher: optional(bytes2(1, 1024))
    };
    cursorShape = map2(cursor);
    askRequest = map2({ ask: statement });
    orderRequest = map2({ order: statement, quote: statement, ask: statement, ...cursor });
    followRequest = map2({ order: bytes2(32), ...cursor });
    cancelRequest = map2({ cancel: statement });
    dueAnswer = map2({ known: bool });
    due = map2({ order: bytes2(32) });
    get = map2({ hash: bytes2(32), offset: wide, size: uint2(followBytes) });
  }
});

// ../src/market/scope.ts
var offer2, ask2, order2, follow2, cancel3, due2, get2;
var init_scope = __esm({
  "../src/market/scope.ts"() {
    "use strict";
    offer2 = "market:offer";
    ask2 = "market:ask";
    order2 = "market:order";
    follow2 = "market:follow";
    cancel3 = "market:cancel";
    due2 = "market:due";
    get2 = "storage:get";
  }
});

// ../src/market/find.ts
async function findSellers(node2, to) {
  if (to) return offersOf(node2, to);
  const near = await offersOf(node2, [...node2.links()].map((l) => l.addr));
  if (near.length > 0) return near;
  const targets = [node2.addr, ...Array.from({ length: lookups }, () => node2.addr.randomise(0))];
  const found2 = await Promise.all(targets.map((t) => node2.nearest(t).catch(() => node2.addr)));
  return offersOf(node2, found2);
}
async function offersOf(node2, where) {
  const once = new Map(where.map((a) => [a.toString(), a]));
  once.delete(node2.addr.toString());
  const all = [];
  await new Promise((resolve) => {
    let open4 = once.size;
    if (open4 === 0) resolve();
    for (const at2 of once.values()) {
      void offerOf(node2, at2).then((k) => {
        all.push(k);
        setTimeout(resolve, afterFirst);
      }).catch(() => {
      }).finally(() => --open4 === 0 && resolve());
    }
  });
  return all.slice();
}
async function offerOf(node2, at2) {
  const b = await node2.call(at2, offer2, encode({}), AbortSignal.timeout(offerTime));
  const said2 = read2(b, offerAnswer, "offer").offer;
  if (!(await HashAddress.ofNode(said2.by)).equals(at2)) throw new SeaError("refused", "the offer is another's");
  return { at: at2, seller: said2.by, offer: await open3(offer, said2), hash: await said2.hash(offer.purpose) };
}
async function quotesOf(node2, s2, sellers, left) {
  const ranked = sort(sellers, (k) => priceFor(s2, k.offer));
  const quotes = [];
  const refused2 = [];
  for (let i = 0; i < ranked.length && quotes.length === 0; i += askAtOnce) {
    const asked = ranked.slice(i, i + askAtOnce).map((k) => askSeller(node2, s2, k, left).then((q) => void quotes.push(q), (err) => void refused2.push(refusedOf(err))));
    await Promise.all(asked);
  }
  return { quotes: sort(quotes, (q) => q.quote), refused: refused2 };
}
function sort(all, price) {
  const drawn = all.map((v) => ({ v, p: price(v), by: Math.random() }));
  const order3 = (a, b) => a < b ? -1 : a > b ? 1 : 0;
  return drawn.sort((a, b) => order3(a.p.price, b.p.price) || order3(a.p.fee, b.p.fee) || a.by - b.by).map(({ v }) => v);
}
function refusedOf(err) {
  if (err instanceof Refused2) return err;
  if (!(err instanceof SeaError)) return new Refused2("internal", String(err));
  return new Refused2(err.code === "busy" ? "busy" : ["cbor", "signature", "key", "invalid"].includes(err.code) ? "bad_statement" : "unreachable", err.message);
}
async function askSeller(node2, s2, k, left) {
  try {
    return await askOnce(node2, s2, k, left);
  } catch (err) {
    if (!(err instanceof Lends) || s2.fuel > 0n) throw err;
    return askOnce(node2, s2, { ...k, offer: { ...k.offer, room: err.room } }, left);
  }
}
async function askOnce(node2, s2, k, left) {
  const job = jobFor(s2, fuelFor(s2, k.offer, left));
  within4(job, k.offer);
  const ask3 = await sign(ask, node2.signer, {
    offer: k.hash,
    to: k.seller,
    job: encodeJob(job),
    credit: left,
    price: s2.maxPrice,
    nonce: crypto.getRandomValues(new Uint8Array(16))
  });
  const answer5 = read2(await node2.call(k.at, ask2, encode({ ask: ask3.value() }), AbortSignal.timeout(askTime)), askAnswer, "answer");
  const asked = await ask3.hash(ask.purpose);
  const by = answer5.quote ?? answer5.refusal;
  if (!by || answer5.quote && answer5.refusal || compare(by.by, k.seller) !== 0) throw new Refused2("bad_statement", "the seller answered neither yes nor no");
  if (answer5.refusal) {
    const no = await open3(refusal2, answer5.refusal);
    if (compare(no.of, asked) !== 0) throw new Refused2("bad_statement", "the refusal is not of what was asked");
    throw no.reason === "refused_credit" ? new Lends(no.text, no.room) : new Refused2(no.reason, no.text);
  }
  const quote2 = await open3(quote, by);
  const fits4 = compare(quote2.ask, asked) === 0 && compare(quote2.job, await hashOf2(job)) === 0;
  if (!fits4 || quote2.resold || quote2.ceiling !== costOf(quote2, job.limits.fuel)) throw new Refused2("bad_statement", "the quote is not for what was asked");
  if (quote2.ceiling > left || quote2.price > s2.maxPrice) throw new Refused2("refused_price", "the quote is above what was allowed");
  return { ...k, ask: ask3, quoted: by, quote: quote2, job };
}
function fuelFor(s2, o, left) {
  const p = priceFor(s2, o);
  if (p.price > s2.maxPrice) throw new Refused2("refused_price", `it asks ${p.price} micro-credits per Gfuel, the cap is ${s2.maxPrice}`);
  if (s2.fuel > 0n) {
    if ((costOf(p, s2.fuel) ?? left + 1n) > left) throw new Refused2("refused_price", `${s2.fuel} fuel would cost more than ${left} micro-credits`);
    return s2.fuel;
  }
  const full2 = covers(p, left, 1n << 62n);
  if (full2 === 0n) throw new Refused2("refused_price", `the fee is ${p.fee} micro-credits, the cap is ${left}`);
  const lent = covers(p, least(left, o.room), full2);
  if (lent === 0n || lent < full2 / leastPart) throw new Refused2("refused_credit", `it lets us owe ${o.room} micro-credits more`);
  return least(lent, o.caps.fuel);
}
function within4(job, { caps }) {
  const { limits: limits2 } = job;
  const input2 = job.files.reduce((sum, f) => sum + f.size, job.stdin.size);
  const wrong4 = [
    ["fuel", limits2.fuel, caps.fuel],
    ["memory", limits2.memory_pages, caps.pages],
    ["output", limits2.output_bytes, caps.output],
    ["wall_time", limits2.wall_ms, caps.wall],
    ["module_too_large", job.module_size, caps.module],
    ["input_too_large", input2, caps.input]
  ];
  for (const [reason2, want, most2] of wrong4) if (BigInt(want) > BigInt(most2)) throw new Refused2(reason2, `${want} is more than the seller's ${most2}`);
}
var offerTime, afterFirst, askTime, lookups, askAtOnce, leastPart, priceFor, Lends;
var init_find = __esm({
  "../src/market/find.ts"() {
    "use strict";
    init_bytes();
    init_job();
    init_error();
    init_cbor();
    init_shape();
    init_addr();
    init_price();
    init_reason2();
    init_spec();
    init_statement2();
    init_wire2();
    init_scope();
    offerTime = 1e4;
    afterFirst = 300;
    askTime = 2e4;
    lookups = 20;
    askAtOnce = 8;
    leastPart = 100n;
    priceFor = (s2, o) => withMemory(o, o.gib ?? 0n, s2.job.limits.memory_pages);
    Lends = class extends Refused2 {
      constructor(text3, room) {
        super("refused_credit", text3);
        this.room = room;
      }
      room;
    };
  }
});

// ../src/market/purse.ts
var fastest, lockTime, Purse;
var init_purse = __esm({
  "../src/market/purse.ts"() {
    "use strict";
    init_bytes();
    init_account();
    init_format();
    init_lock();
    init_tally();
    init_price();
    init_reason2();
    fastest = 32n * gfuel;
    lockTime = 3600;
    Purse = class {
      constructor(ledger2, seller2, order3, quoted, quote2, fuel3, until) {
        this.ledger = ledger2;
        this.seller = seller2;
        this.order = order3;
        this.quoted = quoted;
        this.quote = quote2;
        this.until = until;
        const q = quote2.quantum ?? 0n;
        this.#quantum = fuel3 > q ? q : 0n;
        this.#most = fuel3 - q;
      }
      ledger;
      seller;
      order;
      quoted;
      quote;
      until;
      /** newest is the newest voucher, and vouched what it is over. */
      newest;
      vouched = 0n;
      /** owed is what the seller can claim: vouched, or the bill once that is signed. */
      owed = 0n;
      lock;
      /** pause is in how many ms a voucher that is due may be given, 0 when none is. */
      pause = 0;
      #quantum;
      #most;
      // fuel; the rest is paid when the output was checked
      #covered = 0n;
      #began;
      /** resume takes up what was promised for the order in an earlier run. */
      async resume() {
        const { mine } = await this.ledger.account(this.seller);
        this.vouched = this.owed = (await this.ledger.paid(this.seller, this.order)).ours;
        const k = Object.values(mine.tally.locks).find(({ ref }) => compare(ref, this.order) === 0);
        this.lock = k?.id;
        const said2 = k && saidOf(mine, k.id);
        if (!said2) return;
        this.newest = pack(voucher, said2);
        this.#covered = said2.fuel;
        if (said2.cum > this.vouched) this.vouched = this.owed = said2.cum;
      }
      /** vouch gives what is due for the fuel that the seller has shown of a guest that runs. */
      async vouch(shown2) {
        this.pause = 0;
        if (this.#quantum === 0n) return;
        this.#began ??= performance.now();
        if (shown2 < this.#quantum / 2n) return;
        if (!this.lock) {
          const expiry2 = BigInt(Math.floor(this.until / 1e4) + lockTime / 10);
          this.lock = await this.ledger.lock(this.seller, this.quote.ceiling, this.order, { expiry: expiry2, quote: this.quoted, hash: zero() });
        }
        const due3 = least(shown2, this.#most);
        if (due3 <= this.#covered || shown2 - this.#covered < this.#quantum) return;
        const can = Number(due3 * 1000n / fastest) - (performance.now() - this.#began);
        if (can > 0) {
          this.pause = Math.ceil(can);
          return;
        }
        const cost2 = costOf(this.quote, due3);
        this.newest = pack(voucher, await this.ledger.voucher(this.seller, this.lock, cost2, due3));
        this.vouched = this.owed = cost2;
        this.#covered = due3;
      }
      /** pay pays the bill, out of the lock if there is one, and gives what was paid in all. It may be called again. */
      async pay(bill, fuel3, release2) {
        const paid = async () => (await this.ledger.paid(this.seller, this.order)).ours;
        const open4 = this.lock && findLock((await this.ledger.account(this.seller)).mine.tally, this.lock);
        if (open4) {
          if (await paid() < bill) await this.ledger.voucher(this.seller, open4.id, bill, fuel3);
          if (bill > this.owed) this.owed = bill;
          await this.fold(release2);
        } else if (bill > 0n && await paid() < bill) {
          await this.ledger.pay(this.seller, bill, this.order);
        }
        const sum = await paid();
        if (sum < bill) throw new Refused2("not_paid", `${sum} of ${bill} micro-credits are paid`);
        return sum;
      }
      /** fold pays what is vouched, and closes the lock if its seller has released it. */
      async fold(release2) {
        if (!this.lock) return;
        try {
          if (release2) return await this.ledger.fold(this.seller, this.lock, unpack(release2, release, "release"));
        } catch {
        }
        await this.ledger.fold(this.seller, this.lock);
      }
    };
  }
});

// ../src/market/shelf.ts
async function fetchBlob(node2, from2, { hash: hash3, size: size3 }, signal) {
  const pieces2 = new Array(Math.ceil(size3 / followBytes));
  let next = 0;
  const worker2 = async () => {
    while (next < pieces2.length) {
      const i = next++;
      const most2 = Math.min(followBytes, size3 - i * followBytes);
      const until = AbortSignal.any([signal, AbortSignal.timeout(pieceTime)]);
      const piece3 = await node2.call(from2, get2, encode({ hash: hash3, offset: i * followBytes, size: most2 }), until);
      if (piece3.length !== most2) throw new Refused2("bad_output", "a piece of the output has another size than was said");
      pieces2[i] = piece3;
    }
  };
  await Promise.all(Array.from({ length: window3 }, worker2));
  const whole2 = concat(...pieces2);
  if (compare(await sha256(whole2), hash3) !== 0) throw new Refused2("bad_output", "the output has another hash than was said");
  return whole2;
}
var window3, pieceTime, Shelf;
var init_shelf = __esm({
  "../src/market/shelf.ts"() {
    "use strict";
    init_bytes();
    init_error();
    init_cbor();
    init_shape();
    init_reason2();
    init_wire2();
    init_scope();
    window3 = 4;
    pieceTime = 6e4;
    Shelf = class {
      #shared = /* @__PURE__ */ new Map();
      // by hash in hex
      /** share lets a peer have blobs until the function that it gives is called. */
      share(peer, blobs) {
        const mine = [];
        for (const [{ hash: hash3 }, b] of blobs) {
          const key3 = toHex(hash3);
          const one = { peer, bytes: b };
          const all = this.#shared.get(key3) ?? /* @__PURE__ */ new Set();
          this.#shared.set(key3, all.add(one));
          mine.push([key3, one]);
        }
        return () => {
          for (const [key3, one] of mine) {
            const all = this.#shared.get(key3);
            all?.delete(one);
            if (all?.size === 0) this.#shared.delete(key3);
          }
        };
      }
      /** serve answers storage:get. Whoever a blob was not shared with learns the same as if it were not there. */
      serve = (body4, from2) => {
        if (!from2.direct) throw new SeaError("refused", "blobs are served over direct links only; connect first");
        const asked = read2(body4, get, get2);
        if (asked.size < 1) throw new SeaError("bad_request", "no bytes are asked for");
        const one = [...this.#shared.get(toHex(asked.hash)) ?? []].find((s2) => compare(s2.peer, from2.node) === 0);
        if (!one) throw new SeaError("not_found", "no such blob for you");
        const at2 = asked.offset > BigInt(one.bytes.length) ? one.bytes.length : Number(asked.offset);
        return one.bytes.slice(at2, at2 + asked.size);
      };
    };
  }
});

// ../src/market/trade.ts
async function same(b, want) {
  const got = await blobOf(b);
  return got.size === want.size && compare(got.hash, want.hash) === 0;
}
var patience, firstPause, lastPause, filesAtOnce, leastRate, Trade, Spool;
var init_trade = __esm({
  "../src/market/trade.ts"() {
    "use strict";
    init_bytes();
    init_blob();
    init_receipt();
    init_result();
    init_error();
    init_cbor();
    init_shape();
    init_find();
    init_price();
    init_purse();
    init_reason2();
    init_shelf();
    init_statement2();
    init_wire2();
    init_scope();
    patience = 3e4;
    firstPause = 50;
    lastPause = 3e3;
    filesAtOnce = 4;
    leastRate = 16 << 10;
    Trade = class _Trade {
      /** owed is what the seller can claim for vouchers, should nothing come of it. */
      get owed() {
        return this.#purse.owed;
      }
      /** hash names the order. */
      hash;
      /** poke has the seller asked again at once. */
      poke;
      #node;
      #sink;
      #q;
      /** order is the buyer's statement. */
      order;
      #began;
      #stop;
      // when the buyer wants no more of it
      #purse;
      #stdout = new Spool();
      #stderr = new Spool();
      #until;
      // when all output must be here, once it is delivered
      #shown = 0n;
      #input = 0n;
      #running = false;
      #held;
      #taken = false;
      #last = Date.now();
      // of contact
      #cancelled;
      #released;
      // until when the release is waited for
      constructor(node2, ledger2, q, sink, stop, order3, began, hash3, quoted, until) {
        this.#node = node2;
        this.#sink = sink;
        this.#q = q;
        this.#stop = stop;
        this.order = order3;
        this.#began = began;
        this.hash = hash3;
        this.#purse = new Purse(ledger2, q.seller, hash3, quoted, q.quote, q.job.limits.fuel, until);
      }
      /** begin links to the seller and signs the order; it is not sent. until is when the job's time ends, Unix ms. */
      static async begin(node2, ledger2, q, sink, stop, until) {
        await node2.connect(q.at);
        const quoted = await q.quoted.hash(quote.purpose);
        const at2 = Date.now();
        const order3 = await sign(order, node2.signer, { quote: quoted, at: at2 });
        return new _Trade(node2, ledger2, q, sink, stop, order3, at2, await order3.hash(order.purpose), quoted, until);
      }
      /** resume takes an order up again that begin has signed, with what was promised for it. */
      static async resume(node2, ledger2, q, sink, stop, until, order3) {
        const { quote: quote2, at: at2 } = await open3(order, order3);
        const trade = new _Trade(node2, ledger2, q, sink, stop, order3, at2, await order3.hash(order.purpose), quote2, until);
        await trade.#purse.resume();
        return trade;
      }
      /** run follows the order to its end. It rejects with Refused when nothing comes of it; nothing is paid then but what was vouched. */
      async run() {
        for (; ; ) {
          const f = await this.#next();
          if (f.refusal) throw await this.#refused(f.refusal, f.release);
          const bought = await this.#take(f);
          if (bought) return bought;
        }
      }
      /** next gets the seller's next word, whatever happens to the link meanwhile. */
      async #next() {
        for (let pause2 = firstPause; ; pause2 = Math.min(2 * pause2, lastPause)) {
          try {
            const f = await this.#call();
            this.#last = Date.now();
            return f;
          } catch (err) {
            if (await this.#tellStop()) continue;
            const no = refusedOf(err);
            if (no.reason === "bad_statement" || err instanceof SeaError && err.code === "bad_request") throw new Refused2("bad_statement", no.message);
            this.#taken = false;
            if (!this.#node.isOnline && !this.#stop.aborted) this.#last = Date.now();
            if (Date.now() - this.#last > patience) throw new Refused2("seller_lost", `the seller did not come back: ${no.message}`);
          }
          await this.#wait(pause2);
          await this.#node.connect(this.#q.at).catch(() => {
          });
        }
      }
      #wait(ms) {
        return new Promise((resolve) => {
          const timer = setTimeout(resolve, ms);
          this.poke = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      async #call() {
        const wait = Math.min(this.#purse.pause > 0 ? this.#purse.pause + 1 : followMillis, this.#cancelled ? 1e3 : followMillis);
        const cursor2 = {
          stdout: this.#stdout.size,
          stderr: this.#stderr.size,
          fuel: this.#shown,
          input: this.#input,
          running: this.#running,
          held: this.#held,
          wait,
          voucher: this.#purse.newest
        };
        const late = AbortSignal.timeout(wait + patience);
        const signal = this.#cancelled ? late : AbortSignal.any([late, this.#stop]);
        const { ask: ask3, quoted, at: at2 } = this.#q;
        const [scope2, body4] = this.#taken ? [follow2, encode({ order: this.hash, ...cursor2 })] : [order2, encode({ order: this.order.value(), quote: quoted.value(), ask: ask3.value(), ...cursor2 })];
        const f = read2(await this.#node.call(at2, scope2, body4, signal), follow, scope2);
        this.#taken = true;
        return f;
      }
      /** tellStop tells the seller to stop, once, when the buyer wants that. It gives whether it was told just now. */
      async #tellStop() {
        if (!this.#stop.aborted) return false;
        const why = new Refused2("cancelled", "the job was cancelled, and the seller did not answer");
        if (this.#cancelled) {
          if (Date.now() - this.#cancelled > patience) throw why;
          return false;
        }
        await this.#sink.stopping();
        const st = await sign(cancel2, this.#node.signer, { order: this.hash });
        try {
          await this.#node.call(this.#q.at, cancel3, encode({ cancel: st.value() }), AbortSignal.timeout(patience));
        } catch {
          if (Date.now() - this.#last > patience) throw why;
          return false;
        }
        this.#cancelled = Date.now();
        return true;
      }
      /** take takes in what the seller said, and gives what was bought at the end. */
      async #take(f) {
        const { limits: limits2 } = this.#q.job;
        const size3 = this.#stdout.size + this.#stderr.size + f.stdout.length + f.stderr.length;
        if (size3 > limits2.output_bytes) throw new Refused2("bad_output", "the seller sent more output than the job may have");
        this.#stdout.add(f.stdout);
        this.#stderr.add(f.stderr);
        this.#sink.stdout(f.stdout);
        this.#sink.stderr(f.stderr);
        const shown2 = f.fuel < limits2.fuel ? f.fuel : limits2.fuel;
        if (shown2 > this.#shown) this.#shown = shown2;
        this.#input = f.input;
        this.#running ||= f.state === "running";
        this.#held = f.held;
        this.#say(f.held ? "held" : this.#running ? "running" : "ordered", f.held);
        if (!f.delivery) {
          if (!await this.#tellStop() && this.#running && !this.#cancelled) await this.#purse.vouch(this.#shown);
          return void 0;
        }
        if (!f.receipt) throw new Refused2("bad_receipt", "the seller delivered without a receipt");
        this.#until ??= Date.now() + patience + limits2.output_bytes / leastRate * 1e3;
        if (BigInt(this.#stdout.size) < f.stdout_size || BigInt(this.#stderr.size) < f.stderr_size) {
          if (f.stdout.length + f.stderr.length === 0) throw new Refused2("bad_output", "the seller holds output back");
          if (Date.now() > this.#until) throw new Refused2("bad_output", "the output came too slowly");
          return void 0;
        }
        if (this.#purse.lock && !f.release) {
          this.#released ??= Date.now() + patience;
          if (Date.now() < this.#released) {
            await this.#wait(firstPause);
            return void 0;
          }
        }
        return this.#settle(f, f.receipt, f.delivery);
      }
      #say(state2, why) {
        this.#sink.progress({ state: state2, fuel: this.#shown, vouched: this.#purse.vouched, ...why !== void 0 && { why } });
      }
      /** settle checks receipt, delivery and output against the order and each other, and pays. */
      async #settle(f, receipt, delivery2) {
        this.#say("checking");
        let r;
        let d;
        try {
          [r, d] = [await openReceipt(receipt), await open3(delivery, delivery2)];
        } catch (err) {
          throw new Refused2("bad_receipt", refusedOf(err).message);
        }
        const why = await this.#wrong(r, receipt, d, delivery2);
        if (why) throw new Refused2("bad_receipt", why);
        const outcome3 = await this.#outcome(f, r);
        const [stdout, stderr] = [this.#stdout.whole(), this.#stderr.whole()];
        if (!await same(stdout, outcome3.stdout) || !await same(stderr, outcome3.stderr)) {
          throw new Refused2("bad_output", "stdout or stderr is not what the receipt says");
        }
        const files2 = await this.#files(outcome3);
        if (!await this.#sink.verified(receipt)) throw new Refused2("mismatch", "a second run came to something else than the seller signed");
        const { end: end2, code: code2, fuel: fuel3, peak_pages, engine: engine2 } = r;
        const { fee, price } = this.#q.quote;
        const bought = {
          end: end2,
          code: code2,
          fuel: fuel3,
          peak_pages,
          engine: engine2,
          trap: outcome3.trap,
          reason: d.reason ?? "",
          stdout,
          stderr,
          files: files2,
          cost: d.cost,
          fee,
          price,
          seller: this.#q.seller,
          receipt,
          delivery: delivery2
        };
        await this.#sink.delivered(bought, f.release);
        return this.pay(bought, f.release);
      }
      /** pay pays what was checked, and gives it with what was paid in all. It may be called again. */
      async pay(b, release2) {
        this.#shown = b.fuel;
        const cost2 = await this.#purse.pay(b.cost, b.fuel, release2);
        this.#say("paid");
        return { ...b, cost: cost2 };
      }
      /** wrong says what in receipt and delivery does not fit the order. */
      async #wrong(r, receipt, d, delivery2) {
        const { quote: quote2, job, seller: seller2 } = this.#q;
        const { limits: limits2 } = job;
        const wallOver = Date.now() - this.#began >= limits2.wall_ms;
        const rules = [
          [compare(receipt.by, seller2) !== 0 || compare(delivery2.by, seller2) !== 0, "receipt or delivery is signed by somebody else"],
          [compare(d.order, this.hash) !== 0, "the delivery is for another order"],
          [compare(d.receipt, await receipt.hash(receiptPurpose)) !== 0, "the delivery names another receipt"],
          [compare(r.job, quote2.job) !== 0, "the receipt is for another job"],
          [r.fuel > limits2.fuel || r.peak_pages > limits2.memory_pages, "the receipt claims more than the job may have"],
          [d.cost !== costOf(quote2, r.fuel) || d.cost > quote2.ceiling, `the bill is ${d.cost}, by the quote it is ${costOf(quote2, r.fuel)}`],
          [d.reason !== void 0 && r.end !== "interrupted", "it says that it stopped the job, and the receipt does not"],
          [d.reason === "too_slow" && !quote2.slowest, "it stopped the job as too slow, and its quote has no slowest rate"],
          [(d.reason === "no_voucher" || d.reason === "credit_limit") && !quote2.quantum, "it stopped the job for want of vouchers, and its quote has none"],
          [r.end === "interrupted" && !d.reason && !this.#cancelled && !wallOver, "it stopped the job before its time was over"]
        ];
        return rules.find(([bad3]) => bad3)?.[1];
      }
      async #outcome(f, r) {
        const b = f.outcome.length > 0 ? f.outcome : await this.#fetch({ hash: r.result, size: f.outcome_size });
        if (compare(await sha256(b), r.result) !== 0) throw new Refused2("bad_receipt", "the outcome is not the one in the receipt");
        let o;
        try {
          o = decodeOutcome(b);
        } catch (err) {
          throw new Refused2("bad_receipt", refusedOf(err).message);
        }
        const total = o.files.reduce((sum, file2) => sum + file2.size, o.stdout.size + o.stderr.size);
        if (o.end !== r.end || o.code !== r.code) throw new Refused2("bad_receipt", "receipt and outcome disagree about the end");
        if (total > this.#q.job.limits.output_bytes) throw new Refused2("bad_receipt", "the outcome has more output than the job may have");
        return o;
      }
      async #files(o) {
        const files2 = new Array(o.files.length);
        let next = 0;
        const worker2 = async () => {
          while (next < files2.length) {
            const i = next++;
            const { path, dir, hash: hash3, size: size3 } = o.files[i];
            files2[i] = { path, dir, data: size3 > 0 ? await this.#fetch({ hash: hash3, size: size3 }) : new Uint8Array(0) };
          }
        };
        await Promise.all(Array.from({ length: filesAtOnce }, worker2));
        return files2;
      }
      /** fetch gets a blob, over as many links as it takes. */
      async #fetch(b) {
        const began = Date.now();
        for (; ; ) {
          try {
            return await fetchBlob(this.#node, this.#q.at, b, AbortSignal.timeout(Math.max(0, this.#until - Date.now())));
          } catch (err) {
            const final = err instanceof Refused2 || err instanceof SeaError && err.code === "not_found";
            if (final || Date.now() - began > patience) throw new Refused2("bad_output", `the output did not come: ${refusedOf(err).message}`);
          }
          await this.#wait(firstPause);
          await this.#node.connect(this.#q.at).catch(() => {
          });
        }
      }
      /** refused is what a seller's no to the order means; what was vouched is paid. */
      async #refused(st, release2) {
        const no = await open3(refusal2, st).catch(() => void 0);
        if (!no || compare(st.by, this.#q.seller) !== 0 || compare(no.of, this.hash) !== 0) return new Refused2("bad_statement", "the refusal is not of this order");
        if (release2) await this.#purse.fold(release2);
        return new Refused2(no.reason, no.text);
      }
    };
    Spool = class {
      #b = new Uint8Array(0);
      size = 0;
      add(b) {
        if (this.size + b.length > this.#b.length) {
          const larger = new Uint8Array(Math.max(this.size + b.length, 2 * this.#b.length));
          larger.set(this.#b);
          this.#b = larger;
        }
        this.#b.set(b, this.size);
        this.size += b.length;
      }
      /** whole is all of it, in memory of its own. */
      whole() {
        return this.#b.slice(0, this.size);
      }
    };
  }
});

// ../src/market/book.ts
var maxJobs, maxBytes2, jobKey, inKey, outKey, Book2;
var init_book2 = __esm({
  "../src/market/book.ts"() {
    "use strict";
    init_error();
    init_statement();
    init_reason2();
    maxJobs = 64;
    maxBytes2 = 512 << 20;
    jobKey = (r) => `job/${r.made.toString(16).padStart(16, "0")}/${r.id}`;
    inKey = (r) => `in/${r.id}`;
    outKey = (r) => `out/${r.id}`;
    Book2 = class _Book {
      #store;
      #jobs;
      // by id, the oldest first: maxJobs
      constructor(store, jobs) {
        this.#store = store;
        this.#jobs = new Map(jobs.map((r) => [r.id, r]));
      }
      /** open reads the jobs that a store has. "unavailable" when they are of another version. */
      static async open(store) {
        const all = (await store.list("job/", "job/~", maxJobs)).map(([, r]) => r);
        if (all.some((r) => r.v !== 1)) throw new SeaError("unavailable", "the jobs are kept by another version");
        return new _Book(store, all);
      }
      /** jobs are all, oldest first. Who changes one saves it. */
      get jobs() {
        return this.#jobs.values();
      }
      /** job is the one of an id. */
      job(id) {
        return this.#jobs.get(id);
      }
      /** add keeps a job with its inputs. Refused "busy" when there is no room. */
      async add(r, inputs) {
        r.bytes = inputs.reduce((n, [, b]) => n + b.length, 0);
        const gone = this.#room(r.bytes, 1);
        this.#jobs.set(r.id, r);
        try {
          await this.#commit([[jobKey(r), r], [inKey(r), inputs]], gone);
        } catch (err) {
          this.#jobs.delete(r.id);
          throw err;
        }
      }
      /** inputs are those of a job that has not ended. */
      async inputs(r) {
        const [found2] = await this.#store.list(inKey(r), inKey(r), 1);
        return found2?.[1] ?? [];
      }
      /** save keeps what has changed. */
      save(r) {
        return this.#commit([[jobKey(r), r]], []);
      }
      /** deliver keeps what was delivered and checked. */
      async deliver(r, { bought, release: release2 }) {
        const { receipt, delivery: delivery2, ...rest3 } = bought;
        const output = { ...rest3, of: r.order.hash, receipt: receipt.encode(), delivery: delivery2.encode(), release: release2 };
        const bytes3 = bought.files.reduce((n, f) => n + f.data.length, bought.stdout.length + bought.stderr.length);
        const gone = this.#room(bytes3 - r.out, 0);
        r.bytes += bytes3 - r.out;
        r.out = bytes3;
        await this.#commit([[jobKey(r), r], [outKey(r), output]], gone);
      }
      /** delivered gives what deliver has kept: of a job that is open, for its present order. */
      async delivered(r) {
        const [found2] = await this.#store.list(outKey(r), outKey(r), 1);
        if (!found2) return void 0;
        const { of, receipt, delivery: delivery2, release: release2, ...rest3 } = found2[1];
        if (r.state === "open" && of !== r.order?.hash) return void 0;
        return { bought: { ...rest3, receipt: Statement.decode(receipt), delivery: Statement.decode(delivery2) }, release: release2 };
      }
      /** end keeps how a job ended, without its inputs. */
      async end(r) {
        r.bytes = r.out;
        await this.#commit([[jobKey(r), r]], [inKey(r)]);
      }
      /** #room forgets what has ended, until so many bytes and jobs more fit, and gives the records that go. */
      #room(bytes3, jobs) {
        const gone = [];
        const all = [...this.#jobs.values()];
        let sum = all.reduce((n, r) => n + r.bytes, bytes3);
        for (const r of all) {
          if (sum <= maxBytes2 && all.length + jobs - gone.length <= maxJobs) break;
          if (r.state === "open") continue;
          sum -= r.bytes;
          gone.push(r);
        }
        if (sum > maxBytes2 || all.length + jobs - gone.length > maxJobs) {
          throw new Refused2("busy", `${maxJobs} jobs with ${maxBytes2 >> 20} MiB are kept at most, and others are under way`);
        }
        for (const r of gone) this.#jobs.delete(r.id);
        return gone.flatMap((r) => [jobKey(r), inKey(r), outKey(r)]);
      }
      async #commit(puts, drops) {
        try {
          await this.#store.commit(puts, drops);
        } catch (err) {
          throw new Refused2("internal", `the job cannot be kept: ${err instanceof Error ? err.message : String(err)}`);
        }
      }
    };
  }
});

// ../src/market/buyer.ts
function recordOf(id, s2) {
  const made = Date.now();
  return {
    v: 1,
    id,
    made,
    until: made + s2.timeout,
    args: s2.job.args,
    job: encodeJob(s2.job),
    fuel: s2.fuel,
    maxCredit: s2.maxCredit,
    maxPrice: s2.maxPrice,
    to: s2.options.to?.map(String),
    verify: s2.options.verify !== void 0,
    state: "open",
    stop: false,
    reason: "",
    text: "",
    cost: 0n,
    spent: 0n,
    avoid: [],
    tries: 0,
    drops: 0,
    bytes: 0,
    out: 0,
    order: void 0
  };
}
function specAgain(r, inputs, options) {
  if (r.to) options.to = r.to.map((a) => HashAddress.from(a));
  return {
    job: decodeJob(r.job),
    blobs: [...inputs],
    fuel: r.fuel,
    maxCredit: r.maxCredit,
    maxPrice: r.maxPrice,
    timeout: r.until - r.made,
    options
  };
}
async function dealOf(o) {
  const [ask3, quoted] = [Statement.decode(o.ask), Statement.decode(o.quoted)];
  const [{ job }, quote2] = [await open3(ask, ask3), await open3(quote, quoted)];
  return { at: HashAddress.from(o.at), seller: quoted.by, ask: ask3, quoted, quote: quote2, job: decodeJob(job) };
}
function worst(all) {
  return all.find((r) => r.reason === "busy") ?? all.find((r) => r.reason !== "unreachable") ?? all[0] ?? new Refused2("no_seller", "nobody within reach sells");
}
function rest2(ms, stop) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    stop.addEventListener("abort", over);
  });
}
var maxTries, maxDropped, firstBusy, lastBusy, dropped, failed2, Buyer, Failed, Tap;
var init_buyer = __esm({
  "../src/market/buyer.ts"() {
    "use strict";
    init_bytes();
    init_job();
    init_cbor();
    init_shape();
    init_statement();
    init_addr();
    init_find();
    init_reason2();
    init_shelf();
    init_spec();
    init_statement2();
    init_trade();
    init_wire2();
    init_scope();
    maxTries = 5;
    maxDropped = 5;
    firstBusy = 200;
    lastBusy = 5e3;
    dropped = ["busy", "refused_credit", "expired", "unknown_quote", "quote_used", "unknown_order", "not_selling", "unreachable", "refused_price"];
    failed2 = ["engine_failed", "inputs_missing", "seller_lost", "bad_receipt", "bad_output", "bad_statement", "mismatch"];
    Buyer = class {
      #node;
      #ledger;
      #book;
      #shelf;
      #trades = /* @__PURE__ */ new Map();
      // by order in hex
      #running = /* @__PURE__ */ new Map();
      // by id
      /** shelf is one of its own, or that of a Seller on the same node. */
      constructor(node2, ledger2, book, shelf = new Shelf()) {
        this.#shelf = shelf;
        this.#node = node2;
        this.#ledger = ledger2;
        this.#book = book;
        node2.handle(get2, this.#shelf.serve);
        node2.handle(due2, async (body4, from2) => {
          const { order: order3 } = read2(body4, due, due2);
          const t = this.#trades.get(toHex(order3));
          const ours = t !== void 0 && compare(t.seller, from2.node) === 0;
          if (ours) t.trade.poke?.();
          const kept = [...this.#book.jobs].some((r) => r.order?.hash === toHex(order3) && from2.addr.toString() === r.order.at);
          return encode({ known: ours || kept || (await ledger2.paid(from2.node, order3)).ours > 0n });
        });
      }
      /** shelf is what sellers fetch from. */
      get shelf() {
        return this.#shelf;
      }
      /** close serves no more. Sellers of jobs that are being bought cannot fetch their inputs any more. */
      close() {
        this.#node.handle(get2, void 0);
        this.#node.handle(due2, void 0);
      }
      /** sellers are those that are found now, with what they offer. */
      sellers() {
        return findSellers(this.#node, void 0);
      }
      /** jobs are those that are kept, oldest first. */
      jobs() {
        return [...this.#book.jobs].map(({ id, args: args2, made, until, state: state2, reason: reason2, text: text3, cost: cost2, verify: verify3 }) => ({ id, args: args2, made, until, state: state2, reason: reason2, text: text3, cost: cost2, verify: verify3 }));
      }
      /** resume takes up what an earlier run has left open, but for jobs that want a verify. */
      resume() {
        for (const r of this.#book.jobs) if (r.state === "open" && !r.verify) this.job(r.id);
      }
      /** run buys the run of a module, a WebAssembly program for WASI preview 1. */
      run(module, options = {}) {
        const id = toHex(crypto.getRandomValues(new Uint8Array(16)));
        return this.#start(id, { ...options }, async (wishes) => {
          const s2 = await specOf(module, options);
          const r = recordOf(id, s2);
          await this.#book.add(r, s2.blobs);
          return [r, { ...s2, options: wishes }];
        });
      }
      /** job gives a job that is kept: one that is open goes on. Refused "unknown_order", and "bad_job" when it needs a verify. */
      job(id, wishes = {}) {
        const running = this.#running.get(id);
        if (running) {
          Object.assign(running.wishes, wishes);
          return running.purchase;
        }
        const r = this.#book.job(id);
        if (!r) throw new Refused2("unknown_order", "no such job is kept");
        if (r.state === "open" && r.verify && !wishes.verify) throw new Refused2("bad_job", "the job is looked at before it is paid: say how");
        return this.#start(id, { ...wishes }, async (wishes2) => [r, specAgain(r, await this.#book.inputs(r), wishes2)]);
      }
      /** #start begins to buy what job gives. */
      #start(id, wishes, job) {
        const stop = new AbortController();
        const cancel4 = () => stop.abort();
        const taps = { stdout: new Tap(), stderr: new Tap() };
        const { signal } = wishes;
        const done4 = this.#see(job(wishes), stop, taps).finally(() => {
          this.#running.delete(id);
          signal?.removeEventListener("abort", cancel4);
          taps.stdout.end();
          taps.stderr.end();
        });
        signal?.addEventListener("abort", cancel4);
        if (signal?.aborted) cancel4();
        done4.catch(() => {
        });
        const purchase = { id, stdout: taps.stdout.stream, stderr: taps.stderr.stream, done: done4, cancel: cancel4 };
        this.#running.set(id, { purchase, wishes });
        return purchase;
      }
      /** #see sees a job to its end, and keeps that. */
      async #see(job, stop, taps) {
        const [r, s2] = await job;
        const kept = await this.#book.delivered(r);
        if (r.state === "failed") throw new Refused2(r.reason, r.text);
        if (r.state === "done") {
          if (!kept) throw new Refused2("internal", "what was delivered is not kept");
          taps.stdout.from()(kept.bought.stdout);
          taps.stderr.from()(kept.bought.stderr);
          return { ...kept.bought, cost: r.cost };
        }
        try {
          const bought = await this.#buy(r, s2, stop, taps, kept);
          [r.state, r.cost] = ["done", bought.cost];
          return bought;
        } catch (err) {
          const no = refusedOf(err);
          [r.state, r.reason, r.text] = ["failed", no.reason, no.message];
          throw no;
        } finally {
          r.order = void 0;
          await this.#book.end(r).catch(() => {
          });
        }
      }
      async #buy(r, s2, stop, taps, kept) {
        const late = setTimeout(() => stop.abort(), r.until - Date.now());
        if (r.stop) stop.abort();
        const say2 = (p) => s2.options.progress?.(p);
        const sinkOf = (q) => this.#sink(r, s2, q, taps, say2);
        let pause2 = firstBusy;
        let last;
        try {
          if (r.order) {
            const q = await dealOf(r.order);
            const trade = await Trade.resume(this.#node, this.#ledger, q, sinkOf(q), stop.signal, r.until, Statement.decode(r.order.order));
            const out = kept ? await trade.pay(kept.bought, kept.release) : await this.#follow(r, s2, q, trade, stop.signal);
            if (!(out instanceof Failed)) return out;
            last = out.no;
          }
          for (; ; ) {
            if (stop.signal.aborted) throw new Refused2(Date.now() < r.until ? "cancelled" : "timeout", "nothing was ordered");
            say2({ state: "asking", fuel: 0n, vouched: r.spent });
            const { quotes, refused: refused2 } = await this.#quotes(s2, new Set(r.avoid), r.maxCredit - r.spent);
            if (quotes.length + refused2.length === 0 && last) throw last;
            let no = worst(refused2);
            let again = false;
            for (const q of quotes) {
              const trade = await this.#begin(r, q, sinkOf(q), stop.signal).catch((err) => refusedOf(err));
              if (trade instanceof Refused2) {
                no = trade;
                if (++r.drops > maxDropped) throw no;
                continue;
              }
              const out = await this.#follow(r, s2, q, trade, stop.signal);
              if (!(out instanceof Failed)) return out;
              last = no = out.no;
              again = out.fault;
              break;
            }
            if (quotes.length === 0 && no.reason !== "busy") throw no;
            if (again) continue;
            say2({ state: "asking", fuel: 0n, vouched: r.spent, why: no.message });
            await rest2(pause2, stop.signal);
            pause2 = Math.min(2 * pause2, lastBusy);
          }
        } finally {
          clearTimeout(late);
        }
      }
      async #quotes(s2, avoid, left) {
        const found2 = await findSellers(this.#node, s2.options.to);
        const usable = [];
        for (const k of found2) {
          if (!avoid.has(toHex(k.seller)) && (await this.#ledger.line(k.seller)).state === "open") usable.push(k);
        }
        return quotesOf(this.#node, s2, usable, left);
      }
      /** #sink is what a trade tells: a job's output is the same wherever it runs, so what another seller sends again is not shown again. */
      #sink(r, s2, q, taps, progress) {
        return {
          stdout: taps.stdout.from(),
          stderr: taps.stderr.from(),
          progress,
          verified: async (receipt) => !s2.options.verify || s2.options.verify(receipt, q.job, blobsOf(s2)),
          delivered: (bought, release2) => this.#book.deliver(r, { bought, release: release2 }),
          stopping: async () => {
            r.stop = true;
            await this.#book.save(r);
          }
        };
      }
      /** #begin makes an order, and keeps it. */
      async #begin(r, q, sink, stop) {
        const trade = await Trade.begin(this.#node, this.#ledger, q, sink, stop, r.until);
        r.order = { hash: toHex(trade.hash), at: q.at.toString(), ask: q.ask.encode(), quoted: q.quoted.encode(), order: trade.order.encode() };
        await this.#book.save(r);
        return trade;
      }
      /** #follow follows an order to its end. Failed says that others may be asked; Refused is thrown when not. */
      async #follow(r, s2, q, trade, stop) {
        const unshare = this.#shelf.share(q.seller, s2.blobs);
        this.#trades.set(toHex(trade.hash), { seller: q.seller, trade });
        try {
          return await trade.run();
        } catch (err) {
          const no = refusedOf(err);
          const fault = failed2.includes(no.reason) || trade.owed > 0n;
          r.spent += trade.owed;
          if (fault) r.avoid.push(toHex(q.seller));
          const over = fault ? ++r.tries > maxTries : ++r.drops > maxDropped;
          if (stop.aborted || over || !(fault || dropped.includes(no.reason))) throw no;
          r.order = void 0;
          await this.#book.save(r);
          return new Failed(no, fault);
        } finally {
          unshare();
          this.#trades.delete(toHex(trade.hash));
        }
      }
    };
    Failed = class {
      constructor(no, fault) {
        this.no = no;
        this.fault = fault;
      }
      no;
      fault;
    };
    Tap = class {
      #out;
      #given = 0;
      stream = new ReadableStream({
        start: (c) => void (this.#out = c),
        cancel: () => void (this.#out = void 0)
      });
      /** from takes the output of one more seller, from its beginning. */
      from() {
        let at2 = 0;
        return (b) => {
          const fresh2 = b.subarray(Math.min(b.length, Math.max(0, this.#given - at2)));
          at2 += b.length;
          if (fresh2.length === 0) return;
          this.#given += fresh2.length;
          this.#out?.enqueue(fresh2);
        };
      }
      end() {
        this.#out?.close();
        this.#out = void 0;
      }
    };
  }
});

// ../src/market/shop.ts
var shop_exports = {};
__export(shop_exports, {
  Sea: () => Sea,
  openShop: () => openShop,
  storeOf: () => storeOf
});
async function openShop(node2, store, jobs) {
  const ledger2 = await Ledger.open(node2.signer, store ?? await storeOf("ledger", node2.signer));
  const book = await Book2.open(jobs ?? await storeOf("jobs", node2.signer));
  const shop = { ledger: ledger2, credit: new Credit(node2, ledger2), buyer: new Buyer(node2, ledger2, book) };
  shop.buyer.resume();
  return shop;
}
async function storeOf(kind2, { key: key3 }) {
  return typeof indexedDB === "undefined" ? new MemoryStore() : IdbStore.open(`peersea/${kind2}/${toHex(key3)}`);
}
var init_shop = __esm({
  "../src/market/shop.ts"() {
    "use strict";
    init_bytes();
    init_credit();
    init_ledger();
    init_store();
    init_book2();
    init_buyer();
    init_sea();
  }
});

// ../src/sea.ts
function stunOf(urls) {
  const hosts = urls.map((url) => /^wss?:\/\/([^/?#]+)/.exec(url)?.[1] ?? "").filter((host) => /:\d+$/.test(host));
  return hosts.slice(0, 2);
}
var Sea;
var init_sea = __esm({
  "../src/sea.ts"() {
    "use strict";
    init_bytes();
    init_channel();
    init_connection();
    init_emitter();
    init_error();
    init_cbor();
    init_keys();
    init_addr();
    init_node();
    init_request();
    init_rtc();
    Sea = class extends Emitter {
      #options;
      #node;
      #ready;
      #shop;
      #handlers = /* @__PURE__ */ new Map();
      #connections = /* @__PURE__ */ new Set();
      #channels;
      #rtc = typeof RTCPeerConnection === "function" ? new Rtc() : void 0;
      constructor(options = {}) {
        super();
        this.#options = { ...this.#rtc && { negotiator: this.#rtc }, ...options };
      }
      /** ready resolves when this peer has its key. The first time on a machine that takes a second or two. */
      async ready() {
        await this.node();
        return this;
      }
      /** node gives the peer beneath. */
      node() {
        return this.#ready ??= this.#make();
      }
      async #make() {
        const signer = this.#options.signer ?? await loadPair(this.#options.work ?? 12);
        const node2 = await Node2.create({ ...this.#options, signer });
        for (const [scope2, answer5] of this.#handlers) this.#serve(node2, scope2, answer5);
        this.#channels = new Channels(node2);
        node2.watchers.add({
          up: () => [...node2.links()].length === 1 && void this.emit("online"),
          down: (link) => {
            for (const con of [...this.#connections]) con.down(link);
            if (!node2.isOnline) void this.emit("offline");
          },
          opened: (link) => void this.emit("connection", this.#connection(node2, link.addr, link)),
          message: async (link, scope2, body4) => void await Promise.all([...this.#connections].map((con) => con.take(link, scope2, body4)))
        });
        if (typeof addEventListener === "function") addEventListener("pagehide", () => node2.offline());
        return this.#node = node2;
      }
      /** localId is this peer's address. It throws before ready. */
      localId() {
        if (!this.#node) throw new SeaError("key", "this peer has no key yet: await ready() or goOnline() first");
        return this.#node.addr;
      }
      /** connections are the addresses of all peers that this one has a link to. */
      connections() {
        return [...this.#node?.links() ?? []].map((link) => link.addr);
      }
      /** online tells whether this peer is in the sea. */
      online() {
        return this.#node?.isOnline ?? false;
      }
      /**
       * goOnline joins the sea by bootstraps, wss://, ws:// or sea:// URLs, and resolves
       * with the first link. It rejects with "unreachable" and the reasons when none
       * answers. From then on it comes back by itself, also after sleep.
       */
      async goOnline(bootstraps) {
        const node2 = await this.node();
        const urls = typeof bootstraps === "string" ? [bootstraps] : bootstraps;
        if (this.#rtc) this.#rtc.stun = stunOf(urls);
        await node2.online(urls);
      }
      /** goOffline ends all links and stays away. */
      goOffline() {
        this.#node?.offline();
      }
      /** handle answers calls of a scope, 1 to 64 of a-z 0-9 - . / : _, with what answer returns or its promise gives. */
      handle(scope2, answer5) {
        this.#handlers.set(scope2, answer5);
        if (this.#node) this.#serve(this.#node, scope2, answer5);
      }
      #serve(node2, scope2, answer5) {
        node2.handle(scope2, async (body4, from2) => {
          const args2 = decode(body4);
          if (!Array.isArray(args2)) throw new SeaError("bad_request", `${scope2} takes a list of arguments`);
          const value = await answer5.apply({ from: from2.addr }, args2);
          return encode(value ?? null);
        });
      }
      /**
       * call asks the peer at an address and gives its handler's answer. It rejects with
       * a SeaError whose code is the handler's, or why there is none. "sea:nearest" takes
       * an address and gives that of the peer nearest to it.
       */
      async call(to, scope2, ...args2) {
        const node2 = await this.node();
        if (scope2 === nearScope) {
          const [target] = args2;
          if (!(target instanceof HashAddress)) throw new SeaError("bad_request", "sea:nearest takes an address");
          return node2.nearest(target, node2.link(to));
        }
        const answer5 = await node2.call(to, scope2, encode(args2));
        return answer5.length === 0 ? null : decode(answer5);
      }
      /** connect begins a connection to a peer. Wait for its "connect", or for ready. */
      connect(remoteId) {
        const node2 = this.#node;
        if (!node2) throw new SeaError("offline", "goOnline first");
        return this.#connection(node2, remoteId, node2.connect(remoteId));
      }
      /**
       * run buys the run of a module, a WebAssembly program for WASI preview 1, from
       * whoever sells it for the least. What it says of how it ends is checked and paid
       * when done resolves; see Purchase. What is signed is kept in this browser.
       */
      async run(module, options) {
        return (await this.shop()).buyer.run(module, options);
      }
      /** jobs lists what this peer has bought, in this run of the page or an earlier one: 64 at most, oldest first. What was under way goes on. */
      async jobs() {
        return (await this.shop()).buyer.jobs();
      }
      /** job gives a job that jobs lists, to wait for. One that was run with verify goes on when it gets that again. */
      async job(id, wishes) {
        return (await this.shop()).buyer.job(id, wishes);
      }
      /** credit lists what is owed between this peer and others. */
      async credit() {
        return (await this.shop()).ledger.lines();
      }
      /** shop opens this peer's ledger, the first time; what buying needs is loaded then. */
      shop() {
        return this.#shop ??= this.#open();
      }
      async #open() {
        const node2 = await this.node();
        return (await Promise.resolve().then(() => (init_shop(), shop_exports))).openShop(node2, this.#options.store, this.#options.jobs);
      }
      #connection(node2, remote, link) {
        const con = new Connection(node2, remote, link, (c) => {
          this.#connections.delete(c);
          const there = node2.link(remote);
          if (there && ![...this.#connections].some((other) => other.remote.equals(remote))) there.used = false;
        });
        this.#connections.add(con);
        return con;
      }
      /** join makes this peer a member of a channel, whose name has 1 to 256 bytes of UTF-8. It may be done before goOnline. */
      join(channelId) {
        if (channelId.length === 0 || utf8(channelId).length > 256) throw new SeaError("bad_request", "a channel's name has 1 to 256 bytes");
        return new Channel(channelId, this.node().then(() => this.#channels.room(channelId)));
      }
    };
  }
});

// src/join.ts
init_bytes();

// ../src/compute/engine.ts
init_error();
init_blob();
init_job();
init_result();

// ../src/compute/work.ts
var Cell = { state: 0, share: 1, count: 2 };
var State = { run: 0, pause: 1, stop: 2 };
var wholeShare = 1e3;

// ../src/compute/engine.ts
var compileMillis = 12e4;
var stopMillis = 3e4;
var Result = class {
  constructor(job, tariff, done4, outcome3, engine2) {
    this.job = job;
    this.tariff = tariff;
    this.done = done4;
    this.outcome = outcome3;
    this.engine = engine2;
  }
  job;
  tariff;
  done;
  outcome;
  engine;
  /** receipt is what its runner signs. */
  async receipt() {
    const { end: end2, code: code2, fuel: fuel3, pages } = this.done;
    return {
      v: 1,
      job: this.job,
      result: await hashOutcome(this.outcome),
      end: end2,
      code: code2,
      fuel: fuel3,
      peak_pages: pages,
      tariff: this.tariff,
      engine: this.engine
    };
  }
};
var Engine = class {
  #start;
  #rewriter;
  #cells;
  #worker;
  #run;
  #busy = false;
  #closed = false;
  /**
   * worker starts a thread with worker.ts, bundled; rewriter is compute/internal/
   * webmeter, compiled. The thread starts with the first job.
   */
  constructor(worker2, rewriter) {
    this.#start = worker2;
    this.#rewriter = rewriter;
    if (globalThis.crossOriginIsolated) {
      this.#cells = new Int32Array(new SharedArrayBuffer(4 * Cell.count));
      this.#cells[Cell.share] = wholeShare;
    }
  }
  /** steerable says whether jobs can be paused, slowed and stopped with a result. */
  get steerable() {
    return this.#cells !== void 0;
  }
  /** share holds guests to a part of a core, 0.001 to 1, from now on. It does nothing where the engine is not steerable. */
  share(part2) {
    if (this.#cells) Atomics.store(this.#cells, Cell.share, Math.min(wholeShare, Math.max(1, Math.round(part2 * wholeShare))));
  }
  /** pause has the guest stand still, its time with it, or go on. It does nothing where the engine is not steerable. */
  pause(still) {
    if (!this.#cells) return;
    Atomics.compareExchange(this.#cells, Cell.state, still ? State.run : State.pause, still ? State.pause : State.run);
    this.#wake();
    if (this.#run?.began) this.#time(this.#run);
  }
  /**
   * run runs a job. SeaError: "invalid" (the job), "blob" (its bytes), "module" (it
   * cannot be run), "engine" (this engine failed), "busy", "cancelled".
   */
  async run(job, blobs, live = {}) {
    if (this.#closed || this.#busy) throw new SeaError("busy", "the engine is closed, or runs another job");
    this.#busy = true;
    try {
      const own = decodeJob(encodeJob(job));
      const hash3 = await hashJob(own);
      const order3 = {
        job: own,
        module: await load("the module", { hash: own.module, size: own.module_size }, blobs),
        stdin: await load("stdin", own.stdin, blobs),
        files: [],
        stopAt: live.stopAt ?? 0n
      };
      for (const f of own.files) order3.files.push(await load(`input file ${f.path}`, f, blobs));
      if (this.#closed || live.signal?.aborted) throw new SeaError("cancelled", "the job was cancelled before it began");
      const done4 = await this.#do(order3, live);
      return new Result(hash3, own.tariff, done4, await outcomeOf(done4), engineName());
    } finally {
      this.#busy = false;
    }
  }
  /** close ends the thread, and with it the job that runs. */
  close() {
    this.#closed = true;
    this.#end(new SeaError("cancelled", "the engine was closed"));
  }
  #do(order3, live) {
    const stop = () => this.#stop();
    return new Promise((resolve, reject) => {
      this.#run = {
        resolve,
        reject,
        live,
        began: false,
        wall: order3.job.limits.wall_ms,
        belt: this.#belt(compileMillis, "compiling the module took too long")
      };
      if (this.#cells) Atomics.compareExchange(this.#cells, Cell.state, State.stop, State.run);
      live.signal?.addEventListener("abort", stop);
      this.#thread().postMessage(order3);
    }).finally(() => live.signal?.removeEventListener("abort", stop));
  }
  #thread() {
    if (this.#worker) return this.#worker;
    const worker2 = this.#start();
    worker2.onmessage = (e) => this.#said(e.data);
    worker2.onerror = (e) => {
      e.preventDefault();
      this.#end(new SeaError("engine", `the thread failed: ${e.message}`));
    };
    const setup = { rewriter: this.#rewriter, cells: this.#cells };
    worker2.postMessage(setup);
    return this.#worker = worker2;
  }
  #said(said2) {
    const run3 = this.#run;
    if (!run3) return;
    if ("fuel" in said2) return run3.live.progress?.(said2.fuel);
    clearTimeout(run3.belt);
    if ("begun" in said2) {
      run3.began = true;
      run3.live.begun?.();
      return this.#time(run3);
    }
    if ("failed" in said2) return this.#end(new SeaError("engine", said2.failed));
    this.#run = void 0;
    if ("done" in said2) run3.resolve(said2.done);
    else run3.reject(new SeaError("module", said2.refused));
  }
  /** #time sees to it that a guest ends with its time, which stands still while it is paused. */
  #time(run3) {
    clearTimeout(run3.belt);
    if (this.#cells && Atomics.load(this.#cells, Cell.state) === State.pause) return;
    run3.belt = this.#belt(run3.wall + stopMillis, "the guest did not stop at the end of its time");
  }
  /** #stop asks the guest to stop, or ends its thread. */
  #stop() {
    if (!this.#run) return;
    if (!this.#cells) return this.#end(new SeaError("cancelled", "the job was cancelled"));
    Atomics.store(this.#cells, Cell.state, State.stop);
    this.#wake();
    clearTimeout(this.#run.belt);
    this.#run.belt = this.#belt(stopMillis, "the guest did not stop when it was asked to");
  }
  #wake() {
    if (this.#cells) Atomics.notify(this.#cells, Cell.state);
  }
  /** #belt ends a thread that takes too long. */
  #belt(millis, why) {
    return setTimeout(() => this.#end(new SeaError("engine", why)), millis);
  }
  /** #end ends the thread: the next job gets a new one. */
  #end(why) {
    this.#worker?.terminate();
    this.#worker = void 0;
    const run3 = this.#run;
    this.#run = void 0;
    if (!run3) return;
    clearTimeout(run3.belt);
    run3.reject(why);
  }
};
async function outcomeOf(d) {
  const files2 = [];
  for (const f of d.files) {
    const { hash: hash3, size: size3 } = f.dir ? emptyBlob : await blobOf(f.data);
    files2.push({ path: f.path, dir: f.dir, hash: hash3, size: size3 });
  }
  return { v: 1, end: d.end, code: d.code, trap: d.trap, stdout: await blobOf(d.stdout), stderr: await blobOf(d.stderr), files: files2 };
}
function engineName() {
  const agent = globalThis.navigator?.userAgent ?? "";
  return `browser ${agent.replace(/[^ -~]/g, "")}`.slice(0, 128);
}

// ../src/index.ts
init_sea();
init_sea();
var sea = new Sea();

// ../src/market/rest.ts
var Rest = class {
  #machine;
  #change;
  #rules;
  #battery;
  #why = "";
  #closed = false;
  #look = () => this.#compare();
  /** change is called whenever why has changed. */
  constructor(rules, change, machine = globalThis) {
    this.#rules = rules;
    this.#change = change;
    this.#machine = machine;
    machine.document.addEventListener("visibilitychange", this.#look);
    void machine.navigator.getBattery?.().then(
      (battery) => {
        if (this.#closed) return;
        this.#battery = battery;
        battery.addEventListener("chargingchange", this.#look);
        this.#compare();
      },
      () => {
      }
      // it does not tell
    );
    this.#compare();
  }
  /** why is the present reason. */
  get why() {
    return this.#why;
  }
  /** rules sets others. */
  set rules(rules) {
    this.#rules = rules;
    this.#compare();
  }
  close() {
    this.#closed = true;
    this.#machine.document.removeEventListener("visibilitychange", this.#look);
    this.#battery?.removeEventListener("chargingchange", this.#look);
  }
  #compare() {
    const hidden = this.#rules.hidden && this.#machine.document.visibilityState === "hidden";
    const battery = this.#rules.battery && !this.#battery?.charging;
    const why = hidden ? "hidden" : battery ? "battery" : "";
    if (why === this.#why) return;
    this.#why = why;
    this.#change(why);
  }
};

// ../src/market/seller.ts
init_bytes();
init_blob();
init_job();
init_receipt();
init_result();
init_error();
init_cbor();
init_shape();
init_addr();
init_rpc();
init_rate();
init_price();
init_reason2();

// ../src/market/sale.ts
init_job();
init_statement();

// ../src/market/till.ts
init_bytes();
init_error();
var saleKey = (order3) => `sale/${toHex(order3)}`;
var lostKey = (order3) => `lost/${toHex(order3)}`;
var Till = class {
  constructor(store) {
    this.store = store;
  }
  store;
  /** sales and lost are what an earlier run has left, at most so many, oldest first. "unavailable" when they are of another version. */
  async sales(most2) {
    const all = (await this.store.list("sale/", "sale/~", most2)).map(([, r]) => r);
    if (all.some((r) => r.v !== 1)) throw new SeaError("unavailable", "the sales are kept by another version");
    return all.sort((a, b) => a.taken - b.taken);
  }
  async lost(most2) {
    const all = (await this.store.list("lost/", "lost/~", most2)).map(([, l]) => l);
    return all.sort((a, b) => a.until - b.until);
  }
  /** keep keeps a sale. SeaError "engine" when it cannot. */
  async keep(r) {
    try {
      await this.store.commit([[saleKey(r.order), r]]);
    } catch (err) {
      throw new SeaError("engine", `the sale cannot be kept: ${err instanceof Error ? err.message : String(err)}`);
    }
  }
  /** end forgets a sale. What cannot be forgotten is looked at again in the next run. */
  async end(order3) {
    await this.store.commit([], [saleKey(order3)]).catch(() => {
    });
  }
  /** lose forgets a sale, and keeps what it leaves. */
  async lose(l) {
    await this.store.commit([[lostKey(l.order), l]], [saleKey(l.order)]).catch(() => {
    });
  }
  /** found forgets what was lost. */
  async found(order3) {
    await this.store.commit([], [lostKey(order3)]).catch(() => {
    });
  }
};

// ../src/market/sale.ts
init_wire2();
var runningMillis = 100;
var none2 = new Uint8Array(0);
var Sale = class {
  constructor(order3, buyer2, at2, job, quote2, quoted, taken = Date.now()) {
    this.order = order3;
    this.buyer = buyer2;
    this.at = at2;
    this.job = job;
    this.quote = quote2;
    this.quoted = quoted;
    this.taken = taken;
  }
  order;
  buyer;
  at;
  job;
  quote;
  quoted;
  taken;
  state = "taken";
  /** fuel is what the guest has used; input how many bytes of module and inputs are here. */
  fuel = 0n;
  input = 0n;
  /** held is why the guest stands still, "" when it does not. */
  held = "";
  /** cost is the bill, once it is delivered. */
  cost = 0n;
  refusal;
  receipt;
  delivery;
  /** stop ends it early, at the buyer's word. */
  stop = new AbortController();
  /** kept is called when it is in the Till or has ended: isKept resolves then. */
  kept = () => {
  };
  isKept = new Promise((resolve) => this.kept = resolve);
  /** unshare takes back what the buyer may fetch of its output. */
  unshare = () => {
  };
  #stdout = none2;
  #stderr = none2;
  #outcome = none2;
  #waiting = /* @__PURE__ */ new Set();
  /** open is whether it still runs, or waits to. */
  get open() {
    return this.state === "taken" || this.state === "running";
  }
  /** ended is whether nothing more is to come of it. */
  get ended() {
    return this.state === "paid" || this.state === "refused";
  }
  /** changed tells those who follow. */
  changed() {
    for (const wake of [...this.#waiting]) wake();
  }
  /** record is what a Till keeps of it. */
  record(output) {
    const { taken, order: order3, buyer: buyer2, at: at2, job, quote: quote2, quoted } = this;
    return { v: 1, taken, order: order3, buyer: buyer2, at: at2.toString(), job: encodeJob(job), quote: quote2, quoted, ...output && { output } };
  }
  /** deliver puts out what came of it. */
  deliver(o) {
    this.#stdout = o.stdout;
    this.#stderr = o.stderr;
    this.#outcome = o.outcome;
    this.fuel = o.fuel;
    this.receipt = Statement.decode(o.receipt);
    this.delivery = Statement.decode(o.delivery);
    this.cost = o.cost;
    this.state = "delivered";
    this.changed();
  }
  /** end lets go of its output. */
  end(state2) {
    this.unshare();
    this.#stdout = this.#stderr = this.#outcome = none2;
    this.state = state2;
    this.changed();
  }
  /** follow answers when there is more than the cursor says, or its time is over. */
  async follow(c) {
    const until = performance.now() + Math.min(c.wait, followMillis);
    for (let over = false; ; ) {
      const { state: state2, fuel: fuel3, input: input2, held } = this;
      const stdout = piece2(this.#stdout, c.stdout);
      const stderr = piece2(this.#stderr, c.stderr);
      const left = until - performance.now();
      const news = stdout.length + stderr.length > 0 || fuel3 > c.fuel || input2 > c.input || held !== (c.held ?? "");
      if (over || left <= 0 || this.delivery || this.refusal || news) {
        return {
          state: state2,
          fuel: fuel3,
          input: input2,
          stdout,
          stderr,
          stdout_size: this.#stdout.length,
          stderr_size: this.#stderr.length,
          refusal: this.refusal?.value() ?? null,
          receipt: this.receipt?.value() ?? null,
          delivery: this.delivery?.value() ?? null,
          outcome: this.#outcome.length > followBytes ? none2 : this.#outcome,
          outcome_size: this.#outcome.length,
          ...held && { held }
        };
      }
      over = !await this.#change(state2 === "running" && !c.running ? Math.min(left, runningMillis) : left);
    }
  }
  /** #change resolves with true at the next change, or with false after so many ms. */
  #change(ms) {
    return new Promise((resolve) => {
      const over = (changed) => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve(changed);
      };
      const wake = () => over(true);
      const timer = setTimeout(over, ms, false);
      this.#waiting.add(wake);
    });
  }
};
function piece2(b, from2) {
  if (from2 >= BigInt(b.length)) return none2;
  return b.slice(Number(from2), Number(from2) + followBytes);
}

// ../src/market/seller.ts
init_shelf();
init_statement2();
init_wire2();
init_scope();
var offerTime2 = 3e4;
var quoteTime = 12e4;
var maxSales = 256;
var maxUnpaid = 16;
var maxLost = 1024;
var lostTime2 = 7 * 24 * 36e5;
var signRate = 40;
var signBurst = 200;
var askRate = 15;
var askBurst = 75;
var maxAskers = 256;
var inputTime = 3e4;
var inputRate = 64 << 10;
var firstReminder = 5e3;
var lastReminder = 36e5;
var freeTime = 6e4;
var defaultTerms = {
  price: { fee: 0n, price: 1000000n },
  gib: 0n,
  strangers: 5000000n,
  caps: { fuel: 1000000000000n, pages: 16384, output: 64 << 20, wall: 36e5, module: 32 << 20, input: 64 << 20 }
};
var maxDepth2 = 4096;
var Seller = class _Seller {
  /** changed is called whenever a sale or what is not sold has changed. It must not throw. */
  changed = () => {
  };
  terms;
  #node;
  #ledger;
  #engine;
  #shelf;
  #sales = /* @__PURE__ */ new Map();
  // by order in hex, oldest first: maxSales
  #quotes = /* @__PURE__ */ new Map();
  // orders by their quotes, of the same sales
  #till;
  #lost = /* @__PURE__ */ new Map();
  // by order in hex, the oldest first: maxLost
  #began = Date.now();
  #rate = new Rate(signRate, signBurst);
  #askers = new Rates(askRate, askBurst, maxAskers);
  #paid = (peer) => void this.#look(peer);
  #rest = "";
  #closed = false;
  /**
   * open takes up what an earlier run has left in store, and sells. What was delivered
   * can be fetched and paid; what was not is refused as "seller_lost". shelf is what
   * else the node serves storage:get from.
   */
  static async open(node2, ledger2, engine2, shelf, store, terms2 = defaultTerms) {
    const till = new Till(store);
    const [sales, lost] = [await till.sales(maxSales), await till.lost(maxLost)];
    const s2 = new _Seller(node2, ledger2, engine2, shelf, till, terms2);
    for (const l of lost) s2.#lost.set(toHex(l.order), l);
    for (const r of sales) await s2.#resume(r);
    s2.#serve();
    return s2;
  }
  constructor(node2, ledger2, engine2, shelf, till, terms2) {
    this.terms = terms2;
    this.#node = node2;
    this.#ledger = ledger2;
    this.#engine = engine2;
    this.#shelf = shelf;
    this.#till = till;
  }
  /** #resume takes up a sale of an earlier run. */
  async #resume(r) {
    const s2 = new Sale(r.order, r.buyer, HashAddress.from(r.at), decodeJob(r.job), r.quote, r.quoted, r.taken);
    this.#sales.set(toHex(s2.order), s2);
    this.#quotes.set(toHex(s2.quoted), s2.order);
    if (!r.output) return this.#refuse(s2, new Refused2("seller_lost", "the tab that ran it was closed or reloaded"));
    this.#deliver(s2, r.output);
    void this.#collect(s2);
  }
  #serve() {
    const node2 = this.#node;
    node2.handle(get2, this.#shelf.serve);
    node2.handle(offer2, async (_, from2) => encode({ offer: (await this.#offer(from2)).value() }));
    node2.handle(ask2, async (body4, from2) => encode(await this.#ask(body4, from2)));
    node2.handle(order2, (body4, from2) => this.#order(body4, from2));
    node2.handle(follow2, async (body4, from2) => {
      const { order: order3, ...cursor2 } = read2(body4, followRequest, follow2);
      const s2 = this.#sales.get(toHex(order3));
      if (!s2) {
        this.#allow(from2);
        return this.#no(order3, new Refused2("unknown_order", "this node has no such order"));
      }
      if (compare(s2.buyer, from2.node) !== 0 || !from2.direct) throw new SeaError("refused", "the order is somebody else's");
      return encode(await s2.follow(cursor2));
    });
    node2.handle(cancel3, async (body4, from2) => {
      this.#allow(from2);
      const { cancel: cancel4 } = read2(body4, cancelRequest, cancel3);
      const { order: order3 } = await open3(cancel2, cancel4);
      const s2 = this.#sales.get(toHex(order3));
      if (!s2 || compare(cancel4.by, from2.node) !== 0 || compare(s2.buyer, from2.node) !== 0) throw new SeaError("refused", "the order is somebody else's");
      s2.stop.abort();
      return encode({});
    });
    this.#ledger.watchers.add(this.#paid);
  }
  /** sales are what is remembered, oldest first. */
  get sales() {
    return this.#sales.values();
  }
  /** rest says why nothing is sold now, "" to go on. A guest that runs stands still meanwhile. */
  rest(why) {
    this.#rest = why;
    this.#engine.pause(why !== "");
    for (const s2 of this.#sales.values()) {
      if (!s2.open) continue;
      s2.held = why && this.#engine.steerable ? "seller_paused" : "";
      s2.changed();
    }
    this.changed();
  }
  /** close sells no more; a job that runs is refused, and bills are not waited for. */
  close() {
    this.#closed = true;
    for (const scope2 of [offer2, ask2, order2, follow2, cancel3]) this.#node.handle(scope2, void 0);
    this.#ledger.watchers.delete(this.#paid);
    for (const s2 of this.#sales.values()) {
      s2.stop.abort();
      if (!s2.ended) s2.end(s2.delivery ? "paid" : "refused");
    }
  }
  // ---- offers and quotes
  async #offer(from2) {
    if (this.#rest) throw new SeaError("refused", `nothing is sold now: ${this.#rest}`);
    this.#allow(from2);
    const { price, gib, strangers, caps } = this.terms;
    const now = Date.now();
    return sign(offer, this.#node.signer, {
      for: from2.node,
      fee: price.fee,
      price: price.price,
      ...gib > 0n && { gib },
      caps: {
        fuel: caps.fuel,
        pages: caps.pages,
        output: BigInt(caps.output),
        wall: BigInt(caps.wall),
        module: BigInt(caps.module),
        input: BigInt(caps.input)
      },
      slots: 1,
      free: this.#busy() ? 0 : 1,
      room: await this.#room(from2.node),
      strangers,
      tariff: tariff1,
      engine: engineName(),
      at: now,
      until: now + offerTime2
    });
  }
  async #ask(body4, from2) {
    this.#allow(from2);
    const { ask: ask3 } = read2(body4, askRequest, ask2);
    const a = await open3(ask, ask3);
    if (compare(ask3.by, from2.node) !== 0 || compare(a.to, this.#node.signer.key) !== 0) throw new SeaError("refused", "the ask is from or for somebody else");
    const asked = await ask3.hash(ask.purpose);
    try {
      const job = jobOf(a.job);
      const price = withMemory(this.terms.price, this.terms.gib, job.limits.memory_pages);
      this.#mayTake(job);
      if (price.price > a.price) throw new Refused2("refused_price", `10^9 fuel cost ${price.price} micro-credits here`);
      const ceiling = costOf(price, job.limits.fuel);
      if (ceiling === void 0 || ceiling > a.credit) throw new Refused2("refused_price", `the job may cost ${ceiling ?? "too many"} micro-credits here`);
      await this.#afford(from2.node, ceiling);
      const quote2 = { ask: asked, job: await hashJob(job), fee: price.fee, price: price.price, ceiling, until: Date.now() + quoteTime };
      return { quote: (await sign(quote, this.#node.signer, quote2)).value(), refusal: null };
    } catch (err) {
      if (!(err instanceof Refused2)) throw err;
      return { quote: null, refusal: (await this.#refusal(asked, from2.node, err)).value() };
    }
  }
  /** #mayTake throws Refused for a job that is too large, and while there is no room for any. */
  #mayTake(job) {
    if (this.#rest) throw new Refused2("not_selling", `nothing is sold now: ${this.#rest}`);
    const { caps } = this.terms;
    const l = job.limits;
    const input2 = job.files.reduce((n, f) => n + f.size, job.stdin.size);
    const rules = [
      [job.module_size > caps.module, "module_too_large"],
      [input2 > caps.input, "input_too_large"],
      [l.fuel > caps.fuel, "fuel"],
      [l.memory_pages > caps.pages, "memory"],
      [l.output_bytes > caps.output, "output"],
      [l.wall_ms > caps.wall, "wall_time"],
      [l.depth > maxDepth2, "bad_job"],
      [this.#busy(), "busy"]
    ];
    const no = rules.find(([is]) => is);
    if (no) throw new Refused2(no[1], no[1] === "busy" ? "another job runs" : "the job wants more than this seller takes");
  }
  #busy() {
    const all = [...this.#sales.values()];
    return all.some((s2) => s2.open) || all.filter((s2) => s2.state === "delivered").length >= maxUnpaid;
  }
  #allow(from2) {
    if (!this.#askers.take(toHex(from2.node)) || !this.#rate.take()) throw new SeaError("busy", "asked too often; wait a second");
  }
  /** #room is how much more a peer may come to owe now, what is set aside for its jobs and what it never paid taken off. */
  async #room(peer) {
    const line = await this.#ledger.line(peer);
    if (line.state !== "open") return 0n;
    let held = 0n;
    let crowd = this.#ledger.owed();
    for (const { buyer: buyer2, due: due3 } of this.#dues()) {
      if (compare(buyer2, peer) === 0) held += due3;
      if (!(await this.#ledger.line(buyer2)).granted) crowd += due3;
    }
    if (!line.granted && this.#lost.size >= maxLost) crowd = this.terms.strangers;
    const lent = line.granted ? line.theyMayOwe - line.claim - held : this.terms.strangers - crowd;
    const own = -line.claim - held;
    const room = lent > own ? lent : own;
    return room > 0n ? least(room, maxSum - 1n) : 0n;
  }
  /** #dues are what buyers have to pay for sales, and were to pay for those that are written off. */
  #dues() {
    const now = Date.now();
    for (const l of this.#lost.values()) if (l.until < now) this.#found(l);
    const open4 = [...this.#sales.values()].filter((s2) => !s2.ended);
    return [...open4.map((s2) => ({ buyer: s2.buyer, due: s2.delivery ? s2.cost : s2.quote.ceiling })), ...this.#lost.values()];
  }
  async #afford(peer, cost2) {
    const room = await this.#room(peer);
    if (cost2 > room) throw new Refused2("refused_credit", `the job may cost ${cost2} micro-credits, there is room for ${room}`);
  }
  async #refusal(of, peer, no) {
    const room = no.reason === "refused_credit" ? await this.#room(peer) : 0n;
    return sign(refusal2, this.#node.signer, { of, reason: no.reason, text: clip2(no.message), room });
  }
  // ---- orders
  async #order(body4, from2) {
    if (!from2.direct) throw new SeaError("refused", "orders are taken over direct links only; connect first");
    const { order: order3, quote: quote2, ask: ask3, ...cursor2 } = read2(body4, orderRequest, order2);
    if (compare(order3.by, from2.node) !== 0) throw new SeaError("refused", "the order is from somebody else");
    const hash3 = await order3.hash(order.purpose);
    const known2 = this.#sales.get(toHex(hash3));
    if (known2) return encode(await known2.follow(cursor2));
    this.#allow(from2);
    const o = await open3(order, order3);
    const [q, a] = [await open3(quote, quote2), await open3(ask, ask3)];
    const quoted = await quote2.hash(quote.purpose);
    const job = jobOf(a.job);
    const mine = this.#node.signer.key;
    let s2;
    try {
      const fits4 = compare(quote2.by, mine) === 0 && compare(o.quote, quoted) === 0 && compare(q.ask, await ask3.hash(ask.purpose)) === 0 && compare(ask3.by, from2.node) === 0 && compare(a.to, mine) === 0 && compare(q.job, await hashJob(job)) === 0;
      if (!fits4) throw new Refused2("unknown_quote", "this node gave no such quote for that");
      if (Date.now() > q.until) throw new Refused2("expired", "the quote is too old");
      if (q.until < this.#began + quoteTime) throw new Refused2("unknown_quote", "the quote is of an earlier run");
      await this.#afford(from2.node, q.ceiling);
      s2 = this.#take(new Sale(hash3, from2.node, from2.addr, job, q, quoted));
      await s2.isKept;
    } catch (err) {
      if (!(err instanceof Refused2)) throw err;
      return this.#no(hash3, err, from2.node);
    }
    return encode(await s2.follow(cursor2));
  }
  /** #take begins a sale, unless it was begun meanwhile. Nothing else happens between its checks. */
  #take(s2) {
    const raced = this.#sales.get(toHex(s2.order));
    if (raced) return raced;
    if (this.#quotes.has(toHex(s2.quoted))) throw new Refused2("quote_used", "the quote was ordered by already");
    this.#mayTake(s2.job);
    if (this.#closed) throw new Refused2("not_selling", "this node does not sell any more");
    if (!this.#forget()) throw new Refused2("busy", `${maxSales} sales are remembered until their quotes are over`);
    this.#sales.set(toHex(s2.order), s2);
    this.#quotes.set(toHex(s2.quoted), s2.order);
    void this.#perform(s2);
    return s2;
  }
  /**
   * #forget makes room for one more sale, and tells whether there is any: the oldest
   * that has ended goes. Until its quote is over it is what a repeated order meets.
   */
  #forget() {
    if (this.#sales.size < maxSales) return true;
    const now = Date.now();
    const old = [...this.#sales.values()].find((s2) => s2.ended && s2.quote.until < now);
    if (!old) return false;
    this.#sales.delete(toHex(old.order));
    return this.#quotes.delete(toHex(old.quoted));
  }
  /** #no is a follow that is a refusal. */
  async #no(order3, no, peer = this.#node.signer.key) {
    const none3 = new Uint8Array(0);
    return encode({
      state: "refused",
      fuel: 0,
      input: 0,
      stdout: none3,
      stderr: none3,
      stdout_size: 0,
      stderr_size: 0,
      refusal: (await this.#refusal(order3, peer, no)).value(),
      receipt: null,
      delivery: null,
      outcome: none3,
      outcome_size: 0
    });
  }
  /** #perform runs a sale's job and delivers it. It never rejects. */
  async #perform(s2) {
    this.changed();
    const late = new AbortController();
    const bytes3 = s2.job.files.reduce((n, f) => n + f.size, s2.job.module_size + s2.job.stdin.size);
    const timer = setTimeout(() => late.abort(), inputTime + bytes3 / inputRate * 1e3);
    try {
      await this.#till.keep(s2.record());
      s2.kept();
      const result2 = await this.#engine.run(s2.job, this.#inputs(s2, AbortSignal.any([s2.stop.signal, late.signal])), {
        signal: s2.stop.signal,
        begun: () => {
          clearTimeout(timer);
          s2.state = "running";
          s2.changed();
        },
        progress: (fuel4) => {
          s2.fuel = fuel4;
          s2.changed();
        }
      });
      const { signer } = this.#node;
      const cost2 = costOf(s2.quote, result2.done.fuel);
      const receipt = await signReceipt(await result2.receipt(), signer);
      const delivery2 = await sign(delivery, signer, { order: s2.order, receipt: await receipt.hash(receiptPurpose), cost: cost2 });
      if (this.#closed) return;
      const outcome3 = encodeOutcome(result2.outcome);
      const files2 = result2.outcome.files.map((f, i) => [f, result2.done.files[i].data]).filter(([f]) => f.size > 0);
      const { stdout, stderr, fuel: fuel3 } = result2.done;
      const output = { stdout, stderr, outcome: outcome3, shared: [[await blobOf(outcome3), outcome3], ...files2], fuel: fuel3, cost: cost2, receipt: receipt.encode(), delivery: delivery2.encode() };
      await this.#till.keep(s2.record(output));
      if (this.#closed) return;
      this.#deliver(s2, output);
      this.changed();
      await this.#collect(s2);
    } catch (err) {
      const no = late.signal.aborted ? new Refused2("inputs_missing", "the job's bytes did not come in time") : failed3(err);
      if (!this.#closed) await this.#refuse(s2, no);
    } finally {
      clearTimeout(timer);
      s2.kept();
    }
    this.changed();
  }
  async #refuse(s2, no) {
    s2.refusal = await this.#refusal(s2.order, s2.buyer, no).catch(() => void 0);
    s2.end("refused");
    await this.#till.end(s2.order);
  }
  #deliver(s2, o) {
    s2.deliver(o);
    s2.unshare = this.#shelf.share(s2.buyer, o.shared);
  }
  /** #inputs fetches a job's bytes from its buyer. */
  #inputs(s2, signal) {
    const { job } = s2;
    const all = [{ hash: job.module, size: job.module_size }, job.stdin, ...job.files];
    return {
      open: async (hash3) => {
        const blob2 = all.find((b2) => compare(b2.hash, hash3) === 0);
        const b = await fetchBlob(this.#node, s2.at, blob2, signal);
        s2.input += BigInt(b.length);
        s2.changed();
        return b;
      }
    };
  }
  /** #collect waits until a sale is paid, and reminds its buyer. */
  async #collect(s2) {
    if (s2.cost === 0n) {
      await sleep(freeTime);
      if (!s2.ended && !this.#closed) await this.#over(s2);
    }
    for (let pause2 = firstReminder; pause2 <= lastReminder && !s2.ended && !this.#closed; pause2 *= 2) {
      await this.#look(s2.buyer);
      for (let left = pause2; left > 0 && !s2.ended && !this.#closed; left -= firstReminder) await sleep(Math.min(left, firstReminder));
      if (s2.ended || this.#closed) return;
      if (await this.#remind(s2, pause2) === false) break;
    }
    if (s2.ended) return;
    const lost = { order: s2.order, buyer: s2.buyer, due: s2.cost, until: Date.now() + lostTime2 };
    this.#lost.set(toHex(s2.order), lost);
    s2.end("refused");
    await this.#till.lose(lost);
  }
  /** #remind asks a buyer whether it knows of a bill; undefined when it does not say. */
  async #remind(s2, ms) {
    try {
      return read2(await this.#node.call(s2.at, due2, encode({ order: s2.order }), AbortSignal.timeout(ms)), dueAnswer, due2).known;
    } catch {
      return void 0;
    }
  }
  /** #look ends the sales that a buyer has paid, and strikes out what it pays late. */
  async #look(buyer2) {
    for (const l of this.#lost.values()) {
      if (compare(l.buyer, buyer2) === 0 && (await this.#ledger.paid(buyer2, l.order)).theirs >= l.due) this.#found(l);
    }
    for (const s2 of this.#sales.values()) {
      if (s2.state !== "delivered" || compare(s2.buyer, buyer2) !== 0) continue;
      if ((await this.#ledger.paid(buyer2, s2.order)).theirs < s2.cost || s2.ended) continue;
      await this.#over(s2);
    }
  }
  /** #over ends a sale that is paid. */
  async #over(s2) {
    s2.end("paid");
    this.changed();
    await this.#till.end(s2.order);
  }
  #found(l) {
    this.#lost.delete(toHex(l.order));
    void this.#till.found(l.order);
  }
};
function jobOf(b) {
  try {
    return decodeJob(b);
  } catch (err) {
    throw new SeaError("bad_request", `the job: ${err instanceof Error ? err.message : String(err)}`);
  }
}
function failed3(err) {
  const text3 = err instanceof Error ? err.message : String(err);
  const code2 = err instanceof SeaError ? err.code : "engine";
  if (code2 === "module") return new Refused2("module_invalid", text3);
  if (code2 === "engine" || code2 === "busy") return new Refused2("engine_failed", text3);
  return code2 === "cancelled" ? new Refused2("cancelled", text3) : new Refused2("inputs_missing", text3);
}
function clip2(text3) {
  return clean(text3).replace(/[^ -~]/g, "?").slice(0, 256);
}
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// src/join.ts
init_shop();
init_spec();

// src/dom.ts
var handlers = /* @__PURE__ */ new WeakMap();
function h(tag2, props, ...children) {
  return fill(document.createElement(tag2), props, children);
}
function s(tag2, props, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag2), props, children);
}
function fill(el, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function") {
      el[name] = value;
      handlers.set(el, [...handlers.get(el) ?? [], name]);
    } else if (value !== false && value !== null && value !== void 0) {
      el.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(el, children);
  return el;
}
function append(el, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(el, child);
    else if (child instanceof Node) el.append(child);
    else if (child !== null && child !== void 0 && child !== false) el.append(String(child));
  }
}
function show(el, ...children) {
  const fresh2 = el.cloneNode(false);
  append(fresh2, children);
  patchChildren(el, fresh2);
}
function patch(old, fresh2) {
  if (old instanceof Element && fresh2 instanceof Element && old.nodeName === fresh2.nodeName && key2(old) === key2(fresh2)) {
    patchAttributes(old, fresh2);
    patchChildren(old, fresh2);
    return old;
  }
  if (old instanceof Text && fresh2 instanceof Text) {
    if (old.data !== fresh2.data) old.data = fresh2.data;
    return old;
  }
  old.replaceWith(fresh2);
  return fresh2;
}
function patchAttributes(old, fresh2) {
  for (const { name } of [...old.attributes]) {
    if (!fresh2.hasAttribute(name) && !(name === "open" && old instanceof HTMLDetailsElement)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh2.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const name of handlers.get(old) ?? []) old[name] = null;
  const now = handlers.get(fresh2) ?? [];
  for (const name of now) old[name] = fresh2[name];
  handlers.set(old, now);
}
function patchChildren(old, fresh2) {
  const keyed = /* @__PURE__ */ new Map();
  for (const child of old.childNodes) {
    const k = key2(child);
    if (k !== null) keyed.set(k, child);
  }
  let at2 = old.firstChild;
  for (const child of [...fresh2.childNodes]) {
    const k = key2(child);
    let mate = k === null ? at2 : keyed.get(k) ?? null;
    if (mate !== null && k === null && key2(mate) !== null) mate = null;
    if (mate === null) {
      old.insertBefore(child, at2);
      continue;
    }
    if (mate !== at2) old.insertBefore(mate, at2);
    at2 = patch(mate, child).nextSibling;
  }
  while (at2 !== null) {
    const next = at2.nextSibling;
    at2.remove();
    at2 = next;
  }
}
function key2(node2) {
  return node2 instanceof Element ? node2.getAttribute("data-key") : null;
}

// src/format.ts
var digits2 = new Intl.NumberFormat("en-US", { maximumFractionDigits: 6 });
var credits = (micro) => `${digits2.format(micro / 1e6)} cr`;
var count2 = (n) => digits2.format(n);
function scaled(n, base, prefixes) {
  let i = 0;
  while (n >= base && i < prefixes.length - 1) {
    n /= base;
    i++;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toPrecision(3)} ${prefixes[i]}`;
}
var fuel2 = (n) => `${scaled(n, 1e3, ["", "k", "M", "G", "T"])}fuel`;
function rtt(micros) {
  if (micros <= 0) return "\u2013";
  const ms = micros / 1e3;
  return `${ms >= 100 ? Math.round(ms) : ms.toPrecision(ms < 1 ? 2 : 3)} ms`;
}
var clock = (at2) => new Date(at2).toLocaleTimeString("en-GB");
var short = (hex, n = 10) => hex.slice(0, n);

// src/parts.ts
function card(title, body4, more, kind2 = "") {
  return h("section", { class: `card ${kind2}`, "data-key": title }, h("header", null, h("h2", null, title), more), body4);
}
function tile(label, value, note2, kind2 = "") {
  return h("div", { class: `tile ${kind2}` }, h("dt", null, label), h("dd", null, h("strong", null, value), note2 ? h("span", null, note2) : null));
}
var tiles = (...all) => h("dl", { class: "tiles" }, all);
var pairs2 = (...all) => h("dl", null, all.map(([name, what]) => h("div", null, h("dt", null, name), h("dd", null, what))));
var pill = (text3, tone) => h("span", { class: `pill ${tone}` }, text3);
var tones = {
  queued: "calm",
  asking: "busy",
  running: "busy",
  verifying: "busy",
  done: "good",
  failed: "bad",
  cancelled: "warn",
  stopped: "warn",
  taken: "calm",
  delivered: "busy",
  paid: "good",
  refused: "bad",
  open: "good",
  fenced: "warn",
  disputed: "bad"
};
var statePill = (state2) => pill(state2, tones[state2] ?? "calm");
function glyph(hex, size3 = 22) {
  const hue = parseInt(hex.slice(0, 4), 16) / 65536 * 360;
  const waves = [0, 1, 2].map((row) => {
    const digits3 = parseInt(hex.slice(4 + row * 3, 7 + row * 3), 16);
    const [a, b] = [2 + (digits3 & 7) * 0.5, 2 + (digits3 >> 3 & 7) * 0.5];
    const y = 8 + row * 8;
    const path = `M3 ${y}c4-${a} 5-${a} 9 0s6 ${b} 9 0 5-${a} 8 0`;
    return s("path", { d: path, fill: "none", stroke: `hsl(${hue + (digits3 >> 6) * 0.9} 70% ${54 + row * 6}%)`, "stroke-width": 3.4, "stroke-linecap": "round" });
  });
  return s(
    "svg",
    { class: "glyph", viewBox: "0 0 32 32", width: size3, height: size3, "aria-hidden": "true" },
    s("rect", { width: 32, height: 32, rx: 10, fill: `hsl(${hue} 60% 50% / .16)` }),
    waves
  );
}
var who = (key3) => key3 ? h("span", { class: "who", title: key3 }, glyph(key3), h("code", null, short(key3))) : h("span", { class: "faint" }, "\u2013");
function meter(value, whole2, label, tone = "busy") {
  return h("progress", { class: tone, value: Math.min(value, whole2), max: whole2 || 1, "aria-label": label }, label);
}
var wave = () => s(
  "svg",
  { class: "wave", viewBox: "0 0 48 24", width: 48, height: 24, "aria-hidden": "true" },
  s("path", { d: "M2 9c6-8 10-8 15 0s9 8 15 0 9-8 14-2", fill: "none", stroke: "currentColor", "stroke-width": 3, "stroke-linecap": "round" }),
  s("path", { d: "M2 19c6-8 10-8 15 0s9 8 15 0 9-8 14-2", fill: "none", stroke: "currentColor", "stroke-width": 3, "stroke-linecap": "round", opacity: 0.45 })
);

// src/sonar.ts
var size2 = 640;
var middle = size2 / 2;
var rim = 262;
var rings = [{ ms: 1, text: "1 ms" }, { ms: 10, text: "10 ms" }, { ms: 100, text: "100 ms" }];
function bearing(address) {
  return parseInt(address.slice(0, 8), 16) / 2 ** 32 * 2 * Math.PI;
}
function reach2(ms) {
  return rim * (0.2 + 0.7 * Math.min(1, Math.max(0, (Math.log10(Math.max(ms, 0.01)) + 1) / 4)));
}
var at = (angle, r) => [middle + Math.sin(angle) * r, middle - Math.cos(angle) * r];
var place = (p) => at(bearing(p.address), reach2(p.rtt_us / 1e3));
var radius = (p) => 7 + Math.min(9, Math.log2(1 + (p.sent_bytes + p.received_bytes) / 4096));
function namePlaces(peers2) {
  const [width, height] = [64, 19];
  const places2 = /* @__PURE__ */ new Map();
  for (const p of [...peers2].sort((a, b) => place(a)[1] - place(b)[1])) {
    const [x, y] = place(p);
    const tx = x < middle ? x - radius(p) - 6 : x + radius(p) + 6;
    let ty = y + 4;
    for (const [ox, oy] of [...places2.values()].sort((a, b) => a[1] - b[1])) {
      if (ox < middle === tx < middle && Math.abs(ox - tx) < width && Math.abs(oy - ty) < height) ty = oy + height;
    }
    places2.set(p, [tx, ty]);
  }
  return places2;
}
function sonar(map3, chosen = "") {
  const peers2 = new Map(map3.peers.map((p) => [p.address, p]));
  const beyond = /* @__PURE__ */ new Set();
  const ties = [];
  for (const [from2, near] of Object.entries(map3.near)) {
    const a = peers2.get(from2);
    if (!a) continue;
    for (const to of near) {
      const b = peers2.get(to);
      if (to === map3.address || b && from2 > to && map3.near[to]?.includes(from2)) continue;
      const [x1, y1] = place(a);
      const [x2, y2] = b ? place(b) : at(bearing(to), rim - 8);
      if (!b) beyond.add(to);
      ties.push(s("path", { class: "tie", d: `M${x1.toFixed(1)} ${y1.toFixed(1)}Q${middle} ${middle} ${x2.toFixed(1)} ${y2.toFixed(1)}` }));
    }
  }
  const [mx, my] = at(bearing(map3.address), rim);
  const names = namePlaces(map3.peers);
  return s(
    "svg",
    { class: "sonar", viewBox: `0 0 ${size2} ${size2}`, role: "group", "aria-label": `${map3.peers.length} neighbours, by address and by round trip` },
    s(
      "defs",
      null,
      s("radialGradient", { id: "deep" }, s("stop", { offset: "0%", class: "deep0" }), s("stop", { offset: "100%", class: "deep1" })),
      s("linearGradient", { id: "beam", x1: 0, x2: 1, y1: 0, y2: 0 }, s("stop", { offset: "0%", class: "beam0" }), s("stop", { offset: "100%", class: "beam1" }))
    ),
    s("circle", { class: "dial", cx: middle, cy: middle, r: rim, fill: "url(#deep)" }),
    s("g", { class: "sweep" }, s("path", { d: `M${middle} ${middle}L${middle} ${middle - rim}A${rim} ${rim} 0 0 0 ${at(-0.7, rim).join(" ")}Z`, fill: "url(#beam)" })),
    rings.map((r) => [
      s("circle", { class: "ring", cx: middle, cy: middle, r: reach2(r.ms) }),
      s("text", { class: "ringtext", x: middle + 4, y: middle - reach2(r.ms) - 4 }, r.text)
    ]),
    Array.from({ length: 64 }, (_, i) => {
      const [x1, y1] = at(i / 64 * 2 * Math.PI, rim);
      const [x2, y2] = at(i / 64 * 2 * Math.PI, rim + (i % 4 === 0 ? 10 : 5));
      return s("line", { class: "tick", x1, y1, x2, y2 });
    }),
    Array.from({ length: 16 }, (_, i) => {
      const [x, y] = at(i / 16 * 2 * Math.PI, rim + 25);
      return s("text", { class: "digit", x, y: y + 5, "text-anchor": "middle" }, i.toString(16));
    }),
    s("line", { class: "own", x1: middle, y1: middle, x2: mx, y2: my }),
    ties,
    [...beyond].map((to) => {
      const [cx, cy] = at(bearing(to), rim - 8);
      return s("circle", { class: "beyond", cx, cy, r: 3.5 }, s("title", null, `${short(to)}, known by a neighbour`));
    }),
    map3.peers.map((p) => {
      const [x, y] = place(p);
      return s("line", { class: `link ${kind(p)}`, x1: middle, y1: middle, x2: x, y2: y });
    }),
    map3.peers.map((p) => {
      const [x, y] = place(p);
      const r = radius(p);
      const [tx, ty] = names.get(p);
      return s(
        "a",
        {
          href: `#/network/${p.address}`,
          "data-key": p.address,
          class: `peer ${kind(p)}${p.address === chosen ? " chosen" : ""}`,
          "aria-label": `${short(p.peer)}, ${kindText(p)}, ${rtt(p.rtt_us)}`
        },
        s("circle", { class: "halo", cx: x, cy: y, r: r + 7 }),
        s("circle", { class: "dot", cx: x, cy: y, r }),
        s("text", { x: tx, y: ty, "text-anchor": x < middle ? "end" : "start" }, short(p.peer, 6))
      );
    }),
    s("circle", { class: "me", cx: middle, cy: middle, r: 11 }),
    s("circle", { class: "mecore", cx: middle, cy: middle, r: 4.5 })
  );
}
var kind = (p) => p.relayed ? "relayed" : p.transport === "webrtc" ? "rtc" : "ws";
var kindText = (p) => ({ relayed: "relayed", rtc: "WebRTC", ws: "WebSocket" })[kind(p)];

// src/join.ts
var channelName = "harbour";
var most = 200;
var longest = 500;
var numbers = [1e6, 5e6, 2e7];
var cap = 2;
var main = document.querySelector("main");
var trouble = "";
var node;
var buyer;
var ledger;
var channel2;
var checker;
var worker;
var seller;
var selling = false;
var resting = "";
var share = 50;
var program;
var run2;
var lines = [];
async function join() {
  if (!isSecureContext) throw new Error("Browsers give pages their cryptography over https:// or on this very machine only. Open this page there.");
  const sea2 = new Sea();
  node = await sea2.node();
  ({ ledger, buyer } = await sea2.shop());
  ledger.watchers.add(draw2);
  sea2.on("online", draw2);
  sea2.on("offline", draw2);
  await sea2.goOnline(location.origin.replace(/^http/, "ws"));
  channel2 = sea2.join(channelName);
  channel2.on("connect", () => note("Somebody else is here."));
  channel2.on("disconnect", () => note("Nobody else is here any more."));
  channel2.on("say", (text3, from2) => {
    if (typeof text3 === "string") add({ at: Date.now(), from: from2.toString(), text: text3.slice(0, longest) });
  });
  draw2();
}
var note = (text3) => add({ at: Date.now(), text: text3 });
function add(line) {
  lines.push(line);
  if (lines.length > most) lines.shift();
  draw2();
  const list2 = document.querySelector(".said");
  if (list2) list2.scrollTop = list2.scrollHeight;
}
function peers() {
  return [...node?.links() ?? []].map((l) => ({
    peer: toHex(l.peer.node),
    address: l.key,
    transport: l.remote === location.host ? "ws" : "webrtc",
    relayed: false,
    remote: l.remote,
    outbound: l.initiator,
    rtt_us: l.rtt * 1e3,
    since: new Date(l.since).toISOString(),
    sent_bytes: 0,
    received_bytes: 0
  }));
}
function draw2() {
  const near = peers();
  const here = node?.addr.toString() ?? "";
  show(
    main,
    h(
      "section",
      { class: "hero" },
      h(
        "div",
        { class: "self" },
        h("p", { class: "brand" }, wave(), "Sea"),
        h("h1", null, trouble ? "This tab is not in the sea" : near.length > 0 ? "This tab is a peer of the sea" : "Joining the sea\u2026"),
        h("p", { class: "lead" }, trouble || "It has a key of its own, neighbours, and no server behind it. Nothing was installed; closing the tab leaves."),
        node ? h("p", { class: "name" }, glyph(here, 38), h("code", { title: here }, short(here, 12))) : null
      ),
      h("div", { class: "aside" }, sonar({ address: here || "00000000", peers: near, near: {} }), ways(near))
    ),
    h("div", { class: "columns" }, talk(), h("div", { class: "stack" }, work2(near.length > 0), sell(near.length > 0)))
  );
  main.removeAttribute("aria-busy");
}
function ways(near) {
  const sockets = near.filter((p) => p.transport === "ws").length;
  const direct = near.length - sockets;
  return h(
    "ul",
    { class: "legend", "aria-label": "Neighbours" },
    sockets > 0 ? h("li", { class: "ws" }, `${count2(sockets)} by WebSocket`) : null,
    direct > 0 ? h("li", null, `${count2(direct)} by WebRTC`) : null
  );
}
function talk() {
  return card("Talk", [
    h("p", null, "Everyone in the channel \u201C", channelName, "\u201D hears it, by way of the others: nobody keeps it."),
    h(
      "div",
      { class: "chat" },
      h(
        "ol",
        { class: "said", role: "log", "aria-label": `The channel ${channelName}`, tabindex: 0 },
        lines.map((l) => h(
          "li",
          { class: l.from ? l.from === node?.addr.toString() ? "mine" : null : "note" },
          l.from ? [h("span", { class: "who" }, glyph(l.from), h("code", null, short(l.from, 6))), h("p", null, l.text), h("time", null, clock(l.at))] : l.text
        ))
      ),
      h(
        "form",
        { class: "row", onsubmit: say },
        h("input", { name: "text", "aria-label": "What to say", placeholder: "Say something", maxlength: longest, autocomplete: "off", disabled: !channel2 }),
        h("button", { type: "submit", disabled: !channel2 }, "Say")
      )
    )
  ], channel2 ? pill(channel2.connected() ? "others are here" : "nobody else yet", channel2.connected() ? "good" : "calm") : null);
}
function say(e) {
  e.preventDefault();
  const input2 = e.currentTarget.elements.namedItem("text");
  const text3 = input2.value.trim();
  if (!text3 || !channel2 || !node) return;
  input2.value = "";
  add({ at: Date.now(), from: node.addr.toString(), text: text3 });
  channel2.send("say", text3).catch((err) => note(`Not said: ${err instanceof Error ? err.message : String(err)}`));
}
function work2(online) {
  const busy = run2 !== void 0 && !run2.bought && !run2.trouble;
  return card("Run a program on a stranger's machine", [
    h("p", null, `It counts primes, is sandboxed there, and costs some credit: a promise that this tab signs, ${credits(cap * 1e6)} at most.`),
    h(
      "form",
      { class: "chat", onsubmit: buy },
      h(
        "div",
        { class: "row" },
        h("select", { name: "n", "aria-label": "Primes below" }, numbers.map((n) => h("option", { value: n }, `Primes below ${count2(n)}`))),
        h("button", { type: "submit", disabled: busy || !online || !buyer }, busy ? "Running\u2026" : "Run it")
      ),
      run2 ? outcome2(run2) : null
    )
  ]);
}
function outcome2(r) {
  if (r.trouble) return h("p", { class: "problem", role: "alert" }, r.trouble);
  const b = r.bought;
  if (!b) {
    const at2 = r.progress;
    return h(
      "div",
      { class: "progress", role: "status" },
      meter(Number(at2?.fuel ?? 0n), r.n * 60, "progress"),
      h("span", null, at2 ? `${at2.state}${at2.fuel > 0n ? `, ${fuel2(Number(at2.fuel))}` : ""}${at2.why ? ` (${at2.why})` : ""}` : "asking")
    );
  }
  return [
    tiles(
      tile("There are", new TextDecoder().decode(b.stdout).trim(), `primes below ${count2(r.n)}`),
      tile("Fuel", count2(Number(b.fuel)), "as the seller's receipt says"),
      tile("Bill", credits(Number(b.cost)), "promised by this tab"),
      tile("Seller", who(toHex(b.seller)), b.engine)
    ),
    r.again === void 0 ? h("button", { type: "button", onclick: () => void recompute(r) }, "Recompute the bill in this tab") : r.again === "running" ? h("button", { type: "button", disabled: true }, "Recomputing\u2026") : h(
      "section",
      { class: `verdict ${r.again.fuel === b.fuel && r.again.same ? "good" : "bad"}`, role: "status" },
      h("strong", null, r.again.fuel === b.fuel && r.again.same ? "The same to the unit" : "Not what was billed"),
      pairs2(["Fuel here", count2(Number(r.again.fuel))], ["Output", r.again.same ? "the same" : "another"])
    )
  ];
}
async function fetched(name) {
  const answer5 = await fetch(name);
  if (!answer5.ok) throw new Error(`${name}: the node answered ${answer5.status}`);
  return new Uint8Array(await answer5.arrayBuffer());
}
function buy(e) {
  e.preventDefault();
  if (!buyer || run2 && !run2.bought && !run2.trouble) return;
  const select = e.currentTarget.elements.namedItem("n");
  const r = { n: Number(select.value) };
  run2 = r;
  draw2();
  program ??= fetched("primes.wasm");
  program.then((module) => buyer.run(module, { args: args(r.n), maxCredit: cap, progress: (p) => {
    r.progress = p;
    draw2();
  } }).done).then((bought) => {
    r.bought = bought;
  }, (err) => {
    r.trouble = err instanceof Error ? err.message : String(err);
  }).then(draw2);
}
var args = (n) => ["primes", String(n)];
async function recompute(r) {
  r.again = "running";
  draw2();
  try {
    checker ??= engine();
    const module = await program;
    const spec = await specOf(module, { args: args(r.n), fuel: r.bought.fuel * 2n });
    const { done: done4 } = await (await checker).run(spec.job, { open: async () => module });
    r.again = { fuel: done4.fuel, same: toHex(done4.stdout) === toHex(r.bought.stdout) };
  } catch (err) {
    delete r.again;
    note(`The bill was not recomputed: ${err instanceof Error ? err.message : String(err)}`);
  }
  draw2();
}
async function engine() {
  const rewriter = await WebAssembly.compile(await fetched("meter.wasm"));
  return new Engine(() => new Worker("worker.js", { type: "module" }), rewriter);
}
function sell(online) {
  const sales = [...seller?.sales ?? []].reverse();
  const earned = sales.reduce((sum, s2) => sum + (s2.state === "paid" ? s2.cost : 0n), 0n);
  const state2 = !selling ? "off" : !seller ? "starting" : resting ? `rests: ${resting}` : sales.some((s2) => s2.open) ? "at work" : "waiting for work";
  return card("Sell this machine's time", [
    h("p", null, "Strangers' programs run in this tab, sandboxed and metered, for a credit a Gfuel. It rests while the tab is hidden, and on battery."),
    h(
      "div",
      { class: "chat" },
      h(
        "div",
        { class: "row" },
        h("input", { type: "range", min: 10, max: 100, step: 10, value: share, "aria-label": "Share of a core, in percent", oninput: (e) => {
          share = Number(e.currentTarget.value);
          void worker?.then((w) => w.share(share / 100));
          draw2();
        } }),
        h("span", { class: "share" }, `${share} % of a core`),
        h("button", { type: "button", class: selling ? "danger" : null, disabled: !online || !ledger || !buyer, "aria-pressed": String(selling), onclick: () => void toggle() }, selling ? "Stop" : "Sell")
      ),
      sales.length > 0 ? [
        tiles(tile("Earned", credits(Number(earned)), "promised to this tab"), tile("Jobs", count2(sales.length))),
        h("ul", { class: "sales" }, sales.slice(0, 6).map((s2) => h(
          "li",
          { "data-key": toHex(s2.order) },
          who(toHex(s2.buyer)),
          statePill(s2.state),
          h("span", { class: "faint" }, `${fuel2(Number(s2.fuel))}${s2.cost > 0n ? ` \xB7 ${credits(Number(s2.cost))}` : ""}`)
        )))
      ] : null
    )
  ], pill(state2, !selling ? "calm" : resting ? "warn" : "good"));
}
async function toggle() {
  selling = !selling;
  draw2();
  try {
    worker ??= engine();
    const w = await worker;
    w.share(share / 100);
    if (!seller) {
      seller = await Seller.open(node, ledger, w, buyer.shelf, await storeOf("sales", node.signer));
      seller.changed = draw2;
      const rest3 = new Rest({ hidden: true, battery: typeof navigator.getBattery === "function" }, (why) => {
        resting = why;
        seller.rest(why || (selling ? "" : "paused"));
        draw2();
      });
      resting = rest3.why;
    }
    seller.rest(resting || (selling ? "" : "paused"));
  } catch (err) {
    selling = false;
    worker = void 0;
    note(`Nothing is sold: ${err instanceof Error ? err.message : String(err)}`);
  }
  draw2();
}
draw2();
join().catch((err) => {
  trouble = err instanceof Error ? err.message : String(err);
  draw2();
});
setInterval(() => {
  if (!document.hidden) draw2();
}, 2e3);
