// A stream is one end of a connection that another peer relays: a wire over the
// link to it. See docs/PROTOCOL.md, part 4, "Relayed connections".

import { type Bytes, concat } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Uint } from "../identity/cbor.ts";
import { type Framed } from "./frame.ts";
import * as Tag from "./tag.ts";
import { type Link } from "./link.ts";
import { maxMessage, type Wire } from "./wire.ts";

// The bounds, in bytes: of a piece of a message, of what the other end has not taken,
// each piece counting so much more than its data, and of what is taken before it is told.
const maxPiece = 8192;
const window = 1 << 16;
const pieceCost = 64;
const quarter = window >> 2;

// Streams over one link.
const maxStreams = 16;

/** Stream lives in its link's streams until it ends. Whoever makes one starts it at once: nothing can come before. */
export class Stream implements Wire {
	readonly lanes = 1;
	readonly remote = "";
	readonly #unsent: Bytes[] = [];
	#credit = window;
	readonly #rooms: (() => void)[] = [];
	#closing = false;

	#pieces: Bytes[] = []; // of the message that comes
	#left = 0; // of it
	#owed = 0; // that came, without credit yet

	#message = (_: Bytes) => {};
	#ended = (_: string) => {};
	#why = "";

	/** The relay has said its number for the connection. SeaError "busy" when the link has too many. */
	constructor(
		readonly link: Link,
		readonly id: Uint,
	) {
		if (link.streams.has(id) || link.streams.size >= maxStreams) throw new SeaError("busy", "too many connections over one relay");
		link.streams.set(id, this);
	}

	/** buffered has no measure but the other end's window: while that is full nothing more should come. */
	buffered(): number {
		return this.#unsent.length > 0 ? Infinity : 0;
	}

	/** send: see Wire. */
	send(message: Bytes): void {
		if (this.#why || this.#closing) return;
		this.#unsent.push(message);
		this.#flow();
	}

	/** drained: see Wire. */
	async drained(): Promise<void> {
		while (!this.#why && this.#unsent.length > 0) await new Promise<void>((room) => this.#rooms.push(room));
	}

	/** start: see Wire. */
	start(message: (message: Bytes, lane: 0) => void, ended: (why: string) => void): void {
		this.#ended = ended;
		this.#message = (m) => message(m, 0);
		if (this.#why) ended(this.#why);
	}

	/** close: see Wire. */
	close(): void {
		this.#closing = true;
		this.#flow();
	}

	/** frame takes what the relay has passed on. */
	frame(f: Framed<24> | Framed<25> | Framed<26>): void {
		switch (f[0]) {
			case Tag.relay:
				return this.#take(f[3], f[4]);
			case Tag.relayCredit:
				this.#credit = Math.min(this.#credit + f[3], window);
				return this.#flow();
			case Tag.relayEnd:
				return this.end("the relayed connection ended");
		}
	}

	/** end ends the stream at once. */
	end(why: string): void {
		if (this.#why) return;
		this.#why = why;
		this.link.streams.delete(this.id);
		this.link.send([Tag.relayEnd, this.id, 0]);
		this.#room();
		this.#ended(why);
	}

	#flow(): void {
		for (let message; (message = this.#unsent[0]) && !this.#why; ) {
			const cost = message.length + Math.ceil(message.length / maxPiece) * pieceCost;
			if (this.#credit < cost) return;
			this.#credit -= cost;
			this.#unsent.shift();
			for (let at = 0; at < message.length; at += maxPiece) {
				const piece = message.subarray(at, at + maxPiece);
				this.link.send([Tag.relay, this.id, 0, message.length - at - piece.length, piece]);
			}
		}
		this.#room();
		if (this.#closing) this.end("closed on this side");
	}

	#room(): void {
		for (const room of this.#rooms.splice(0)) room();
	}

	/** take joins a piece. What does not follow, or is more than the window, ends the stream. */
	#take(left: number, data: Bytes): void {
		const size = data.length + left;
		this.#owed += data.length + pieceCost;
		if ((this.#left ? size !== this.#left : size > maxMessage) || this.#owed > window) return this.end("the relay passed on what does not fit");
		this.#pieces.push(data);
		this.#left = left;
		if (left > 0) return;
		const message = concat(...this.#pieces);
		this.#pieces = [];
		if (this.#owed >= quarter) {
			this.link.send([Tag.relayCredit, this.id, 0, this.#owed]);
			this.#owed = 0;
		}
		if (!this.#closing) this.#message(message);
	}
}
