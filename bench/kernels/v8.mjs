// Runs kernels in Node's V8, each as it is and metered, in turns, and prints one
// line of JSON for each: its name and the shortest times in milliseconds.
//
//   node --expose-gc --no-liftoff --no-wasm-lazy-compilation --no-warnings v8.mjs FOLDER ROUNDS
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WASI } from 'node:wasi';

const [folder, rounds] = process.argv.slice(2);
const nowhere = openSync('/dev/null', 'w');

// once runs a kernel in a fresh instance and returns the milliseconds.
async function once(module, kernel) {
  const wasi = new WASI({ version: 'preview1', stdout: nowhere });
  const { exports } = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi.wasiImport });
  if (exports['sea:limit']) {
    exports['sea:limit'].value = 2n ** 62n;
    exports['sea:max_depth'].value = 2 ** 30 - 1;
  }
  const start = performance.now();
  if (kernel.arg) exports[kernel.name](kernel.arg);
  else wasi.start({ exports });
  const took = performance.now() - start;
  gc(); // or thousands of reserved memories pile up
  return took;
}

for (const kernel of JSON.parse(readFileSync(join(folder, 'kernels.json')))) {
  const best = {};
  const modules = {};
  for (const form of ['plain', 'metered']) {
    best[form] = Infinity;
    modules[form] = await WebAssembly.compile(readFileSync(join(folder, `${kernel.name}.${form}.wasm`)));
  }
  for (let i = 0; i < rounds; i++) {
    for (const form in modules) best[form] = Math.min(best[form], await once(modules[form], kernel));
  }
  console.log(JSON.stringify({ name: kernel.name, ...best }));
}
