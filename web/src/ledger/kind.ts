// Kinds: what an entry does. The numbers are stable; 6 to 8 are refused.

export const pay = 1;
export const lock = 2;
export const settle = 3;
const void_ = 4;
export { void_ as void };
export const fold = 5;
