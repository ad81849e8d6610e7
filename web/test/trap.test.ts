// Engines' words for a guest's faults, and where SpiderMonkey's do not say enough.

import assert from "node:assert/strict";
import { test } from "node:test";
import { trapOf } from "../src/compute/trap.ts";

/** said is an error as an engine throws it. */
function said(message: string, stack = ""): WebAssembly.RuntimeError {
	return Object.assign(new WebAssembly.RuntimeError(message), { stack });
}

test("what two engines say", () => {
	for (const [message, trap] of [
		["unreachable", "unreachable"],
		["unreachable executed", "unreachable"],
		["memory access out of bounds", "memory_bounds"],
		["table index is out of bounds", "table_access"],
		["table index out of bounds", "table_access"],
		["null function or function signature mismatch", "table_access"],
		["indirect call to null", "table_access"],
		["indirect call signature mismatch", "table_access"],
		["divide by zero", "divide_by_zero"],
		["remainder by zero", "divide_by_zero"],
		["integer divide by zero", "divide_by_zero"],
		["integer overflow", "integer_overflow"],
		["divide result unrepresentable", "integer_overflow"],
		["float unrepresentable in integer range", "integer_overflow"],
		["invalid conversion to integer", "integer_overflow"],
	]) {
		assert.equal(trapOf(said(message!), new Uint8Array()), trap, message);
	}
	for (const message of ["", "unreachable code", "call stack exhausted", "index out of bounds of", "memory access out of bounds\n"]) {
		assert.equal(trapOf(said(message), new Uint8Array()), undefined, message);
	}
});

test("an index out of bounds, by the instruction that had it", () => {
	const at = (stack: string, ...code: number[]) => trapOf(said("index out of bounds", stack), new Uint8Array([0, ...code]));
	const stack = "@http://127.0.0.1/worker.js line 1 > WebAssembly.Module:wasm-function[4]:0x1\nplay@http://127.0.0.1/worker.js:1:2\n";
	for (const op of [0x28, 0x35, 0x36, 0x3e, 0xfd]) assert.equal(at(stack, op), "memory_bounds", `${op}`);
	for (const op of [8, 10, 11]) assert.equal(at(stack, 0xfc, op), "memory_bounds", `fc ${op}`);
	for (const op of [0x11, 0x13, 0x25, 0x26]) assert.equal(at(stack, op), "table_access", `${op}`);
	for (const op of [12, 14, 17]) assert.equal(at(stack, 0xfc, op), "table_access", `fc ${op}`);

	// What is not certain is no result.
	for (const op of [0x00, 0x10, 0x20, 0x27, 0x3f, 0x40, 0x6a]) assert.equal(at(stack, op), undefined, `${op}`);
	for (const op of [0, 7, 9, 13, 15, 16]) assert.equal(at(stack, 0xfc, op), undefined, `fc ${op}`);
	assert.equal(at(""), undefined, "no stack");
	assert.equal(at(stack.replace("0x1", "0x2"), 0x28), undefined, "behind the module");
	assert.equal(at(stack.replace("0x1", "0xfffffffffffffffffffff"), 0x28), undefined, "far behind it");
	assert.equal(at("play@http://127.0.0.1/worker.js:1:2\n" + stack, 0x28), undefined, "the innermost call is not the guest's");
	assert.equal(at("wasm-function[4]:1\n", 0x28), undefined, "no offset");
});
