// All of the core in one file, for the gate on its size.

export * from "../src/index.ts";
