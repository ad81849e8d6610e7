// World is what a guest sees: WASI preview 1 as docs/WASI.md has it, to the bit
// and to the unit of fuel. The order of the checks in each call is the order in
// that document. There is nothing of the host behind it.
import { Desc, FILE, FOLDER, READ, STDERR, STDIN, STDOUT, TYPE, WRITE } from "./desc.mjs";
import * as errno from "./errno.mjs";
import { MAX_TRANSFER } from "./memory.mjs";
import { least, left, U64_MAX } from "./number.mjs";
import { EVENT, poll, subscription, SUBSCRIPTION } from "./poll.mjs";
import { Random } from "./random.mjs";
import { Tree, MAX_PATH } from "./tree.mjs";

// Prices in fuel, beside what the guest's call instruction costs: a call, and
// each byte it copies.
const CALL = 1000n;

const MAX_OPEN = 1024; // descriptors
const MAX_LISTED = 65536; // entries of folders being listed at once
const MAX_SUBSCRIPTIONS = 1024; // of a poll
const RANDOM_PIECE = 65536; // bytes paid and made at once
const I64_MAX = (1n << 63n) - 1n;

// Stop leaves the guest: end is "exit" (with a code), "output_limit" or
// "out_of_fuel". It passes through the guest's frames as an exception.
export class Stop {
  constructor(end, code = 0) {
    this.end = end;
    this.code = code;
  }
}

// WASI's oflags and fdflags.
const O_CREATE = 1, O_DIRECTORY = 2, O_EXCLUSIVE = 4, O_TRUNCATE = 8, O_ALL = 15;
const FD_APPEND = 1, FD_ALL = 31;

export class World {
  stdout = [];
  stderr = [];
  #job;
  #meter;
  #args;
  #env;
  #random;
  #fds;
  #listed = 0;
  #slept = 0n;
  #bytes = 0; // of the output quota

