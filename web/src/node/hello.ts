// The handshake: both sides prove their keys, and each wire gets its seals. See
// docs/PROTOCOL.md, part 4.

import { type Bytes, compare, concat, none, utf8 } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { acting } from "../identity/cert.ts";
import { work } from "../identity/ed25519.ts";
import { bytes, orNull, read, text, tuple, uint } from "../identity/shape.ts";
import { statement, type Statement } from "../identity/statement.ts";
import { HashAddress } from "./addr.ts";
import { type Contact, openContact } from "./contact.ts";
import * as Reason from "./reason.ts";
import { type Cipher, Handshake, type KeyPair, nonceOf } from "./noise.ts";
import { type Lane, maxMessage } from "./wire.ts";

const versionByte = Uint8Array.of(1);
const maxPayload = 4096;
const maxSkew = 10 * 60_000;

const payload = tuple(statement, orNull(statement), uint(), bytes(8), text(0, 64));
const refusal = tuple(uint(2 ** 32 - 1), text(0, 256));

/** Party is what one side of all its handshakes says and asks. */
export interface Party {
	readonly network: string;
	/** work is how many bits of work keys need. */
	readonly work: number;
	readonly keys: KeyPair;
	readonly record: Contact;
	readonly certificate: Statement | null;
	/** run is drawn at each start, 8 bytes. */
	readonly run: Bytes;
	readonly agent: string;
}

/** Proof is what a handshake has shown about the other side. */
export interface Proof {
	readonly addr: HashAddress;
	/** node is its key. */
	readonly node: Bytes;
	/** certificate is by whom it may act, to be looked at again later: acting. */
	readonly certificate: Statement | null;
	readonly record: Contact;
	readonly run: Bytes;
	readonly agent: string;
	/** skew is by how much its clock is ahead of ours, ms. */
	readonly skew: number;
}

/** Talk is a wire during the handshake: messages of the first lane, one by one. */
export interface Talk {
	send(message: Bytes): void;
	/** next rejects when the wire ends or the handshake's time does. */
	next(): Promise<Bytes>;
}

/** Refused says that a side would not go on. ours tells which. */
export class Refused extends SeaError {
	constructor(
		readonly reason: number,
		text: string,
		readonly ours = false,
		/** elsewhere are URLs of other nodes that a full one named. */
		readonly elsewhere: string[] = [],
	) {
		super("handshake", `${ours ? "refused" : "the other side refused"}, reason ${reason}${text && ": "}${text}`);
	}
}

/** readRefusal gives the refusal that stands in place of a message, or undefined. */
export function readRefusal(message: Bytes): Refused | undefined {
	if (message[0] !== 0 || message.length > 1024) return undefined;
	const [reason, said] = read(message.subarray(1), refusal, "refusal");
	return new Refused(reason, said);
}

/**
 * initiate proves both sides to each other over a wire that this side dialled.
 * decide may refuse, by a Refused, before this side shows itself. Rejects with
 * SeaError; the caller closes the wire.
 */
export async function initiate(party: Party, talk: Talk, decide: (proof: Proof) => Promise<void>): Promise<Session> {
	const noise = await Handshake.begin(true, prologue(party), party.keys);
	return telling(talk, async () => {
		talk.send(concat(versionByte, await noise.write(none)));
		const proof = await prove(party, noise, await hear(talk));
		await decide(proof);
		talk.send(concat(versionByte, await noise.write(says(party))));
		const [out, into] = await noise.split();
		return new Session(proof, true, out, into);
	});
}

/** respond is initiate's other side. */
export async function respond(party: Party, talk: Talk): Promise<Session> {
	const noise = await Handshake.begin(false, prologue(party), party.keys);
	return telling(talk, async () => {
		if ((await opened(noise, await hear(talk))).length > 0) throw new SeaError("handshake", "the first message is too long");
		talk.send(concat(versionByte, await noise.write(says(party))));
		const proof = await prove(party, noise, await hear(talk));
		const [into, out] = await noise.split();
		return new Session(proof, false, out, into);
	});
}

const prologue = (party: Party) => concat(utf8("sea:link\0\x01"), utf8(party.network));

function says(p: Party): Bytes {
	return encode([p.record.signed.value(), p.certificate?.value() ?? null, Date.now(), p.run, p.agent]);
}

/** telling has the other side told, in plain, why this one goes no further. */
async function telling<T>(talk: Talk, shake: () => Promise<T>): Promise<T> {
	try {
		return await shake();
	} catch (err) {
		if (err instanceof SeaError && !(err instanceof Refused && !err.ours)) {
			const reason = err instanceof Refused ? err.reason : Reason.refused;
			talk.send(concat(new Uint8Array(1), encode([reason, err.message.slice(0, 80)])));
		}
		throw err;
	}
}

async function hear(talk: Talk): Promise<Bytes> {
	const message = await talk.next();
	const refused = readRefusal(message);
	if (refused) throw refused;
	if (message[0] !== 1) throw new SeaError("handshake", `version ${message[0]} is not known here, this node speaks version 1`);
	if (message.length > maxPayload + 97) throw new SeaError("handshake", "a handshake message is too long");
	return message.slice(1);
}

async function opened(noise: Handshake, message: Bytes): Promise<Bytes> {
	try {
		return await noise.read(message);
	} catch {
		throw new SeaError("handshake", "a handshake message does not verify (another network, or bytes were changed)");
	}
}

async function prove(party: Party, noise: Handshake, message: Bytes): Promise<Proof> {
	const b = await opened(noise, message);
	const bad = (why: string) => new SeaError("handshake", why);
	if (b.length > maxPayload) throw bad("a hello that is too long");
	const [signed, certificate, clock, run, agent] = read(b, payload, "hello");
	const now = Date.now();
	const node = signed.by;
	if ((await work(node)) < party.work) throw bad(`a key with less than ${party.work} bits of work`);
	if (Math.abs(clock - now) > maxSkew) throw bad("the clocks differ by more than 10 minutes");
	const record = await openContact(signed, party.network, now);
	if (compare(record.key, noise.theirs) !== 0) throw bad("the contact record vouches for another key than this handshake's");
	return { addr: await HashAddress.ofNode(node), node, certificate, record, run, agent, skew: clock - now };
}

/** entityOf is who a peer acts for now. */
export const entityOf = (p: Proof): Promise<Bytes> => acting(p.node, p.certificate, Date.now());

/** Session seals and opens the messages of a link, each lane in its order. */
export class Session {
	readonly #out = [0, 0];
	readonly #in = [0, 0];

	constructor(
		readonly peer: Proof,
		readonly initiator: boolean,
		readonly out: Cipher,
		readonly into: Cipher,
	) {}

	/** seal makes the message that carries a frame. */
	async seal(frame: Bytes, lane: Lane): Promise<Bytes> {
		return concat(versionByte, await this.out.seal(nonceOf(this.#out[lane]!++, lane === 1), frame, versionByte));
	}

	/** open gives the frame. It rejects with SeaError when a message was changed, lost, repeated or moved. */
	async open(message: Bytes, lane: Lane): Promise<Bytes> {
		if (message[0] !== 1 || message.length > maxMessage - 1024) throw new SeaError("frame", "not a sealed message of version 1");
		try {
			return await this.into.open(nonceOf(this.#in[lane]!++, lane === 1), message.subarray(1), versionByte);
		} catch {
			throw new SeaError("frame", "a sealed message does not open");
		}
	}
}
