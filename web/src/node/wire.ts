// A wire carries messages, whole and in order, between two peers, and proves
// nothing. See docs/PROTOCOL.md, part 2.

import { type Bytes } from "../bytes.ts";

/** maxMessage is the most bytes one message may have. */
export const maxMessage = 17408;

/** Lane is 0 for control, or all of a wire with one lane, and 1 for bulk. */
export type Lane = 0 | 1;

/** Wire is an open connection that carries messages of 1 to maxMessage bytes. */
export interface Wire {
	/** lanes is how many it has; each keeps its own order. */
	readonly lanes: 1 | 2;

	/** remote is the other side's address as this side sees it, or "". */
	readonly remote: string;

	/** relayed tells that another peer passes it on at this moment. */
	readonly relayed?: boolean;

	/** buffered is how many bytes wait in a lane. The sender keeps it small. */
	buffered(lane: Lane): number;

	/** send hands a message over. It never throws; after the end it does nothing. */
	send(message: Bytes, lane: Lane): void;

	/** drained resolves when a lane has room again, and when the wire ends. */
	drained(lane: Lane): Promise<void>;

	/**
	 * start is called once. Messages that came before are given then. After ended,
	 * which says why in words, nothing is called any more.
	 */
	start(message: (message: Bytes, lane: Lane) => void, ended: (why: string) => void): void;

	/** close sends what was handed over and ends the wire; ended is called. */
	close(): void;
}
