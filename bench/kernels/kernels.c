// The C kernels of suite meter. Built with:
//   clang --target=wasm32 -O2 -nostdlib -mbulk-memory -Wl,--no-entry,--strip-all -o kernels.wasm kernels.c
#define EXPORT(name) __attribute__((export_name(#name)))
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

static u32 seed;
static u32 next(void) { return seed = seed * 1664525u + 1013904223u; }

// Calls and nothing else.
EXPORT(fib) u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

// Short inner loops over bytes.
static u8 sieve_flags[1 << 20];
EXPORT(sieve) u32 sieve(u32 n) {
  if (n > sizeof sieve_flags) n = sizeof sieve_flags;
  for (u32 i = 0; i < n; i++) sieve_flags[i] = 1;
  u32 count = 0;
  for (u32 i = 2; i < n; i++) {
    if (!sieve_flags[i]) continue;
    count++;
    for (u32 j = i * 2; j < n; j += i) sieve_flags[j] = 0;
  }
  return count;
}

// Unpredictable branches.
static u32 sort_data[1 << 16];
static void sort_range(u32 *a, int lo, int hi) {
  while (lo < hi) {
    u32 pivot = a[(lo + hi) / 2];
    int i = lo, j = hi;
    while (i <= j) {
      while (a[i] < pivot) i++;
      while (a[j] > pivot) j--;
      if (i <= j) { u32 t = a[i]; a[i++] = a[j]; a[j--] = t; }
    }
    if (j - lo < hi - i) { sort_range(a, lo, j); lo = i; } else { sort_range(a, i, hi); hi = j; }
  }
}
EXPORT(quicksort) u32 quicksort(u32 n) {
  if (n > 1 << 16) n = 1 << 16;
  seed = 1;
  for (u32 i = 0; i < n; i++) sort_data[i] = next();
  sort_range(sort_data, 0, (int)n - 1);
  return sort_data[n / 2];
}

// Long straight runs.
static const u32 sha_k[64] = {
  0x428a2f98,0x71374491,0xb5c0fbcf,0xe9b5dba5,0x3956c25b,0x59f111f1,0x923f82a4,0xab1c5ed5,0xd807aa98,0x12835b01,0x243185be,0x550c7dc3,0x72be5d74,0x80deb1fe,0x9bdc06a7,0xc19bf174,
  0xe49b69c1,0xefbe4786,0x0fc19dc6,0x240ca1cc,0x2de92c6f,0x4a7484aa,0x5cb0a9dc,0x76f988da,0x983e5152,0xa831c66d,0xb00327c8,0xbf597fc7,0xc6e00bf3,0xd5a79147,0x06ca6351,0x14292967,
  0x27b70a85,0x2e1b2138,0x4d2c6dfc,0x53380d13,0x650a7354,0x766a0abb,0x81c2c92e,0x92722c85,0xa2bfe8a1,0xa81a664b,0xc24b8b70,0xc76c51a3,0xd192e819,0xd6990624,0xf40e3585,0x106aa070,
  0x19a4c116,0x1e376c08,0x2748774c,0x34b0bcb5,0x391c0cb3,0x4ed8aa4a,0x5b9cca4f,0x682e6ff3,0x748f82ee,0x78a5636f,0x84c87814,0x8cc70208,0x90befffa,0xa4506ceb,0xbef9a3f7,0xc67178f2};
