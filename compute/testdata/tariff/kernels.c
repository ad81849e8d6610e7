// C programs as a compiler writes them: recursion, tight loops, sorting, a hash,
// an interpreter, floats, trees. What they return comes out. Built with:
//   clang --target=wasm32 -O2 -nostdlib -mbulk-memory -Wl,--strip-all -o kernels.wasm kernels.c
#include "../../internal/meter/testdata/golden/kernels.c"

struct buffer { const void *at; u32 size; };
__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write")))
int fd_write(int fd, const struct buffer *list, u32 n, u32 *written);

__attribute__((export_name("_start"))) void _start(void) {
  static u32 out[10];
  u32 written;
  out[0] = fib(15);
  out[1] = sieve(10000);
  out[2] = sort(1000);
  out[3] = sha(20);
  out[4] = interp(100);
  out[5] = calls(1000);
  out[6] = tree(500);
  out[7] = matmul(1);
  out[8] = mandel(8);
  out[9] = nbody(50);
  struct buffer b = {out, sizeof out};
  fd_write(1, &b, 1, &written);
}
