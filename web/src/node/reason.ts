// Reasons: why a link ends.

export const none = 0;
export const offline = 1;
export const duplicate = 2;
export const replaced = 3;
export const full = 4;
export const broken = 5;
export const silent = 6;
export const refused = 7;
export const expired = 8;
export const unwanted = 9;
