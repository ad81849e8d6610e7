// A bill recomputed: a job is run again, and compared with what its seller signed.

import { compare } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Statement } from "../identity/statement.ts";
import { type Blobs } from "../compute/blob.ts";
import { type Engine } from "../compute/engine.ts";
import { hashJob, type Job } from "../compute/job.ts";
import * as Most from "../compute/most.ts";
import { openReceipt, type Receipt } from "../compute/receipt.ts";

/** Verification says what a second run came to. */
export interface Verification {
	/** match is whether all that a receipt claims is the same. */
	match: boolean;
	/** outputMatch is whether at least what came out is. */
	outputMatch: boolean;
	fuelClaimed: bigint;
	fuelRecomputed: bigint;
}

/**
 * recheck runs job again and compares with a receipt: a mismatch is no error. A job
 * that was interrupted is run up to the fuel at which it was. own is what a receipt
 * of this run says. SeaErrors are those of openReceipt and of the engine.
 */
export async function recheck(
	signed: Statement, job: Job, blobs: Blobs, engine: Engine, signal?: AbortSignal,
): Promise<{ verification: Verification; own: Receipt }> {
	const receipt = await openReceipt(signed);
	// Elsewhere may be slower: the belt of wall time proves nothing.
	const again = { ...job, limits: { ...job.limits, wall_ms: Most.wallMillis } };
	const stopAt = receipt.end === "interrupted" ? (receipt.fuel > 0n ? receipt.fuel : 1n) : 0n;
	const result = await engine.run(again, blobs, signal ? { stopAt, signal } : { stopAt });
	if (signal?.aborted) throw new SeaError("cancelled", "the second run was cancelled");
	const own = { ...(await result.receipt()), job: await hashJob(job) };
	const verification = {
		match: sameClaims(receipt, own),
		outputMatch: compare(receipt.result, own.result) === 0,
		fuelClaimed: receipt.fuel,
		fuelRecomputed: own.fuel,
	};
	return { verification, own };
}

/** sameClaims is whether two receipts are equal in all but the engine's name. */
export function sameClaims(a: Receipt, b: Receipt): boolean {
	return (
		compare(a.job, b.job) === 0 && compare(a.result, b.result) === 0 && a.end === b.end && a.code === b.code &&
		a.fuel === b.fuel && a.peak_pages === b.peak_pages && a.tariff === b.tariff
	);
}
