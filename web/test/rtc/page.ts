// The page of the tests of WebRTC wires in a browser; bytes go in and out as hex.

import { type Bytes, fromHex, sha256, toHex } from "../../src/bytes.ts";
import { encodeDescription, fromSDP, Kind, parseDescription, sdp } from "../../src/node/rtcdescription.ts";
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

/** Rude is what a peer does that does not keep the rules, once it is connected. */
const rude: { [name: string]: (control: RTCDataChannel, bulk: RTCDataChannel, pc: RTCPeerConnection) => void } = {
	"text that is neither": (control) => control.send("hello"),
	"credit for nothing": (_, bulk) => bulk.send("1"),
	"an empty message": (control) => control.send(new Uint8Array()),
	"a message too long": (control) => control.send(new Uint8Array(17409)),
	"a channel of its own": (_control, _bulk, pc) => pc.createDataChannel("mine"),
	"a channel closed": (control) => control.close(),
	"all closed": (_control, _bulk, pc) => pc.close(),
	"half a bye": (control) => control.send("bye"),
};

/** raw answers an offer as any program might, with only what the browser has. */
async function raw(offer: Bytes, more: (control: RTCDataChannel, bulk: RTCDataChannel, pc: RTCPeerConnection) => void) {
	const pc = new RTCPeerConnection();
	const [control, bulk] = [0, 1].map((id) => pc.createDataChannel("", { negotiated: true, id, protocol: "sea" }));
	const open = [control!, bulk!].map((channel) => new Promise((resolve) => (channel.onopen = resolve)));
	const text = sdp(parseDescription(offer, Kind.offer), () => true);
	await pc.setRemoteDescription({ type: "offer", sdp: text.replace("max-message-size:17408", "max-message-size:262144") });
	await pc.setLocalDescription();
	while (pc.iceGatheringState !== "complete") await new Promise((resolve) => (pc.onicegatheringstatechange = resolve));
	void Promise.all(open).then(() => more(control!, bulk!, pc));
	return { description: fromSDP(Kind.answer, pc.localDescription!.sdp), close: () => pc.close() };
}

const test = {
	rudes: () => Object.keys(rude),
	/** rude connects to a rude peer and says how that ended. */
	async rude(how: string) {
		const begun = await rtc.offer(here);
		const other = await raw(begun.bytes, rude[how]!);
		const ended = await begun.accept(encodeDescription(other.description)).then(
			(made) => new Promise<string>((resolve) => made.start(() => {}, resolve)),
			(err: Error) => err.message.replace("WebRTC: ", ""), // it was rude before our side had heard that all is open
		);
		other.close();
		return ended;
	},
	/** impostor connects to a peer whose certificate is not the one in its answer. */
	async impostor() {
		const begun = await rtc.offer(here);
		const other = await raw(begun.bytes, () => {});
		const answer = encodeDescription({ ...other.description, fingerprint: new Uint8Array(32) });
		const ended = await begun.accept(answer).then(() => "it is open", String);
		other.close();
		return ended;
	},
	/** attempts gives up attempts in all ways that there are, and says what became of them. */
	async attempts() {
		const became: { [name: string]: string } = {};
		const tell = async (name: string, p: Promise<unknown>) => (became[name] = await p.then(() => "fine", String));
		const o = await rtc.offer(here);
		const a = await rtc.answer(o.bytes, here);
		await tell("no answer", o.accept(o.bytes));
		await tell("after it failed", o.accept(a.bytes));
		a.close();
		await tell("closed", a.wire());
		await tell("no offer", rtc.answer(a.bytes, here));
		const hash = "00".repeat(32);
		await tell("nowhere", rtc.dial(`sea://169.254.169.254:80/#${hash}`));
		await tell("nobody there", new Rtc(1).dial(`sea://127.0.0.1:9/#${hash}`));
		const other = new Rtc();
		const begun = await other.offer(here);
		const opening = begun.accept((await rtc.answer(begun.bytes, here)).bytes);
		begun.close();
		await tell("closed while it opens", opening);
		const [offering, answering] = [other.offer(here), other.answer(begun.bytes, here)];
		other.close();
		await tell("closed while it offers", offering);
		await tell("closed while it answers", answering);
		rtc.close();
		const many = await Promise.all(Array.from({ length: 32 }, () => other.offer(here)));
		await tell("one more", other.offer(here));
		many[0]!.close();
		await tell("in its place", other.offer(here));
		other.close();
		await tell("closed with all", many[1]!.accept(a.bytes));
		return became;
	},
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
	/** dial tries again, as peers do: a listener gives up after 10 s, which may be too soon on a busy machine. */
	async dial(url: string) {
		const dialler = new Rtc();
		for (let tries = 1; ; tries++) {
			try {
				return use(await dialler.dial(url));
			} catch (err) {
				if (tries === 8) throw err;
			}
		}
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
