// Credit carries a ledger's messages: it serves the scopes of credit, and delivers
// what was signed until it is acknowledged. See docs/PROTOCOL.md, part 7.

import { type Bytes, compare, toHex } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { HashAddress } from "../node/addr.ts";
import { type Link } from "../node/link.ts";
import { type Watcher } from "../node/node.ts";
import { type Handler } from "../node/rpc.ts";
import { undelivered } from "./account.ts";
import { type Ledger } from "./ledger.ts";
import { maxMessage, maxPush } from "./message.ts";
import { takePush } from "./receive.ts";
import { comparePosition, OutOfStep, outboxFor, positionFor, takeAck } from "./sync.ts";

// The times, ms, and bounds of delivery.
const callTime = 20_000;
const minPause = 1000;
const maxPause = 300_000;
const maxPeers = 1000;
const tries = 3;

const syncScope = "credit:sync";
const pushScope = "credit:push";

/** Carrier is the node that carries messages. */
export interface Carrier {
	readonly watchers: Set<Watcher>;
	handle(scope: string, handler: Handler | undefined): void;
	call(to: HashAddress, scope: string, body: Bytes, signal?: AbortSignal): Promise<Bytes>;
	link(a: HashAddress): Link | undefined;
}

interface Peer {
	readonly key: Bytes;
	/** meet has positions exchanged first. */
	meet: boolean;
	/** again tells that there is news for the one who delivers. */
	again: boolean;
	wake: (() => void) | undefined;
	/** offline has it wait for a link, and not for a time. */
	offline: boolean;
}

/** Credit runs from its making until close. */
export class Credit {
	readonly #node: Carrier;
	readonly #ledger: Ledger;
	readonly #peers = new Map<string, Peer>(); // those that are being delivered to, by key in hex: maxPeers
	readonly #met = new WeakSet<Link>(); // links over which positions were exchanged, and nothing failed since
	readonly #waiters = new Set<{ peer: Bytes; news: (err?: unknown) => void }>();
	readonly #watcher: Watcher;
	readonly #changed: (peer: Bytes) => void;
	#closed = false;

