// What several calls do with 64-bit numbers, which are BigInts.
export const U64_MAX = (1n << 64n) - 1n;

export function least(a, b) {
  return a < b ? a : b;
}

// left is how many bytes of a file lie behind an offset.
export function left(node, offset) {
  const size = BigInt(node.size);
  return offset < size ? size - offset : 0n;
}
