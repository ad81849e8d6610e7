// The neighbourhood as a compass: this node in the middle, its peers where their
// addresses point, as far out as they are away in time.

import { type Child, s } from "./dom.ts";
import { rtt, short } from "./format.ts";
import type { Peer, SeaMap } from "./types.ts";

const size = 640;
const middle = size / 2;
const rim = 262; // the dial's radius
const rings = [{ ms: 1, text: "1 ms" }, { ms: 10, text: "10 ms" }, { ms: 100, text: "100 ms" }];

/** bearing is where an address points: its first digits as a part of the whole turn, from the top. */
function bearing(address: string): number {
	return (parseInt(address.slice(0, 8), 16) / 2 ** 32) * 2 * Math.PI;
}

/** reach is how far from the middle a round trip of so many ms is drawn: 0.1 ms to 1 s, by powers of ten. */
function reach(ms: number): number {
	return rim * (0.2 + 0.7 * Math.min(1, Math.max(0, (Math.log10(Math.max(ms, 0.01)) + 1) / 4)));
}

const at = (angle: number, r: number): [number, number] => [middle + Math.sin(angle) * r, middle - Math.cos(angle) * r];
const place = (p: Peer): [number, number] => at(bearing(p.address), reach(p.rtt_us / 1000));

/** radius is that of a peer's dot: the more it has carried the larger. */
const radius = (p: Peer): number => 7 + Math.min(9, Math.log2(1 + (p.sent_bytes + p.received_bytes) / 4096));

/** namePlaces says where each peer's name begins: beside its dot on the outer side, or as far below as others leave room. */
function namePlaces(peers: Peer[]): Map<Peer, [number, number]> {
	const [width, height] = [64, 19]; // of a name
	const places = new Map<Peer, [number, number]>();
	for (const p of [...peers].sort((a, b) => place(a)[1] - place(b)[1])) {
		const [x, y] = place(p);
		const tx = x < middle ? x - radius(p) - 6 : x + radius(p) + 6;
		let ty = y + 4;
		for (const [ox, oy] of [...places.values()].sort((a, b) => a[1] - b[1])) {
			if (ox < middle === tx < middle && Math.abs(ox - tx) < width && Math.abs(oy - ty) < height) ty = oy + height;
		}
		places.set(p, [tx, ty]);
	}
	return places;
}

/** sonar draws the map; the peer whose address is chosen is marked. Each peer is a link that chooses it. */
export function sonar(map: SeaMap, chosen = ""): SVGSVGElement {
	const peers = new Map(map.peers.map((p) => [p.address, p]));
	const beyond = new Set<string>(); // known by neighbours alone
	const ties: Child[] = [];
	for (const [from, near] of Object.entries(map.near)) {
		const a = peers.get(from);
		if (!a) continue;
		for (const to of near) {
			const b = peers.get(to);
			if (to === map.address || (b && from > to && map.near[to]?.includes(from))) continue; // drawn already
			const [x1, y1] = place(a);
			const [x2, y2] = b ? place(b) : at(bearing(to), rim - 8);
			if (!b) beyond.add(to);
			ties.push(s("path", { class: "tie", d: `M${x1.toFixed(1)} ${y1.toFixed(1)}Q${middle} ${middle} ${x2.toFixed(1)} ${y2.toFixed(1)}` }));
		}
	}
	const [mx, my] = at(bearing(map.address), rim);
	const names = namePlaces(map.peers);
	return s("svg", { class: "sonar", viewBox: `0 0 ${size} ${size}`, role: "group", "aria-label": `${map.peers.length} neighbours, by address and by round trip` },
		s("defs", null,
			s("radialGradient", { id: "deep" }, s("stop", { offset: "0%", class: "deep0" }), s("stop", { offset: "100%", class: "deep1" })),
			s("linearGradient", { id: "beam", x1: 0, x2: 1, y1: 0, y2: 0 }, s("stop", { offset: "0%", class: "beam0" }), s("stop", { offset: "100%", class: "beam1" }))),
		s("circle", { class: "dial", cx: middle, cy: middle, r: rim, fill: "url(#deep)" }),
		s("g", { class: "sweep" }, s("path", { d: `M${middle} ${middle}L${middle} ${middle - rim}A${rim} ${rim} 0 0 0 ${at(-0.7, rim).join(" ")}Z`, fill: "url(#beam)" })),
		rings.map((r) => [
			s("circle", { class: "ring", cx: middle, cy: middle, r: reach(r.ms) }),
			s("text", { class: "ringtext", x: middle + 4, y: middle - reach(r.ms) - 4 }, r.text)]),
		Array.from({ length: 64 }, (_, i) => {
			const [x1, y1] = at((i / 64) * 2 * Math.PI, rim);
			const [x2, y2] = at((i / 64) * 2 * Math.PI, rim + (i % 4 === 0 ? 10 : 5));
			return s("line", { class: "tick", x1, y1, x2, y2 });
		}),
		Array.from({ length: 16 }, (_, i) => {
			const [x, y] = at((i / 16) * 2 * Math.PI, rim + 25);
			return s("text", { class: "digit", x, y: y + 5, "text-anchor": "middle" }, i.toString(16));
		}),
		s("line", { class: "own", x1: middle, y1: middle, x2: mx, y2: my }),
		ties,
		[...beyond].map((to) => {
			const [cx, cy] = at(bearing(to), rim - 8);
			return s("circle", { class: "beyond", cx, cy, r: 3.5 }, s("title", null, `${short(to)}, known by a neighbour`));
		}),
		map.peers.map((p) => {
			const [x, y] = place(p);
			return s("line", { class: `link ${kind(p)}`, x1: middle, y1: middle, x2: x, y2: y });
		}),
		map.peers.map((p) => {
			const [x, y] = place(p);
			const r = radius(p);
			const [tx, ty] = names.get(p)!;
			return s("a", { href: `#/network/${p.address}`, "data-key": p.address, class: `peer ${kind(p)}${p.address === chosen ? " chosen" : ""}`,
				"aria-label": `${short(p.peer)}, ${kindText(p)}, ${rtt(p.rtt_us)}` },
				s("circle", { class: "halo", cx: x, cy: y, r: r + 7 }),
				s("circle", { class: "dot", cx: x, cy: y, r }),
				s("text", { x: tx, y: ty, "text-anchor": x < middle ? "end" : "start" }, short(p.peer, 6)));
		}),
		s("circle", { class: "me", cx: middle, cy: middle, r: 11 }),
		s("circle", { class: "mecore", cx: middle, cy: middle, r: 4.5 }),
	);
}

/** kind is how a link is drawn: over a relay, by WebRTC or by WebSocket. */
export const kind = (p: Peer): "relayed" | "rtc" | "ws" => (p.relayed ? "relayed" : p.transport === "webrtc" ? "rtc" : "ws");

export const kindText = (p: Peer): string => ({ relayed: "relayed", rtc: "WebRTC", ws: "WebSocket" })[kind(p)];
