// The calls on descriptors: docs/WASI.md, part 6.

import { utf8 } from "../../bytes.ts";
import { type Desc, filetype } from "./desc.ts";
import * as errno from "./errno.ts";
import { maxTransfer, type Memory, type Spans } from "./memory.ts";
import { i64Max, least, u64Max } from "./number.ts";
import { type Node } from "./tree.ts";
import { Stop, type World } from "./world.ts";

/** Flag is the one of WASI's fdflags that is looked at, and all of them. */
export const Flag = { append: 1, all: 31 } as const;

const entryHead = 24; // bytes of a folder's entry before its name
const here = utf8(".");
const above = utf8("..");

function readable(w: World, fd: number): Desc {
	const d = w.get(fd);
	if (d.kind === "folder") throw errno.ISDIR;
	if (!d.read) throw errno.BADF;
	return d;
}

function writable(w: World, fd: number): Desc {
	const d = w.get(fd);
	if (!d.write) throw errno.BADF;
	return d;
}

/** positioned refuses what has no position. */
function positioned(d: Desc): Desc {
	if (d.stdio) throw errno.SPIPE;
	if (d.kind === "folder") throw errno.BADF;
	return d;
}

function read(w: World, m: Memory, node: Node, iovs: number, count: number, offset: bigint, result: number): number {
	const spans = m.spans(iovs, count);
	const n = Number(least(BigInt(spans.size), node.left(offset)));
	m.put32(result, n);
	w.pay(n);
	const at = n > 0 ? Number(offset) : 0;
	spans.fill(node.data.subarray(at, at + n));
	return n;
}

function store(w: World, node: Node, spans: Spans, offset: bigint): void {
	if (spans.size === 0) return;
	if (offset > i64Max - BigInt(maxTransfer)) throw errno.INVAL;
	w.pay(spans.size);
	w.extend(node, offset);
	const whole = w.grow(node, offset + BigInt(spans.size));
	const at = Number(offset); // extend has made the file that large
	node.data.set(spans.bytes(Math.min(node.size - at, spans.size)), at);
	if (!whole) throw new Stop("output_limit");
}

/** stat writes what is known of a node; type 0 is a stream, of which nothing is. */
export function stat(w: World, m: Memory, result: number, type: number, node: Node | null): void {
	const v = m.view(result, 64);
	w.pay(64);
	for (let i = 0; i < 64; i += 8) v.setBigUint64(i, 0n);
	v.setBigUint64(0, 1n, true);
	v.setUint8(16, type);
	v.setBigUint64(24, 1n, true);
	if (type !== 0) {
		v.setBigUint64(8, node!.ino, true);
		v.setBigUint64(32, BigInt(node!.size), true);
	}
	for (const at of [40, 48, 56]) v.setBigUint64(at, w.start, true);
}

/** checkTimes refuses unknown flags, and a time that is both given and now. */
export function checkTimes(flags: number): void {
	if (flags > 15 || (flags & 3) === 3 || (flags & 12) === 12) throw errno.INVAL;
}

function noSocket(w: World, _m: Memory, fd: number): void {
	w.get(fd);
	throw errno.NOTSOCK;
}

