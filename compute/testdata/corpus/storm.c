// Calls every function of the world thousands of times with arguments that are
// often wrong, and prints what each answered. Two worlds that differ in one
// errno, one byte or one unit of fuel say so here. Arguments: a seed, and the
// number of calls. Built with:
//   clang --target=wasm32 -O1 -nostdlib -mbulk-memory -Wl,--strip-all -o storm.wasm storm.c
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) extern u32 name
WASI(args_get)(u32, u32);
WASI(args_sizes_get)(u32, u32);
WASI(clock_res_get)(u32, u32);
WASI(clock_time_get)(u32, u64, u32);
WASI(environ_get)(u32, u32);
WASI(environ_sizes_get)(u32, u32);
WASI(fd_advise)(u32, u64, u64, u32);
WASI(fd_allocate)(u32, u64, u64);
WASI(fd_close)(u32);
WASI(fd_datasync)(u32);
WASI(fd_fdstat_get)(u32, u32);
WASI(fd_fdstat_set_flags)(u32, u32);
WASI(fd_fdstat_set_rights)(u32, u64, u64);
WASI(fd_filestat_get)(u32, u32);
WASI(fd_filestat_set_size)(u32, u64);
WASI(fd_filestat_set_times)(u32, u64, u64, u32);
WASI(fd_pread)(u32, u32, u32, u64, u32);
WASI(fd_prestat_dir_name)(u32, u32, u32);
WASI(fd_prestat_get)(u32, u32);
WASI(fd_pwrite)(u32, u32, u32, u64, u32);
WASI(fd_read)(u32, u32, u32, u32);
WASI(fd_readdir)(u32, u32, u32, u64, u32);
WASI(fd_renumber)(u32, u32);
WASI(fd_seek)(u32, u64, u32, u32);
WASI(fd_sync)(u32);
WASI(fd_tell)(u32, u32);
WASI(fd_write)(u32, u32, u32, u32);
WASI(path_create_directory)(u32, u32, u32);
WASI(path_filestat_get)(u32, u32, u32, u32, u32);
WASI(path_filestat_set_times)(u32, u32, u32, u32, u64, u64, u32);
WASI(path_link)(u32, u32, u32, u32, u32, u32, u32);
WASI(path_open)(u32, u32, u32, u32, u32, u64, u64, u32, u32);
WASI(path_readlink)(u32, u32, u32, u32, u32, u32);
WASI(path_remove_directory)(u32, u32, u32);
WASI(path_rename)(u32, u32, u32, u32, u32, u32);
WASI(path_symlink)(u32, u32, u32, u32, u32);
WASI(path_unlink_file)(u32, u32, u32);
WASI(poll_oneoff)(u32, u32, u32, u32);
WASI(proc_raise)(u32);
WASI(random_get)(u32, u32);
WASI(sched_yield)(void);
WASI(sock_accept)(u32, u32, u32);
WASI(sock_recv)(u32, u32, u32, u32, u32, u32);
WASI(sock_send)(u32, u32, u32, u32, u32);
WASI(sock_shutdown)(u32, u32);

// The area that calls read and write, hashed after each.
#define AREA 8192
static u8 area[AREA] __attribute__((aligned(8)));
static u64 state;

static u32 rnd(u32 n) { // 0 to n-1
  state += 0x9e3779b97f4a7c15ull;
  u64 z = state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return (u32)((z ^ z >> 31) >> 16) % n;
}

static const char *const paths[] = {
  "in.txt", "a", "a/b", "a/b/c.txt", "a/\xc3\xa9.txt", "out", "out/", "out/f", "out/g", "out/d", "out/d/", "out/d/f",
  "out/d/e", "out/d/../f", "out//f", "./out/f", ".", "..", "a/..", "a/../..", "/in.txt", "", "in.txt/", "in.txt/x",
  "missing", "missing/x", "out/\xff", "out/\xed\xa0\x80", "out/\xf0\x9f\x90\x8b", "out/\xef\xbf\xbd", "out/\xef\xbb\xbf",
  "out/d/d", "out/d/d/d", "f", "g", "d/f", "out/.", "out/d/..", "../out", "b", "b/c.txt", "a/b/..", "out/f/", "out/new/",
};

