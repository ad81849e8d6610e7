// Where engines may part: NaNs, rounding, conversions and vectors. Every
// operation runs over the values that are apt to differ and prints the hash of
// the bits. Built with:
//   clang --target=wasm32 -O1 -nostdlib -mbulk-memory -msimd128 -mnontrapping-fptoint -Wl,--strip-all -o floats.wasm floats.c
#include <wasm_simd128.h>
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write")))
u32 fd_write(u32 fd, const void *list, u32 n, u32 *written);

static u64 hash;
static void mix(u64 v) { hash = (hash ^ v) * 1099511628211ull; hash ^= hash >> 29; }

static double d(u64 b) { double v; __builtin_memcpy(&v, &b, 8); return v; }
static float f(u32 b) { float v; __builtin_memcpy(&v, &b, 4); return v; }
static u64 bits(double v) { u64 b; __builtin_memcpy(&b, &v, 8); return b; }
static u32 bits32(float v) { u32 b; __builtin_memcpy(&b, &v, 4); return b; }

static volatile u64 doubles[] = {
  0, 1ull << 63, 1, 0x000fffffffffffff, 0x0010000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x3fdfffffffffffff,
  0x3fe0000000000000, 0xbfe0000000000000, 0x4004000000000000, 0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000200000,
  0x43dfffffffffffff, 0x43e0000000000000, 0xc3e0000000000000, 0x43efffffffffffff, 0x43f0000000000000, 0x47efffffe0000000,
  0x47efffffefffffff, 0x47efffffF0000000, 0x36a0000000000000, 0x3690000000000000, 0x7fefffffffffffff, 0x7ff0000000000000,
  0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000000, 0x7ff0000000000001, 0xfff0000000000001, 0x7ff8000000000001,
  0x7ff4000000000000, 0x7fffffffffffffff, 0xffffffffffffffff, 0x7ff8deadbeef0001, 0x4330000000000001, 0x4340000000000001,
};
static volatile u32 floats[] = {
  0, 1u << 31, 1, 0x7fffff, 0x800000, 0x3f800000, 0xbf800000, 0x3effffff, 0x3f000000, 0xbf000000, 0x40200000, 0x4effffff,
  0x4f000000, 0xcf000000, 0xcf000001, 0x4f7fffff, 0x4f800000, 0x5effffff, 0x5f000000, 0xdf000000, 0x5f800000, 0x7f7fffff,
  0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fc00001, 0x7fa00000, 0x7fffffff, 0xffffffff,
  0x7fc0beef, 0x4b000001, 0x4b800001,
};
#define D (sizeof doubles / sizeof *doubles)
#define F (sizeof floats / sizeof *floats)

static char line[32] = "                  \n";
static void say(char name) {
  line[0] = name;
  for (int i = 0; i < 16; i++) line[2 + i] = "0123456789abcdef"[hash >> (60 - 4 * i) & 15];
  struct { const void *p; u32 n; } span = {line, 19};
  u32 wrote;
  fd_write(1, &span, 1, &wrote);
}

static void lanes(v128_t v) {
  mix(wasm_i64x2_extract_lane(v, 0));
  mix(wasm_i64x2_extract_lane(v, 1));
}