	constructor(node: Carrier, ledger: Ledger) {
		this.#node = node;
		this.#ledger = ledger;
		node.handle(syncScope, (body, from) => told(this.#sync(from.node, body)));
		node.handle(pushScope, (body, from) => told(takePush(ledger, from.node, body)));
		this.#watcher = { up: (link) => void this.#up(link) };
		this.#changed = (peer) => void this.#look(peer);
		node.watchers.add(this.#watcher);
		ledger.watchers.add(this.#changed);
		for (const line of ledger.lines()) if (line.undelivered) this.#begin(line.peer, false);
	}

	/** close ends delivery; the ledger stays. */
	close(): void {
		this.#closed = true;
		this.#node.handle(syncScope, undefined);
		this.#node.handle(pushScope, undefined);
		this.#node.watchers.delete(this.#watcher);
		this.#ledger.watchers.delete(this.#changed);
		for (const p of this.#peers.values()) p.wake?.();
	}

	/**
	 * deliver resolves when the peer has acknowledged all that is signed for it. It
	 * rejects when the peer refuses, when the line is fenced, and with "cancelled"
	 * when signal aborts; delivery goes on after that.
	 */
	async deliver(peer: Bytes, signal: AbortSignal): Promise<void> {
		for (;;) {
			const a = await this.#ledger.account(peer);
			if (a.state === "fenced") throw new SeaError("unavailable", `the line is fenced: ${a.reason}`);
			if (!undelivered(a)) return;
			await this.#news(peer, signal);
		}
	}

	/** news resolves after an attempt or a change, and rejects when that tells that trying again soon will not help. */
	#news(peer: Bytes, signal: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			const over = (then: () => void) => {
				this.#waiters.delete(waiter);
				signal.removeEventListener("abort", abort);
				then();
			};
			const abort = () => over(() => reject(new SeaError("cancelled", "what was signed is not delivered yet")));
			const waiter = { peer, news: (err?: unknown) => over(() => (isFinal(err) ? reject(err as Error) : resolve())) };
			if (signal.aborted) return abort();
			signal.addEventListener("abort", abort);
			this.#waiters.add(waiter);
			this.#begin(peer, false);
		});
	}

	async #up(link: Link): Promise<void> {
		for (const p of this.#peers.values()) if (p.offline) p.wake?.();
		const { acked, theirs, mine } = await this.#ledger.account(link.peer.node);
		if (acked.seq + theirs.tally.seq + mine.tally.seq > 0n || mine.grant || theirs.grant) this.#begin(link.peer.node, true);
	}

	async #look(peer: Bytes): Promise<void> {
		if (undelivered(await this.#ledger.account(peer))) this.#begin(peer, false);
		else this.#tell(peer);
	}

	#tell(peer: Bytes, err?: unknown): void {
		for (const w of [...this.#waiters]) if (compare(w.peer, peer) === 0) w.news(err);
	}

	/** begin has the outbox for a peer delivered, unless that is under way. */
	#begin(key: Bytes, meet: boolean): void {
		const name = toHex(key);
		const p = this.#peers.get(name);
		if (p) {
			p.meet ||= meet;
			p.again = true;
			p.wake?.();
			return;
		}
		if (this.#closed || this.#peers.size >= maxPeers) return;
		const made: Peer = { key, meet, again: false, wake: undefined, offline: false };
		this.#peers.set(name, made);
		void this.#deliver(made).finally(() => this.#peers.delete(name));
	}

	/** deliver empties the outbox for one peer, however often that takes. It never rejects. */
	async #deliver(p: Peer): Promise<void> {
		let pause = minPause;
		for (;;) {
			p.again = false;
			let failed: unknown;
			await this.#attempt(p).catch((err: unknown) => (failed = err));
			this.#tell(p.key, failed);
			if (this.#closed) return;
			if (p.again) continue;
			if (!failed || !undelivered(await this.#ledger.account(p.key))) {
				if (p.again) continue;
				return;
			}
			p.offline = failed instanceof SeaError && failed.code === "offline";
			await new Promise<void>((resolve) => {
				// Half of it is chance, so that not all come back at once.
				const timer = p.offline ? undefined : setTimeout(resolve, (pause * (1 + Math.random())) / 2);
				p.wake = () => {
					clearTimeout(timer);
					resolve();
				};
			});
			p.wake = undefined;
			if (this.#closed) return;
			pause = p.again ? minPause : Math.min(2 * pause, maxPause);
		}
	}

	/** attempt meets the peer if need be, and pushes until it has all. */
	async #attempt(p: Peer): Promise<void> {
		const to = await HashAddress.ofNode(p.key);
		for (let i = 0; ; i++) {
			const link = this.#node.link(to);
			if (p.meet || !link || !this.#met.has(link)) {
				p.meet = false;
				await comparePosition(this.#ledger, p.key, await this.#call(to, syncScope, await positionFor(this.#ledger, p.key)));
			}
			if (link) this.#met.add(link);
			try {
				return await this.#empty(p.key, to, link ? maxPush : maxMessage);
			} catch (err) {
				if (link) this.#met.delete(link); // an answer may have been lost
				if (!(err instanceof OutOfStep) || i + 1 >= tries) throw err;
			}
		}
	}

	async #empty(key: Bytes, to: HashAddress, room: number): Promise<void> {
		for (let push; (push = await outboxFor(this.#ledger, key, room)); ) {
			await takeAck(this.#ledger, key, await this.#call(to, pushScope, push));
		}
	}

	#call(to: HashAddress, scope: string, body: Bytes): Promise<Bytes> {
		return this.#node.call(to, scope, body, AbortSignal.timeout(callTime));
	}

	/** sync answers a peer's position. A line that is fenced answers too: the peer's half of it is whole. */
	async #sync(peer: Bytes, body: Bytes): Promise<Bytes> {
		await comparePosition(this.#ledger, peer, body).catch(async (err: unknown) => {
			if ((await this.#ledger.account(peer)).state !== "fenced") throw err;
		});
		return positionFor(this.#ledger, peer);
	}
}

/** told has a peer told of a signature that does not hold that it is refused. */
async function told(work: Promise<Bytes>): Promise<Bytes> {
	try {
		return await work;
	} catch (err) {
		if (err instanceof SeaError && (err.code === "signature" || err.code === "key")) throw new SeaError("refused", err.message);
		throw err;
	}
}

function isFinal(err: unknown): boolean {
	return err instanceof SeaError && ["refused", "bad_request", "no_handler"].includes(err.code);
}
