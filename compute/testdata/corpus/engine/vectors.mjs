// Holds this world to the vectors that the other one wrote: every call, its
// answer, its price and the bytes of memory that it changed.
//
//	node vectors.mjs compute/internal/wasi/testdata/vectors.json
//
// prints what is different and ends with 1, or the number of calls and with 0.
import { readFileSync } from "node:fs";
import { CALLS, calls } from "./calls.mjs";
import { Stop, World } from "./world.mjs";

const { memory, cases } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const hex = (text) => Buffer.from(text, "hex");
let steps = 0;
let wrong = 0;
for (const c of cases) {
  const difference = play(c);
  if (!difference) continue;
  wrong++;
  console.log(`${c.name}: ${difference}`);
}
console.log(`${cases.length} cases, ${steps} calls, ${wrong} wrong`);
process.exitCode = wrong > 0 || steps === 0 ? 1 : 0;

// play makes the calls of a case and says what is different.
function play(c) {
  const meter = {
    used: 0n,
    pay(n) {
      this.used += n;
      return true;
    },
  };
  const world = new World({
    args: c.args ?? [],
    env: c.env ?? [],
    stdin: hex(c.stdin),
    files: (c.inputs ?? []).map(({ path, data }) => ({ path, data: hex(data) })),
    seed: hex(c.seed),
    start: BigInt(c.start),
    outputBytes: c.output_bytes,
    maxFiles: c.files,
  }, meter);
  const bytes = Buffer.alloc(memory);
  const expected = Buffer.alloc(memory);
  const functions = calls(world, () => bytes.buffer);
  for (const [i, step] of c.steps.entries()) {
    steps++;
    const where = `call ${i}, ${step.call}(${step.params.join(", ")})`;
    for (const { at, hex: data } of step.poke ?? []) {
      hex(data).copy(bytes, at);
      hex(data).copy(expected, at);
    }
    meter.used += BigInt(step.burn ?? 0);
    const before = meter.used;
    let errno = 0;
    let ended = false;
    try {
      const params = step.params.map((p, k) => (CALLS[step.call][k] === "l" ? BigInt(p) : Number(p)));
      errno = functions[step.call](...params);
    } catch (e) {
      if (!(e instanceof Stop)) throw e;
      ended = true;
    }
    if (ended !== (step.ended ?? false)) return `${where}: ended ${ended}`;
    if (!ended && errno !== step.errno) return `${where}: errno ${errno}, want ${step.errno}`;
    const price = meter.used - before;
    if (price !== BigInt(step.price)) return `${where}: price ${price}, want ${step.price}`;
    for (const { at, hex: data } of step.peek ?? []) hex(data).copy(expected, at);
    if (!bytes.equals(expected)) return `${where}: memory differs`;
  }
  return "";
}
