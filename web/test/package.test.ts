// The bundle as npm installs it.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as peersea from "peersea";

test("exports", async () => {
	assert.deepEqual(Object.keys(peersea).sort(), ["Channel", "Connection", "Float", "HashAddress", "Pair", "Sea", "SeaError", "decode", "default", "encode", "sea"]);
	assert.equal((await peersea.HashAddress.make("hello")).toString().slice(0, 8), "2cf24dba");
	assert.deepEqual(peersea.decode(peersea.encode({ a: [1, "x", null] })), { a: [1, "x", null] });
	assert.throws(() => peersea.HashAddress.from("x"), { name: "SeaError", code: "address" });
});
