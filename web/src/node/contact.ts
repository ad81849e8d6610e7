// Contact records: what a node says of where it is and how it is reached. See
// docs/PROTOCOL.md, part 4.

import { type Bytes } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { type Signer } from "../identity/ed25519.ts";
import { bytes, list, map, type Of, read, text, uint, version } from "../identity/shape.ts";
import { Statement } from "../identity/statement.ts";

const purpose = "sea/contact/1";
const slack = 10 * 60_000; // by which clocks may differ
const maxLife = 7 * 24 * 3_600_000;

const body = map({
	v: version,
	exp: uint(),
	iat: uint(),
	key: bytes(32),
	net: text(1, 64),
	caps: list(text(1, 32), 16),
	seal: bytes(32),
	urls: list(text(1, 256), 4),
});

/** Contact is a contact record: times in Unix ms, the X25519 keys of handshakes (key) and of sealed calls (seal). */
export type Contact = Omit<Of<typeof body>, "v"> & {
	/** by is the node's key. */
	by: Bytes;
	/** signed is the statement, as it is shown to others. */
	signed: Statement;
};

/** signContact makes a node's own record. */
export async function signContact(signer: Signer, c: Omit<Contact, "by" | "signed">): Promise<Contact> {
	return { ...c, by: signer.key, signed: await Statement.sign(signer, purpose, encode({ v: 1, ...c })) };
}

/** openContact verifies and reads a record that holds now (Unix ms) in a network. Else SeaError. */
export async function openContact(signed: Statement, net: string, now: number): Promise<Contact> {
	const { v: _, ...c } = read(await signed.open(purpose), body, "contact record");
	const bad = (why: string) => new SeaError("contact", `contact record: ${why}`);
	if (![...c.urls, ...c.caps].every((s) => /^[!-~]+$/.test(s))) throw bad("a URL or word with other characters");
	if (c.caps.some((word, i) => i > 0 && word <= c.caps[i - 1]!)) throw bad("capabilities are not sorted");
	if (c.exp < c.iat || c.exp - c.iat > maxLife) throw bad("it holds for no time, or too long");
	if (c.net !== net) throw bad("it is of another network");
	if (now < c.iat - slack || now > c.exp + slack) throw bad("it does not hold now; compare the clocks");
	return { ...c, by: signed.by, signed };
}
