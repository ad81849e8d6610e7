// The guest's files: docs/WASI.md, parts 2 and 4. The tree knows names, places
// and counts; fuel and the quota of bytes are the world's.

import { compare, utf8 } from "../../bytes.ts";
import * as errno from "./errno.ts";

/** maxPath is the most bytes of a path, as given or from the root. */
export const maxPath = 1024;
const maxName = 255; // bytes of a name
const maxParts = 32; // names of a new path from the root

// ignoreBOM keeps a byte order mark, which is three bytes of a name like others.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Input is a file that the guest finds: a path below the root, and its bytes. */
export interface Input {
	path: string;
	data: Uint8Array;
}

/** Entry is what the guest has left below "out". A folder has no bytes. */
export interface Entry extends Input {
	dir: boolean;
}

/** Node is a file or a folder, or the bytes of stdin. */
export class Node {
	/** kids are a folder's, by name. */
	readonly kids = new Map<string, Node>();
	/** data is a file's; what lies beyond size is zeros. */
	data: Uint8Array = new Uint8Array(0);
	size = 0;
	/** open is how many descriptors hold it. */
	open = 0;
	/** parent is null when the node was removed; the root is its own. */
	parent: Node | null = null;
	/** bytes are those of the name. */
	bytes: Uint8Array;

	constructor(
		public name: string,
		readonly ino: bigint,
		readonly folder: boolean,
		readonly writable: boolean,
	) {
		this.bytes = utf8(name);
	}

	/** of makes a node that cannot be written. */
	static of(data: Uint8Array): Node {
		const node = new Node("", 0n, false, false);
		node.hold(data);
		return node;
	}

	/** hold gives an input its bytes, which are not copied. */
	hold(data: Uint8Array): void {
		this.data = data;
		this.size = data.length;
	}

	/** left is how many bytes lie behind an offset. */
	left(offset: bigint): bigint {
		const size = BigInt(this.size);
		return offset < size ? size - offset : 0n;
	}

	/** sorted are the entries in the byte order of their names. */
	sorted(): Node[] {
		return [...this.kids.values()].sort((a, b) => compare(a.bytes, b.bytes));
	}

	/** resize sets the size; bytes that come new are zeros. */
	resize(size: number): void {
		if (size < this.size) {
			this.data.fill(0, size, this.size);
		} else if (size > this.data.length) {
			const grown = new Uint8Array(Math.max(size, 2 * this.data.length));
			grown.set(this.data);
			this.data = grown;
		}
		this.size = size;
	}
}

/**
 * Place is where a path leads: name is null when the path ended in "." or "..",
 * node null when nothing is there, slash whether it ended in "/".
 */
export interface Place {
	folder: Node;
	name: string | null;
	node: Node | null;
	slash: boolean;
}

/** Reach is the deepest and the longest way below a node, and the number of nodes at and below it. */
export interface Reach {
	parts: number;
	bytes: number;
	nodes: number;
}

const fresh: Reach = { parts: 0, bytes: 0, nodes: 1 };

export class Tree {
	readonly root: Node;
	readonly out: Node;
	#inos = 0;
	#nodes = 0; // of the quota
	readonly #most: number;

