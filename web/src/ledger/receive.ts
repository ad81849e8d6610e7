// What a peer has signed is taken in here. See docs/PROTOCOL.md, part 7, "Taking
// a push".

import { type Bytes, compare, sha256 } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { Statement } from "../identity/statement.ts";
import { type Account, grantOf, standing } from "./account.ts";
import { headPurpose } from "./entry.ts";
import { pack, unpack, zero } from "./format.ts";
import { type Grant, grant as grantLayout, grantPurpose } from "./grant.ts";
import { type Draft, type Ledger } from "./ledger.ts";
import { release, releasePurpose, signed, voucher, voucherPurpose } from "./lock.ts";
import { ack, pushed } from "./message.ts";
import { firstOf, from, lastOf, open, type Run } from "./run.ts";
import { apply } from "./tally.ts";

/**
 * takePush takes in what a peer has signed and gives the answer: how far its
 * half-chain is held here, which is kept by then. What contradicts what is held is
 * kept as proof, and the line is disputed.
 */
export async function takePush(l: Ledger, peer: Bytes, message: Bytes): Promise<Bytes> {
	const p = unpack(message, pushed, "push");
	const runs = await Promise.all(p.runs.map(open));
	const { line, theirs } = await l.account(peer);
	const stranger = (why: string) => new SeaError("refused", `not about the line with this peer: ${why}`);
	if (compare(p.line, line) !== 0) throw stranger("another line");
	if (p.grant && compare(p.grant.creditor, peer) !== 0) throw stranger("another creditor");
	if (runs.some((r) => firstOf(r).entry.side !== theirs.side)) throw stranger("the other side");
	await verify(l, peer, p.grant, runs);
	return l.change(peer, async (d) => {
		if (d.account.state === "disputed") throw new SeaError("refused", "the line is disputed");
		const before = d.account;
		const fresh: Run[] = [];
		for (const r of runs) {
			const wrong = await takeRun(l, d, r, fresh);
			if (wrong === "gap") break; // the answer tells
			if (wrong) return dispute(l, d, before, wrong, r);
		}
		if (p.grant) takeGrant(d, p.grant);
		const { theirs: now } = d.account;
		if (fresh.length > 0) d.drops.push(...(await l.book.trim(line, now.side, now.tally.seq, d.puts)));
		return answer(d.account);
	});
}

/** verify looks at the signatures of a push, up to the first that does not hold. SeaError "signature". */
async function verify(l: Ledger, peer: Bytes, grant: Grant | null, runs: readonly Run[]): Promise<void> {
	if (grant) await new Statement(peer, signed(grantLayout, grant), grant.sig).open(grantPurpose);
	for (const r of runs) {
		await new Statement(peer, lastOf(r).hash, r.sig).open(headPurpose);
		for (const { body } of r.items) {
			if (body.voucher) await new Statement(peer, signed(voucher, body.voucher), body.voucher.sig).open(voucherPurpose);
			const x = body.voiding?.release;
			if (x) await new Statement(l.key, signed(release, x), x.sig).open(releasePurpose);
		}
	}
}

/** Contradiction is why a run cannot be of the half-chain that is held, and the run that shows it. */
interface Contradiction {
	why: string;
	held: Run | null;
}

/** takeRun takes in what of a run is new, after the fresh ones of the same push. */
async function takeRun(l: Ledger, d: Draft, r: Run, fresh: Run[]): Promise<Contradiction | "gap" | undefined> {
	const { line, theirs } = d.account;
	const held = theirs.tally;
	const [first, last] = [firstOf(r).entry.seq, lastOf(r).entry.seq];
	if (first > held.seq + 1n) return "gap";
	const heldAt = async (seq: bigint) => fresh.find((f) => seq >= firstOf(f).entry.seq && seq <= lastOf(f).entry.seq) ?? (await l.book.held(line, theirs.side, seq))?.run;
	const common = last < held.seq ? last : held.seq;
	if (common >= first) {
		// Each entry names the one before: if the newest of both is the same, all are.
		const run = await heldAt(common);
		if (!run) return undefined; // so old that it is forgotten; the answer tells that it is held
		const [kept, shown] = [run, r].map((x) => x.items[Number(common - firstOf(x).entry.seq)]!);
		if (kept!.entry.epoch !== shown!.entry.epoch) throw oldEpoch();
		if (compare(kept!.hash, shown!.hash) !== 0) return { why: `two entries ${common}`, held: run };
		if (last === common) return undefined;
	}
	const rest = from(r, Number(held.seq + 1n - first));
	if (firstOf(rest).entry.epoch !== held.epoch) throw oldEpoch();
	let tally = held;
	for (const item of rest.items) {
		const next = await apply(tally, item);
		if (typeof next === "string") return { why: next, held: (held.seq > 0n && (await heldAt(held.seq))) || null };
		tally = next;
	}
	fresh.push(rest);
	d.puts.push(...(await l.book.runPuts(d.puts, rest)));
	d.account = { ...d.account, theirs: standing(theirs, tally) };
	return undefined;
}

// A tab agrees to no recovery: all that is taken is of the first epoch.
const oldEpoch = () => new SeaError("refused", "an entry of an epoch that was not agreed to");

/** dispute keeps what shows that a peer contradicts itself, and nothing else of its message. */
function dispute(l: Ledger, d: Draft, before: Account, { why, held }: Contradiction, shown: Run): Bytes {
	d.refusal = new SeaError("refused", `the entries contradict each other: ${why}`);
	if (before.theirs.tally.seq === 0n && before.mine.tally.seq === 0n && !before.mine.grant && !before.theirs.grant) throw d.refusal; // a line that never was
	d.puts.splice(0, d.puts.length, l.book.proofPut(before.line, held, shown));
	d.account = { ...before, ...(before.state === "open" && { state: "disputed", reason: d.refusal.message }) };
	return new Uint8Array(0);
}

/** takeGrant keeps a grant that is newer than what is held. */
function takeGrant(d: Draft, g: Grant): void {
	const { theirs } = d.account;
	const held = grantOf(theirs);
	if (held && g.seq < held.seq) return;
	if (held && g.seq === held.seq) {
		if (g.limit !== held.limit || g.expiry !== held.expiry) throw new SeaError("refused", `two grants ${g.seq}`);
		return;
	}
	d.account = { ...d.account, theirs: { ...theirs, grant: pack(grantLayout, g) } };
}

async function answer({ line, theirs }: Account): Promise<Bytes> {
	const g = grantOf(theirs);
	return pack(ack, {
		line, seq: theirs.tally.seq, tip: theirs.tally.tip,
		grant: g?.seq ?? 0n, terms: g ? await sha256(signed(grantLayout, g)) : zero(),
	});
}
