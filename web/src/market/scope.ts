// Scopes: the market's calls by their names. See docs/PROTOCOL.md, part 8, "Calls".

export const offer = "market:offer";
export const ask = "market:ask";
export const order = "market:order";
export const follow = "market:follow";
export const cancel = "market:cancel";
export const due = "market:due";
export const get = "storage:get";
