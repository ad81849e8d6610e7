// Most: the bounds of every job.

export const moduleBytes = 64 << 20;
export const jobBytes = 48 << 10;
export const fuel = 1n << 62n;
export const memoryPages = 65535;
export const outputBytes = 1 << 30;
export const files = 1 << 14;
export const depth = 1 << 18;
export const wallMillis = 7 * 24 * 60 * 60 * 1000;
