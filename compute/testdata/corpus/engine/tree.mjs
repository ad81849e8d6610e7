// Tree is the guest's files: docs/WASI.md, parts 2 and 4. It knows names, places
// and counts; fuel and the quota of bytes are the world's.
import * as errno from "./errno.mjs";

export const MAX_PATH = 1024; // bytes of a path, given or from the root
const MAX_NAME = 255; // bytes of a name
const MAX_PARTS = 32; // names of a new path from the root

const utf8 = new TextEncoder();
// ignoreBOM keeps a byte order mark, which is three bytes of a name like others.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// Node is a file or a folder.
class Node {
  kids = new Map(); // of a folder, by name
  data = new Uint8Array(0); // of a file; what lies beyond size is zeros
  size = 0;
  open = 0; // descriptors that hold it

  // parent is null when the node was removed; the root is its own.
  constructor(name, ino, { folder = false, writable = false } = {}) {
    this.name = name;
    this.bytes = utf8.encode(name);
    this.ino = ino;
    this.folder = folder;
    this.writable = writable;
    this.parent = null;
  }

  // sorted are the entries in the byte order of their names.
  sorted() {
    return [...this.kids.values()].sort((a, b) => compare(a.bytes, b.bytes));
  }

  // resize sets the size; bytes that come new are zeros.
  resize(size) {
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

function compare(a, b) {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    if (a[i] !== b[i]) return a[i] - b[i];
  }
  return a.length - b.length;
}

export class Tree {
  #inos = 0;
  #nodes = 0; // of the quota
  #most;

  // inputs are [{path, data}], most the quota of files and folders.
  constructor(inputs, most) {
    this.#most = most;
    this.root = new Node("", this.#ino(), { folder: true });
    this.root.parent = this.root;
    this.out = new Node("out", this.#ino(), { folder: true, writable: true });
    this.#add(this.root, this.out);
    for (const input of inputs) this.#input(input);
  }

  #ino() {
    return BigInt(++this.#inos);
  }

  #add(folder, node) {
    folder.kids.set(node.name, node);
    node.parent = folder;
  }

  #input({ path, data }) {
    const parts = path.split("/");
    let folder = this.root;
    parts.forEach((name, i) => {
      const last = i === parts.length - 1;
      let node = folder.kids.get(name);
      if (!node) {
        node = new Node(name, this.#ino(), { folder: !last });
        this.#add(folder, node);
        this.#nodes++;
      }
      if (last) {
        node.data = data;
        node.size = data.length;
      }
      folder = node;
    });
  }

  // resolve follows a path from a folder, and never out of it. The place it
  // leads to is {folder, name, node, slash}: name is null when the path ended in
  // "." or "..", node null when nothing is there, slash whether it ended in "/".
  resolve(from, raw) {
    if (raw.length === 0) throw errno.NOENT;
    let path;
    try {
      path = strict.decode(raw);
    } catch {
      throw errno.ILSEQ;
    }
    if (raw.includes(0)) throw errno.INVAL;
    if (path[0] === "/") throw errno.NOTCAPABLE;

    let place = { folder: from, name: null, node: from, slash: false };
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
        if (utf8.encode(name).length > MAX_NAME) throw errno.NAMETOOLONG;
        climbed++;
        place = { folder: at, name, node: at.kids.get(name) ?? null, slash: false };
      }
    });
    if (place.slash && place.node && !place.node.folder) throw errno.NOTDIR;
    return place;
  }

  // vacant throws unless something of the given reach may be put at the place.
  vacant(place, reach = { parts: 0, bytes: 0 }) {
    if (place.name === null) throw errno.INVAL;
    if (!place.folder.parent) throw errno.NOENT;
    if (!place.folder.writable) throw errno.ROFS;
    let parts = 0;
    let bytes = 0;
    for (let n = place.folder; n !== this.root; n = n.parent) {
      parts++;
      bytes += n.bytes.length + 1;
    }
    // bytes has a separator for each name, the last one before the new name.
    if (parts + 1 + reach.parts > MAX_PARTS ||
        bytes + utf8.encode(place.name).length + reach.bytes > MAX_PATH) {
      throw errno.NAMETOOLONG;
    }
  }

  // reach is the deepest and the longest way below a node, and the number of
  // nodes at and below it.
  reach(node) {
    const all = { parts: 0, bytes: 0, nodes: 1 };
    for (const kid of node.kids.values()) {
      const r = this.reach(kid);
      all.parts = Math.max(all.parts, r.parts + 1);
      all.bytes = Math.max(all.bytes, r.bytes + kid.bytes.length + 1);
      all.nodes += r.nodes;
    }
    return all;
  }

  // make puts a new file or folder at the place.
  make(place, folder) {
    this.vacant(place);
    if (this.#nodes >= this.#most) throw errno.NOSPC;
    this.#nodes++;
    const node = new Node(place.name, this.#ino(), { folder, writable: true });
    this.#add(place.folder, node);
    return node;
  }

  // removable throws unless what is at the place may go away.
  removable({ node, name }) {
    if (!node) throw errno.NOENT;
    if (name === null) throw errno.INVAL;
    if (node === this.out) throw errno.BUSY;
    if (!node.writable) throw errno.ROFS;
  }

  unlink(node) {
    node.parent.kids.delete(node.name);
    node.parent = null;
    this.#nodes--;
  }

  move(node, place) {
    node.parent.kids.delete(node.name);
    node.name = place.name;
    node.bytes = utf8.encode(place.name);
    this.#add(place.folder, node);
  }

  // list is what is below "out", sorted by path in byte order.
  list() {
    const all = [];
    const walk = (folder, path) => {
      for (const node of folder.kids.values()) {
        all.push({ path: path + node.name, dir: node.folder, data: node.data.subarray(0, node.size) });
        walk(node, path + node.name + "/");
      }
    };
    walk(this.out, "");
    return all.sort((a, b) => compare(utf8.encode(a.path), utf8.encode(b.path)));
  }
}