	/** most is the quota of files and folders. */
	constructor(inputs: Input[], most: number) {
		this.#most = most;
		this.root = new Node("", this.#ino(), true, false);
		this.root.parent = this.root;
		this.out = new Node("out", this.#ino(), true, true);
		this.#add(this.root, this.out);
		for (const input of inputs) this.#input(input);
	}

	#ino(): bigint {
		return BigInt(++this.#inos);
	}

	#add(folder: Node, node: Node): void {
		folder.kids.set(node.name, node);
		node.parent = folder;
	}

	#input({ path, data }: Input): void {
		const parts = path.split("/");
		let folder = this.root;
		parts.forEach((name, i) => {
			const last = i === parts.length - 1;
			let node = folder.kids.get(name);
			if (!node) {
				node = new Node(name, this.#ino(), !last, false);
				this.#add(folder, node);
				this.#nodes++;
			}
			if (last) node.hold(data);
			folder = node;
		});
	}

	/** resolve follows a path from a folder, and never out of it. */
	resolve(from: Node, raw: Uint8Array): Place {
		if (raw.length === 0) throw errno.NOENT;
		let path;
		try {
			path = strict.decode(raw);
		} catch (err) {
			if (!(err instanceof TypeError)) throw err; // no room on the stack, which is no answer
			throw errno.ILSEQ;
		}
		if (raw.includes(0)) throw errno.INVAL;
		if (path[0] === "/") throw errno.NOTCAPABLE;

		let place: Place = { folder: from, name: null, node: from, slash: false };
		let climbed = 0;
		const parts = path.split("/");
		parts.forEach((name, i) => {
			if (name === "") {
				place.slash = i === parts.length - 1;
				return;
			}
			const at = place.node;
			if (!at) throw errno.NOENT;
			if (!at.folder) throw errno.NOTDIR;
			if (name === ".") {
				place = { folder: at, name: null, node: at, slash: false };
			} else if (name === "..") {
				if (--climbed < 0) throw errno.NOTCAPABLE;
				if (!at.parent) throw errno.NOENT;
				place = { folder: at.parent, name: null, node: at.parent, slash: false };
			} else {
				if (utf8(name).length > maxName) throw errno.NAMETOOLONG;
				climbed++;
				place = { folder: at, name, node: at.kids.get(name) ?? null, slash: false };
			}
		});
		if (place.slash && place.node && !place.node.folder) throw errno.NOTDIR;
		return place;
	}

	/** vacant gives the name, or throws unless something of the given reach may be put at the place. */
	vacant(place: Place, reach: Reach = fresh): string {
		if (place.name === null) throw errno.INVAL;
		if (!place.folder.parent) throw errno.NOENT;
		if (!place.folder.writable) throw errno.ROFS;
		let parts = 0;
		let bytes = 0;
		for (let n = place.folder; n !== this.root; n = n.parent!) {
			parts++;
			bytes += n.bytes.length + 1;
		}
		// bytes has a separator for each name, the last one before the new name.
		if (parts + 1 + reach.parts > maxParts || bytes + utf8(place.name).length + reach.bytes > maxPath) {
			throw errno.NAMETOOLONG;
		}
		return place.name;
	}

	reach(node: Node): Reach {
		const all = { ...fresh };
		for (const kid of node.kids.values()) {
			const r = this.reach(kid);
			all.parts = Math.max(all.parts, r.parts + 1);
			all.bytes = Math.max(all.bytes, r.bytes + kid.bytes.length + 1);
			all.nodes += r.nodes;
		}
		return all;
	}

	/** make puts a new file or folder at the place. */
	make(place: Place, folder: boolean): Node {
		const name = this.vacant(place);
		if (this.#nodes >= this.#most) throw errno.NOSPC;
		this.#nodes++;
		const node = new Node(name, this.#ino(), folder, true);
		this.#add(place.folder, node);
		return node;
	}

	/** removable gives what is at the place, or throws unless it may go away. */
	removable({ node, name }: Place): Node {
		if (!node) throw errno.NOENT;
		if (name === null) throw errno.INVAL;
		if (node === this.out) throw errno.BUSY;
		if (!node.writable) throw errno.ROFS;
		return node;
	}

	unlink(node: Node): void {
		node.parent!.kids.delete(node.name);
		node.parent = null;
		this.#nodes--;
	}

	/** move puts a node under a name in a folder, where nothing is. */
	move(node: Node, folder: Node, name: string): void {
		node.parent!.kids.delete(node.name);
		node.name = name;
		node.bytes = utf8(name);
		this.#add(folder, node);
	}

	/** list is what is below "out", sorted by path in byte order. */
	list(): Entry[] {
		const all: { key: Uint8Array; entry: Entry }[] = [];
		const walk = (folder: Node, above: string): void => {
			for (const node of folder.kids.values()) {
				const path = above + node.name;
				all.push({ key: utf8(path), entry: { path, dir: node.folder, data: node.data.subarray(0, node.size) } });
				walk(node, path + "/");
			}
		};
		walk(this.out, "");
		return all.sort((a, b) => compare(a.key, b.key)).map((e) => e.entry);
	}
}
