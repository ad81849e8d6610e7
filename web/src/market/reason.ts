// Why a job failed or was refused. Words are added, never renamed.

import { SeaError } from "../error.ts";

/** reasons are the words that are known; those of a later version are let through. */
export const reasons = [
	"out_of_fuel", "trap", "output_limit", "timeout", "cancelled", "no_seller", "unreachable", "refused_price", "refused_credit", "fuel", "memory",
	"output", "wall_time", "module_too_large", "input_too_large", "module_invalid", "import_unknown", "bad_job", "not_selling", "busy", "expired",
	"unknown_quote", "quote_used", "unknown_order", "inputs_missing", "engine_failed", "seller_lost", "bad_receipt", "bad_output", "bad_statement",
	"not_paid", "internal", "too_slow", "no_voucher", "credit_limit", "revoked", "mismatch", "excluded", "seller_paused", "not_welcome", "unlabelled",
] as const;

/** Reason is a word for programs. */
export type Reason = (typeof reasons)[number] | (string & {});

/** Refused is a job that was refused or could not be had: a SeaError "job" with the reason. */
export class Refused extends SeaError {
	readonly reason: Reason;

	constructor(reason: Reason, text: string) {
		super("job", text || reason);
		this.reason = reason;
	}
}
