// The rewriter of Go's compute/internal/meter, compiled to WebAssembly (compute/
// internal/webmeter). It is a WASI command, so it runs in the same world as guests.

import { type Bytes, concat } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { bytes, list, read, text, tuple } from "../identity/shape.ts";
import * as Most from "./most.ts";
import { calls, module as world, params } from "./wasi/calls.ts";
import { Stop, World } from "./wasi/world.ts";

const name = text(0, Most.moduleBytes);
const maxEntries = 10_000; // imports, and exports: the meter's own bound
const maxMetered = 1 << 30; // bytes; the metered module is some times as large

const made = tuple(list(tuple(name, name, name), maxEntries), list(tuple(name, name), maxEntries), bytes(0, maxMetered));

/** Metered is a module that was metered, and what a job can call of it. */
export interface Metered {
	wasm: Bytes;
	/** exports are the types of the guest's own functions, "ii>l" for (i32, i32) -> i64; of others their kinds. */
	exports: Map<string, string>;
}

/**
 * meter writes the meter into a module for a job with so many pages of memory.
 * SeaError "module" says why it is refused: what the rewriter does not admit, and
 * imports that no guest gets.
 */
export function meter(rewriter: WebAssembly.Module, module: Uint8Array, pages: number): Metered {
	const { code, stdout, stderr } = rewrite(rewriter, module, pages);
	if (code !== 0) throw new SeaError("module", new TextDecoder().decode(stderr).slice(0, 300));
	const [imports, exports, wasm] = read(stdout, made, "the rewriter's answer");
	for (const [from, called, type] of imports) checkImport(from, called, type);
	return { wasm, exports: new Map(exports) };
}

/** rewrite runs the rewriter as a guest that pays and is not stopped. */
function rewrite(rewriter: WebAssembly.Module, module: Uint8Array, pages: number): { code: number; stdout: Bytes; stderr: Bytes } {
	let used = 0n;
	const w = new World(
		{
			args: ["webmeter", String(pages)], env: [], stdin: module, files: [], seed: new Uint8Array(32),
			start: 0n, outputBytes: maxMetered, maxFiles: 0,
		},
		{
			get used() {
				return used;
			},
			pay(n) {
				used += n;
			},
		},
	);
	let code = 0;
	const functions = calls(w, () => (instance.exports["memory"] as WebAssembly.Memory).buffer);
	const instance = new WebAssembly.Instance(rewriter, { [world]: functions });
	try {
		(instance.exports["_start"] as () => void)();
	} catch (err) {
		if (!(err instanceof Stop) || err.end !== "exit") throw new SeaError("engine", `the rewriter: ${String(err)}`);
		code = err.code;
	}
	return { code, stdout: concat(...w.stdout), stderr: concat(...w.stderr) };
}

/** checkImport refuses what the world does not have, by its name. */
function checkImport(from: string, called: string, type: string): void {
	if (from !== world || !type.includes(">")) {
		throw new SeaError("module", `import of ${type} ${called} of module ${from}: guests get functions of ${world} and nothing else`);
	}
	if (!Object.hasOwn(params, called)) throw new SeaError("module", `import of ${called} of ${world}, which does not have it`);
	const want = params[called as keyof typeof params] + (called === "proc_exit" ? ">" : ">i");
	if (type !== want) throw new SeaError("module", `import of ${called} of ${world} with the wrong type`);
}

/** checkEntry refuses a module that lacks what a job calls. SeaError "module". */
export function checkEntry(exports: Map<string, string>, entry: string): void {
	const need = (called: string, type: string): void => {
		if (exports.get(called) !== type) throw new SeaError("module", `exports no function ${called} of type ${type}`);
	};
	if (entry === "") return need("_start", ">");
	need(entry, "ii>l");
	need("malloc", "i>i");
	if (exports.get("_initialize")?.includes(">")) need("_initialize", ">");
}