static u32 fd(void) {
  u32 r = rnd(20);
  return r < 1 ? 1000 + r : r < 2 ? ~0u : r < 8 ? 3 : r < 17 ? 4 + rnd(6) : rnd(3);
}
static u32 at(void) {
  switch (rnd(40)) {
  case 0: return ~0u - rnd(64);
  case 1: return __builtin_wasm_memory_size(0) * 65536 - rnd(80);
  }
  return (u32)area + rnd(AREA - 2048);
}
static u64 big(void) {
  switch (rnd(8)) {
  case 0: return ~0ull - rnd(3);
  case 1: return 1ull << 63;
  case 2: return (1ull << 63) - rnd(3);
  case 3: return (1ull << 63) - 1 - (1 << 20) + rnd(3);
  case 4: return 1ull << 32;
  case 5: return rnd(100000);
  }
  return rnd(100);
}
static u64 small(void) { return rnd(12) ? rnd(500) : big(); }

static u32 path_size;
static u32 path(void) { // at path_size bytes
  u32 p = (u32)area + rnd(1024);
  if (rnd(60) == 0) {
    path_size = 1000 + rnd(60);
    for (u32 i = 0; i < path_size; i++) ((u8 *)p)[i] = i % 7 ? 'x' : '/';
    ((u8 *)p)[0] = 'o';
    return p;
  }
  if (rnd(60) == 0) {
    path_size = 4 + 250 + rnd(10);
    __builtin_memcpy((u8 *)p, "out/", 4);
    for (u32 i = 4; i < path_size; i++) ((u8 *)p)[i] = 'n';
    return p;
  }
  if (rnd(80) == 0) {
    path_size = rnd(2) ? 1025 : ~0u;
    return at();
  }
  const char *s = paths[rnd(sizeof paths / sizeof *paths)];
  path_size = 0;
  while (s[path_size]) {
    ((u8 *)p)[path_size] = s[path_size];
    path_size++;
  }
  if (rnd(50) == 0) path_size++; // with what comes behind it
  return p;
}

// spans makes an array of n, which point anywhere into the area.
static u32 spans_size;
static u32 spans(void) {
  u32 p = (u32)area + 4096 + rnd(512);
  spans_size = rnd(40) == 0 ? 1025 : rnd(4);
  for (u32 i = 0; i < spans_size && i < 4; i++) {
    ((u32 *)(p & ~3))[2 * i] = at();
    ((u32 *)(p & ~3))[2 * i + 1] = rnd(100) == 0 ? ~0u : rnd(30) == 0 ? 70000 : rnd(300);
  }
  return p & ~3;
}

static u32 subs(u32 n) {
  u32 p = (u32)area + 4096 + rnd(8);
  for (u32 i = 0; i < n && i < 8; i++) {
    u8 *s = (u8 *)p + 48 * i;
    for (u32 k = 0; k < 48; k++) s[k] = 0;
    s[0] = i + 1;
    s[8] = rnd(12) ? rnd(3) : 3;
    u32 id = s[8] ? fd() : rnd(8) ? rnd(2) : rnd(6);
    __builtin_memcpy(s + 16, &id, 4);
    u64 timeout = rnd(6) ? rnd(1000000000) : big();
    __builtin_memcpy(s + 24, &timeout, 8);
    s[40] = rnd(10) ? rnd(2) : 2;
  }
  return p;
}

