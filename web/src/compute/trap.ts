// Which of a guest's faults an engine's error is. Engines have words of their own,
// which nothing could compare, so they become the words of a result.

import { type Bytes } from "../bytes.ts";
import { type Trap } from "./result.ts";

/** words are V8's, as Node 20 and Chromium 156 have them, and SpiderMonkey's, as Firefox 153 has them. */
const words: [RegExp, Trap][] = [
	[/^unreachable( executed)?$/, "unreachable"],
	[/^memory access out of bounds$/, "memory_bounds"],
	[/^table index (is )?out of bounds$/, "table_access"],
	[/^table access out of bounds$/, "table_access"],
	[/^element segment out of bounds$/, "table_access"],
	[/^(null function|function signature mismatch|null function or function signature mismatch)$/, "table_access"],
	[/^indirect call (to null|signature mismatch)$/, "table_access"],
	[/^(divide|remainder|integer divide) by zero$/, "divide_by_zero"],
	[/^(divide result unrepresentable|integer overflow)$/, "integer_overflow"],
	[/^(float unrepresentable in integer range|invalid conversion to integer)$/, "integer_overflow"],
];

/** either is what SpiderMonkey says of memories and of tables alike. */
const either = "index out of bounds";

/** place is where SpiderMonkey stood: of the innermost call, the offset of its instruction in the module. */
const place = /^[^\n]*wasm-function\[\d+\]:0x([0-9a-f]+)\n/;

/** trapOf tells which fault of the module wasm, in which nothing has a name, err is: undefined if that is not certain. */
export function trapOf(err: WebAssembly.RuntimeError, wasm: Bytes): Trap | undefined {
	if (err.message === either) return touched(wasm, parseInt(place.exec(err.stack ?? "")?.[1] ?? "", 16));
	return words.find(([said]) => said.test(err.message))?.[1];
}

/** touched tells what the instruction at an offset reads or writes. See the binary format of WebAssembly 2.0, 5.4. */
function touched(wasm: Bytes, at: number): Trap | undefined {
	switch (wasm[at]) {
		case 0x11: // call_indirect
		case 0x13: // return_call_indirect
		case 0x25: // table.get
		case 0x26: // table.set
			return "table_access";
		case 0xfc:
			switch (wasm[at + 1]) {
				case 8: // memory.init
				case 10: // memory.copy
				case 11: // memory.fill
					return "memory_bounds";
				case 12: // table.init
				case 14: // table.copy
				case 17: // table.fill
					return "table_access";
			}
			return undefined;
		case 0xfd: // vectors
			return "memory_bounds";
	}
	return wasm[at]! >= 0x28 && wasm[at]! <= 0x3e ? "memory_bounds" : undefined; // loads and stores
}
