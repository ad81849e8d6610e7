// Ledger is what one key has promised to others, and they to it: its half-chains,
// kept before they are sent. See docs/PROTOCOL.md, part 7.

import { type Bytes, compare, concat, sha256, toHex } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Signer } from "../identity/ed25519.ts";
import { Statement } from "../identity/statement.ts";
import { type Account, begun, claimOf, dueOf, grantOf, type Half, limitOf, saidOf, saying, standing, type State, undelivered } from "./account.ts";
import { Book } from "./book.ts";
import { type Entry, entry, headPurpose } from "./entry.ts";
import * as Kind from "./kind.ts";
import { isZero, maxAmount, maxTick, pack, unpack, zero } from "./format.ts";
import { grant as grantLayout, grantPurpose } from "./grant.ts";
import { type LockTerms, type Release, release as releaseLayout, releasePurpose, signed, terms as termsLayout, type Voucher, voucher as voucherLayout, voucherPurpose } from "./lock.ts";
import { type Body, type Item, type Run, writeBody } from "./run.ts";
import { type Store } from "./store.ts";
import { findLock, fits, type Lock, move, reach, restOf } from "./tally.ts";

// A ledger has at most so many lines, for they are all in memory: by peers' words so many
// fewer that its owner can always begin one. The peers to whom it never gave a grant have
// so many locks together that are not closed.
const maxLines = 10_000;
const maxOwnLines = 1000;
const maxLocks = 4096;

/** Line is what a ledger knows of its account with one peer. Sums are in micro-credits. */
export interface Line {
	readonly peer: Bytes;
	/** balance is what the peer has promised less what it was promised. */
	readonly balance: bigint;
	/** claim is balance and what vouchers promise beside it. */
	readonly claim: bigint;
	/** granted tells that the peer was ever given a grant: what it may owe is that one's limit, also when it has ended. */
	readonly granted: boolean;
	/** theyMayOwe and iMayOwe are the limits of the two grants, 0 without one. */
	readonly theyMayOwe: bigint;
	readonly iMayOwe: bigint;
	readonly state: State;
	readonly reason: string;
	/** undelivered tells that the peer has not acknowledged all. */
	readonly undelivered: boolean;
}

/** Draft is a change of one account that is being made. */
export interface Draft {
	account: Account;
	/** puts are what is kept beside the account, drops are records that are forgotten. */
	readonly puts: [string, unknown][];
	readonly drops: string[];
	/** refusal is thrown after the change is kept. */
	refusal?: SeaError;
}

/** Watcher hears of changes that are kept. It must not throw. */
export type Watcher = (peer: Bytes) => void;

/** Ledger is made by open; one at a time has a store. */
export class Ledger {
	/** watchers hear what changes. */
	readonly watchers = new Set<Watcher>();

	readonly signer: Signer;
	readonly book: Book;
	readonly #now: () => number;
	readonly #accounts: Map<string, Account>; // by the peer's key in hex
	#turn: Promise<unknown> = Promise.resolve(); // one change at a time

	private constructor(signer: Signer, book: Book, accounts: Map<string, Account>, now: () => number) {
		this.signer = signer;
		this.book = book;
		this.#accounts = accounts;
		this.#now = now;
	}

	/** open reads the ledger of a key. now is the clock, Unix ms. "unavailable" when the store is another key's. */
	static async open(signer: Signer, store: Store, now: () => number = Date.now): Promise<Ledger> {
		const book = new Book(store);
		await book.own(signer.key);
		const accounts = new Map((await book.accounts(maxLines)).map((a) => [toHex(a.peer), a]));
		return new Ledger(signer, book, accounts, now);
	}

	/** key is whose ledger it is. */
	get key(): Bytes {
		return this.signer.key;
	}

	/** account gives what is held of the line with peer. */
	async account(peer: Bytes): Promise<Account> {
		return this.#accounts.get(toHex(peer)) ?? begun(this.key, peer);
	}

