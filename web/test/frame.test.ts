import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toHex } from "../src/bytes.ts";
import { SeaError } from "../src/error.ts";
import { decodeFrame, encodeFrame, type Frame, maxPiece } from "../src/node/frame.ts";
import { cut, Joiner } from "../src/node/parts.ts";
import { because, hex, vectors } from "./vectors.ts";

const at = "node/internal/frame/testdata/";

test("frames", () => {
	const all = vectors<{ name: string; hex: string }[]>(at + "frames.json");
	assert.ok(all.length > 30);
	for (const { name, hex: text } of all) assert.equal(toHex(encodeFrame(decodeFrame(hex(text)))), text, name);
});

test("what is no frame", () => {
	const all = vectors<{ name: string; hex: string }[]>(at + "refused.json");
	assert.ok(all.length > 10);
	for (const { name, hex: text } of all) {
		assert.throws(() => decodeFrame(hex(text)), (err) => err instanceof SeaError && (err.code === "frame" || err.code === "cbor"), name);
	}
	// A float is no integer, also where its value is whole.
	assert.throws(() => decodeFrame(hex("8201f93c00")), because("cbor"));
});

test("large frames in parts", async () => {
	for (const c of vectors<{ id: number; size: number; sha256: string; pieces: { left: number; data: number }[] }[]>(at + "cut.json")) {
		if (!Number.isSafeInteger(c.id)) continue; // ours count up from 0
		const bytes = new Uint8Array(c.size);
		const made = [...cut(c.id, bytes)];
		assert.ok(made.every((part) => encodeFrame(part).length <= maxPiece));
		assert.equal(made.length, c.pieces.length);
		assert.equal(concat(...made.map((part) => part[3])).length, c.size);
		assert.equal(made.at(-1)![2], 0);
	}
	for (const c of vectors<{ name: string; parts: [number, number, number][]; refused: boolean }[]>(at + "join.json")) {
		const joiner = new Joiner();
		const add = () => c.parts.forEach(([id, left, n]) => joiner.add([5, id, left, new Uint8Array(n)]));
		if (c.refused) assert.throws(add, SeaError, c.name);
		else add();
	}
	const joiner = new Joiner();
	const message: Frame = [7, "chat", crypto.getRandomValues(new Uint8Array(40000))];
	let joined: Frame | undefined;
	for (const part of cut(0, encodeFrame(message))) {
		assert.equal(joined, undefined);
		joined = joiner.add(part);
	}
	assert.deepEqual(joined, message);
});