static u32 once(u32 what) {
  u32 p, q, n;
  switch (what) {
  case 0: return args_get(at(), at());
  case 1: return args_sizes_get(at(), at());
  case 2: return clock_res_get(rnd(6), at());
  case 3: return clock_time_get(rnd(6), big(), at());
  case 4: return environ_get(at(), at());
  case 5: return environ_sizes_get(at(), at());
  case 6: return fd_advise(fd(), big(), big(), rnd(8));
  case 7: return fd_allocate(fd(), small(), small());
  case 8: return fd_close(fd());
  case 9: return fd_datasync(fd());
  case 10: return fd_fdstat_get(fd(), at());
  case 11: return fd_fdstat_set_flags(fd(), rnd(10) ? rnd(2) : rnd(40));
  case 12: return fd_fdstat_set_rights(fd(), big(), big());
  case 13: return fd_filestat_get(fd(), at());
  case 14: return fd_filestat_set_size(fd(), small());
  case 15: return fd_filestat_set_times(fd(), big(), big(), rnd(20));
  case 16: p = spans(); return fd_pread(fd(), p, spans_size, small(), at());
  case 17: return fd_prestat_dir_name(fd(), at(), rnd(4));
  case 18: return fd_prestat_get(fd(), at());
  case 19: p = spans(); return fd_pwrite(fd(), p, spans_size, small(), at());
  case 20: case 45: p = spans(); return fd_read(fd(), p, spans_size, at());
  case 21: case 46: p = at(); n = rnd(3000); return fd_readdir(fd(), p, n, rnd(4) ? 0 : small() % 16, at());
  case 22: return fd_renumber(fd(), fd());
  case 23: return fd_seek(fd(), rnd(2) ? small() : -small(), rnd(20) ? rnd(3) : 3, at());
  case 24: return fd_sync(fd());
  case 25: return fd_tell(fd(), at());
  case 26: case 47: p = spans(); return fd_write(fd(), p, spans_size, at());
  case 27: case 48: p = path(); return path_create_directory(fd(), p, path_size);
  case 28: p = path(); return path_filestat_get(fd(), rnd(2), p, path_size, at());
  case 29: p = path(); return path_filestat_set_times(fd(), rnd(2), p, path_size, big(), big(), rnd(20));
  case 30: p = path(); return path_link(fd(), 0, p, path_size, fd(), p, path_size);
  case 31: case 49: case 50: case 51: case 52: case 53:
    p = path();
    return path_open(fd(), rnd(2), p, path_size, rnd(12) ? rnd(16) & ~(rnd(3) ? 4 : 0) & ~(rnd(3) ? 2 : 0) : rnd(20),
                     rnd(8) ? ~0ull : rnd(2) ? 2 : big(), big(), rnd(12) ? 0 : rnd(40), at());
  case 32: p = path(); return path_readlink(fd(), p, path_size, at(), rnd(100), at());
  case 33: p = path(); return path_remove_directory(fd(), p, path_size);
  case 34: case 54:
    p = path(); n = path_size; q = path();
    return path_rename(fd(), p, n, fd(), q, path_size);
  case 35: p = path(); n = path_size; return path_symlink(p, n, fd(), p, n);
  case 36: p = path(); return path_unlink_file(fd(), p, path_size);
  case 37: n = rnd(30) ? rnd(5) : 1025; p = subs(n); return poll_oneoff(p, rnd(4) ? at() : p, n, at());
  case 38: return proc_raise(rnd(30));
  case 39: return random_get(at(), rnd(8) ? rnd(1500) : rnd(200000));
  case 40: return sched_yield();
  case 41: return sock_accept(fd(), 0, at());
  case 42: p = spans(); return sock_recv(fd(), p, spans_size, 0, at(), at());
  case 43: p = spans(); return sock_send(fd(), p, spans_size, 0, at());
  case 44: return sock_shutdown(fd(), rnd(4));
  }
  return 0;
}

static u8 line[64];
static u32 number(u32 n, u32 v) {
  u8 digits[10];
  u32 k = 0;
  do digits[k++] = '0' + v % 10; while (v /= 10);
  while (k) line[n++] = digits[--k];
  line[n++] = ' ';
  return n;
}

static u32 parse(const u8 *s) {
  u32 v = 0;
  while (*s >= '0' && *s <= '9') v = v * 10 + *s++ - '0';
  return v;
}

__attribute__((export_name("_start"))) void _start(void) {
  static u32 ptrs[16];
  static u8 text[256];
  args_get((u32)ptrs, (u32)text);
  state = parse((u8 *)ptrs[1]);
  u32 calls = parse((u8 *)ptrs[2]);
  for (u32 i = 0; i < calls; i++) {
    u32 what = rnd(55);
    u32 got = once(what);
    u64 hash = 14695981039346656037ull;
    for (u32 k = 0; k < AREA / 8; k++) hash = (hash ^ ((u64 *)area)[k]) * 1099511628211ull;
    u32 n = number(number(number(number(0, i), what), got), hash >> 32);
    line[n - 1] = '\n';
    static u32 span[2], wrote;
    span[0] = (u32)line;
    span[1] = n;
    fd_write(1, (u32)span, 1, (u32)&wrote);
  }
}
