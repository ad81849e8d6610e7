// Offers and answers: what a session description says, without what is the same
// for every one of ours. See docs/PROTOCOL.md, part 3.

import { type Bytes, fromHex, toHex } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { decodeExact, encode } from "../identity/cbor.ts";
import { bytes, list, type Of, text, tuple, uint, version } from "../identity/shape.ts";
import { formatIP, parseIP, type Policy } from "./rtcaddress.ts";
import { maxMessage } from "./wire.ts";

const maxBytes = 16 << 10;
const maxCandidates = 16;

/** Kind: the offering side leads ICE and is the DTLS server, the answering side follows and is the client. */
export const Kind = { offer: 1, answer: 2 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

const types = ["", "host", "srflx"];

const candidate = tuple(uint(2), bytes(4, 16), uint(65535), uint(2 ** 31 - 1));
const description = tuple(version, uint(), text(4, 256), text(22, 256), bytes(32), list(candidate, maxCandidates));

/** Candidate is [type, ip, port, priority]: 1 is a host's own address, 2 as a STUN server saw it. */
export type Candidate = Of<typeof candidate>;

/** Description is an offer or an answer. */
export interface Description {
	readonly kind: Kind;
	readonly ufrag: string;
	readonly password: string;
	/** fingerprint is the SHA-256 of the DTLS certificate. */
	readonly fingerprint: Bytes;
	/** candidates are at most 16. */
	readonly candidates: readonly Candidate[];
	/** listening is a listener's, which is ICE-lite and the DTLS server. It is not written. */
	readonly listening?: boolean;
}

const bad = (why: string) => new SeaError("description", `bad offer or answer: ${why}`);

/** encodeDescription gives the one spelling. */
export function encodeDescription(d: Description): Bytes {
	return encode([1, d.kind, d.ufrag, d.password, d.fingerprint, d.candidates]);
}

/** parseDescription reads an offer or an answer, as wanted. Else SeaError "description". */
export function parseDescription(b: Uint8Array, want: Kind): Description {
	if (b.length > maxBytes) throw bad("it is too long");
	let fields;
	try {
		const v = decodeExact(b);
		// The version decides about everything after it.
		version(Array.isArray(v) ? v[0] : undefined, "it");
		fields = description(v, "it");
	} catch (err) {
		throw bad((err as Error).message);
	}
	const [, kind, ufrag, password, fingerprint, candidates] = fields;
	if (kind !== want) throw bad(`it is of kind ${kind}, not ${want}`);
	if (/[^a-zA-Z0-9+/]/.test(ufrag + password)) throw bad("its ufrag or password has other characters");
	for (const c of candidates) if (!fits(c)) throw bad(`its candidate ${c}`);
	return { kind: want, ufrag, password, fingerprint, candidates };
}

function fits([type, ip, port, priority]: Candidate): boolean {
	return type > 0 && (ip.length === 4 || (ip.length === 16 && !/^0{20}ffff/.test(toHex(ip)))) && port > 0 && priority > 0;
}

/** sdp writes the session description that stands for d, with the candidates that are allowed. */
export function sdp(d: Description, allowed: Policy): string {
	const lines = [
		"v=0",
		"o=- 1 1 IN IP4 0.0.0.0",
		"s=-",
		"t=0 0",
		...(d.listening ? ["a=ice-lite"] : []),
		"a=group:BUNDLE 0",
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
		"c=IN IP4 0.0.0.0",
		"a=mid:0",
		"a=sctp-port:5000",
		`a=max-message-size:${maxMessage}`,
		`a=setup:${d.listening ? "passive" : d.kind === Kind.answer ? "active" : "actpass"}`,
		`a=fingerprint:sha-256 ${toHex(d.fingerprint).toUpperCase().replace(/..(?!$)/g, "$&:")}`,
		`a=ice-ufrag:${d.ufrag}`,
		`a=ice-pwd:${d.password}`,
	];
	d.candidates.forEach(([type, ip, port, priority], i) => {
		if (!allowed(ip)) return;
		const related = type === 2 ? " raddr 0.0.0.0 rport 0" : "";
		lines.push(`a=candidate:${i + 1} 1 udp ${priority} ${formatIP(ip)} ${port} typ ${types[type]}${related}`);
	});
	lines.push("a=end-of-candidates", "");
	return lines.join("\r\n");
}

/** fromSDP picks the fields out of a browser's own description; its candidates are whichever fit. */
export function fromSDP(kind: Kind, sdp: string): Description {
	const field = (name: string) => sdp.match(new RegExp(`^a=${name}(.*)$`, "m"))?.[1]?.trim() ?? "";
	const candidates: Candidate[] = [];
	for (const [, line] of sdp.matchAll(/^a=candidate:(.*)$/gm)) {
		// foundation component transport priority address port "typ" type
		const [, component, transport, priority, address = "", port, , type = ""] = line!.trim().split(" ");
		const ip = parseIP(address);
		const c: Candidate | undefined = ip && [types.indexOf(type), ip, Number(port), Number(priority)];
		if (c && component === "1" && /^udp$/i.test(transport!) && fits(c) && candidates.length < maxCandidates) candidates.push(c);
	}
	const fingerprint = fromHex(field("fingerprint:sha-256 ").replaceAll(":", "").toLowerCase());
	if (fingerprint?.length !== 32) throw bad("this browser's certificate has no SHA-256");
	return { kind, ufrag: field("ice-ufrag:"), password: field("ice-pwd:"), fingerprint, candidates };
}
