// Outbox is what waits to be sent over a link: small frames first, large ones in
// parts, messages and what is relayed in their order. See docs/PROTOCOL.md, part 4, "Large frames".

import { type Bytes } from "../bytes.ts";
import { encodeFrame, type Frame, maxPiece } from "./frame.ts";
import * as Tag from "./tag.ts";
import { type Session } from "./hello.ts";
import { cut, maxOpen } from "./parts.ts";
import { type Lane, type Wire } from "./wire.ts";

// A lane's buffer is filled up to here, in bytes.
const high = 256 << 10;

// What goes one after the other, over the second lane where there is one.
const inOrder = new Set<number>([Tag.message, Tag.relay, Tag.relayEnd]);

/** Waiting is a frame that is not on the wire yet. */
interface Waiting {
	readonly bytes: Bytes;
	/** gone is called when the wire has all of it. */
	readonly gone: (() => void) | undefined;
}

/** Outbox seals and sends frames. Its owner bounds what it puts in: see waiting. */
export class Outbox {
	readonly #small: Waiting[] = [];
	readonly #messages: Waiting[] = [];
	readonly #large: Waiting[] = []; // that are not messages, not begun
	readonly #open: { parts: Iterator<Bytes, undefined>; whole: Waiting; message: boolean }[] = [];
	#id = 0;
	#turn = 0;
	#closed = false;
	readonly #wakes: (() => void)[] = [];

	/** waiting is how many bytes are not handed to the wire yet. */
	waiting = 0;

	/** frames is how many wait that are not large. */
	get frames(): number {
		return this.#small.length;
	}

	/** flushed resolves when all lanes have ended. */
	readonly flushed: Promise<unknown>;

	constructor(
		readonly session: Session,
		readonly wire: Wire,
		failed: (err: unknown) => void,
	) {
		const lanes: Lane[] = wire.lanes === 2 ? [0, 1] : [0];
		this.flushed = Promise.all(lanes.map((lane) => this.#run(lane).catch(failed)));
	}

	/** push puts a frame in its queue. */
	push(f: Frame, gone?: () => void): void {
		if (this.#closed) return;
		const waiting = { bytes: encodeFrame(f), gone };
		this.waiting += waiting.bytes.length;
		if (inOrder.has(f[0])) this.#messages.push(waiting);
		else if (waiting.bytes.length > maxPiece) this.#large.push(waiting);
		else this.#small.push(waiting);
		this.#wake();
	}

	/** close drops what waits, sends last, and ends. */
	close(last?: Frame): void {
		for (const queue of [this.#small, this.#messages, this.#large, this.#open]) queue.length = 0;
		if (last) this.push(last);
		this.#closed = true;
		this.#wake();
	}

	#wake(): void {
		for (const wake of this.#wakes.splice(0)) wake();
	}

	async #run(lane: Lane): Promise<void> {
		for (;;) {
			const next = this.#next(lane);
			if (next) {
				const sealed = await this.session.seal(next.bytes, lane);
				if (this.wire.buffered(lane) > high) await this.wire.drained(lane);
				this.wire.send(sealed, lane);
				this.waiting -= next.counted;
				next.gone?.();
			} else if (this.#closed) {
				return;
			} else {
				await new Promise<void>((resolve) => this.#wakes.push(resolve));
			}
		}
	}

	/** next is what a lane carries now: with two, the second has messages and parts. */
	#next(lane: Lane): (Waiting & { counted: number }) | undefined {
		const both = this.wire.lanes === 1;
		if (lane === 0) {
			const w = this.#small.shift();
			if (w) return { ...w, counted: w.bytes.length };
			if (!both) return undefined;
		}
		const first = this.#begin();
		const turns = this.#open.length + (first ? 1 : 0);
		if (turns === 0) return undefined;
		const turn = this.#turn++ % turns;
		if (turn === this.#open.length) {
			this.#messages.shift();
			return { ...first!, counted: first!.bytes.length };
		}
		const flow = this.#open[turn]!;
		const { value, done } = flow.parts.next();
		if (!done) return { bytes: value, gone: undefined, counted: 0 };
		this.#open.splice(turn, 1);
		this.waiting -= flow.whole.bytes.length;
		flow.whole.gone?.();
		return this.#next(lane);
	}

	/**
	 * begin cuts large frames, as many as may be open at once and one message at a
	 * time, and gives the message that is next and goes uncut.
	 */
	#begin(): Waiting | undefined {
		for (;;) {
			const next = this.#open.some((flow) => flow.message) ? undefined : this.#messages[0];
			const large = next !== undefined && next.bytes.length > maxPiece;
			const whole = large ? next : this.#large[0];
			if (!whole || this.#open.length === maxOpen) return large ? undefined : next;
			(large ? this.#messages : this.#large).shift();
			this.#open.push({ parts: this.#parts(whole.bytes), whole, message: large });
		}
	}

	/** parts takes its number when the first part goes. */
	*#parts(frame: Bytes): Generator<Bytes, undefined> {
		for (const part of cut(this.#id++, frame)) yield encodeFrame(part);
	}
}