	/** lines are all. */
	lines(): Line[] {
		return [...this.#accounts.values()].map((a) => this.#line(a));
	}

	/** owed sums what peers owe that never had a grant. */
	owed(): bigint {
		let sum = 0n;
		for (const { mine, theirs } of this.#accounts.values()) {
			const claim = mine.grant ? 0n : claimOf(theirs) - claimOf(mine);
			if (claim > 0n) sum += claim;
		}
		return sum;
	}

	/** line is the one with peer. */
	async line(peer: Bytes): Promise<Line> {
		return this.#line(await this.account(peer));
	}

	#line(a: Account): Line {
		const now = this.#now();
		return {
			peer: a.peer, balance: a.theirs.tally.cum - a.mine.tally.cum, claim: claimOf(a.theirs) - claimOf(a.mine),
			granted: a.mine.grant !== null, theyMayOwe: limitOf(a.mine, now), iMayOwe: limitOf(a.theirs, now),
			state: a.state, reason: a.reason, undelivered: undelivered(a),
		};
	}

	/** paid sums what was paid for ref on the line with peer, in how many parts it ever was. */
	async paid(peer: Bytes, ref: Bytes): Promise<{ ours: bigint; theirs: bigint }> {
		const a = await this.account(peer);
		return { ours: (await this.book.paid(a.line, a.mine.side, ref)).sum, theirs: (await this.book.paid(a.line, a.theirs.side, ref)).sum };
	}

	/**
	 * pay promises an amount for ref. When it resolves the promise is kept, and will
	 * be delivered. For one peer and ref at most one payment is made: again does
	 * nothing, and rejects when the amount is another. No limit is looked at.
	 */
	pay(peer: Bytes, amount: bigint, ref: Bytes): Promise<void> {
		return this.change(peer, async (d) => {
			const before = await this.book.paid(d.account.line, d.account.mine.side, ref);
			if (before.parts > 0 && before.sum !== amount) throw bad(`${before.sum} micro-credits were paid for it before`);
			if (before.parts > 0) return;
			if (lockFor(d.account.mine, ref)) throw bad("there is a lock for it");
			await this.#write(d, [{ kind: Kind.pay, amount, ref, body: {} }]);
		});
	}

	/**
	 * lock sets an amount aside for ref and gives the lock's id. Again gives the same
	 * lock while it is not closed, and rejects when it is on other terms.
	 */
	lock(peer: Bytes, amount: bigint, ref: Bytes, terms: LockTerms): Promise<Bytes> {
		return this.change(peer, async (d) => {
			const k = lockFor(d.account.mine, ref);
			if (k) {
				if (k.void || k.amount !== amount || compare(pack(termsLayout, k.terms), pack(termsLayout, terms)) !== 0) throw bad("there is a lock for it on other terms");
				return k.id;
			}
			if ((await this.book.paid(d.account.line, d.account.mine.side, ref)).parts > 0) throw bad("it was paid for before");
			await this.#write(d, [{ kind: Kind.lock, amount, ref, body: { terms } }]);
			return d.account.mine.tally.tip;
		});
	}