  // job is {args, env, stdin, files: [{path, data}], seed, start, outputBytes,
  // maxFiles}; meter has used and pay(n), which says whether the guest may go on.
  constructor(job, meter) {
    this.#job = job;
    this.#meter = meter;
    const utf8 = new TextEncoder();
    this.#args = job.args.map((s) => utf8.encode(s + "\0"));
    this.#env = job.env.map((s) => utf8.encode(s + "\0"));
    this.#random = new Random(job.seed);
    this.tree = new Tree(job.files, job.maxFiles);
    const stdin = { size: job.stdin.length, data: job.stdin, writable: false, open: 0 };
    const root = new Desc(FOLDER, this.tree.root, { read: true });
    root.preopen = true;
    this.tree.root.open++;
    this.#fds = [
      new Desc(STDIN, stdin, { read: true }),
      new Desc(STDOUT, null, { write: true }),
      new Desc(STDERR, null, { write: true }),
      root,
    ];
  }

  // begin pays for a call.
  begin() {
    this.#pay(CALL);
  }

  // spend takes the price of a call that copies n bytes, for the host itself.
  spend(n) {
    this.#pay(CALL + BigInt(n));
  }

  // print writes to stdout as one call without its bound.
  print(bytes) {
    this.#pay(CALL);
    this.#say(STDOUT, bytes);
  }

  #pay(n) {
    if (!this.#meter.pay(BigInt(n))) throw new Stop("out_of_fuel");
  }

  #get(fd) {
    const d = this.#fds[fd];
    if (!d) throw errno.BADF;
    return d;
  }

  // ---- arguments and environment

  args_get(m, ptrs, buf) { this.#strings(m, this.#args, ptrs, buf); }
  args_sizes_get(m, count, size) { this.#sizes(m, this.#args, count, size); }
  environ_get(m, ptrs, buf) { this.#strings(m, this.#env, ptrs, buf); }
  environ_sizes_get(m, count, size) { this.#sizes(m, this.#env, count, size); }

  #strings(m, list, ptrs, buf) {
    const bytes = total(list);
    m.span(ptrs, list.length * 4);
    m.span(buf, bytes);
    this.#pay(list.length * 4 + bytes);
    for (const s of list) {
      m.put32(ptrs, buf);
      m.span(buf, s.length).set(s);
      ptrs += 4;
      buf += s.length;
    }
  }

  #sizes(m, list, count, size) {
    m.put32(count, list.length);
    m.put32(size, total(list));
  }

  // ---- clock and randomness

  #elapsed() {
    return this.#meter.used + this.#slept;
  }

  // last is how far the clock goes.
  #last() {
    return I64_MAX - this.#job.start;
  }

  #now(id) {
    switch (id) {
      case 0: return this.#job.start + least(this.#elapsed(), this.#last());
      case 1: return least(this.#elapsed(), this.#last());
      case 2: case 3: return this.#meter.used;
    }
    throw errno.INVAL;
  }

  clock_res_get(m, id, result) {
    this.#now(id);
    m.put64(result, 1n);
  }

  clock_time_get(m, id, precision, result) {
    m.put64(result, this.#now(id));
  }

  random_get(m, at, n) {
    const bytes = m.span(at, n);
    for (let i = 0; i < n; i += RANDOM_PIECE) {
      const piece = bytes.subarray(i, i + RANDOM_PIECE);
      this.#pay(piece.length);
      this.#random.fill(piece);
    }
  }

  poll_oneoff(m, from, to, count, result) {
    if (count === 0 || count > MAX_SUBSCRIPTIONS) throw errno.INVAL;
    const input = m.span(from, SUBSCRIPTION * count);
    const out = m.view(to, EVENT * count);
    m.span(result, 4);
    this.#pay((SUBSCRIPTION + EVENT) * count);
    // A copy: the events may lie over the subscriptions.
    const copy = new DataView(input.slice().buffer);
    const subs = [];
    for (let i = 0; i < count; i++) {
      subs.push(subscription(copy, SUBSCRIPTION * i, (id) => this.#now(id), (fd) => this.#get(fd)));
    }
    const elapsed = this.#elapsed();
    const { events, wake } = poll(subs, elapsed, out);
    const end = least(wake, this.#last());
    if (end > elapsed) this.#slept += end - elapsed;
    m.put32(result, events);
  }

  sched_yield() {}

  proc_exit(m, code) {
    throw new Stop("exit", code | 0);
  }

  proc_raise() { throw errno.NOTSUP; }

  // ---- descriptors

  #slot() {
    for (let i = 0; i < this.#fds.length; i++) {
      if (!this.#fds[i]) return i;
    }
    if (this.#fds.length >= MAX_OPEN) throw errno.MFILE;
    return this.#fds.length;
  }

  #shut(fd) {
    const d = this.#fds[fd];
    this.#fds[fd] = null;
    this.#unlist(d);
    if (d.node) {
      d.node.open--;
      this.#drop(d.node);
    }
  }

  // drop gives back the room of a file that has neither name nor descriptor.
  #drop(node) {
    if (node.parent === null && node.open === 0 && node.writable) this.#truncate(node, 0);
  }

  fd_close(m, fd) {
    this.#get(fd);
    this.#shut(fd);
  }

  fd_renumber(m, fd, to) {
    const d = this.#get(fd);
    this.#get(to);
    if (fd === to) return;
    this.#shut(to);
    this.#fds[to] = d;
    this.#fds[fd] = null;
  }

  fd_sync(m, fd) { this.#get(fd); }
  fd_datasync(m, fd) { this.#get(fd); }

  fd_advise(m, fd, offset, len, advice) {
    this.#positioned(this.#get(fd));
    if (advice > 5) throw errno.INVAL;
  }

  fd_allocate(m, fd, offset, len) {
    const d = this.#get(fd);
    if (d.stdio) throw errno.SPIPE;
    if (!d.write) throw errno.BADF;
    if (len === 0n) throw errno.INVAL;
    this.#extend(d.node, least(U64_MAX, offset + len));
  }

  fd_fdstat_get(m, fd, result) {
    const d = this.#get(fd);
    const v = m.view(result, 24);
    this.#pay(24);
    const [base, inheriting] = d.rights;
    v.setBigUint64(0, 0n);
    v.setUint8(0, d.type);
    v.setUint16(2, d.flags, true);
    v.setBigUint64(8, base, true);
    v.setBigUint64(16, inheriting, true);
  }

  fd_fdstat_set_flags(m, fd, flags) {
    const d = this.#get(fd);
    if (flags > FD_ALL) throw errno.INVAL;
    d.flags = flags;
  }

  fd_fdstat_set_rights(m, fd) {
    this.#get(fd);
    throw errno.NOTSUP;
  }

  fd_filestat_get(m, fd, result) {
    const d = this.#get(fd);
    this.#stat(m, result, d.type, d.node);
  }

  #stat(m, result, type, node) {
    const v = m.view(result, 64);
    this.#pay(64);
    for (let i = 0; i < 64; i += 8) v.setBigUint64(i, 0n);
    v.setBigUint64(0, 1n, true);
    v.setUint8(16, type);
    v.setBigUint64(24, 1n, true);
    if (type !== 0) {
      v.setBigUint64(8, node.ino, true);
      v.setBigUint64(32, BigInt(node.size), true);
    }
    for (const at of [40, 48, 56]) v.setBigUint64(at, this.#job.start, true);
  }

  fd_filestat_set_size(m, fd, size) {
    const d = this.#get(fd);
    if (d.kind !== FILE) throw errno.INVAL;
    if (!d.write) throw errno.BADF;
    if (size <= d.node.size) this.#truncate(d.node, Number(size));
    else this.#extend(d.node, size);
  }

  fd_filestat_set_times(m, fd, atim, mtim, flags) {
    const d = this.#get(fd);
    checkTimes(flags);
    if (d.node && !d.node.writable) throw errno.ROFS;
  }

  fd_prestat_get(m, fd, result) {
    if (!this.#get(fd).preopen) throw errno.BADF;
    const v = m.view(result, 8);
    v.setUint32(0, 0, true);
    v.setUint32(4, 1, true);
  }

  fd_prestat_dir_name(m, fd, path, len) {
    if (!this.#get(fd).preopen) throw errno.BADF;
    if (len < 1) throw errno.NAMETOOLONG;
    m.span(path, 1)[0] = 0x2f;
  }

  sock_accept(m, fd) { this.#get(fd); throw errno.NOTSOCK; }
  sock_recv(m, fd) { this.#get(fd); throw errno.NOTSOCK; }
  sock_send(m, fd) { this.#get(fd); throw errno.NOTSOCK; }
  sock_shutdown(m, fd) { this.#get(fd); throw errno.NOTSOCK; }

  // ---- reading, writing, seeking

  #readable(fd) {
    const d = this.#get(fd);
    if (d.kind === FOLDER) throw errno.ISDIR;
    if (!d.read) throw errno.BADF;
    return d;
  }

  #writable(fd) {
    const d = this.#get(fd);
    if (!d.write) throw errno.BADF;
    return d;
  }

  // positioned refuses what has no position.
  #positioned(d) {
    if (d.stdio) throw errno.SPIPE;
    if (d.kind === FOLDER) throw errno.BADF;
    return d;
  }

  fd_read(m, fd, iovs, count, result) {
    const d = this.#readable(fd);
    d.pos += BigInt(this.#read(m, d.node, iovs, count, d.pos, result));
  }

  fd_pread(m, fd, iovs, count, offset, result) {
    const d = this.#positioned(this.#readable(fd));
    this.#read(m, d.node, iovs, count, offset, result);
  }

  #read(m, node, iovs, count, offset, result) {
    const spans = m.spans(iovs, count);
    const n = Number(least(BigInt(spans.size), left(node, offset)));
    m.put32(result, n);
    this.#pay(n);
    const at = n > 0 ? Number(offset) : 0;
    spans.fill(node.data.subarray(at, at + n));
    return n;
  }

  fd_write(m, fd, iovs, count, result) {
    const d = this.#writable(fd);
    const spans = m.spans(iovs, count);
    m.put32(result, spans.size);
    if (d.stdio) {
      this.#say(d.kind, spans.bytes(spans.size));
      return;
    }
    if (d.flags & FD_APPEND) d.pos = BigInt(d.node.size);
    this.#store(d.node, spans, d.pos);
    d.pos += BigInt(spans.size);
  }

  fd_pwrite(m, fd, iovs, count, offset, result) {
    const d = this.#positioned(this.#writable(fd));
    const spans = m.spans(iovs, count);
    m.put32(result, spans.size);
    this.#store(d.node, spans, offset);
  }

  // say writes to stdout or stderr what there is room for.
  #say(kind, bytes) {
    this.#pay(bytes.length);
    const fits = bytes.subarray(0, this.#room());
    this.#bytes += fits.length;
    (kind === STDERR ? this.stderr : this.stdout).push(fits.slice());
    if (fits.length < bytes.length) throw new Stop("output_limit");
  }

  #store(node, spans, offset) {
    if (spans.size === 0) return;
    if (offset > I64_MAX - BigInt(MAX_TRANSFER)) throw errno.INVAL;
    this.#pay(spans.size);
    this.#extend(node, offset);
    const full = this.#grow(node, offset + BigInt(spans.size));
    const at = Number(offset); // extend has made the file that large
    node.data.set(spans.bytes(node.size < at + spans.size ? node.size - at : spans.size), at);
    if (full) throw new Stop("output_limit");
  }

  #room() {
    return this.#job.outputBytes - this.#bytes;
  }

  // extend grows a file with zeros, which are paid like written bytes.
  #extend(node, size) {
    const more = size - BigInt(node.size);
    if (more <= 0n) return;
    this.#pay(least(more, BigInt(this.#job.outputBytes)));
    if (this.#grow(node, size)) throw new Stop("output_limit");
  }

  // grow makes a file larger, as far as there is room: full when that is less.
  #grow(node, size) {
    const more = size - BigInt(node.size);
    if (more <= 0n) return false;
    const fits = Number(least(more, BigInt(this.#room())));
    this.#bytes += fits;
    node.resize(node.size + fits);
    return BigInt(fits) < more;
  }

  #truncate(node, size) {
    this.#bytes -= node.size - size;
    node.resize(size);
  }

  fd_seek(m, fd, offset, whence, result) {
    const d = this.#positioned(this.#get(fd));
    if (whence > 2) throw errno.INVAL;
    const from = [0n, d.pos, BigInt(d.node.size)][whence];
    const to = BigInt.asIntN(64, from + offset);
    if (to < 0n) throw errno.INVAL;
    m.put64(result, to);
    d.pos = to;
  }

  fd_tell(m, fd, result) {
    m.put64(result, this.#positioned(this.#get(fd)).pos);
  }

  fd_readdir(m, fd, at, len, cookie, result) {
    const d = this.#get(fd);
    if (d.kind !== FOLDER) throw errno.NOTDIR;
    const out = m.span(at, Math.min(len, MAX_TRANSFER));
    m.span(result, 4);
    if (cookie === 0n || !d.list) this.#list(d);
    this.#pay(out.length);
    const parent = d.node.parent ?? d.node;
    const entries = d.list.length + 2;
    let done = 0;
    for (let i = cookie; i < entries && done < out.length; i++) {
      const node = i === 0n ? d.node : i === 1n ? parent : d.list[Number(i) - 2];
      const name = i === 0n ? DOT : i === 1n ? DOTS : node.bytes;
      const entry = new Uint8Array(24 + name.length);
      const v = new DataView(entry.buffer);
      v.setBigUint64(0, i + 1n, true);
      v.setBigUint64(8, node.ino, true);
      v.setUint32(16, name.length, true);
      v.setUint8(20, node.folder ? TYPE[FOLDER] : TYPE[FILE]);
      entry.set(name, 24);
      const fits = entry.subarray(0, out.length - done);
      out.set(fits, done);
      done += fits.length;
    }
    m.put32(result, done);
  }

  // list takes the snapshot of a folder's entries.
  #list(d) {
    const n = d.node.kids.size;
    this.#unlist(d);
    if (this.#listed + n > MAX_LISTED) throw errno.NOMEM;
    this.#pay(8 * n);
    this.#listed += n;
    d.list = d.node.sorted();
  }

  #unlist(d) {
    this.#listed -= d.list?.length ?? 0;
    d.list = null;
  }

  // ---- paths

  #at(m, fd, at, n) {
    const d = this.#get(fd);
    if (d.kind !== FOLDER) throw errno.NOTDIR;
    if (n > MAX_PATH) throw errno.NAMETOOLONG;
    const raw = m.span(at, n);
    this.#pay(n);
    return this.tree.resolve(d.node, raw);
  }

  path_open(m, fd, lookup, at, n, oflags, base, inheriting, flags, result) {
    if (oflags > O_ALL || flags > FD_ALL || (oflags & O_CREATE && oflags & O_DIRECTORY)) throw errno.INVAL;
    const place = this.#at(m, fd, at, n);
    const write = (base & WRITE) !== 0n;
    let node = place.node;
    if (!node) {
      if (!(oflags & O_CREATE)) throw errno.NOENT;
    } else {
      const change = write || oflags & O_TRUNCATE;
      if (oflags & O_CREATE && oflags & O_EXCLUSIVE) throw errno.EXIST;
      if (node.folder && (change || oflags & O_CREATE)) throw errno.ISDIR;
      if (!node.folder && oflags & O_DIRECTORY) throw errno.NOTDIR;
      if (change && !node.writable) throw errno.ROFS;
    }
    m.span(result, 4);
    const slot = this.#slot();
    if (!node) {
      if (place.slash) throw errno.ISDIR;
      node = this.tree.make(place, false);
    } else if (oflags & O_TRUNCATE) {
      this.#truncate(node, 0);
    }
    node.open++;
    this.#fds[slot] = new Desc(node.folder ? FOLDER : FILE, node, { read: (base & READ) !== 0n, write, flags });
    m.put32(result, slot);
  }

  path_filestat_get(m, fd, lookup, at, n, result) {
    const { node } = this.#at(m, fd, at, n);
    if (!node) throw errno.NOENT;
    this.#stat(m, result, node.folder ? TYPE[FOLDER] : TYPE[FILE], node);
  }

  path_filestat_set_times(m, fd, lookup, at, n, atim, mtim, flags) {
    const { node } = this.#at(m, fd, at, n);
    checkTimes(flags);
    if (!node) throw errno.NOENT;
    if (!node.writable) throw errno.ROFS;
  }

  path_create_directory(m, fd, at, n) {
    const place = this.#at(m, fd, at, n);
    if (place.node) throw errno.EXIST;
    this.tree.make(place, true);
  }

  path_remove_directory(m, fd, at, n) {
    const place = this.#at(m, fd, at, n);
    this.tree.removable(place);
    if (!place.node.folder) throw errno.NOTDIR;
    if (place.node.kids.size > 0) throw errno.NOTEMPTY;
    this.#unlink(place.node);
  }

  path_unlink_file(m, fd, at, n) {
    const place = this.#at(m, fd, at, n);
    this.tree.removable(place);
    if (place.node.folder) throw errno.ISDIR;
    this.#unlink(place.node);
  }

  #unlink(node) {
    this.tree.unlink(node);
    this.#drop(node);
  }

  path_rename(m, fd, at, n, newFd, newAt, newN) {
    const from = this.#at(m, fd, at, n);
    const to = this.#at(m, newFd, newAt, newN);
    this.tree.removable(from);
    const { node } = from;
    const old = to.node;
    if (!node.folder && to.slash && !old) throw errno.NOTDIR;
    const reach = this.tree.reach(node);
    this.#pay(16 * reach.nodes);
    this.tree.vacant(to, reach);
    for (let up = to.folder; up !== this.tree.root; up = up.parent) {
      if (up === node) throw errno.INVAL;
    }
    if (old === node) return;
    if (old) {
      if (node.folder && !old.folder) throw errno.NOTDIR;
      if (!node.folder && old.folder) throw errno.ISDIR;
      if (old.kids.size > 0) throw errno.NOTEMPTY;
      this.#unlink(old);
    }
    this.tree.move(node, to);
  }

  path_readlink(m, fd, at, n) {
    const { node } = this.#at(m, fd, at, n);
    throw node ? errno.INVAL : errno.NOENT;
  }

  path_link() { throw errno.NOTSUP; }
  path_symlink() { throw errno.NOTSUP; }
}

const DOT = new Uint8Array([0x2e]);
const DOTS = new Uint8Array([0x2e, 0x2e]);

function total(list) {
  return list.reduce((n, s) => n + s.length, 0);
}

// checkTimes refuses unknown flags, and a time that is both given and now.
function checkTimes(flags) {
  if (flags > 15 || (flags & 3) === 3 || (flags & 12) === 12) throw errno.INVAL;
}
