// How both sides of a line come to have the same: positions, the outbox, and what
// a peer has acknowledged. See docs/PROTOCOL.md, part 7, "Messages" and "When".

import { type Bytes, compare, sha256 } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { Statement } from "../identity/statement.ts";
import { type Account, dueOf, grantOf, saidOf, saying, undelivered } from "./account.ts";
import { entry, headPurpose } from "./entry.ts";
import { pack, unpack } from "./format.ts";
import { grant as grantLayout, grantPurpose } from "./grant.ts";
import { type Draft, type Ledger } from "./ledger.ts";
import { release, signed, voucher as voucherLayout, voucherPurpose } from "./lock.ts";
import { ack, type Position, position, push, type Shown } from "./message.ts";
import { lastOf, run, type Run } from "./run.ts";
import { byPreimage, findLock, fits, opens } from "./tally.ts";

// The most runs of one push: what is in one fits a routed call.
const maxRuns = 64;
const pushBase = 200;

/** positionFor tells a peer what is held of its half-chain, and what is claimed of its locks. */
export async function positionFor(l: Ledger, peer: Bytes): Promise<Bytes> {
	const { line, theirs, state } = await l.account(peer);
	let head: Position["head"] = null;
	if (theirs.tally.seq > 0n) {
		const { run } = await l.book.item(line, theirs.side, theirs.tally.seq);
		head = { entry: lastOf(run).entry, sig: run.sig };
	}
	const shown: Shown[] = [];
	for (const k of Object.values(theirs.tally.locks)) {
		if (dueOf(theirs, k) > 0n) shown.push({ type: 1, voucher: saidOf(theirs, k.id)! });
		else if (k.void && !byPreimage(k) && state === "open") {
			shown.push({ type: 2, release: unpack(await l.release(peer, k.id, k.folded), release, "release") });
		}
	}
	return pack(position, { line, head, grant: grantOf(theirs), shown });
}

/**
 * comparePosition takes in a peer's position: what it lacks is in the outbox again.
 * If it shows an entry of ours that is not here, this ledger is older than what its
 * key has signed: then the line is fenced, and this rejects with "unavailable".
 */
export async function comparePosition(l: Ledger, peer: Bytes, message: Bytes): Promise<void> {
	const p = unpack(message, position, "position");
	const { line, mine } = await l.account(peer);
	if (compare(p.line, line) !== 0) throw new SeaError("refused", "the position is of another line");
	if (p.head) {
		if (p.head.entry.side !== mine.side) throw new SeaError("refused", "the head is of the other side");
		await new Statement(l.key, await hashOfEntry(p.head), p.head.sig).open(headPurpose);
	}
	if (p.grant) {
		if (compare(p.grant.creditor, l.key) !== 0) throw new SeaError("refused", "the grant is another's");
		await new Statement(l.key, signed(grantLayout, p.grant), p.grant.sig).open(grantPurpose);
	}
	await l.change(peer, async (d) => {
		if (await isLost(l, d.account, p)) {
			const reason = "the peer has an entry of this ledger's that is not here: it was put back from an older copy";
			if (d.account.state !== "fenced") d.account = { ...d.account, state: "fenced", reason };
		}
		if (d.account.state === "fenced") {
			d.refusal = new SeaError("unavailable", `the line is fenced: ${d.account.reason}`);
			return;
		}
		await takeGrant(l, d, p);
		// It has what it shows: of a grant with another content it has none.
		const ours = grantOf(d.account.mine);
		const grant = ours && p.grant && p.grant.seq === ours.seq ? ours.seq : 0n;
		const seq = p.head?.entry.seq ?? 0n;
		const { acked } = d.account;
		if (acked.seq !== seq || acked.grant !== grant) d.account = { ...d.account, acked: { seq, grant } };
	});
	for (const x of p.shown) await answer(l, peer, x);
}

const hashOfEntry = (h: NonNullable<Position["head"]>): Promise<Bytes> => sha256(pack(entry, h.entry));

/** isLost tells whether the peer holds an entry that is not here. */
async function isLost(l: Ledger, { line, mine }: Account, { head }: Position): Promise<boolean> {
	if (!head) return false;
	if (head.entry.seq > mine.tally.seq) return true;
	const { item } = await l.book.item(line, mine.side, head.entry.seq);
	return compare(item.hash, await hashOfEntry(head)) !== 0;
}