	/** voucher promises cum of a lock of ours. It is kept when it is given; one that is not higher is the one before. */
	voucher(peer: Bytes, lock: Bytes, cum: bigint, fuel: bigint): Promise<Voucher> {
		return this.change(peer, async (d) => {
			const { mine, line } = d.account;
			const k = mustLock(mine, lock);
			mustSign(d.account);
			const before = saidOf(mine, lock);
			if (before && before.cum >= cum) return before;
			const draft: Voucher = { line, side: mine.side, lock, cum, fuel, quote: k.terms.quote, sig: zero64() };
			if (cum < 1n || !fits(draft, k)) throw bad("the lock has no room for the voucher");
			const v = { ...draft, sig: await this.#sign(voucherPurpose, signed(voucherLayout, draft)) };
			d.account = { ...d.account, mine: saying(mine, v, pack(voucherLayout, v)) };
			return v;
		});
	}

	/**
	 * fold makes the highest voucher of a lock of ours part of what is promised, and
	 * takes the rest back: with the payee's release, or when the lock has expired. A
	 * lock that is closed is not touched.
	 */
	async fold(peer: Bytes, lock: Bytes, release?: Release): Promise<void> {
		if (release) {
			const a = await this.account(peer);
			const of = compare(release.line, a.line) === 0 && release.side === a.mine.side && compare(release.lock, lock) === 0;
			if (!of) throw bad("the release is of another lock");
			await new Statement(peer, signed(releaseLayout, release), release.sig).open(releasePurpose);
		}
		await this.change(peer, (d) => this.foldIn(d, lock, release));
	}

	/** foldIn is fold within a change, of a release that was verified. */
	async foldIn(d: Draft, lock: Bytes, release: Release | undefined): Promise<void> {
		const { mine } = d.account;
		const k = findLock(mine.tally, lock);
		if (!k) return;
		const due = dueOf(mine, k);
		if (release && release.cum > k.folded + due) throw bad("the release is above what was promised");
		const moves: Written[] = [];
		if (due > 0n) moves.push({ kind: Kind.fold, amount: due, ref: k.ref, body: { voucher: saidOf(mine, lock)! } });
		const over = restOf(k) === due;
		if (!over && (release || (!k.void && this.#tick() >= k.terms.expiry))) {
			moves.push({ kind: Kind.void, amount: restOf(k) - due, ref: k.ref, body: { voiding: { lock, release: release ?? null } } });
		}
		if (moves.length > 0) await this.#write(d, moves);
	}

	/** settleIn pays a lock of ours out by its preimage, within a change. */
	async settleIn(d: Draft, lock: Bytes, preimage: Bytes): Promise<void> {
		const k = findLock(d.account.mine.tally, lock);
		if (k) await this.#write(d, [{ kind: Kind.settle, amount: k.amount, ref: k.ref, body: { settlement: { lock, preimage } } }]);
	}

	/** takeVoucher keeps a voucher that the peer signed, if it is the highest of its lock. */
	async takeVoucher(peer: Bytes, b: Bytes): Promise<void> {
		const v = unpack(b, voucherLayout, "voucher");
		await new Statement(peer, signed(voucherLayout, v), v.sig).open(voucherPurpose);
		await this.change(peer, async (d) => {
			const { theirs, line } = d.account;
			if (compare(v.line, line) !== 0 || v.side !== theirs.side) throw new SeaError("refused", "the voucher is of another line");
			if (!fits(v, mustLock(theirs, v.lock))) throw new SeaError("refused", "the voucher does not fit its lock");
			d.account = { ...d.account, theirs: saying(theirs, v, b) };
		});
	}

	/** release signs that the peer may close a lock of its once cum of it is folded: not below what is claimed of it. */
	async release(peer: Bytes, lock: Bytes, cum: bigint): Promise<Bytes> {
		const { theirs, line } = await this.account(peer);
		const k = mustLock(theirs, lock);
		if (cum > k.amount || cum < k.folded + dueOf(theirs, k)) throw bad("the release is below what is claimed, or above the lock");
		const draft: Release = { line, side: theirs.side, lock, cum, sig: zero64() };
		return pack(releaseLayout, { ...draft, sig: await this.#sign(releasePurpose, signed(releaseLayout, draft)) });
	}

	/** grant lets peer owe up to limit until expiry, Unix seconds, 0 for ever. The same again changes nothing. */
	grant(peer: Bytes, limit: bigint, expiry = 0n): Promise<void> {
		return this.change(peer, async (d) => {
			const before = grantOf(d.account.mine);
			if (before && before.limit === limit && before.expiry === expiry) return;
			await this.grantIn(d, (before?.seq ?? 0n) + 1n, limit, expiry);
		});
	}

	/** grantIn signs a grant within a change. */
	async grantIn(d: Draft, seq: bigint, limit: bigint, expiry: bigint): Promise<void> {
		if (limit < 0n || limit > maxAmount || expiry < 0n) throw bad("a limit is 0 to 2^62 - 1 micro-credits, and no expiry is before 1970");
		mustSign(d.account);
		const { line, mine } = d.account;
		const draft = { line, seq, creditor: this.key, limit, expiry, sig: zero64() };
		const made = { ...draft, sig: await this.#sign(grantPurpose, signed(grantLayout, draft)) };
		d.account = { ...d.account, mine: { ...mine, grant: pack(grantLayout, made) } };
	}

	/**
	 * change makes one change of the line with a peer, after all before. When it
	 * resolves, that is kept; if fn throws, nothing is.
	 */
	change<T>(peer: Bytes, fn: (d: Draft) => Promise<T>): Promise<T> {
		const done = this.#turn.then(async () => {
			if (compare(peer, this.key) === 0) throw bad("a key has no line with itself");
			const known = this.#accounts.has(toHex(peer));
			const before = await this.account(peer);
			const d: Draft = { account: before, puts: [], drops: [] };
			const out = await fn(d);
			if (d.account !== before || d.puts.length > 0) {
				this.#fits(d.account, before, known);
				await this.book.keep(d.account, d.puts, d.drops);
				this.#accounts.set(toHex(peer), d.account);
				for (const w of [...this.watchers]) w(peer);
			}
			if (d.refusal) throw d.refusal;
			return out;
		});
		this.#turn = done.catch(() => {});
		return done;
	}

	/** fits throws "busy" when there is no room for a line that is new, or for more locks of peers without a grant. */
	#fits({ mine, theirs }: Account, before: Account, known: boolean): void {
		const most = mine.grant || mine.tally.seq > 0n ? maxLines : maxLines - maxOwnLines;
		if (!known && this.#accounts.size >= most) throw new SeaError("busy", `${most} lines are all that there is room for`);
		const more = locksOf(theirs) - locksOf(before.theirs);
		if (more <= 0 || mine.grant) return;
		let all = more;
		for (const a of this.#accounts.values()) if (!a.mine.grant) all += locksOf(a.theirs);
		if (all > maxLocks) throw new SeaError("busy", `peers without a grant have ${maxLocks} locks here that are not closed`);
	}

	/** write signs entries of ours, one run. */
	async #write(d: Draft, moves: Written[]): Promise<void> {
		mustSign(d.account);
		const { line, mine } = d.account;
		const items: Item[] = [];
		let tally = mine.tally;
		for (const { kind, amount, ref, body } of moves) {
			if (amount < 1n || amount > maxAmount || ref.length !== 32 || isZero(ref)) throw bad("an amount is 1 to 2^62 - 1 micro-credits, and for something");
			const tick = this.#tick();
			const next = await move(tally, { kind, amount, ref, tick }, body);
			if (typeof next === "string") throw bad(next);
			const pieces: Uint8Array[] = [];
			writeBody(pieces, kind, body);
			const e: Entry = {
				line, side: mine.side, epoch: tally.epoch, seq: tally.seq + 1n, prev: tally.tip, cum: next.cum, held: next.held, tick, kind, amount, ref,
				body: pieces.length > 0 ? await sha256(concat(...pieces)) : zero(),
			};
			const hash = await sha256(pack(entry, e));
			tally = reach(next, e, hash, body);
			items.push({ entry: e, hash, body });
		}
		const made: Run = { items, sig: await this.#sign(headPurpose, tally.tip) };
		d.puts.push(...(await this.book.runPuts(d.puts, made)));
		d.account = { ...d.account, mine: standing(mine, tally) };
	}

	async #sign(purpose: string, body: Bytes): Promise<Bytes> {
		return (await Statement.sign(this.signer, purpose, body)).sig;
	}

	#tick(): bigint {
		const tick = BigInt(Math.floor(Math.max(this.#now(), 0) / 10_000));
		return tick < maxTick ? tick : maxTick - 1n;
	}
}

type Written = { kind: Entry["kind"]; amount: bigint; ref: Bytes; body: Body };

const locksOf = (h: Half): number => Object.keys(h.tally.locks).length;
const bad = (why: string) => new SeaError("bad_request", why);
const zero64 = () => new Uint8Array(64);

/** mustSign throws "unavailable" on a line that is fenced: nothing is signed there. */
function mustSign(a: Account): void {
	if (a.state === "fenced") throw new SeaError("unavailable", `the line is fenced: ${a.reason}`);
}

function lockFor(h: Half, ref: Bytes): Lock | undefined {
	return Object.values(h.tally.locks).find((k) => compare(k.ref, ref) === 0);
}

function mustLock(h: Half, lock: Bytes): Lock {
	const k = findLock(h.tally, lock);
	if (!k) throw new SeaError("not_found", "there is no such lock, or it is closed");
	return k;
}
