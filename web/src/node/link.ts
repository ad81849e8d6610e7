// A link is a proven connection to a neighbour: frames, direct calls, messages.
// There is one per peer. See docs/PROTOCOL.md, part 4.

import { type Bytes, none } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Uint } from "../identity/cbor.ts";
import { type HashAddress } from "./addr.ts";
import { decodeFrame, type Frame, type Framed, isScope, maxBody } from "./frame.ts";
import * as Reason from "./reason.ts";
import * as Tag from "./tag.ts";
import { type Proof, type Session } from "./hello.ts";
import { type Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";
import { Joiner } from "./parts.ts";
import { clean, done, failed, type Outcome, result } from "./rpc.ts";
import { type Stream } from "./stream.ts";
import { type Wire } from "./wire.ts";

// The bounds of a link: calls under way each way and the bytes of their bodies, the
// window of messages and what may wait for it, bad statements that are borne.
const maxCalls = 256;
const maxCallBytes = 16 << 20;
const window = 1 << 20;
const quarter = window >> 2;
const maxUnsent = 8 << 20;
const messageCost = 64;
const maxStrikes = 2;

// What may wait for a peer that does not read: bytes, of answers to its calls and room
// for all else, and frames that are not large. Beyond it the link ends.
const maxUnread = 24 << 20;
const maxFrames = 8192;

// How long the last frame may take to leave, ms.
const lastWait = 500;

/** Owner is the node that a link belongs to. */
export interface Owner {
	/** frame takes what is not the link's own: routing, channels, needs. */
	frame(link: Link, f: Frame): void;
	/** serve answers a direct call. */
	serve(link: Link, scope: string, body: Bytes): Promise<Bytes>;
	/** message takes a message; the peer's window opens again when it is done. It never rejects. */
	message(link: Link, scope: string, body: Bytes): Promise<void>;
	/** opened tells that the peer has an application that wants to talk. */
	opened(link: Link): void;
	/** down is called once, when the link has ended. */
	down(link: Link): void;
}

/** Link runs from run on until it ends. */
export class Link {
	readonly since = Date.now();
	readonly session: Session;
	readonly peer: Proof;
	readonly initiator: boolean;

	/** key is the peer's address as text, for maps. */
	readonly key: string;

	/** heard is when the last frame came, Unix ms. */
	heard = Date.now();

	/** rtt is the smoothed round trip in ms, 0 until the first is measured. */
	rtt = 0;

	/** ours and theirs are how much each side needs the link, 0 to 2. */
	ours = 2;
	theirs = 2;

	/** used tells that an application at this end wants the link, greeted that one at the other end does. */
	used = false;
	greeted = false;

	/** streams are this side's ends of connections that the peer relays, by its numbers. Their bound is Stream's. */
	readonly streams = new Map<Uint, Stream>();

	/** why is the reason in words, once it has ended. */
	why = "";

	readonly #owner: Owner;
	readonly #inbox: Inbox;
	readonly #outbox: Outbox;
	readonly #joiner = new Joiner();
	#strikes = 0;

	#ids = 0;
	readonly #calls = new Map<Uint, (o: Outcome) => void>();
	#callBytes = 0;
	readonly #serving = new Map<Uint, AbortController>();
	#servingBytes = 0;

	#pings = 0;
	readonly #pinged = new Map<Uint, { at: number; heard: (ms: number) => void }>();

	#sent = 0; // bytes of messages that the peer has not taken
	#unsent = 0;
	readonly #messages: { f: Frame; cost: number; begun: () => void; failed: (err: Error) => void }[] = [];
	#owed = 0; // bytes of the peer's messages for which it has no credit yet
	#taken = 0; // of them, what was taken

	readonly #alive = new AbortController();
	#closing = false; // the peer has said Close

	constructor(owner: Owner, session: Session, inbox: Inbox) {
		this.#owner = owner;
		this.#inbox = inbox;
		this.session = session;
		this.peer = session.peer;
		this.initiator = session.initiator;
		this.key = session.peer.addr.toString();
		this.#outbox = new Outbox(session, inbox.wire, (err) => this.end(Reason.broken, String(err)));
	}

	get addr(): HashAddress {
		return this.peer.addr;
	}

	/** alive aborts when the link ends. */
	get alive(): AbortSignal {
		return this.#alive.signal;
	}

	/** waiting is how many bytes wait to be sent. */
	get waiting(): number {
		return this.#outbox.waiting;
	}

	/** busy tells whether anybody uses the link. */
	get busy(): boolean {
		return this.used || this.greeted || this.#calls.size + this.#serving.size + this.streams.size > 0;
	}

	/** wire is what it goes over. */
	get wire(): Wire {
		return this.#inbox.wire;
	}

	/** relays tells whether the peer relays connections for us: nothing is relayed twice. */
	get relays(): boolean {
		return !this.wire.relayed && this.peer.record.caps.includes("relay");
	}

	/** remote is the peer's address as the wire shows it, or "". */
	get remote(): string {
		return this.wire.remote;
	}

	/** send sends a frame, unless the link has ended. gone is called when the wire has all of it. */
	send(f: Frame, gone?: () => void): void {
		if (this.alive.aborted) return;
		if (this.waiting > maxUnread || this.#outbox.frames > maxFrames) return this.end(Reason.silent, "the other side does not read");
		this.#outbox.push(f, gone);
	}

	/** run takes frames until the wire ends. */
	async run(): Promise<void> {
		for (let got; (got = await this.#inbox.take()); ) {
			if (this.alive.aborted) continue; // the other side may still send until it has our Close
			try {
				const [message, lane] = got;
				const f = decodeFrame(await this.session.open(message, lane));
				this.heard = Date.now();
				const whole = f[0] === Tag.part ? this.#joiner.add(f) : f;
				if (whole) this.#take(whole);
			} catch (err) {
				this.end(Reason.broken, err instanceof SeaError ? err.message : "an error here");
			}
		}
		this.#ended(this.#inbox.why);
	}

	/** end closes the link and tells the peer why. */
	end(reason: number, text = ""): void {
		this.#ended(text || `ended with reason ${reason}`, [Tag.close, reason, text.slice(0, 80)]);
	}

	#ended(why: string, last?: Frame): void {
		if (this.alive.aborted) return;
		this.why = why;
		this.#alive.abort();
		this.#outbox.close(last);
		const stop = () => this.#inbox.stop(why);
		const timer = setTimeout(stop, lastWait);
		void this.#outbox.flushed.then(() => {
			if (!this.#closing && last) return; // the other side closes the wire when it has read the last frame
			clearTimeout(timer);
			stop();
		});
		for (const answer of this.#calls.values()) answer({ code: 5, text: `the link ended: ${why}`, body: none });
		for (const serving of this.#serving.values()) serving.abort();
		for (const message of this.#messages.splice(0)) message.failed(new SeaError("unreachable", `the link ended: ${why}`));
		for (const { heard } of this.#pinged.values()) heard(Infinity);
		for (const stream of this.streams.values()) stream.end("the link to the relay ended");
		this.#owner.down(this);
	}

	/** strike counts what an honest peer does not send; the third ends the link. */
	strike(why: string): void {
		if (++this.#strikes > maxStrikes) this.end(Reason.broken, why);
	}

	/** ping gives the round trip in ms; it rejects when the link ends or nothing comes within wait ms. */
	ping(wait = 5000): Promise<number> {
		const n = this.#pings++;
		return new Promise((resolve, reject) => {
			const over = (ms: number) => {
				clearTimeout(timer);
				this.#pinged.delete(n);
				if (ms === Infinity) return reject(new SeaError("timeout", "no sign of life"));
				this.measured(ms);
				resolve(ms);
			};
			const timer = setTimeout(over, wait, Infinity);
			if (this.alive.aborted || this.#pinged.size > 64) return over(Infinity);
			this.#pinged.set(n, { at: performance.now(), heard: over });
			this.send([Tag.ping, n]);
		});
	}

	/** measured smooths a round trip in, ms. */
	measured(ms: number): void {
		this.rtt = this.rtt ? this.rtt + (ms - this.rtt) / 8 : ms;
	}

	/** call asks the peer. There is no deadline but the signal. */
	async call(scope: string, body: Bytes, signal?: AbortSignal): Promise<Bytes> {
		if (!isScope(scope)) throw new SeaError("bad_request", `no scope: ${scope}`);
		if (body.length > maxBody) throw new SeaError("too_large", `a body of ${body.length} bytes, at most ${maxBody}`);
		signal?.throwIfAborted();
		if (this.alive.aborted) throw new SeaError("unreachable", `the link ended: ${this.why}`);
		if (this.#calls.size >= maxCalls || this.#callBytes + body.length > maxCallBytes) throw new SeaError("busy", "too many calls over one link");
		const id = this.#ids++;
		this.#callBytes += body.length;
		const cancel = () => {
			this.send([Tag.cancel, id]);
			this.#calls.get(id)?.({ code: 13, text: "", body: none });
		};
		signal?.addEventListener("abort", cancel);
		try {
			return result(
				await new Promise<Outcome>((resolve) => {
					this.#calls.set(id, resolve);
					this.send([Tag.request, id, scope, body]);
				}),
			);
		} finally {
			signal?.removeEventListener("abort", cancel);
			this.#calls.delete(id);
			this.#callBytes -= body.length;
		}
	}

	/** open tells the peer, once, that an application talks. */
	open(): void {
		if (!this.used) this.send([Tag.open]);
		this.used = true;
	}

	/**
	 * message sends a one-way message, in order. It resolves when the peer's window
	 * has room for it; who waits for that is never too fast. Rejects with "busy"
	 * when more than 8 MiB wait, "unreachable" when the link has ended.
	 */
	message(scope: string, body: Bytes): Promise<void> {
		return new Promise((begun, failed) => {
			if (!isScope(scope)) return failed(new SeaError("bad_request", `no scope: ${scope}`));
			if (body.length > maxBody) return failed(new SeaError("too_large", `a message of ${body.length} bytes, at most ${maxBody}`));
			if (this.alive.aborted) return failed(new SeaError("unreachable", `the link ended: ${this.why}`));
			const cost = scope.length + body.length + messageCost;
			if (this.#unsent + cost > maxUnsent) return failed(new SeaError("busy", "too much waits to be sent: wait for send"));
			this.#unsent += cost;
			this.#messages.push({ f: [Tag.message, scope, body], cost, begun, failed });
			this.#flow();
		});
	}

	/** flow sends as many messages as the peer's window takes. */
	#flow(): void {
		for (let m; (m = this.#messages[0]); ) {
			if (this.#sent + m.cost > window && this.#sent >= quarter) return;
			this.#messages.shift();
			this.#sent += m.cost;
			this.#unsent -= m.cost;
			this.send(m.f);
			m.begun();
		}
	}

	#take(f: Frame): void {
		switch (f[0]) {
			case Tag.ping:
				return this.send([Tag.pong, f[1]]);
			case Tag.pong: {
				const p = this.#pinged.get(f[1]);
				return p?.heard(performance.now() - p.at);
			}
			case Tag.close:
				this.#closing = true;
				return this.end(f[1], clean(f[2]));
			case Tag.credit:
				if (f[1] > this.#sent) throw new SeaError("frame", "credit for more than was sent");
				this.#sent -= f[1];
				return this.#flow();
			case Tag.open:
				return this.#greet();
			case Tag.message: {
				const cost = f[1].length + f[2].length + messageCost;
				if (this.#owed + cost > window && this.#owed >= quarter) throw new SeaError("frame", "more messages than the window takes");
				this.#owed += cost;
				this.#greet(); // it may overtake Open, on another lane
				return void this.#owner.message(this, f[1], f[2]).then(() => this.#credit(cost));
			}
			case Tag.request:
				if (this.#serving.has(f[1])) throw new SeaError("frame", "a request with an id that is under way");
				return void this.#request(f);
			case Tag.reply:
				return this.#calls.get(f[1])?.({ code: f[2], text: f[3], body: f[4] });
			case Tag.cancel:
				return this.#serving.get(f[1])?.abort();
			case Tag.need:
				this.theirs = f[1];
				break;
			case Tag.relay:
			case Tag.relayCredit:
			case Tag.relayEnd:
				if (f[2] === 1) this.streams.get(f[1])?.frame(f);
				return;
			case Tag.welcome:
			case Tag.part:
				throw new SeaError("frame", "a frame that may not come now");
		}
		this.#owner.frame(this, f);
	}

	/** greet tells, once, that the peer's application wants to talk. */
	#greet(): void {
		if (this.greeted) return;
		this.greeted = true;
		this.#owner.opened(this);
	}

	/** credit opens the peer's window again for what was taken. */
	#credit(cost: number): void {
		this.#taken += cost;
		if (this.#taken < quarter) return;
		this.#owed -= this.#taken;
		this.send([Tag.credit, this.#taken]);
		this.#taken = 0;
	}

	async #request([, id, scope, body]: Framed<8>): Promise<void> {
		const reply = (o: Outcome, gone?: () => void) => this.send([Tag.reply, id, o.code, o.text, o.body], gone);
		const busy = failed(new SeaError("busy", "too many calls over one link"));
		if (this.#serving.size >= maxCalls || this.#servingBytes + body.length > maxCallBytes) return reply(busy);
		const cancelled = new AbortController();
		this.#serving.set(id, cancelled);
		let bytes = body.length;
		this.#servingBytes += bytes;
		let o: Outcome;
		try {
			o = done(await this.#owner.serve(this, scope, body));
			if (o.body.length > maxBody) throw new SeaError("too_large", `an answer of ${o.body.length} bytes, at most ${maxBody}`);
		} catch (err) {
			o = failed(err);
		}
		// The answer counts until it is on the wire: who does not read gets no more.
		if (this.#servingBytes - bytes + o.body.length > maxCallBytes) o = busy;
		this.#servingBytes += o.body.length - bytes;
		bytes = o.body.length;
		const over = () => {
			this.#serving.delete(id);
			this.#servingBytes -= bytes;
		};
		if (cancelled.signal.aborted) over();
		else reply(o, over);
	}
}
