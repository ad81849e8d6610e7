// The bundle as npm installs it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as peersea from "peersea";

test("exports", async () => {
	assert.deepEqual(Object.keys(peersea).sort(), ["Channel", "Connection", "Float", "HashAddress", "Pair", "Sea", "SeaError", "decode", "default", "encode", "sea"]);
	assert.equal((await peersea.HashAddress.make("hello")).toString().slice(0, 8), "2cf24dba");
	assert.deepEqual(peersea.decode(peersea.encode({ a: [1, "x", null] })), { a: [1, "x", null] });
	assert.throws(() => peersea.HashAddress.from("x"), { name: "SeaError", code: "address" });
});

test("a job is bought", async () => {
	const peer = new peersea.Sea({ network: "test", work: 0, signer: await peersea.Pair.generate(0) });
	const none = await peer.run(new Uint8Array(8)).then((job) => job.done).catch((err: unknown) => err);
	assert.ok(none instanceof peersea.SeaError, "the modules share their classes");
	await peer.goOnline((process.env["SEA_URLS"] ?? "").split(" ")[0]!);
	try {
		const module = readFileSync(join(process.env["SEA_ROOT"]!, "examples/primes/primes.wasm"));
		const job = await peer.run(module, { args: ["primes", "100"], maxCredit: 0.01 });
		const done = await job.done;
		assert.equal(new TextDecoder().decode(done.stdout), "25\n");
		const [line] = await peer.credit();
		assert.equal(line!.balance, -done.cost);
	} finally {
		peer.goOffline();
	}
});
