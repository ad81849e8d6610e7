// The signed statement of what was done, never of what it cost: docs/PROTOCOL.md,
// part 5.

import { type Bytes } from "../bytes.ts";
import { encode } from "../identity/cbor.ts";
import { type Signer } from "../identity/ed25519.ts";
import { bytes, map, type Of, read, text, uint, version, wide } from "../identity/shape.ts";
import { Statement } from "../identity/statement.ts";
import { hashSize, invalid } from "./blob.ts";
import { tariff1 } from "./job.ts";
import * as Most from "./most.ts";
import { checkEnd, code, end } from "./result.ts";

/** receiptPurpose is what a receipt is signed for. */
export const receiptPurpose = "sea/receipt/1";

const shape = map({
	v: version,
	job: bytes(hashSize),
	result: bytes(hashSize),
	end,
	code,
	fuel: wide,
	peak_pages: uint(Most.memoryPages),
	tariff: uint(),
	engine: text(0, 128),
});

/**
 * Receipt is what was done, as it is encoded: who runs the job again gets the
 * same result, fuel and peak_pages, or the signer was wrong. The engine is for people.
 */
export type Receipt = Of<typeof shape>;

/** encodeReceipt gives the signed body. SeaError "invalid". */
export function encodeReceipt(r: Receipt): Bytes {
	checkReceipt(r);
	return encode(r);
}

/** decodeReceipt reads what encodeReceipt wrote and nothing else. SeaError "cbor" or "invalid". */
export function decodeReceipt(b: Uint8Array): Receipt {
	const r = read(b, shape, "receipt");
	checkReceipt(r);
	return r;
}

/** signReceipt makes the receipt a statement of who ran the job. */
export function signReceipt(r: Receipt, signer: Signer): Promise<Statement> {
	return Statement.sign(signer, receiptPurpose, encodeReceipt(r));
}

/** openReceipt verifies the signature and reads the receipt. Who signed is s.by. */
export async function openReceipt(s: Statement): Promise<Receipt> {
	return decodeReceipt(await s.open(receiptPurpose));
}

function checkReceipt(r: Receipt): void {
	if (r.fuel > Most.fuel) throw invalid(`receipt: fuel is ${r.fuel}, at most ${Most.fuel} is possible`);
	if (r.tariff !== tariff1) throw invalid(`receipt: tariff ${r.tariff}, only ${tariff1} is known`);
	checkEnd(r.end, r.code);
}
