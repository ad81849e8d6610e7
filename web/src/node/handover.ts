// A handover is a wire that begins over a relay and can move to a direct one with
// no message lost: each side says on the old wire that it has moved, and reads the
// old one up to there. See docs/PROTOCOL.md, part 4, "The direct way".

import { type Bytes } from "../bytes.ts";
import { type Lane, type Wire } from "./wire.ts";

// The last message of a wire that is left. No sealed message is one byte long.
const moved = new Uint8Array(1);

// How long the other side's way may take to open here, ms.
const openWait = 15_000;

/** Handover carries what its link seals, whichever way that takes. */
export class Handover implements Wire {
	readonly lanes = 1;
	#next: Wire | undefined; // this side has moved to it
	#followed = false; // and the other side has
	#late: ReturnType<typeof setTimeout> | undefined;
	#over = false;
	#message = (_: Bytes, _lane: Lane) => {};
	#ended = (_: string) => {};

	/** seeking tells that a direct way is being looked for. */
	seeking = false;

	constructor(readonly old: Wire) {}

	/** relayed tells whether this side sends over the relay. */
	get relayed(): boolean {
		return !this.#next;
	}

	/** remote: see Wire. */
	get remote(): string {
		return this.#way.remote;
	}

	get #way(): Wire {
		return this.#next ?? this.old;
	}

	/** buffered: see Wire. */
	buffered(): number {
		return this.#way.buffered(0);
	}

	/** send: see Wire. */
	send(message: Bytes): void {
		this.#way.send(message, 0);
	}

	/** drained: see Wire. */
	drained(): Promise<void> {
		return this.#way.drained(0);
	}

	/** move sends everything from now on over next, which it takes over. */
	move(next: Wire): void {
		if (this.#over || this.#next) return next.close();
		this.old.send(moved, 0);
		this.#next = next;
		this.#follow();
	}

	/** start: see Wire. */
	start(message: (message: Bytes, lane: Lane) => void, ended: (why: string) => void): void {
		this.#message = message;
		this.#ended = ended;
		this.old.start(
			(m) => {
				if (m.length !== 1) return this.#followed || message(m, 0);
				this.#followed = true;
				this.#late = setTimeout(() => this.#end("the other side moved to a way that does not open here"), openWait);
				this.#follow();
			},
			(why) => this.#followed || this.#end(why),
		);
	}

	/** close: see Wire. */
	close(): void {
		this.old.close();
		this.#next?.close();
		this.#end("closed on this side");
	}

	/** follow reads on from the direct way when both sides have moved, and lets the old one go. */
	#follow(): void {
		const next = this.#next;
		if (!next || !this.#followed) return;
		clearTimeout(this.#late);
		this.old.close(); // which sends what it has first
		next.start(
			(m, lane) => (lane === 0 ? this.#message(m, 0) : this.close()),
			(why) => this.#end(why),
		);
	}

	#end(why: string): void {
		if (this.#over) return;
		this.#over = true;
		clearTimeout(this.#late);
		this.old.close();
		this.#next?.close();
		this.#ended(why);
	}
}
