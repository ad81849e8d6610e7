// Inbox gives a wire's messages to one reader, one by one.

import { type Bytes } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Talk } from "./hello.ts";
import { type Lane, type Wire } from "./wire.ts";

// What a peer may send before it waits for us: bodies of calls (16 MiB), messages,
// and room for all else, each message counting so many bytes more than it has. Who sends
// more is cut off.
const maxWaiting = 24 << 20;
const messageCost = 128;

/** Inbox is the reading side of a wire, which it starts. */
export class Inbox implements Talk {
	readonly #waiting: [Bytes, Lane][] = [];
	#bytes = 0;
	#wake = () => {};

	/** why says in words how the wire ended; "" while it has not. */
	why = "";

	constructor(readonly wire: Wire) {
		wire.start(
			(message, lane) => {
				this.#bytes += message.length + messageCost;
				this.#waiting.push([message, lane]);
				if (this.#bytes > maxWaiting) this.stop("the other side sends more than it may");
				this.#wake();
			},
			(why) => this.stop(why),
		);
	}

	/** stop ends the wire; what has come can still be taken. */
	stop(why: string): void {
		this.why ||= why || "the wire ended";
		this.wire.close();
		this.#wake();
	}

	/** take gives the next message and its lane, undefined after the last one. */
	async take(): Promise<[Bytes, Lane] | undefined> {
		while (this.#waiting.length === 0) {
			if (this.why) return undefined;
			await new Promise<void>((resolve) => (this.#wake = resolve));
		}
		const next = this.#waiting.shift()!;
		this.#bytes -= next[0].length + messageCost;
		return next;
	}

	send(message: Bytes): void {
		this.wire.send(message, 0);
	}

	async next(): Promise<Bytes> {
		const [message, lane] = (await this.take()) ?? [];
		if (!message || lane !== 0) throw new SeaError("handshake", this.why || "a message on the wrong lane");
		return message;
	}
}
