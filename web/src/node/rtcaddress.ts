// IP addresses, and which of them a connection may send packets to.

import { type Bytes } from "../bytes.ts";

/** Endpoint is an IP address of 4 or 16 bytes, and a port. */
export interface Endpoint {
	readonly ip: Bytes;
	readonly port: number;
}

/** parseIP reads an IP address in any spelling, undefined for all else. */
export function parseIP(text: string): Bytes | undefined {
	if (/^\d+(\.\d+){3}$/.test(text)) {
		const parts = text.split(".").map(Number);
		return parts.some((n) => n > 255) ? undefined : new Uint8Array(parts);
	}
	if (!/^[0-9a-f:.]+$/i.test(text) || !text.includes(":")) return undefined;
	let host;
	try {
		host = new URL(`http://[${text}]`).hostname.slice(1, -1); // in its one spelling, with no dots
	} catch {
		return undefined;
	}
	const [head, tail] = host.split("::").map((half) => (half ? half.split(":") : []));
	const zeros = tail ? new Array<string>(8 - head!.length - tail.length).fill("0") : [];
	const words = [...head!, ...zeros, ...(tail ?? [])].map((word) => parseInt(word, 16));
	return new Uint8Array(words.flatMap((word) => [word >> 8, word & 255]));
}

/** formatIP gives the one spelling: four numbers, or RFC 5952's without brackets. */
export function formatIP(ip: Uint8Array): string {
	if (ip.length === 4) return ip.join(".");
	const words = Array.from({ length: 8 }, (_, i) => ((ip[2 * i]! << 8) | ip[2 * i + 1]!).toString(16));
	return new URL(`http://[${words.join(":")}]`).hostname.slice(1, -1);
}

/** formatEndpoint gives host:port. */
export function formatEndpoint({ ip, port }: Endpoint): string {
	const host = formatIP(ip);
	return `${ip.length === 4 ? host : `[${host}]`}:${port}`;
}

/** Net is a network: how many first bits of an address say that it is in it. */
type Net = readonly [ip: Bytes, bits: number];

const nets = (text: string): Net[] =>
	text.split(" ").map((net) => {
		const [ip, bits] = net.split("/");
		return [parseIP(ip!)!, Number(bits)];
	});

const loopback = nets("127.0.0.0/8 ::1/128");
const own = nets("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7 fec0::/10");

// What is no unicast address, what only a link has, where clouds answer their
// guests, and the IPv6 forms that carry an IPv4 address inside.
const never = nets(
	"0.0.0.0/8 169.254.0.0/16 224.0.0.0/3 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 " +
		"::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 2001::/32 2002::/16 fd00:ec2::/32 fe80::/10 ff00::/8",
);

function within(ip: Bytes, nets: readonly Net[]): boolean {
	return nets.some(([net, bits]) => {
		if (net.length !== ip.length) return false;
		const whole = bits >> 3;
		const mask = 0xff00 >> (bits & 7) & 0xff;
		return net.every((b, i) => (i < whole ? b === ip[i] : i > whole || (b & mask) === (ip[i]! & mask)));
	});
}

/** Policy says whether an address may be a remote candidate. */
export type Policy = (ip: Bytes) => boolean;

/**
 * policyVia is the policy for an offer or answer that came over a link to remote,
 * host:port. It is a list of places to knock at, made by a stranger: of loopback
 * and of private networks only what this link itself is on is allowed. A page
 * does not know its networks, so that is the link's /24, or its /64 of IPv6.
 */
export function policyVia(remote: string): Policy {
	const host = remote.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
	const from = parseIP(/^(.*\.)?localhost$/.test(host) ? "127.0.0.1" : host);
	const near: Net[] = from ? [[from, from.length === 4 ? 24 : 64]] : [];
	const here = from !== undefined && within(from, loopback);
	return (ip) => {
		if (within(ip, loopback)) return here;
		return !within(ip, never) && (!within(ip, own) || within(ip, near));
	};
}

/** policyOnly allows one address, unless none may send there. */
export function policyOnly(only: Bytes): Policy {
	return (ip) => within(ip, [[only, only.length * 8]]) && (within(ip, loopback) || !within(ip, never));
}
