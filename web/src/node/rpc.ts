// Calls: who asks, who answers, and how a call's end is written.

import { type Bytes, none } from "../bytes.ts";
import { rpcCodes, SeaError } from "../error.ts";
import { type HashAddress } from "./addr.ts";

/** Caller is who asks. */
export interface Caller {
	readonly addr: HashAddress;
	/** node is its key, proven. */
	readonly node: Bytes;
	/** entity is who it acts for: node, or the signer of a certificate that holds. */
	readonly entity: Bytes;
	/** direct tells that the call came over a link to the node itself. */
	readonly direct: boolean;
}

/** Handler answers a scope: bytes in, bytes out. A SeaError that it throws reaches the caller with its code and text. */
export type Handler = (body: Bytes, from: Caller) => Promise<Bytes> | Bytes;

/** Outcome is a call's end on the wire. */
export interface Outcome {
	readonly code: number;
	readonly text: string;
	readonly body: Bytes;
}

/** done is a good end. */
export const done = (body: Bytes): Outcome => ({ code: 0, text: "", body });

/** failed is how an error is told to a caller: only a SeaError's words leave this peer. */
export function failed(err: unknown): Outcome {
	const code = err instanceof SeaError ? rpcCodes.indexOf(err.code as never) : -1;
	const known = code > 0;
	return { code: known ? code : 1, text: known ? clip((err as SeaError).message) : "", body: none };
}

/** result gives a good end's body, and throws every other end. */
export function result({ code, text, body }: Outcome): Bytes {
	if (code === 0) return body;
	const name = rpcCodes[code] ?? "internal";
	throw new SeaError(name, text ? clean(text) : `the other side answered: ${name.replace("_", " ")}`);
}

/** clip cuts text to what fits a frame: 256 bytes of UTF-8. */
export function clip(text: string): string {
	const encoded = new Uint8Array(256);
	const { read } = new TextEncoder().encodeInto(text.replace(/\p{Surrogate}/gu, "?"), encoded);
	return text.replace(/\p{Surrogate}/gu, "?").slice(0, read);
}

/** clean takes control characters out of a peer's words, before people see them. */
export function clean(text: string): string {
	return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
