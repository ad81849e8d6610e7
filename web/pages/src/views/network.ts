import { h } from "../dom.ts";
import { ago, bytes, many, rtt, short } from "../format.ts";
import { card, empty, pill, table, who } from "../parts.ts";
import { kind, kindText, sonar } from "../sonar.ts";
import type { SeaMap } from "../types.ts";
import type { View } from "../view.ts";

export const network: View<SeaMap> = {
	title: () => "Network",
	every: 4000,
	load: (api, _, signal) => api.get<SeaMap>("/map", signal),
	draw: (map, chosen) => [
		h("div", { class: "picture" },
			sonar(map, chosen),
			h("div", { class: "legend" },
				h("p", null, "This node is in the middle. Each peer stands where its address points, clockwise from 0 to f, and as far out as a message takes there and back."),
				h("ul", null,
					h("li", { class: "rtc" }, "WebRTC"), h("li", { class: "ws" }, "WebSocket"), h("li", { class: "relayed" }, "relayed: no direct way was found"), h("li", { class: "beyond" }, "known by a neighbour")),
				h("p", { class: "faint" }, "A larger dot has carried more.")),
		),
		card(many(map.peers.length, "neighbour"), map.peers.length === 0 ? empty("No neighbours. Name a node to join by:", "seaworker peer add ws://HOST:PORT") :
			table("Neighbours", [...map.peers].sort((a, b) => (a.address < b.address ? -1 : 1)), (p) => p.peer, [
				{ name: "Peer", cell: (p) => h("a", { href: `#/network/${p.address}`, "aria-current": p.address === chosen ? "true" : null }, who(p.peer)) },
				{ name: "Way", cell: (p) => pill(kindText(p), ({ relayed: "warn", rtc: "busy", ws: "good" } as const)[kind(p)]) },
				{ name: "There and back", num: true, cell: (p) => rtt(p.rtt_us) },
				{ name: "Sent", num: true, cell: (p) => bytes(p.sent_bytes) },
				{ name: "Received", num: true, cell: (p) => bytes(p.received_bytes) },
				{ name: "Since", cell: (p) => ago(p.since) },
				{ name: "At", cell: (p) => [h("span", { class: "faint" }, p.outbound ? "to " : "from "), h("code", null, p.relayed ? short(p.remote) : p.remote), p.obstacle ? h("span", { class: "faint" }, ` ${p.obstacle}`) : null] },
			], (p) => p.address === chosen)),
	],
};
