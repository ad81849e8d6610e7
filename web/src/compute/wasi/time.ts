// Clocks, random bytes, polls, and the end: docs/WASI.md, parts 5 and 6.

import { type Desc } from "./desc.ts";
import * as errno from "./errno.ts";
import { Errno } from "./errno.ts";
import { maxTransfer, type Memory } from "./memory.ts";
import { least, u64Max } from "./number.ts";
import { Stop, type World } from "./world.ts";

const maxSubscriptions = 1024; // of a poll
const randomPiece = 65536; // bytes paid and made at once
const subscriptionSize = 48;
const eventSize = 32;

interface Subscription {
	user: bigint;
	tag: number;
	errno: number;
	bytes: bigint;
	/** due is how far off a clock is, null for what has an event at once: it is no clock, or wrong. */
	due: bigint | null;
}

function subscription(w: World, v: DataView, at: number): Subscription {
	const s: Subscription = { user: v.getBigUint64(at, true), tag: v.getUint8(at + 8), errno: 0, bytes: 0n, due: null };
	try {
		switch (s.tag) {
			case 0:
				s.due = due(w, v.getUint32(at + 16, true), v.getBigUint64(at + 24, true), v.getUint16(at + 40, true));
				break;
			case 1:
			case 2:
				s.bytes = ready(w.get(v.getUint32(at + 16, true)), s.tag === 2);
				break;
			default:
				throw errno.INVAL;
		}
	} catch (err) {
		if (!(err instanceof Errno)) throw err;
		s.errno = err.number;
	}
	return s;
}

function due(w: World, id: number, timeout: bigint, flags: number): bigint {
	const time = w.now(id);
	if (id > 1) throw errno.NOTSUP;
	if (flags > 1) throw errno.INVAL;
	if (flags === 0) return timeout;
	return timeout > time ? timeout - time : 0n;
}

/** ready is how many bytes can be written or read. */
function ready(d: Desc, write: boolean): bigint {
	if (write ? !d.write : !d.read) throw errno.BADF;
	if (write) return BigInt(maxTransfer);
	return d.kind === "folder" ? 0n : d.node!.left(d.pos);
}

export const time = {
	clock_res_get(w: World, m: Memory, id: number, result: number): void {
		w.now(id);
		m.put64(result, 1n);
	},

	clock_time_get(w: World, m: Memory, id: number, _precision: bigint, result: number): void {
		m.put64(result, w.now(id));
	},

	random_get(w: World, m: Memory, at: number, n: number): void {
		const bytes = m.span(at, n);
		for (let i = 0; i < n; i += randomPiece) {
			const piece = bytes.subarray(i, i + randomPiece);
			w.pay(piece.length);
			w.random.fill(piece);
		}
	},

	/** poll_oneoff writes the events of what is due first, and sleeps until then. */
	poll_oneoff(w: World, m: Memory, from: number, to: number, count: number, result: number): void {
		if (count === 0 || count > maxSubscriptions) throw errno.INVAL;
		const input = m.span(from, subscriptionSize * count);
		const out = m.view(to, eventSize * count);
		m.span(result, 4);
		w.pay((subscriptionSize + eventSize) * count);
		// A copy: the events may lie over the subscriptions.
		const copy = new DataView(input.slice().buffer);
		const subs = Array.from({ length: count }, (_, i) => subscription(w, copy, subscriptionSize * i));
		const elapsed = w.elapsed;
		const when = (s: Subscription) => (s.due === null ? elapsed : least(u64Max, elapsed + s.due));
		const wake = subs.reduce((first, s) => least(first, when(s)), u64Max);
		let events = 0;
		for (const s of subs) {
			if (s.due !== null && when(s) > wake) continue;
			const at = eventSize * events++;
			for (let i = 0; i < eventSize; i += 8) out.setBigUint64(at + i, 0n);
			out.setBigUint64(at, s.user, true);
			out.setUint16(at + 8, s.errno, true);
			out.setUint8(at + 10, s.tag);
			out.setBigUint64(at + 16, s.bytes, true);
		}
		const end = least(wake, w.last);
		if (end > elapsed) w.slept += end - elapsed;
		m.put32(result, events);
	},

	sched_yield(): void {},

	proc_exit(_w: World, _m: Memory, code: number): void {
		throw new Stop("exit", code | 0);
	},

	proc_raise(): void {
		throw errno.NOTSUP;
	},
};
