// What the package promises. Whatever is not here may change.

export { SeaError, type Code } from "./error.ts";
export { HashAddress } from "./node/addr.ts";
export { decode, encode, Float, type Value } from "./identity/cbor.ts";