/** takeGrant takes a grant of ours back in that is not here; of two with one number a third one settles it. */
async function takeGrant(l: Ledger, d: Draft, { grant }: Position): Promise<void> {
	const ours = grantOf(d.account.mine);
	if (!grant || (ours && grant.seq < ours.seq)) return;
	if (!ours || grant.seq > ours.seq) {
		d.account = { ...d.account, mine: { ...d.account.mine, grant: pack(grantLayout, grant) } };
	} else if (grant.limit !== ours.limit || grant.expiry !== ours.expiry) {
		await l.grantIn(d, ours.seq + 1n, grant.limit < ours.limit ? grant.limit : ours.limit, ours.expiry);
	}
}

/** answer does what a claim of the peer's to a lock of ours asks. */
async function answer(l: Ledger, peer: Bytes, x: Shown): Promise<void> {
	if (x.type === 4) return; // a recovery: none is agreed to here
	if (x.type === 2) return l.fold(peer, x.release.lock, x.release);
	if (x.type === 1) await new Statement(l.key, signed(voucherLayout, x.voucher), x.voucher.sig).open(voucherPurpose);
	await l.change(peer, async (d) => {
		const { mine } = d.account;
		const k = findLock(mine.tally, x.type === 1 ? x.voucher.lock : x.lock);
		if (!k) return; // closed meanwhile
		if (x.type === 3) {
			if (!(await opens(x, k))) throw new SeaError("refused", "it is not the preimage");
			return l.settleIn(d, x.lock, x.preimage);
		}
		if (x.voucher.side !== mine.side || !fits(x.voucher, k)) throw new SeaError("refused", "the voucher does not fit its lock");
		const said = saying(mine, x.voucher, pack(voucherLayout, x.voucher));
		if (said !== mine) d.account = { ...d.account, mine: said };
		if (k.void || k.folded > 0n) await l.foldIn(d, k.id, undefined);
	});
}

/** outboxFor gives the next push for a peer of at most room bytes, or undefined when it has all. */
export async function outboxFor(l: Ledger, peer: Bytes, room: number): Promise<Bytes | undefined> {
	const a = await l.account(peer);
	if (!undelivered(a)) return undefined;
	const ours = grantOf(a.mine);
	const runs: Run[] = [];
	let size = pushBase;
	for (const r of a.acked.seq < a.mine.tally.seq ? await l.book.runs(a.line, a.mine.side, a.acked.seq + 1n, maxRuns) : []) {
		if ((size += pack(run, r).length) > room) break;
		runs.push(r);
	}
	return pack(push, { line: a.line, grant: ours && ours.seq > a.acked.grant ? ours : null, runs });
}

/** OutOfStep is a peer that acknowledges something else than what was sent: exchange positions, and go on. */
export class OutOfStep extends SeaError {
	constructor(why: string) {
		super("busy", `out of step: ${why}`);
	}
}

/** takeAck takes in the answer to a push. It rejects with OutOfStep when the peer holds something else, or no more than before. */
export async function takeAck(l: Ledger, peer: Bytes, message: Bytes): Promise<void> {
	const got = unpack(message, ack, "ack");
	await l.change(peer, async (d) => {
		const { line, mine, acked } = d.account;
		const other = (why: string) => new OutOfStep(why);
		if (compare(got.line, line) !== 0) throw new SeaError("refused", "the answer is of another line");
		if (got.seq > mine.tally.seq) throw other("the peer holds more than is here");
		if (got.seq > 0n && compare((await l.book.item(line, mine.side, got.seq)).item.hash, got.tip) !== 0) throw other("the peer holds another entry");
		const ours = grantOf(mine);
		const newest = ours !== null && got.grant === ours.seq;
		if (newest && compare(await sha256(signed(grantLayout, ours)), got.terms) !== 0) throw other("the peer holds another grant");
		const grant = newest ? ours.seq : acked.grant;
		if (got.seq < acked.seq || (got.seq === acked.seq && grant === acked.grant)) throw other("the peer holds no more than before");
		d.account = { ...d.account, acked: { seq: got.seq, grant } };
	});
}
