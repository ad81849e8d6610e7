// RtcPeer is one RTCPeerConnection with its lanes, from the first candidate to
// its end. See docs/PROTOCOL.md, part 3.

import { type Bytes } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { parseIP, type Policy } from "./rtcaddress.ts";
import { type Description, fromSDP, Kind, sdp } from "./rtcdescription.ts";
import { RtcLane } from "./rtclane.ts";
import { type Lane, type Wire } from "./wire.ts";

const gatherTime = 750; // ms that a description waits for candidates
const expiry = 60_000; // ms until a peer ends that nobody came back to
const lostTime = 10_000; // ms after which what the browser calls disconnected is lost
const closeWait = 1_000; // ms for bye to be answered

/** RtcPeer is a WebRTC connection, and the wire that it becomes. */
export class RtcPeer implements Wire {
	readonly lanes = 2;
	remote = "";

	/** opened resolves when both lanes are open, else rejects with SeaError "wire". */
	readonly opened: Promise<Wire>;

	readonly #pc: RTCPeerConnection;
	readonly #lanes: RtcLane[];
	#open = 0; // lanes
	#byes = 0;
	#why = ""; // it has ended
	#ended = (_: string) => {};
	readonly #gone: Promise<never>; // rejects at the end
	#settle!: (wire: Wire) => void;
	#fail!: (err: SeaError) => void;
	#timer: ReturnType<typeof setTimeout> | undefined; // that ends it
	#lost: ReturnType<typeof setTimeout> | undefined; // that ends it unless it comes back

	constructor(stun: readonly string[], readonly policy: Policy) {
		this.#gone = new Promise((_, fail) => (this.#fail = fail));
		this.opened = Promise.race([new Promise<Wire>((open) => (this.#settle = open)), this.#gone]);
		this.opened.catch(() => {}); // whoever waits for it hears of it
		const pc = new RTCPeerConnection({ iceServers: stun.map((at) => ({ urls: `stun:${at}` })) });
		this.#pc = pc;
		pc.ondatachannel = () => this.#end("the other side opened a channel of its own");
		pc.onconnectionstatechange = () => this.#state();
		this.#lanes = ["control", "bulk"].map((name, id) => {
			const channel = pc.createDataChannel(name, { negotiated: true, id, ordered: true, protocol: "sea" });
			channel.binaryType = "arraybuffer";
			channel.onopen = () => this.#opening();
			channel.onclose = () => this.#end("closed by the other side");
			return new RtcLane(
				channel,
				(why) => this.#end(`${name} lane: ${why}`),
				() => this.#bye(),
			);
		});
		this.#in(expiry, "given up: nothing followed in time");
	}

	/** describe makes our offer or answer, with the candidates that are found in time. */
	async describe(kind: Kind): Promise<Description> {
		const pc = this.#pc;
		const gathered = new Promise<void>((resolve) => {
			pc.onicecandidate = ({ candidate }) => candidate || resolve();
			setTimeout(resolve, gatherTime);
		});
		await this.#or(pc.setLocalDescription());
		await this.#or(gathered);
		return fromSDP(kind, pc.localDescription!.sdp);
	}

	/** hear takes the other side's description. */
	hear(d: Description): Promise<void> {
		const type = d.kind === Kind.offer ? "offer" : "answer";
		return this.#or(this.#pc.setRemoteDescription({ type, sdp: sdp(d, this.policy) }));
	}

	/** wire gives the wire if it opens in time, ms from when both sides have both descriptions. */
	wire(time: number): Promise<Wire> {
		if (!this.#why && this.#open < 2) this.#in(time, "no way to the other side was found in time");
		return this.opened;
	}

	/** buffered: see Wire. */
	buffered(lane: Lane): number {
		return this.#lanes[lane]!.buffered;
	}

	/** send: see Wire. */
	send(message: Bytes, lane: Lane): void {
		this.#lanes[lane]!.send(message);
	}

	/** drained: see Wire. */
	drained(lane: Lane): Promise<void> {
		return this.#lanes[lane]!.drained();
	}

	/** start: see Wire. */
	start(message: (message: Bytes, lane: Lane) => void, ended: (why: string) => void): void {
		this.#ended = ended;
		this.#lanes.forEach((lane, i) => lane.start((m) => message(m, i as Lane)));
		if (this.#why) this.#ended(this.#why);
	}

	/** close says bye and ends the connection, at once if it is not open, within a second if it is. */
	close(): void {
		if (this.#why) return;
		if (this.#open < 2) return this.#end("closed on this side");
		for (const lane of this.#lanes) lane.leave();
		this.#in(closeWait, "closed on this side");
	}

	/**
	 * or waits for a step. If it fails, so does the peer; if the peer ends first, that
	 * ends the wait: what a closed RTCPeerConnection has promised stays open for ever.
	 */
	async #or<T>(step: Promise<T>): Promise<T> {
		try {
			return await Promise.race([step, this.#gone]);
		} catch (err) {
			this.#end((err as Error).message);
			throw this.#error();
		}
	}

	#error(): SeaError {
		return new SeaError("wire", `WebRTC: ${this.#why}`);
	}

	#in(ms: number, why: string): void {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#end(why), ms);
	}

	#opening(): void {
		if (this.#why || ++this.#open < 2) return;
		clearTimeout(this.#timer);
		this.remote = this.#selected();
		this.#settle(this);
	}

	/** selected is the other side's address, as far as the browser tells. */
	#selected(): string {
		// Not all browsers have all of these.
		const { address, port } = this.#pc.sctp?.transport?.iceTransport?.getSelectedCandidatePair?.()?.remote ?? {};
		if (!parseIP(address ?? "")) return ""; // a name, which hides it
		return `${address!.includes(":") ? `[${address}]` : address}:${port}`;
	}

	#state(): void {
		const state = this.#pc.connectionState;
		clearTimeout(this.#lost);
		if (state === "failed" || state === "closed") this.#end("connection lost");
		if (state === "disconnected") this.#lost = setTimeout(() => this.#end("connection lost"), lostTime);
	}

	#bye(): void {
		if (++this.#byes === 2) this.#end("closed by the other side");
		else this.#in(closeWait, "closed by the other side"); // the other lane's bye may be lost with it
	}

	#end(why: string): void {
		if (this.#why) return;
		this.#why = why;
		clearTimeout(this.#timer);
		clearTimeout(this.#lost);
		for (const lane of this.#lanes) lane.end();
		this.#pc.close();
		this.#fail(this.#error());
		this.#ended(why);
	}
}
