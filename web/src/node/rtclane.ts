// A lane is one data channel of a WebRTC wire, with a window of its own each
// way. See docs/PROTOCOL.md, part 3, "Lanes".

import { type Bytes } from "../bytes.ts";
import { maxMessage } from "./wire.ts";

/** laneWindow is how much one side may have sent that the other has not taken, in bytes. */
export const laneWindow = 1 << 20;

const overhead = 64; // what a message costs of the window besides its bytes
const quantum = laneWindow / 4; // how much is taken before it is said
const high = 256 << 10; // the bytes that may wait in the channel
const low = high / 2; // where a lane has room again
const maxQueue = 4 << 20; // what a sender may queue that does not look at buffered

const bye = "bye";

/** Channel is what a lane needs of an RTCDataChannel that gives ArrayBuffers. */
export interface Channel {
	readonly bufferedAmount: number;
	bufferedAmountLowThreshold: number;
	onbufferedamountlow: ((event: Event) => unknown) | null;
	onmessage: ((event: MessageEvent) => unknown) | null;
	send(data: Bytes): void;
	send(data: string): void;
}

/** RtcLane is one lane, from when its channel is open. */
export class RtcLane {
	readonly #channel: Channel;
	readonly #broken: (why: string) => void;
	readonly #gone: () => void;
	#credit = laneWindow;
	#queue: Bytes[] = []; // not in the channel yet
	#queued = 0;
	#held: Bytes[] = []; // arrived, while nobody takes
	#taken = 0; // and not given back
	#open = 0; // cost of what is held or taken and not given back
	#deliver: ((message: Bytes) => void) | undefined;
	#waiting: (() => void)[] = [];
	#state: "open" | "leaving" | "left" | "ended" = "open";
	#over = false; // the other side has said bye

	/**
	 * broken is called with what the other side did wrong, gone when it has said
	 * bye. Neither ends the lane: its owner does.
	 */
	constructor(channel: Channel, broken: (why: string) => void, gone: () => void) {
		this.#channel = channel;
		this.#broken = broken;
		this.#gone = gone;
		channel.bufferedAmountLowThreshold = low;
		channel.onbufferedamountlow = () => this.#flush();
		channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
			if (this.#over || this.#state === "ended") return;
			const why = typeof data === "string" ? this.#text(data) : this.#message(new Uint8Array(data));
			if (why) this.#broken(why);
		};
	}

	/** buffered is how many bytes are not on their way yet. */
	get buffered(): number {
		return this.#queued + this.#channel.bufferedAmount;
	}

	/** send queues a message, or sends it if the window has room. */
	send(message: Bytes): void {
		if (this.#state !== "open") return;
		if (wrong(message)) return this.#broken(wrong(message));
		if (this.#queued + message.length > maxQueue) return this.#broken("more was sent than the wire takes");
		this.#queue.push(message);
		this.#queued += message.length;
		this.#flush();
	}

	/** drained resolves when there is room, or the lane has ended. */
	drained(): Promise<void> {
		return new Promise((resolve) => {
			this.#waiting.push(resolve);
			this.#flush();
		});
	}

	/** start gives the messages that have come, and each that comes. */
	start(deliver: (message: Bytes) => void): void {
		this.#deliver = deliver;
		for (const message of this.#held.splice(0)) this.#take(message);
	}

	/** leave sends bye after all that is queued; nothing is sent or given after it. */
	leave(): void {
		if (this.#state !== "open") return;
		this.#state = "leaving";
		this.#deliver = () => {};
		this.#flush();
	}

	/** end is the end of the channel. What has come can still be had by start. */
	end(): void {
		this.#state = "ended";
		this.#queue = [];
		this.#queued = 0;
		this.#flush();
	}

	#flush(): void {
		while (this.#queue.length > 0 && cost(this.#queue[0]!) <= this.#credit && this.#channel.bufferedAmount <= high) {
			const message = this.#queue.shift()!;
			this.#queued -= message.length;
			this.#credit -= cost(message);
			this.#write(message);
		}
		if (this.#state === "leaving" && this.#queue.length === 0) {
			this.#state = "left";
			this.#write(bye);
		}
		if (this.#state === "ended" || this.buffered <= low) for (const wake of this.#waiting.splice(0)) wake();
	}

	#write(data: Bytes | string): void {
		try {
			this.#channel.send(data as Bytes);
		} catch {
			// The channel is going away, and says so to its owner.
		}
	}

	#message(message: Bytes): string {
		if (wrong(message)) return wrong(message);
		this.#open += cost(message);
		if (this.#open > laneWindow) return "more came than the window takes";
		if (this.#deliver) this.#take(message);
		else this.#held.push(message);
		return "";
	}

	#take(message: Bytes): void {
		this.#taken += cost(message);
		if (this.#taken >= quantum && (this.#state === "open" || this.#state === "leaving")) {
			this.#write(String(this.#taken));
			this.#open -= this.#taken;
			this.#taken = 0;
		}
		this.#deliver!(message);
	}

	#text(text: string): string {
		if (text === bye) {
			this.#over = true;
			this.#gone();
			return "";
		}
		const n = /^[1-9][0-9]{0,6}$/.test(text) ? Number(text) : 0;
		if (n === 0 || n > laneWindow - this.#credit) return "text that is neither credit nor bye";
		this.#credit += n;
		this.#flush();
		return "";
	}
}

const cost = (message: Bytes) => message.length + overhead;

const wrong = (message: Bytes) => (message.length < 1 || message.length > maxMessage ? `a message of ${message.length} bytes` : "");
