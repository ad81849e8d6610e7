// What a guest sees: WASI preview 1 as docs/WASI.md has it, to the bit and to the
// unit of fuel. The order of the checks in each call is the order in that
// document. There is nothing of the host behind it.
//
// The calls themselves are in text.ts, time.ts, file.ts and path.ts.

import { type Bytes, utf8 } from "../../bytes.ts";
import { Desc } from "./desc.ts";
import * as errno from "./errno.ts";
import { type Memory } from "./memory.ts";
import { i64Max, least } from "./number.ts";
import { Random } from "./random.ts";
import { type Input, maxPath, Node, type Place, Tree } from "./tree.ts";

const callPrice = 1000n; // of a call, beside what the guest's instruction costs
const maxOpen = 1024; // descriptors
const maxListed = 65536; // entries of folders being listed at once

/**
 * Stop leaves the guest: it passes through the guest's frames as an exception.
 * The code is that of an exit.
 */
export class Stop {
	constructor(
		readonly end: "exit" | "out_of_fuel" | "output_limit" | "interrupted",
		readonly code = 0,
	) {}
}

/** Config is what a world is made of. */
export interface Config {
	args: string[];
	env: string[];
	stdin: Uint8Array;
	files: Input[];
	/** seed has 32 bytes. */
	seed: Uint8Array;
	/** start is the clock's first time, in nanoseconds. */
	start: bigint;
	outputBytes: number;
	maxFiles: number;
}

/** Tank is the guest's fuel. */
export interface Tank {
	readonly used: bigint;
	/** pay takes n fuel, or throws a Stop. */
	pay(n: bigint): void;
}

export class World {
	/** stdout and stderr are what was written, piece by piece. */
	readonly stdout: Bytes[] = [];
	readonly stderr: Bytes[] = [];
	readonly args: Uint8Array[];
	readonly env: Uint8Array[];
	readonly random: Random;
	readonly tree: Tree;
	readonly start: bigint;
	/** slept is how far polls have moved the clock. */
	slept = 0n;
	readonly #tank: Tank;
	readonly #outputBytes: number;
	readonly #descs: (Desc | null)[];
	#listed = 0;
	#bytes = 0; // of the output quota

	constructor(c: Config, tank: Tank) {
		this.#tank = tank;
		this.args = c.args.map((s) => utf8(s + "\0"));
		this.env = c.env.map((s) => utf8(s + "\0"));
		this.random = new Random(c.seed);
		this.tree = new Tree(c.files, c.maxFiles);
		this.start = c.start;
		this.#outputBytes = c.outputBytes;
		const root = new Desc("folder", this.tree.root, true, false);
		root.preopened = true;
		this.tree.root.open++;
		this.#descs = [
			new Desc("stdin", Node.of(c.stdin), true, false),
			new Desc("stdout", null, false, true),
			new Desc("stderr", null, false, true),
			root,
		];
	}

	// ---- fuel and time

	/** used is the guest's counter. */
	get used(): bigint {
		return this.#tank.used;
	}

	pay(n: number | bigint): void {
		this.#tank.pay(BigInt(n));
	}

	/** begin pays for a call that copies n bytes. */
	begin(n = 0): void {
		this.pay(callPrice + BigInt(n));
	}

	/** elapsed is the fuel and the sleep so far, in nanoseconds. */
	get elapsed(): bigint {
		return this.used + this.slept;
	}

	/** last is how far the clock goes. */
	get last(): bigint {
		return i64Max - this.start;
	}

	/** now is a clock's time. */
	now(id: number): bigint {
		switch (id) {
			case 0:
				return this.start + least(this.elapsed, this.last);
			case 1:
				return least(this.elapsed, this.last);
			case 2:
			case 3:
				return this.used;
		}
		throw errno.INVAL;
	}

	// ---- descriptors

	get(fd: number): Desc {
		const d = this.#descs[fd];
		if (!d) throw errno.BADF;
		return d;
	}

	/** slot is the lowest number that is free. */
	slot(): number {
		const free = this.#descs.indexOf(null);
		if (free >= 0) return free;
		if (this.#descs.length >= maxOpen) throw errno.MFILE;
		return this.#descs.length;
	}

	/** open puts a descriptor at a number that is free. */
	open(fd: number, d: Desc): void {
		if (d.node) d.node.open++;
		this.#descs[fd] = d;
	}

	/** shut closes one that is open. */
	shut(fd: number): void {
		const d = this.get(fd);
		this.#descs[fd] = null;
		this.#unlist(d);
		if (d.node) {
			d.node.open--;
			this.drop(d.node);
		}
	}

	/** renumber moves one over another; both are open. */
	renumber(fd: number, to: number): void {
		const d = this.get(fd);
		this.shut(to);
		this.#descs[to] = d;
		this.#descs[fd] = null;
	}

	/** at is where a path leads that lies in memory. */
	at(m: Memory, fd: number, path: number, n: number): Place {
		const d = this.get(fd);
		if (d.kind !== "folder") throw errno.NOTDIR;
		if (n > maxPath) throw errno.NAMETOOLONG;
		const raw = m.span(path, n);
		this.pay(n);
		return this.tree.resolve(d.node!, raw);
	}

	/** relist takes the snapshot of a folder's entries. */
	relist(d: Desc): Node[] {
		const n = d.node!.kids.size;
		this.#unlist(d);
		if (this.#listed + n > maxListed) throw errno.NOMEM;
		this.pay(8 * n);
		this.#listed += n;
		return (d.list = d.node!.sorted());
	}

	#unlist(d: Desc): void {
		this.#listed -= d.list?.length ?? 0;
		d.list = null;
	}

	// ---- what is written

	/** say writes to stdout or stderr what there is room for. */
	say(to: "stdout" | "stderr", bytes: Uint8Array): void {
		this.pay(bytes.length);
		const fits = bytes.slice(0, this.#room);
		this.#bytes += fits.length;
		if (fits.length > 0) this[to].push(fits);
		if (fits.length < bytes.length) throw new Stop("output_limit");
	}

	/** print writes to stdout as one call without its bound. */
	print(bytes: Uint8Array): void {
		this.begin();
		this.say("stdout", bytes);
	}

	get #room(): number {
		return this.#outputBytes - this.#bytes;
	}

	/** extend grows a file with zeros, which are paid like written bytes. */
	extend(node: Node, size: bigint): void {
		const more = size - BigInt(node.size);
		if (more <= 0n) return;
		this.pay(least(more, BigInt(this.#outputBytes)));
		if (!this.grow(node, size)) throw new Stop("output_limit");
	}

	/** grow makes a file larger, as far as there is room: false when that is less. */
	grow(node: Node, size: bigint): boolean {
		const more = size - BigInt(node.size);
		if (more <= 0n) return true;
		const fits = Number(least(more, BigInt(this.#room)));
		this.#bytes += fits;
		node.resize(node.size + fits);
		return BigInt(fits) === more;
	}

	truncate(node: Node, size: number): void {
		this.#bytes -= node.size - size;
		node.resize(size);
	}

	/** unlink takes a file or an empty folder away. */
	unlink(node: Node): void {
		this.tree.unlink(node);
		this.drop(node);
	}

	/** drop gives back the room of a file that has neither name nor descriptor. */
	drop(node: Node): void {
		if (node.parent === null && node.open === 0 && node.writable) this.truncate(node, 0);
	}
}
