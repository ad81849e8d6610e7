// Runs metered jobs on this Node's WebAssembly engine, for TestEnginesAgree.
//
//	node main.mjs < jobs > outcomes
//
// Each line of standard input is a job, each line of standard output what came
// of it, both JSON, in the same order. 64-bit numbers are text, bytes are base64.
//
//	job      {"module": FILE, "args", "env": [text], "stdin": FILE or "",
//	          "files": [{"path", "from": FILE}], "seed": base64, "start": "NS",
//	          "fuel": "N", "depth", "output_bytes", "max_files": number, "entry": text}
//	outcome  {"end", "trap": text, "code": number, "stdout", "stderr": base64,
//	          "files": [{"path", "dir", "data": base64}], "fuel": "N", "pages": number,
//	          "seconds": number}
//	         or {"refused": why}, or {"failed": why} when the engine is to blame
//
// The jobs run one after the other in a thread that has room for the calls that
// their depth allows: 256 MiB serve 16,384. It is replaced when it fails.
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setFlagsFromString } from "node:v8";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { Refused, run } from "./guest.mjs";

const STACK_MB = 256;

// Node 20 has extended constants behind a flag, Node 18 tail calls too; later ones
// have them as they are.
if (parseInt(process.versions.node) <= 20) {
  setFlagsFromString("--experimental-wasm-extended-const");
  setFlagsFromString("--experimental-wasm-return-call");
}

if (isMainThread) {
  let thread;
  for await (const line of createInterface({ input: process.stdin })) {
    thread ??= new Worker(new URL(import.meta.url), { resourceLimits: { stackSizeMb: STACK_MB } });
    const outcome = await ask(thread, JSON.parse(line));
    process.stdout.write(JSON.stringify(outcome) + "\n");
    if (outcome.failed) {
      await thread.terminate();
      thread = undefined;
    }
  }
  await thread?.terminate();
} else {
  parentPort.on("message", (job) => parentPort.postMessage(play(job)));
}

// ask has the thread run a job.
async function ask(thread, job) {
  const ended = new AbortController(); // takes the listener away that is not called
  const outcome = Promise.race([
    once(thread, "message", { signal: ended.signal }).then(([outcome]) => outcome),
    once(thread, "exit", { signal: ended.signal }).then(([code]) => ({ failed: `the thread ended with code ${code}` })),
  ]);
  thread.postMessage(job);
  try {
    return await outcome;
  } catch (e) {
    return { failed: String(e) };
  } finally {
    ended.abort();
  }
}

function play(line) {
  const job = {
    ...line,
    stdin: line.stdin ? readFileSync(line.stdin) : new Uint8Array(0),
    files: line.files.map(({ path, from }) => ({ path, data: readFileSync(from) })),
    seed: Buffer.from(line.seed, "base64"),
    start: BigInt(line.start),
    fuel: BigInt(line.fuel),
    outputBytes: line.output_bytes,
    maxFiles: line.max_files,
  };
  const wasm = readFileSync(line.module);
  const begin = performance.now();
  try {
    const o = run(wasm, job);
    return {
      ...o,
      stdout: Buffer.concat(o.stdout).toString("base64"),
      stderr: Buffer.concat(o.stderr).toString("base64"),
      files: o.files.map((f) => ({ ...f, data: Buffer.from(f.data).toString("base64") })),
      fuel: String(o.fuel),
      seconds: (performance.now() - begin) / 1000,
    };
  } catch (e) {
    if (e instanceof Refused) return { refused: e.message };
    return { failed: String(e) };
  }
}