#define ROTR(x, n) ((x) >> (n) | (x) << (32 - (n)))
EXPORT(sha256) u32 sha256(u32 blocks) {
  u32 h[8] = {0x6a09e667,0xbb67ae85,0x3c6ef372,0xa54ff53a,0x510e527f,0x9b05688c,0x1f83d9ab,0x5be0cd19};
  u32 w[64];
  for (u32 b = 0; b < blocks; b++) {
    for (int i = 0; i < 16; i++) w[i] = b * 16 + i;
    for (int i = 16; i < 64; i++) {
      u32 s0 = ROTR(w[i-15], 7) ^ ROTR(w[i-15], 18) ^ w[i-15] >> 3;
      u32 s1 = ROTR(w[i-2], 17) ^ ROTR(w[i-2], 19) ^ w[i-2] >> 10;
      w[i] = w[i-16] + s0 + w[i-7] + s1;
    }
    u32 v[8];
    for (int i = 0; i < 8; i++) v[i] = h[i];
    for (int i = 0; i < 64; i++) {
      u32 s1 = ROTR(v[4], 6) ^ ROTR(v[4], 11) ^ ROTR(v[4], 25);
      u32 t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_k[i] + w[i];
      u32 s0 = ROTR(v[0], 2) ^ ROTR(v[0], 13) ^ ROTR(v[0], 22);
      u32 t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      v[7] = v[6]; v[6] = v[5]; v[5] = v[4]; v[4] = v[3] + t1; v[3] = v[2]; v[2] = v[1]; v[1] = v[0]; v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
  }
  return h[0];
}

// A bytecode interpreter: br_table in a loop.
EXPORT(interp) u32 interp(u32 rounds) {
  static const u8 code[] = {0,1,2,3,1,4,2,0,5,3,1,2,4,6,0,3,2,1,5,7};
  u32 acc = 1, x = 7, y = 3;
  for (u32 r = 0; r < rounds; r++) {
    for (u32 pc = 0;; pc++) {
      switch (code[pc]) {
      case 0: acc += x; continue;
      case 1: acc ^= y; continue;
      case 2: x = x * 5 + 1; continue;
      case 3: y = y + acc; continue;
      case 4: acc = acc << 3 | acc >> 29; continue;
      case 5: if (acc & 1) x ^= y; continue;
      case 6: y -= x; continue;
      }
      break;
    }
  }
  return acc;
}

// Floats: sums kept in locals.
static double mat_a[64 * 64], mat_b[64 * 64], mat_c[64 * 64];
EXPORT(matmul) u32 matmul(u32 rounds) {
  for (int i = 0; i < 64 * 64; i++) { mat_a[i] = i % 7; mat_b[i] = i % 5; }
  for (u32 r = 0; r < rounds; r++)
    for (int i = 0; i < 64; i++)
      for (int j = 0; j < 64; j++) {
        double s = 0;
        for (int k = 0; k < 64; k++) s += mat_a[i * 64 + k] * mat_b[k * 64 + j];
        mat_c[i * 64 + j] = s;
      }
  return (u32)mat_c[100];
}

// Floats: long chains in locals, compared.
EXPORT(mandelbrot) u32 mandelbrot(u32 n) {
  u32 total = 0;
  for (u32 py = 0; py < n; py++)
    for (u32 px = 0; px < n; px++) {
      double cr = 3.0 * px / n - 2.0, ci = 2.0 * py / n - 1.0, zr = 0, zi = 0;
      u32 i = 0;
      for (; i < 200 && zr * zr + zi * zi < 4; i++) {
        double t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
      }
      total += i;
    }
  return total;
}

// Floats: everything in memory.
struct body { double x[3], v[3], m; };
static struct body bodies[5];
static double square_root(double x) { return __builtin_sqrt(x); }
EXPORT(nbody) u32 nbody(u32 steps) {
  for (int i = 0; i < 5; i++) {
    bodies[i].m = 1.0 + i;
    for (int k = 0; k < 3; k++) { bodies[i].x[k] = (i * 3 + k * 7) % 11; bodies[i].v[k] = (i + k) * 0.01; }
  }
  for (u32 s = 0; s < steps; s++) {
    for (int i = 0; i < 5; i++)
      for (int j = i + 1; j < 5; j++) {
        double d[3], r = 0.01;
        for (int k = 0; k < 3; k++) { d[k] = bodies[i].x[k] - bodies[j].x[k]; r += d[k] * d[k]; }
        double mag = 0.001 / (r * square_root(r));
        for (int k = 0; k < 3; k++) { bodies[i].v[k] -= d[k] * bodies[j].m * mag; bodies[j].v[k] += d[k] * bodies[i].m * mag; }
      }
    for (int i = 0; i < 5; i++)
      for (int k = 0; k < 3; k++) bodies[i].x[k] += 0.001 * bodies[i].v[k];
  }
  return (u32)(bodies[0].x[0] * 1000);
}

// Small functions called from a hot loop.
__attribute__((noinline)) static u32 mix(u32 a, u32 b) { return (a ^ b >> 3) * 2654435761u; }
EXPORT(calls) u32 calls(u32 n) {
  u32 a = 1;
  for (u32 i = 0; i < n; i++) a = mix(a, i);
  return a;
}

// Pointer chasing.
struct node { struct node *left, *right; u32 key; };
static struct node pool[1 << 15];
EXPORT(tree) u32 tree(u32 n) {
  if (n > 1 << 15) n = 1 << 15;
  struct node *root = 0;
  u32 depth = 0;
  seed = 7;
  for (u32 i = 0; i < n; i++) {
    struct node *fresh = &pool[i], **at = &root;
    fresh->left = fresh->right = 0;
    fresh->key = next();
    while (*at) { at = fresh->key < (*at)->key ? &(*at)->left : &(*at)->right; depth++; }
    *at = fresh;
  }
  return depth;
}

// A table look-up and a shift for each byte.
static u32 crc_table[256];
static u8 crc_data[1 << 16];
EXPORT(crc32) u32 crc32(u32 rounds) {
  for (u32 i = 0; i < 256; i++) {
    u32 c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
    crc_table[i] = c;
  }
  seed = 3;
  for (u32 i = 0; i < sizeof crc_data; i++) crc_data[i] = (u8)(next() >> 24);
  u32 c = ~0u;
  for (u32 r = 0; r < rounds; r++)
    for (u32 i = 0; i < sizeof crc_data; i++) c = crc_table[(c ^ crc_data[i]) & 255] ^ c >> 8;
  return ~c;
}

// Recursion with a loop in it, over bits.
static u32 place(u32 all, u32 columns, u32 left, u32 right) {
  u32 found = 0;
  for (u32 free = all & ~(columns | left | right); free;) {
    u32 bit = free & -free;
    free ^= bit;
    u32 next = columns | bit;
    found += next == all ? 1 : place(all, next, (left | bit) << 1, (right | bit) >> 1);
  }
  return found;
}
EXPORT(nqueens) u32 nqueens(u32 n) { return place((1u << n) - 1, 0, 0, 0); }

// Floats: divisions in an inner loop.
static double spec_u[256], spec_v[256], spec_t[256];
static double spec_a(u32 i, u32 j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }
static void spec_times(const double *in, double *out, u32 n, u32 turned) {
  for (u32 i = 0; i < n; i++) {
    double s = 0;
    for (u32 j = 0; j < n; j++) s += (turned ? spec_a(j, i) : spec_a(i, j)) * in[j];
    out[i] = s;
  }
}
EXPORT(spectral) u32 spectral(u32 n) {
  if (n > 256) n = 256;
  for (u32 i = 0; i < n; i++) spec_u[i] = 1;
  for (int k = 0; k < 4; k++) {
    spec_times(spec_u, spec_t, n, 0);
    spec_times(spec_t, spec_v, n, 1);
    spec_times(spec_v, spec_t, n, 0);
    spec_times(spec_t, spec_u, n, 1);
  }
  double uv = 0, vv = 0;
  for (u32 i = 0; i < n; i++) { uv += spec_u[i] * spec_v[i]; vv += spec_v[i] * spec_v[i]; }
  return (u32)(__builtin_sqrt(uv / vv) * 1e6);
}
