// Values boxed in NaNs, as the engines of Lua and JavaScript keep them: a double
// is itself, everything else is a quiet NaN with a tag and 32 bits. Copying such
// a value must keep its bits, and a NaN that arithmetic makes must not look like
// one. A little stack machine runs on them; what comes out is its memory, each
// value's kind, and a sum over both. Built with:
//   clang --target=wasm32 -O2 -nostdlib -Wl,--strip-all -o nanbox.wasm nanbox.c
typedef unsigned int u32;
typedef unsigned long long u64;

enum { NUMBER, INTEGER = 0x7ffa, BOOLEAN = 0x7ffb, POINTER = 0x7ffc, NIL = 0xfffd };

typedef union { double number; u64 bits; } value;

static value box(u32 tag, u32 payload) { return (value){.bits = (u64)tag << 48 | payload}; }
static u32 kind(value v) {
  u32 tag = v.bits >> 48;
  return tag == INTEGER || tag == BOOLEAN || tag == POINTER || tag == NIL ? tag : NUMBER;
}
static u32 payload(value v) { return (u32)v.bits; }

static double memory[64];  // boxed values go through doubles: that is the point
static double stack[64];
static int top;

static void push(double d) { stack[top++] = d; }
static double pop(void) { return stack[--top]; }
__attribute__((noinline)) static double choose(int which, double a, double b) { return which ? a : b; }
__attribute__((noinline)) static double negated(double d) { return -d; }

static double add(double a, double b) {
  value x = {a}, y = {b};
  if (kind(x) == INTEGER && kind(y) == INTEGER) return box(INTEGER, payload(x) + payload(y)).number;
  if (kind(x) == INTEGER) a = (int)payload(x);
  if (kind(y) == INTEGER) b = (int)payload(y);
  if (kind(x) == NIL || kind(y) == NIL) return x.number;
  return a + b;
}

static double divide(double a, double b) {
  value x = {a}, y = {b};
  if (kind(x) == INTEGER) a = (int)payload(x);
  if (kind(y) == INTEGER) b = (int)payload(y);
  return a / b;
}

struct buffer { const void *at; u32 size; };
__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write")))
int fd_write(int fd, const struct buffer *list, u32 n, u32 *written);

__attribute__((export_name("_start"))) void _start(void) {
  static struct { u32 kinds[64]; u64 sum; } out;
  u32 written;
  for (u32 i = 0; i < 64; i++) memory[i] = i % 3 ? (double)i / 4 : box(INTEGER, i).number;
  memory[5] = box(BOOLEAN, 1).number;
  memory[7] = box(NIL, 0).number;
  memory[11] = box(POINTER, 4096).number;
  for (u32 round = 1; round <= 200; round++) {
    u32 at = round * 7 % 64, from = round * 13 % 64;
    push(memory[at]);
    push(memory[from]);
    double a = pop(), b = pop();
    switch (round % 6) {
    case 0: push(add(a, b)); break;
    case 1: push(choose(round & 8, a, b)); break;
    case 2: push(divide(a, add(b, box(INTEGER, -(int)at).number))); break;
    case 3: push(negated(negated(b))); break;
    case 4: push(a); push(b); break;
    case 5: push(divide(0, round % 5)); break;  // sometimes 0/0
    }
    memory[(at + from) % 64] = pop();
    top = 0;
  }
  out.sum = 14695981039346656037ull;
  for (u32 i = 0; i < 64; i++) {
    value v = {memory[i]};
    out.kinds[i] = kind(v);
    u64 bits = v.number != v.number && kind(v) == NUMBER ? 1 : v.bits;
    out.sum = (out.sum ^ bits) * 1099511628211ull;
  }
  struct buffer b = {&out, sizeof out};
  fd_write(1, &b, 1, &written);
}
