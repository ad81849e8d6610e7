// Grants: how far a creditor lets the other side of a line go into debt. See
// docs/PROTOCOL.md, part 7.

import { amount, hash, key, large, type LayoutOf, maxSeq, record, sig } from "./format.ts";

/** grant is signed by the creditor alone; the highest seq counts. */
export const grant = record({
	line: hash,
	seq: large(1n, maxSeq),
	creditor: key,
	/** limit is what the other key may owe; 0 takes it back. */
	limit: amount,
	/** expiry is the Unix second from which the limit is 0; 0 is never. */
	expiry: large(0n, 253402300799n), // the end of the year 9999
	sig,
});

/** Grant is credit that somebody gave. */
export type Grant = LayoutOf<typeof grant>;

export const grantPurpose = "sea/grant/1";
