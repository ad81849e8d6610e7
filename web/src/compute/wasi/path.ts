// The calls on paths: docs/WASI.md, part 6.

import { Desc, filetype, Right } from "./desc.ts";
import * as errno from "./errno.ts";
import { checkTimes, Flag, stat } from "./file.ts";
import { type Memory } from "./memory.ts";
import { type Node } from "./tree.ts";
import { type World } from "./world.ts";

/** How is WASI's oflags, and all of them. */
const How = { create: 1, folder: 2, exclusive: 4, truncate: 8, all: 15 } as const;

function unsupported(): void {
	throw errno.NOTSUP;
}

export const path = {
	path_create_directory(w: World, m: Memory, fd: number, at: number, n: number): void {
		const place = w.at(m, fd, at, n);
		if (place.node) throw errno.EXIST;
		w.tree.make(place, true);
	},

	path_filestat_get(w: World, m: Memory, fd: number, _lookup: number, at: number, n: number, result: number): void {
		const { node } = w.at(m, fd, at, n);
		if (!node) throw errno.NOENT;
		stat(w, m, result, filetype(node.folder ? "folder" : "file"), node);
	},

	path_filestat_set_times(
		w: World, m: Memory, fd: number, _lookup: number, at: number, n: number, _atim: bigint, _mtim: bigint, flags: number,
	): void {
		const { node } = w.at(m, fd, at, n);
		checkTimes(flags);
		if (!node) throw errno.NOENT;
		if (!node.writable) throw errno.ROFS;
	},

	path_link: unsupported,

	path_open(
		w: World, m: Memory, fd: number, _lookup: number, at: number, n: number,
		how: number, base: bigint, _inheriting: bigint, flags: number, result: number,
	): void {
		if (how > How.all || flags > Flag.all || (how & How.create && how & How.folder)) throw errno.INVAL;
		const place = w.at(m, fd, at, n);
		const write = (base & Right.write) !== 0n;
		let node: Node | null = place.node;
		if (!node) {
			if (!(how & How.create)) throw errno.NOENT;
		} else {
			const change = write || (how & How.truncate) !== 0;
			if (how & How.create && how & How.exclusive) throw errno.EXIST;
			if (node.folder && (change || how & How.create)) throw errno.ISDIR;
			if (!node.folder && how & How.folder) throw errno.NOTDIR;
			if (change && !node.writable) throw errno.ROFS;
		}
		m.span(result, 4);
		const slot = w.slot();
		if (!node) {
			if (place.slash) throw errno.ISDIR;
			node = w.tree.make(place, false);
		} else if (how & How.truncate) {
			w.truncate(node, 0);
		}
		w.open(slot, new Desc(node.folder ? "folder" : "file", node, (base & Right.read) !== 0n, write, flags));
		m.put32(result, slot);
	},

	path_readlink(w: World, m: Memory, fd: number, at: number, n: number): void {
		const { node } = w.at(m, fd, at, n);
		throw node ? errno.INVAL : errno.NOENT;
	},

	path_remove_directory(w: World, m: Memory, fd: number, at: number, n: number): void {
		const node = w.tree.removable(w.at(m, fd, at, n));
		if (!node.folder) throw errno.NOTDIR;
		if (node.kids.size > 0) throw errno.NOTEMPTY;
		w.unlink(node);
	},

	path_rename(w: World, m: Memory, fd: number, at: number, n: number, newFd: number, newAt: number, newN: number): void {
		const from = w.at(m, fd, at, n);
		const to = w.at(m, newFd, newAt, newN);
		const node = w.tree.removable(from);
		const old = to.node;
		if (!node.folder && to.slash && !old) throw errno.NOTDIR;
		const reach = w.tree.reach(node);
		w.pay(16 * reach.nodes);
		const name = w.tree.vacant(to, reach);
		for (let up = to.folder; up !== w.tree.root; up = up.parent!) {
			if (up === node) throw errno.INVAL;
		}
		if (old === node) return;
		if (old) {
			if (node.folder && !old.folder) throw errno.NOTDIR;
			if (!node.folder && old.folder) throw errno.ISDIR;
			if (old.kids.size > 0) throw errno.NOTEMPTY;
			w.unlink(old);
		}
		w.tree.move(node, to.folder, name);
	},

	path_symlink: unsupported,

	path_unlink_file(w: World, m: Memory, fd: number, at: number, n: number): void {
		const node = w.tree.removable(w.at(m, fd, at, n));
		if (node.folder) throw errno.ISDIR;
		w.unlink(node);
	},
};
