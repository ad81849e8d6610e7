// What routed calls are signed as. See docs/PROTOCOL.md, part 4.

import { type Bytes, compare } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { type Signer } from "../identity/ed25519.ts";
import { bytes, map, type Of, read, type Shape, text, uint, version } from "../identity/shape.ts";
import { Statement } from "../identity/statement.ts";
import { HashAddress } from "./addr.ts";

/** maxLife is for how long a request may hold, slack by how much clocks may differ, ms. */
export const maxLife = 30_000;
export const slack = 120_000;

/** The scopes that are routed. Whatever else is called travels inside sealedScope. */
export const nearScope = "sea:nearest";
export const contactScope = "sea:contact";
export const sealedScope = "sea:sealed";

const requestPurpose = "sea/rpc/1";
const replyPurpose = "sea/reply/1";

const notShape: Shape<Bytes> = (v, name) => {
	const b = bytes(0, 28)(v, name);
	if (b.length === 28 ? b.every((x) => x === 0) : b.length > 0) throw new SeaError("cbor", `${name}: no address`);
	return b;
};
const requestBody = map({
	v: version, id: bytes(16), to: bytes(28), exp: uint(), iat: uint(), net: text(0, 1 << 20), not: notShape,
	body: bytes(0, 66_816), scope: text(0, 64),
});
const replyBody = map({
	v: version, id: bytes(16), to: bytes(32), net: text(0, 1 << 20), req: bytes(32), body: bytes(0, 66_816),
	code: uint(2 ** 32 - 1), text: text(0, 256),
});

/** Request is a routed request, as it came or was made. Times are Unix ms. */
export interface Request extends Omit<Of<typeof requestBody>, "v" | "to" | "not"> {
	readonly source: Bytes;
	readonly to: HashAddress;
	/** not is a node that must not be the end of the path. */
	readonly not: HashAddress | undefined;
	readonly signed: Statement;
	readonly encoded: Bytes;
}

/** newRequest signs a request that holds from now on. */
export async function newRequest(
	signer: Signer,
	r: Pick<Request, "id" | "to" | "exp" | "iat" | "net" | "not" | "body" | "scope">,
): Promise<Request> {
	const not = r.not?.getArrayBuffer() ?? new ArrayBuffer(0);
	const body = encode({ ...r, v: 1, to: r.to.getArrayBuffer(), not });
	const signed = await Statement.sign(signer, requestPurpose, body);
	return { ...r, source: signer.key, signed, encoded: signed.encode() };
}

/** readRequest reads one. It does not verify: verifyRequest does. */
export function readRequest(b: Bytes): Request {
	const signed = Statement.decode(b);
	const { v: _, ...r } = read(signed.body, requestBody, "request");
	const bad = (why: string) => new SeaError("bad_request", `request: ${why}`);
	if (r.scope !== sealedScope && (r.body.length > 0 || (r.scope !== nearScope && r.scope !== contactScope))) throw bad("it is not sealed");
	if (r.not.length > 0 && r.scope !== nearScope) throw bad("it leaves a node out");
	if (r.exp < r.iat || r.exp - r.iat > maxLife) throw bad("it holds for no time, or too long");
	return {
		...r, source: signed.by, to: HashAddress.from(r.to), not: r.not.length > 0 ? HashAddress.from(r.not) : undefined, signed, encoded: b,
	};
}

/** verifyRequest rejects when the signature does not hold. */
export const verifyRequest = (r: Request): Promise<Bytes> => r.signed.open(requestPurpose);

/** hashOf names a request. */
export const hashOf = (r: Request): Promise<Bytes> => r.signed.hash(requestPurpose);

/** Reply is the answer to a routed request. */
export interface Reply extends Omit<Of<typeof replyBody>, "v"> {
	readonly by: Bytes;
	readonly signed: Statement;
	readonly encoded: Bytes;
}

/** newReply signs one. */
export async function newReply(signer: Signer, r: Omit<Reply, "by" | "signed" | "encoded">): Promise<Reply> {
	const signed = await Statement.sign(signer, replyPurpose, encode({ v: 1, ...r }));
	return { ...r, by: signer.key, signed, encoded: signed.encode() };
}

/** readReply reads one. It does not verify. */
export function readReply(b: Bytes): Reply {
	const signed = Statement.decode(b);
	const { v: _, ...r } = read(signed.body, replyBody, "reply");
	return { ...r, by: signed.by, signed, encoded: b };
}

/** verifyReply rejects when the signature does not hold. */
export const verifyReply = (r: Reply): Promise<Bytes> => r.signed.open(replyPurpose);

/** fits tells whether a reply answers a request, by a node that may. */
export async function fits(reply: Reply, request: Request): Promise<boolean> {
	return (
		reply.net === request.net &&
		compare(reply.id, request.id) === 0 &&
		compare(reply.to, request.source) === 0 &&
		compare(reply.req, await hashOf(request)) === 0 &&
		(request.scope === nearScope || (await HashAddress.ofNode(reply.by)).equals(request.to))
	);
}
