import { h } from "../dom.ts";
import { ago, count, credits, fuel, short } from "../format.ts";
import { card, empty, meter, statePill, table, tile, tiles, who } from "../parts.ts";
import type { Job, SeaJobMap } from "../types.ts";
import type { View } from "../view.ts";

interface Data {
	all: Job[];
	maps: SeaJobMap[];
}

export const jobs: View<Data> = {
	title: () => "Jobs",
	every: 2000,
	load: async (api, _, signal) => {
		const [all, maps] = await Promise.all([api.get<Job[]>("/jobs?newest=200", signal), api.get<SeaJobMap[]>("/maps", signal)]);
		return { all, maps };
	},
	draw: ({ all, maps }) => {
		const ended = all.filter((j) => j.ended);
		const spent = all.reduce((sum, j) => sum + j.cost_micro, 0);
		return [
			tiles(
				tile("Running", count(all.length - ended.length)),
				tile("Done", count(ended.filter((j) => j.state === "done").length)),
				tile("Failed", count(ended.filter((j) => j.state === "failed").length)),
				tile("Fuel", fuel(all.reduce((sum, j) => sum + j.fuel, 0))),
				tile("Cost", credits(spent)),
			),
			maps.length > 0 ? card("Maps", table("Programs bought for many inputs, the newest first", maps.slice(0, 20), (m) => m.map, [
				{ name: "Map", cell: (m) => [h("b", null, m.spec.name || "map"), " ", h("code", { class: "faint" }, short(m.map, 6))] },
				{ name: "Over", cell: (m) => m.each },
				{ name: "State", cell: (m) => [statePill(m.state), m.error ? h("span", { class: "warning" }, m.error) : null] },
				{ name: "Items", cell: (m) => [`${count(m.done)} of ${count(m.items)}${m.failed > 0 ? `, ${count(m.failed)} failed` : ""}`, meter(m.done + m.failed, m.items, `${m.done} of ${m.items} items`, m.failed > 0 ? "warn" : "good")] },
				{ name: "At once", num: true, cell: (m) => count(m.running) },
				{ name: "Fuel", num: true, cell: (m) => (m.fuel ? fuel(m.fuel) : "–") },
				{ name: "Cost", num: true, cell: (m) => (m.cost_micro ? credits(m.cost_micro) : "–") },
				{ name: "Begun", cell: (m) => ago(m.created) },
			])) : null,
			card("Bought", all.length === 0 ? empty("Nothing bought yet.", "seaworker run PROGRAM.wasm -- ARGUMENTS") :
				table("Jobs that were bought, the newest first", all, (j) => j.job, [
					{ name: "Job", cell: (j) => h("a", { href: `#/jobs/${j.job}` }, h("b", null, j.spec.name || "job"), " ", h("code", { class: "faint" }, short(j.job, 6))) },
					{ name: "Arguments", cell: (j) => h("code", { class: "args" }, j.spec.args.slice(1).join(" ") || "–") },
					{ name: "State", cell: (j) => [statePill(j.state), j.ended ? null : meter(j.fuel, j.fuel_limit, `${count(j.fuel)} of ${count(j.fuel_limit)} fuel`)] },
					{ name: "Seller", cell: (j) => who(j.seller) },
					{ name: "Fuel", num: true, cell: (j) => (j.fuel ? fuel(j.fuel) : "–") },
					{ name: "Cost", num: true, cell: (j) => (j.cost_micro ? credits(j.cost_micro) : "–") },
					{ name: "Begun", cell: (j) => ago(j.created) },
				])),
		];
	},
};