export const file = {
	fd_advise(w: World, _m: Memory, fd: number, _offset: bigint, _len: bigint, advice: number): void {
		positioned(w.get(fd));
		if (advice > 5) throw errno.INVAL;
	},

	fd_allocate(w: World, _m: Memory, fd: number, offset: bigint, len: bigint): void {
		const d = w.get(fd);
		if (d.stdio) throw errno.SPIPE;
		if (!d.write) throw errno.BADF;
		if (len === 0n) throw errno.INVAL;
		w.extend(d.node!, least(u64Max, offset + len));
	},

	fd_close: (w: World, _m: Memory, fd: number): void => w.shut(fd),

	fd_datasync: (w: World, _m: Memory, fd: number): void => void w.get(fd),

	fd_fdstat_get(w: World, m: Memory, fd: number, result: number): void {
		const d = w.get(fd);
		const v = m.view(result, 24);
		w.pay(24);
		const [base, inheriting] = d.rights;
		v.setBigUint64(0, 0n);
		v.setUint8(0, d.type);
		v.setUint16(2, d.flags, true);
		v.setBigUint64(8, base, true);
		v.setBigUint64(16, inheriting, true);
	},

	fd_fdstat_set_flags(w: World, _m: Memory, fd: number, flags: number): void {
		const d = w.get(fd);
		if (flags > Flag.all) throw errno.INVAL;
		d.flags = flags;
	},

	fd_fdstat_set_rights(w: World, _m: Memory, fd: number): void {
		w.get(fd);
		throw errno.NOTSUP;
	},

	fd_filestat_get(w: World, m: Memory, fd: number, result: number): void {
		const d = w.get(fd);
		stat(w, m, result, d.type, d.node);
	},

	fd_filestat_set_size(w: World, _m: Memory, fd: number, size: bigint): void {
		const d = w.get(fd);
		if (d.kind !== "file") throw errno.INVAL;
		if (!d.write) throw errno.BADF;
		if (size <= d.node!.size) w.truncate(d.node!, Number(size));
		else w.extend(d.node!, size);
	},

	fd_filestat_set_times(w: World, _m: Memory, fd: number, _atim: bigint, _mtim: bigint, flags: number): void {
		const d = w.get(fd);
		checkTimes(flags);
		if (d.node && !d.node.writable) throw errno.ROFS;
	},

	fd_pread(w: World, m: Memory, fd: number, iovs: number, count: number, offset: bigint, result: number): void {
		read(w, m, positioned(readable(w, fd)).node!, iovs, count, offset, result);
	},

	fd_prestat_dir_name(w: World, m: Memory, fd: number, path: number, len: number): void {
		if (!w.get(fd).preopened) throw errno.BADF;
		if (len < 1) throw errno.NAMETOOLONG;
		m.span(path, 1)[0] = 0x2f;
	},

	fd_prestat_get(w: World, m: Memory, fd: number, result: number): void {
		if (!w.get(fd).preopened) throw errno.BADF;
		const v = m.view(result, 8);
		v.setUint32(0, 0, true);
		v.setUint32(4, 1, true);
	},

	fd_pwrite(w: World, m: Memory, fd: number, iovs: number, count: number, offset: bigint, result: number): void {
		const d = positioned(writable(w, fd));
		const spans = m.spans(iovs, count);
		m.put32(result, spans.size);
		store(w, d.node!, spans, offset);
	},

	fd_read(w: World, m: Memory, fd: number, iovs: number, count: number, result: number): void {
		const d = readable(w, fd);
		d.pos += BigInt(read(w, m, d.node!, iovs, count, d.pos, result));
	},

	fd_readdir(w: World, m: Memory, fd: number, at: number, len: number, cookie: bigint, result: number): void {
		const d = w.get(fd);
		if (d.kind !== "folder") throw errno.NOTDIR;
		const out = m.span(at, Math.min(len, maxTransfer));
		m.span(result, 4);
		const list = cookie === 0n || !d.list ? w.relist(d) : d.list;
		w.pay(out.length);
		const entries = BigInt(list.length) + 2n;
		let done = 0;
		for (let i = cookie; i < entries && done < out.length; i++) {
			const node = i === 0n ? d.node! : i === 1n ? (d.node!.parent ?? d.node!) : list[Number(i) - 2]!;
			const name = i === 0n ? here : i === 1n ? above : node.bytes;
			const entry = new Uint8Array(entryHead + name.length);
			const v = new DataView(entry.buffer);
			v.setBigUint64(0, i + 1n, true);
			v.setBigUint64(8, node.ino, true);
			v.setUint32(16, name.length, true);
			v.setUint8(20, filetype(node.folder ? "folder" : "file"));
			entry.set(name, entryHead);
			const fits = entry.subarray(0, out.length - done);
			out.set(fits, done);
			done += fits.length;
		}
		m.put32(result, done);
	},

	fd_renumber(w: World, _m: Memory, fd: number, to: number): void {
		w.get(fd);
		w.get(to);
		if (fd !== to) w.renumber(fd, to);
	},

	fd_seek(w: World, m: Memory, fd: number, offset: bigint, whence: number, result: number): void {
		const d = positioned(w.get(fd));
		if (whence > 2) throw errno.INVAL;
		const from = whence === 0 ? 0n : whence === 1 ? d.pos : BigInt(d.node!.size);
		const to = BigInt.asIntN(64, from + offset);
		if (to < 0n) throw errno.INVAL;
		m.put64(result, to);
		d.pos = to;
	},

	fd_sync: (w: World, _m: Memory, fd: number): void => void w.get(fd),

	fd_tell: (w: World, m: Memory, fd: number, result: number): void => m.put64(result, positioned(w.get(fd)).pos),

	fd_write(w: World, m: Memory, fd: number, iovs: number, count: number, result: number): void {
		const d = writable(w, fd);
		const spans = m.spans(iovs, count);
		m.put32(result, spans.size);
		if (d.kind === "stdout" || d.kind === "stderr") {
			w.say(d.kind, spans.bytes(spans.size));
			return;
		}
		if (d.flags & Flag.append) d.pos = BigInt(d.node!.size);
		store(w, d.node!, spans, d.pos);
		d.pos += BigInt(spans.size);
	},

	sock_accept: noSocket,
	sock_recv: noSocket,
	sock_send: noSocket,
	sock_shutdown: noSocket,
};
