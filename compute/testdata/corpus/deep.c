// Calls as deep as the number in the first argument, through frames of several
// sizes and through a table; prints a sum. Built with:
//   clang --target=wasm32 -O1 -nostdlib -mbulk-memory -Wl,--strip-all -o deep.wasm deep.c
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) extern u32 name
WASI(args_get)(u32, u32);
WASI(fd_write)(u32, u32, u32, u32);

static u64 slim(u32 n), wide(u32 n), leap(u32 n);
static u64 (*volatile const table[])(u32) = {slim, wide, leap};

__attribute__((noinline)) static u64 slim(u32 n) { return n ? slim(n - 1) * 3 + 1 : 1; }

// wide keeps forty values across its call.
__attribute__((noinline)) static u64 wide(u32 n) {
  if (n == 0) return 2;
  u64 v[40];
#pragma unroll
  for (u32 i = 0; i < 40; i++) v[i] = n * (i + 1) ^ (u64)n << i % 32;
  u64 sum = table[n % 2](n - 1);
#pragma unroll
  for (u32 i = 0; i < 40; i++) sum = sum * 31 + v[i];
  return sum;
}

__attribute__((noinline)) static u64 leap(u32 n) { return n ? table[n % 3](n - 1) + n : 3; }

__attribute__((export_name("_start"))) void _start(void) {
  static u32 ptrs[8];
  static u8 text[64], line[17];
  args_get((u32)ptrs, (u32)text);
  u32 n = 0;
  for (u8 *s = (u8 *)ptrs[1]; *s; s++) n = n * 10 + *s - '0';
  u64 sum = slim(n) ^ wide(n / 8) ^ leap(n / 4);
  for (int i = 0; i < 16; i++) line[i] = "0123456789abcdef"[sum >> (60 - 4 * i) & 15];
  line[16] = '\n';
  u32 span[2] = {(u32)line, 17}, wrote;
  fd_write(1, (u32)span, 1, (u32)&wrote);
}
