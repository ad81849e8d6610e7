// The page of the benchmarks: messages between two tabs over a data channel as
// the browser gives it, and over a wire.

import { type Bytes, fromHex, toHex } from "../../src/bytes.ts";
import { Rtc, type RtcAnswer, type RtcOffer } from "../../src/node/rtc.ts";
import { encodeDescription, fromSDP, Kind, parseDescription, sdp } from "../../src/node/rtcdescription.ts";
import { type Wire } from "../../src/node/wire.ts";

const here = "127.0.0.1:1";
const full = 256 << 10;

/** Carrier is what carries messages. */
interface Carrier {
	send(message: Bytes): void;
	/** room resolves when more may be sent. */
	room(): Promise<void>;
	onmessage: (message: Bytes) => void;
}

/** End is one end of a carrier. */
interface End {
	readonly carrier: Carrier;
	received: number;
	wake: () => void;
}

const ends: { [how: string]: End } = {};

function use(how: string, carrier: Carrier): void {
	const end: End = { carrier, received: 0, wake: () => {} };
	ends[how] = end;
	// The first byte says whether an answer is wanted.
	carrier.onmessage = (message) => {
		end.received += message.length;
		if (message[0] === 1) carrier.send(new Uint8Array([0]));
		end.wake();
	};
}

/** answered sends the last message of some, and waits for the answer to it. */
async function answered(end: End, size: number): Promise<void> {
	end.received = 0;
	end.carrier.send(new Uint8Array(size).fill(1, 0, 1));
	while (end.received === 0) await new Promise<void>((resolve) => (end.wake = resolve));
}

function ofWire(wire: Wire): Carrier {
	const made: Carrier = {
		send: (message) => wire.send(message, 1),
		room: async () => {
			if (wire.buffered(1) > full) await wire.drained(1);
		},
		onmessage: () => {},
	};
	wire.start((message) => made.onmessage(message), () => {});
	return made;
}

function ofChannel(channel: RTCDataChannel): Carrier {
	channel.binaryType = "arraybuffer";
	channel.bufferedAmountLowThreshold = full / 2;
	const made: Carrier = {
		send: (message) => channel.send(message),
		room: async () => {
			if (channel.bufferedAmount > full) await new Promise((resolve) => (channel.onbufferedamountlow = resolve));
		},
		onmessage: () => {},
	};
	channel.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => made.onmessage(new Uint8Array(data));
	return made;
}

const rtc = new Rtc(180_000);
let offer: RtcOffer;
let answer: RtcAnswer;
let pc: RTCPeerConnection;
let channel: RTCDataChannel;

/** describe is what an RTCPeerConnection says of itself, with all its candidates. */
async function describe(kind: Kind): Promise<string> {
	await pc.setLocalDescription();
	while (pc.iceGatheringState !== "complete") await new Promise((resolve) => (pc.onicegatheringstatechange = resolve));
	return toHex(encodeDescription(fromSDP(kind, pc.localDescription!.sdp)));
}

async function raw(): Promise<void> {
	pc = new RTCPeerConnection();
	channel = pc.createDataChannel("", { negotiated: true, id: 0 });
	use("raw", ofChannel(channel));
}

async function hear(theirs: string, kind: Kind): Promise<void> {
	const text = sdp(parseDescription(fromHex(theirs)!, kind), () => true);
	await pc.setRemoteDescription({ type: kind === Kind.offer ? "offer" : "answer", sdp: text });
}

const test = {
	offer: async (how: string) => {
		if (how === "wire") return toHex((offer = await rtc.offer(here)).bytes);
		await raw();
		return describe(Kind.offer);
	},
	answer: async (how: string, theirs: string) => {
		if (how === "wire") return toHex((answer = await rtc.answer(fromHex(theirs)!, here)).bytes);
		await raw();
		await hear(theirs, Kind.offer);
		return describe(Kind.answer);
	},
	accept: async (how: string, theirs: string) => {
		if (how === "wire") return use(how, ofWire(await offer.accept(fromHex(theirs)!)));
		await hear(theirs, Kind.answer);
		if (channel.readyState !== "open") await new Promise((resolve) => (channel.onopen = resolve));
	},
	answered: async (how: string) => {
		if (how === "wire") use(how, ofWire(await answer.wire()));
		else if (channel.readyState !== "open") await new Promise((resolve) => (channel.onopen = resolve));
	},
	/** pour sends count messages of 16 KiB and gives the bytes a second, until the last one is answered. */
	pour: async (how: string, count: number) => {
		const end = ends[how]!;
		const message = new Uint8Array(16 << 10);
		const begun = performance.now();
		for (let i = 1; i < count; i++) {
			await end.carrier.room();
			end.carrier.send(message);
		}
		await answered(end, message.length);
		return (count * message.length) / ((performance.now() - begun) / 1000);
	},
	/** trips gives the median round trip of 100 bytes, in ms, by the ten, since a page's clock is coarse. */
	trips: async (how: string, count: number) => {
		const times: number[] = [];
		for (let i = 0; i < count; i += 10) {
			const begun = performance.now();
			for (let j = 0; j < 10; j++) await answered(ends[how]!, 100);
			times.push((performance.now() - begun) / 10);
		}
		return times.sort((a, b) => a - b)[times.length >> 1]!;
	},
};

Object.assign(globalThis, { test });
