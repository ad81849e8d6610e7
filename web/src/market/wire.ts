// The market's calls. See docs/PROTOCOL.md, part 8, "Calls".

import { bool, bytes, map, type Of, optional, orNull, type Shape, uint, wide } from "../identity/shape.ts";
import { SeaError } from "../error.ts";
import { maxOutcomeBytes } from "../compute/result.ts";
import { statement } from "../identity/statement.ts";
import { reason } from "./statement.ts";

/** followBytes is the most of each stream in one answer, and of an outcome; followMillis the longest that one may be waited for. */
export const followBytes = 256 << 10;
export const followMillis = 25_000;

const state: Shape<string> = (v, name) => {
	if (typeof v !== "string" || !["taken", "running", "delivered", "paid", "refused"].includes(v)) throw new SeaError("cbor", `${name}: not a state`);
	return v;
};

export const offerAnswer = map({ offer: statement });

export const askAnswer = map({ quote: orNull(statement), refusal: orNull(statement) });

/** follow is where an order stands, and the next bytes of its output. */
export const follow = map({
	state,
	fuel: wide,
	held: optional(reason),
	input: wide,
	stdout: bytes(0, followBytes),
	stderr: bytes(0, followBytes),
	stdout_size: wide,
	stderr_size: wide,
	refusal: orNull(statement),
	receipt: orNull(statement),
	delivery: orNull(statement),
	release: optional(bytes(1, 1024)),
	outcome: bytes(0, followBytes),
	outcome_size: uint(maxOutcomeBytes),
});

/** Follow is where an order stands. */
export type Follow = Of<typeof follow>;

const cursor = {
	stdout: wide,
	stderr: wide,
	fuel: wide,
	input: wide,
	running: bool,
	held: optional(reason),
	wait: uint(),
	voucher: optional(bytes(1, 1024)),
};

const cursorShape = map(cursor);

/** Cursor is how far a buyer is. */
export type Cursor = Of<typeof cursorShape>;

/** What buyers ask of a seller. */
export const askRequest = map({ ask: statement });
export const orderRequest = map({ order: statement, quote: statement, ask: statement, ...cursor });
export const followRequest = map({ order: bytes(32), ...cursor });
export const cancelRequest = map({ cancel: statement });

/** dueAnswer says whether a buyer still deals with an order, or has paid it. */
export const dueAnswer = map({ known: bool });

/** due asks a buyer whether it still deals with an order. */
export const due = map({ order: bytes(32) });

/** get asks for size bytes of a blob from offset on. */
export const get = map({ hash: bytes(32), offset: wide, size: uint(followBytes) });
