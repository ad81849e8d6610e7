import { h } from "../dom.ts";
import { ago, count, credits, fuel, short } from "../format.ts";
import { card, empty, meter, statePill, table, tile, tiles, who } from "../parts.ts";
import type { Job } from "../types.ts";
import type { View } from "../view.ts";

export const jobs: View<Job[]> = {
	title: () => "Jobs",
	every: 2000,
	load: (api, _, signal) => api.get<Job[]>("/jobs?newest=200", signal),
	draw: (all) => {
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