static void unary64(double a) {
  mix(bits(-a)); mix(bits(__builtin_fabs(a))); mix(bits(__builtin_sqrt(a)));
  mix(bits(__builtin_ceil(a))); mix(bits(__builtin_floor(a))); mix(bits(__builtin_trunc(a))); mix(bits(__builtin_rint(a)));
  mix(bits32((float)a));
  mix((u32)(int)a); mix((u32)a); mix((u64)(long long)a); mix((u64)a);
}
static void unary32(float a) {
  mix(bits32(-a)); mix(bits32(__builtin_fabsf(a))); mix(bits32(__builtin_sqrtf(a)));
  mix(bits32(__builtin_ceilf(a))); mix(bits32(__builtin_floorf(a))); mix(bits32(__builtin_truncf(a))); mix(bits32(__builtin_rintf(a)));
  mix(bits((double)a));
  mix((u32)(int)a); mix((u32)a); mix((u64)(long long)a); mix((u64)a);
}
static void binary64(double a, double b) {
  mix(bits(a + b)); mix(bits(a - b)); mix(bits(a * b)); mix(bits(a / b));
  double low, high;
  low = wasm_f64x2_extract_lane(wasm_f64x2_min(wasm_f64x2_splat(a), wasm_f64x2_splat(b)), 0);
  high = wasm_f64x2_extract_lane(wasm_f64x2_max(wasm_f64x2_splat(a), wasm_f64x2_splat(b)), 0);
  mix(bits(low)); mix(bits(high)); mix(bits(__builtin_copysign(a, b)));
  mix((a < b) | (a <= b) << 1 | (a == b) << 2 | (a != b) << 3 | (a > b) << 4 | (a >= b) << 5);
}
static void binary32(float a, float b) {
  mix(bits32(a + b)); mix(bits32(a - b)); mix(bits32(a * b)); mix(bits32(a / b));
  mix(bits32(__builtin_copysignf(a, b)));
  mix((a < b) | (a <= b) << 1 | (a == b) << 2 | (a != b) << 3 | (a > b) << 4 | (a >= b) << 5);
}
static void vector64(v128_t a, v128_t b) {
  lanes(wasm_f64x2_add(a, b)); lanes(wasm_f64x2_sub(a, b)); lanes(wasm_f64x2_mul(a, b)); lanes(wasm_f64x2_div(a, b));
  lanes(wasm_f64x2_min(a, b)); lanes(wasm_f64x2_max(a, b)); lanes(wasm_f64x2_pmin(a, b)); lanes(wasm_f64x2_pmax(a, b));
  lanes(wasm_f64x2_sqrt(a)); lanes(wasm_f64x2_abs(a)); lanes(wasm_f64x2_neg(a));
  lanes(wasm_f64x2_ceil(a)); lanes(wasm_f64x2_floor(a)); lanes(wasm_f64x2_trunc(a)); lanes(wasm_f64x2_nearest(a));
  lanes(wasm_f64x2_lt(a, b)); lanes(wasm_f64x2_eq(a, b));
  lanes(wasm_f32x4_demote_f64x2_zero(a)); lanes(wasm_f64x2_promote_low_f32x4(a));
  lanes(wasm_i32x4_trunc_sat_f64x2_zero(a)); lanes(wasm_u32x4_trunc_sat_f64x2_zero(a)); lanes(wasm_f64x2_convert_low_i32x4(a));
}
static void vector32(v128_t a, v128_t b) {
  lanes(wasm_f32x4_add(a, b)); lanes(wasm_f32x4_sub(a, b)); lanes(wasm_f32x4_mul(a, b)); lanes(wasm_f32x4_div(a, b));
  lanes(wasm_f32x4_min(a, b)); lanes(wasm_f32x4_max(a, b)); lanes(wasm_f32x4_pmin(a, b)); lanes(wasm_f32x4_pmax(a, b));
  lanes(wasm_f32x4_sqrt(a)); lanes(wasm_f32x4_abs(a)); lanes(wasm_f32x4_neg(a));
  lanes(wasm_f32x4_ceil(a)); lanes(wasm_f32x4_floor(a)); lanes(wasm_f32x4_trunc(a)); lanes(wasm_f32x4_nearest(a));
  lanes(wasm_f32x4_lt(a, b)); lanes(wasm_f32x4_eq(a, b));
  lanes(wasm_i32x4_trunc_sat_f32x4(a)); lanes(wasm_u32x4_trunc_sat_f32x4(a)); lanes(wasm_f32x4_convert_i32x4(a));
  lanes(wasm_v128_bitselect(wasm_f32x4_add(a, b), a, b)); // a result and copies in one vector
}

// A number is boxed in a NaN's payload, carried through memory and calls, and
// read back: programs of dynamic languages do this to every value.
__attribute__((noinline)) static double box(u32 v) { return d(0xfff8000000000000 | (u64)v << 3); }
__attribute__((noinline)) static u32 unbox(double v) { return (u32)(bits(v) >> 3); }
static double heap[64];
static void boxes(void) {
  for (u32 i = 0; i < 64; i++) heap[i] = i % 3 ? box(i * 77777) : (double)i / (i % 2 ? 3 : 0);
  for (u32 round = 0; round < 20; round++)
    for (u32 i = 0; i < 64; i++) {
      double v = heap[i];
      if (v == v) heap[i] = v * 1.5 - heap[(i + 1) % 64 / 3 * 3];
      else if (bits(v) >> 51 == 0x1fff) heap[i] = box(unbox(v) + round);
      mix(bits(heap[i]));
    }
}

// Results and copied values meet in one variable, in a loop.
static void webs(void) {
  double sum = 0, last = d(0x7ff4000000000123);
  for (u32 i = 0; i < D * 3; i++) {
    double v = d(doubles[i % D]);
    if (i & 1) last = v; else last = last - v;
    sum = i % 5 ? sum + last : last;
    mix(bits(i % 7 ? sum : last));
    mix(bits32((float)last));
  }
}

__attribute__((export_name("_start"))) void _start(void) {
  for (u32 i = 0; i < D; i++) unary64(d(doubles[i]));
  say('u');
  for (u32 i = 0; i < F; i++) unary32(f(floats[i]));
  say('v');
  for (u32 i = 0; i < D; i++) for (u32 j = 0; j < D; j++) binary64(d(doubles[i]), d(doubles[j]));
  say('b');
  for (u32 i = 0; i < F; i++) for (u32 j = 0; j < F; j++) binary32(f(floats[i]), f(floats[j]));
  say('c');
  for (u32 i = 0; i < D; i++)
    for (u32 j = 0; j < D; j++)
      vector64(wasm_u64x2_make(doubles[i], doubles[(i + j) % D]), wasm_u64x2_make(doubles[j], doubles[(j + 7) % D]));
  say('d');
  for (u32 i = 0; i < F; i++)
    for (u32 j = 0; j < F; j++)
      vector32(wasm_u32x4_make(floats[i], floats[(i + 1) % F], floats[(i + j) % F], floats[F - 1 - i]),
               wasm_u32x4_make(floats[j], floats[(j + 9) % F], floats[F - 1 - j], floats[(i + 2 * j) % F]));
  say('e');
  boxes();
  say('n');
  webs();
  say('w');
}
