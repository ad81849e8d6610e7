// IP addresses, and which of them a connection may send packets to.

import { type Bytes, toHex } from "../bytes.ts";

/** parseIP reads an IP address, 4 or 16 bytes, in any spelling; undefined for all else. */
export function parseIP(text: string): Bytes | undefined {
	if (/[^\da-f:.]/i.test(text)) return undefined;
	const four = /^\d+(\.\d+){3}$/.test(text);
	let host;
	try {
		host = new URL(`http://${four ? text : `[${text}]`}`).hostname; // the one spelling, with no dots in IPv6
	} catch {
		return undefined;
	}
	if (four) return host === text ? new Uint8Array(text.split(".").map(Number)) : undefined;
	const [head, tail] = host.slice(1, -1).split("::").map((half) => (half ? half.split(":") : []));
	const words = [...head!, ...new Array<string>(8 - head!.length - (tail ?? []).length).fill("0"), ...(tail ?? [])];
	return new Uint8Array(words.map((word) => parseInt(word, 16)).flatMap((word) => [word >> 8, word & 255]));
}

/** formatIP gives the one spelling: four numbers, or RFC 5952's without brackets. */
export function formatIP(ip: Uint8Array): string {
	if (ip.length === 4) return ip.join(".");
	return new URL(`http://[${toHex(ip).replace(/....(?!$)/g, "$&:")}]`).hostname.slice(1, -1);
}

// Kinds of addresses, by their first hexadecimal digits after 4: or 6:.
const loopback = /^(4:7f|6:0{31}1$)/;

// RFC 1918, RFC 6598; RFC 4193 and the old site-local ones.
const inside = /^(4:(0a|ac1|c0a8|64[4-7])|6:(f[cd]|fe[c-f]))/;

// What is no unicast address, what only a link has, where clouds answer their
// guests, and the IPv6 forms that carry an IPv4 address inside.
const never = new RegExp(
	"^(4:(00|a9fe|[ef]|646464c8|a83f8110|c00000c0)" +
		"|6:(0{24}|0{20}ffff|0064ff9b(0{16}|0001)|20010000|2002|fd000ec2|fe[89ab]|ff))",
);

const digits = (ip: Uint8Array) => `${ip.length === 4 ? 4 : 6}:${toHex(ip)}`;

/** Policy says whether an address may be a remote candidate. */
export type Policy = (ip: Uint8Array) => boolean;

/**
 * policyVia is the policy for an offer or answer that came over a link to remote,
 * host:port. It is a list of places to knock at, made by a stranger: of loopback
 * and of private networks only what this link itself is on is allowed. A page
 * does not know its networks, so that is the link's /24, or its /64 of IPv6.
 */
export function policyVia(remote: string): Policy {
	const host = remote.replace(/:\d+$/, "").replace(/[[\]]/g, "");
	const from = parseIP(/^(.*\.)?localhost$/.test(host) ? "127.0.0.1" : host);
	const here = from ? digits(from) : "-";
	const near = here.slice(0, from?.length === 4 ? 8 : 18);
	return (ip) => {
		const at = digits(ip);
		if (loopback.test(at)) return loopback.test(here);
		return !never.test(at) && (!inside.test(at) || at.startsWith(near));
	};
}

/** policyOnly allows one address, unless none may send there. */
export function policyOnly(only: Uint8Array): Policy {
	const here = digits(only);
	return (ip) => digits(ip) === here && (loopback.test(here) || !never.test(here));
}
