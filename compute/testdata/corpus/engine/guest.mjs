// run plays a metered module: the host's side of the meter (compute/internal/
// meter, "What the host does") and of a job (docs/PROTOCOL.md, part 5).
import { calls, MODULE } from "./calls.mjs";
import { Stop, World } from "./world.mjs";

// What the meter exports beside the guest's own names.
const FUEL = "sea:fuel", LIMIT = "sea:limit", DEPTH = "sea:depth", MAX_DEPTH = "sea:max_depth";
const STATUS = "sea:status", START = "sea:start", MEMORY = "sea:memory";
// Values of the global STATUS after a trap: who stopped the guest.
const BY_LIMIT = 1, BY_DEPTH = 2, BY_GROW = 3;

// TRAPS are V8's words for a guest's faults. They say nothing that another
// engine could compare with, so they become the words of a result.
const TRAPS = [
  [/^unreachable$/, "unreachable"],
  [/^memory access out of bounds$/, "memory_bounds"],
  [/^table index is out of bounds$/, "table_access"],
  [/^table access out of bounds$/, "table_access"],
  [/^element segment out of bounds$/, "table_access"],
  [/^null function or function signature mismatch$/, "table_access"],
  [/^(divide|remainder) by zero$/, "divide_by_zero"],
  [/^divide result unrepresentable$/, "integer_overflow"],
  [/^float unrepresentable in integer range$/, "integer_overflow"],
];

// Pointer is thrown when a reactor names bytes that it does not have.
class Pointer {}

// Failure is the engine's own: it says nothing about the guest.
export class Failure extends Error {}

// Refused is thrown for a module that cannot be compiled or instantiated.
export class Refused extends Error {}

// run gives {end, code, trap, stdout, stderr, files, fuel, pages}. The job is a
// World's, with fuel, depth and entry.
export function run(wasm, job) {
  const guest = new Guest(wasm, job);
  const outcome = guest.play();
  return {
    ...outcome,
    stdout: guest.world.stdout,
    stderr: guest.world.stderr,
    files: guest.world.tree.list(),
    pages: guest.pages,
  };
}

class Guest {
  #job;
  #exports;

  constructor(wasm, job) {
    this.#job = job;
    this.world = new World(job, this);
    const imports = calls(this.world, () => this.#memory);
    try {
      const module = new WebAssembly.Module(wasm);
      this.#exports = new WebAssembly.Instance(module, { [MODULE]: imports }).exports;
    } catch (e) {
      if (e instanceof WebAssembly.CompileError || e instanceof WebAssembly.LinkError ||
          e instanceof WebAssembly.RuntimeError) {
        throw new Refused(e.message); // a RuntimeError: data or elements out of bounds
      }
      throw e;
    }
    this.#set(LIMIT, job.fuel);
    this.#set(MAX_DEPTH, job.depth);
  }

  get #memory() {
    return this.#exports[MEMORY]?.buffer ?? new ArrayBuffer(0);
  }

  get pages() {
    return this.#memory.byteLength / 65536;
  }

  #get(name) {
    return this.#exports[name].value;
  }

  #set(name, value) {
    this.#exports[name].value = value;
  }

  // used and pay are the World's meter.
  get used() {
    return this.#get(FUEL);
  }

  pay(n) {
    if (this.used + n > this.#job.fuel) {
      this.#set(FUEL, this.#job.fuel + 1n);
      return false;
    }
    this.#set(FUEL, this.used + n);
    return true;
  }

  // call calls an export, from depth 0.
  #call(name, ...args) {
    this.#set(DEPTH, 0);
    this.#set(STATUS, 0);
    return this.#exports[name](...args);
  }

  // play makes the calls of a job and says how they ended. Using up the fuel
  // comes before all else, because a straight run of code is paid as a whole
  // before it traps or returns.
  play() {
    let thrown;
    try {
      if (this.#exports[START]) this.#call(START);
      if (this.#job.entry) this.#react();
      else this.#call("_start");
    } catch (e) {
      thrown = e;
    }
    const fuel = this.used;
    if (fuel > this.#job.fuel) return { end: "out_of_fuel", code: 0, trap: "", fuel: this.#job.fuel };
    return { code: 0, trap: "", fuel, ...this.#end(thrown) };
  }

  #end(thrown) {
    if (thrown === undefined) return { end: "exit" };
    if (thrown instanceof Stop) return { end: thrown.end, code: thrown.code };
    if (thrown instanceof Pointer) return { end: "trap", trap: "bad_pointer" };
    if (!(thrown instanceof WebAssembly.RuntimeError)) throw thrown; // V8's own stack overflow among them
    switch (this.#get(STATUS)) {
      case BY_DEPTH: return { end: "trap", trap: "call_depth" };
      case BY_GROW: throw new Failure("memory did not grow, though the job's limit allows it");
      case BY_LIMIT: throw new Failure("stopped below its limit");
    }
    for (const [words, trap] of TRAPS) {
      if (words.test(thrown.message)) return { end: "trap", trap };
    }
    throw new Failure(`no word for the trap "${thrown.message}"`);
  }

  // react hands a reactor its input and prints what it returns.
  #react() {
    const { stdin, entry } = this.#job;
    if (this.#exports._initialize) this.#call("_initialize");
    let at = 0;
    if (stdin.length > 0) {
      at = this.#call("malloc", stdin.length) >>> 0;
      this.world.spend(stdin.length);
      if (at === 0) throw new Pointer();
      this.#bytes(at, stdin.length).set(stdin);
    }
    const packed = BigInt.asUintN(64, this.#call(entry, at, stdin.length));
    const out = this.#bytes(Number(packed >> 32n), Number(packed & 0xffffffffn));
    this.world.print(out);
  }

  // bytes are n bytes of the guest's memory.
  #bytes(at, n) {
    if (n === 0) return new Uint8Array(0);
    const memory = this.#memory;
    if (at + n > memory.byteLength) throw new Pointer();
    return new Uint8Array(memory, at, n);
  }
}
