// The page of the tests of WebRTC wires in a browser; bytes go in and out as hex.

import { type Bytes, fromHex, sha256, toHex } from "../../src/bytes.ts";
import { Rtc, type RtcAnswer, type RtcOffer } from "../../src/node/rtc.ts";
import { type Lane, type Wire } from "../../src/node/wire.ts";

const here = "127.0.0.1:1"; // the links that carry offers and answers are on this machine

// What became of each RTCPeerConnection.
const states: WeakRef<RTCPeerConnection>[] = [];
globalThis.RTCPeerConnection = class extends RTCPeerConnection {
	constructor(config?: RTCConfiguration) {
		super(config);
		states.push(new WeakRef(this));
	}
};

const rtc = new Rtc(180_000); // a busy machine's
let offer: RtcOffer;
let answer: RtcAnswer;
let wire: Wire;
let received: [Bytes[], Bytes[]] = [[], []];
let why = "";
let wake: () => void = () => {};
let sent = 0;
let sending: Promise<void> = Promise.resolve();

/** until waits until something that came makes it true. */
async function until(done: () => boolean): Promise<void> {
	while (!done()) await new Promise<void>((resolve) => (wake = resolve));
}

function use(made: Wire): void {
	wire = made;
	received = [[], []];
	why = "";
	sent = 0;
}

function chunk(i: number, size: number): Bytes {
	return new Uint8Array(size).fill(i % 251);
}

const test = {
	async offer() {
		offer = await rtc.offer(here);
		return toHex(offer.bytes);
	},
	async accept(theirs: string) {
		use(await offer.accept(fromHex(theirs)!));
	},
	async answer(theirs: string) {
		answer = await rtc.answer(fromHex(theirs)!, here);
		return toHex(answer.bytes);
	},
	async answered() {
		use(await answer.wire());
	},
	async dial(url: string) {
		use(await rtc.dial(url));
	},
	remote: () => wire.remote,
	start() {
		wire.start(
			(message, lane) => {
				received[lane].push(message);
				wake();
			},
			(words) => {
				why = words;
				wake();
			},
		);
	},
	send: (hex: string, lane: Lane) => wire.send(fromHex(hex)!, lane),
	/** next waits for the next message of a lane. */
	async next(lane: Lane) {
		await until(() => received[lane].length > 0 || why !== "");
		const message = received[lane].shift();
		if (!message) throw new Error(why);
		return toHex(message);
	},
	async ended() {
		await until(() => why !== "");
		return why;
	},
	close: () => wire.close(),
	/** pour begins to send messages on the bulk lane, as fast as the other side takes them. */
	pour(count: number, size: number) {
		sending = (async () => {
			for (sent = 0; sent < count; sent++) {
				if (wire.buffered(1) > 256 << 10) await wire.drained(1);
				wire.send(chunk(sent, size), 1);
			}
		})();
	},
	sent: () => sent,
	poured: () => sending,
	/** collect waits for as many messages of the bulk lane and gives the hash of all. */
	async collect(count: number) {
		await until(() => received[1].length >= count || why !== "");
		return toHex(await sha256(...received[1].splice(0, count)));
	},
	/** open says how many connections this page has not closed. */
	open: () => states.filter((ref) => (ref.deref()?.connectionState ?? "closed") !== "closed").length,
	made: () => states.length,
};

export type Test = typeof test;

Object.assign(globalThis, { test });
