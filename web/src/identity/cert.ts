// Certificates: an entity lets a node act for it. See docs/PROTOCOL.md, part 1.

import { type Bytes } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { encode } from "./cbor.ts";
import { checkKey, type Signer } from "./ed25519.ts";
import { bytes, list, map, type Of, read, text, version, wide } from "./shape.ts";
import { Statement } from "./statement.ts";

const purpose = "sea/cert/1";

const body = map({
	v: version,
	node: bytes(32),
	can: list(text(1, 32), 16),
	budget: wide,
	from: wide,
	until: wide,
	serial: wide,
});

/**
 * Certificate lets node act for its signer: what it can, micro-credits it may
 * promise in all, the first and last second at which it holds (Unix time), and a
 * serial of which the highest counts.
 */
export type Certificate = Omit<Of<typeof body>, "v">;

/** signCertificate makes the entity's statement. SeaError "certificate" says what is wrong with c. */
export function signCertificate(entity: Signer, c: Certificate): Promise<Statement> {
	return Statement.sign(entity, purpose, encode({ v: 1, ...check(c) }));
}

/** openCertificate verifies and reads one. It does not look at the clock. */
export async function openCertificate(s: Statement): Promise<Certificate> {
	const { v: _, ...c } = read(await s.open(purpose), body, "certificate");
	return check(c);
}

/**
 * acting gives the entity that node acts for at now (Unix ms) by the certificate
 * that it showed: the signer, or node itself when there is none or it does not hold.
 */
export async function acting(node: Bytes, shown: Statement | null, now: number): Promise<Bytes> {
	if (!shown) return node;
	try {
		const c = await openCertificate(shown);
		const second = BigInt(Math.floor(now / 1000));
		const same = (key: Bytes) => key.every((x, i) => x === node[i]);
		return same(c.node) && !same(shown.by) && c.from <= second && second <= c.until ? shown.by : node;
	} catch (err) {
		if (err instanceof SeaError) return node;
		throw err;
	}
}

function check(c: Certificate): Certificate {
	const bad = (why: string) => new SeaError("certificate", `bad certificate: ${why}`);
	checkKey(c.node);
	c.can.forEach((word, i) => {
		if (!/^[a-z0-9:-]{1,32}$/.test(word)) throw bad(`word ${i + 1} is not 1 to 32 of a-z, 0-9, : and -`);
		if (i > 0 && word <= c.can[i - 1]!) throw bad("words are not sorted, or one comes twice");
	});
	if (c.budget >= 1n << 62n) throw bad("budget is 2^62 or more");
	if (c.from > c.until || c.until >= 1n << 63n) throw bad("it holds at no time");
	return c;
}
