// Desc is an open descriptor: docs/WASI.md, part 3.

// Kinds of descriptors and WASI's numbers for their types.
export const STDIN = "stdin", STDOUT = "stdout", STDERR = "stderr", FOLDER = "folder", FILE = "file";
export const TYPE = { [FOLDER]: 3, [FILE]: 4 }; // the others: 0, unknown

// WASI's rights.
export const READ = 1n << 1n, SEEK = 1n << 2n | 1n << 5n, WRITE = 1n << 6n, PATH_SIZE = 1n << 19n;
const WRITES = WRITE | 1n << 8n | 1n << 22n;
const ALL_RIGHTS = (1n << 30n) - 1n;

export class Desc {
  pos = 0n;
  list = null; // a folder's entries as of the last rewind
  preopen = false;

  constructor(kind, node, { read = false, write = false, flags = 0 } = {}) {
    this.kind = kind;
    this.node = node; // null for stdout and stderr
    this.read = read;
    this.write = write;
    this.flags = flags;
  }

  get stdio() {
    return this.kind === STDIN || this.kind === STDOUT || this.kind === STDERR;
  }

  get type() {
    return TYPE[this.kind] ?? 0;
  }

  // rights are what the descriptor can do, and what those opened from it can.
  get rights() {
    if (this.kind === FOLDER) {
      return [ALL_RIGHTS & ~(READ | SEEK | WRITES | PATH_SIZE), ALL_RIGHTS];
    }
    let base = ALL_RIGHTS;
    if (!this.write) base &= ~WRITES;
    if (!this.read) base &= ~READ;
    if (this.stdio) base &= ~SEEK;
    return [base, 0n];
  }
}
