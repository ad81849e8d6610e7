// What several calls do with 64-bit numbers, which are bigints.

export const u64Max = (1n << 64n) - 1n;
export const i64Max = (1n << 63n) - 1n;

export function least(a: bigint, b: bigint): bigint {
	return a < b ? a : b;
}
