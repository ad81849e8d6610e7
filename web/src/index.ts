// What the package promises. Whatever is not here may change.

import { Sea } from "./sea.ts";

export { SeaError, type Code } from "./error.ts";
export { HashAddress } from "./node/addr.ts";
export { decode, encode, Float, type Value } from "./identity/cbor.ts";
export { Pair, type Signer } from "./identity/ed25519.ts";
export { Channel } from "./channel.ts";
export { Connection } from "./connection.ts";
export type { Ordered, Purchase, Wishes } from "./market/buyer.ts";
export type { Progress, RunOptions } from "./market/spec.ts";
export type { Bought, OutputFile } from "./market/trade.ts";
export { Sea, type Answer, type SeaOptions } from "./sea.ts";

/** sea is this page's peer. */
export const sea = new Sea();
export default sea;
