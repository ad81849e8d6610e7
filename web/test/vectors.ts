// The golden vectors of the Go packages, which are the contract between both.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromHex } from "../src/bytes.ts";
import { type Code, SeaError } from "../src/error.ts";

/** vectors reads a file of JSON by its path in the project. */
export function vectors<T>(path: string): T {
	const root = process.env["SEA_ROOT"];
	if (!root) throw new Error("SEA_ROOT does not say where the project is");
	return JSON.parse(readFileSync(join(root, path), "utf8")) as T;
}

/** hex gives the bytes of a vector. */
export function hex(text: string): Uint8Array<ArrayBuffer> {
	const b = fromHex(text);
	if (!b) throw new Error(`not hex: ${text}`);
	return b;
}

/** because is for assert.throws: an error of this code whose text has these words. */
export function because(code: Code, words = ""): (err: unknown) => boolean {
	return (err) => {
		if (err instanceof SeaError && err.code === code && err.message.includes(words)) return true;
		throw new Error(`got ${String(err)}, want ${code}: ${words}`);
	};
}
