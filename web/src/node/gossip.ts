// What the members of a channel sign: messages, and that they are members. See
// docs/PROTOCOL.md, part 4, "Channels".

import { type Bytes, compare, toHex } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { type Signer } from "../identity/ed25519.ts";
import { bytes, map, type Of, read, text, uint, uint64, version } from "../identity/shape.ts";
import { Statement } from "../identity/statement.ts";
import { HashAddress } from "./addr.ts";
import { type Framed, isScope } from "./frame.ts";
import * as Tag from "./tag.ts";

/** maxPublished is the largest body of a message, in bytes. */
export const maxPublished = 64 << 10;

/** maxSkew is by how much a message's time may be off, either way, ms. */
export const maxSkew = 120_000;

const publishPurpose = "sea/publish/1";
const memberPurpose = "sea/member/1";
const recordLife = 90_000; // ms, after maxSkew

const messageBody = map({
	v: version, iat: uint(), net: text(0, 1 << 17), num: uint64, body: bytes(0, maxPublished), chan: bytes(28), scope: text(1, 64),
});
const recordBody = map({ v: version, iat: uint(), net: text(0, 256), chan: bytes(28), every: uint(86_400) });

/** Message is what a member said; author is the node's key, iat Unix ms. */
export type Message = Omit<Of<typeof messageBody>, "v"> & { author: Bytes };

/** newPublish signs a message. */
export async function newPublish(signer: Signer, m: Omit<Message, "author">): Promise<Framed<32>> {
	const s = await Statement.sign(signer, publishPurpose, encode({ v: 1, ...m }));
	return [Tag.publish, m.chan, 0, s.by, s.body, s.sig];
}

const signed = ([, , , author, body, sig]: Framed<32>) => new Statement(author, body, sig);

/** idOf names a message: 16 bytes, as hex. */
export async function idOf(f: Framed<32>): Promise<string> {
	return toHex((await signed(f).hash(publishPurpose)).subarray(0, 16));
}

/** openPublish verifies and reads a message of a channel in a network. */
export async function openPublish(f: Framed<32>, net: string): Promise<Message> {
	const { v: _, ...m } = read(await signed(f).open(publishPurpose), messageBody, "message");
	if (!isScope(m.scope) || m.net !== net || compare(m.chan, f[1]) !== 0) throw new SeaError("bad_request", "a message for another channel");
	return { ...m, author: f[3] };
}

/** newRecord says that signer is a member of a channel, and announces itself each every seconds. */
export function newRecord(signer: Signer, net: string, chan: Bytes, every: number): Promise<Statement> {
	return Statement.sign(signer, memberPurpose, encode({ v: 1, iat: Date.now(), net, chan, every }));
}

/** openRecord verifies a member's record of a channel and gives its every, in seconds. */
export async function openRecord(s: Statement, net: string, chan: Bytes): Promise<number> {
	const r = read(await s.open(memberPurpose), recordBody, "record");
	const now = Date.now();
	if (r.net !== net || compare(r.chan, chan) !== 0 || r.every < 1) throw new SeaError("bad_request", "the record is of another channel");
	if (now - r.iat > maxSkew + recordLife || r.iat - now > maxSkew) throw new SeaError("bad_request", "the record does not hold now");
	return r.every;
}

/** places are where the members of a channel meet, the channel's own address first. */
export function places(id: string): Promise<HashAddress[]> {
	return Promise.all([HashAddress.ofChannel(id), HashAddress.make(`sea:salt:1:1:${id}`), HashAddress.make(`sea:salt:1:2:${id}`)]);
}
