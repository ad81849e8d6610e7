import { bars } from "../chart.ts";
import { type Child, h } from "../dom.ts";
import { ago, count, credits, fuel, many, short } from "../format.ts";
import { card, empty, meter, pill, statePill, table, tile, tiles, who } from "../parts.ts";
import type { Sale, Sum, Task } from "../types.ts";
import type { View } from "../view.ts";

interface Data {
	days: Sum;
	peers: Sum;
	modules: Sum;
	spent: Sum;
	sales: Sale[];
	tasks: Task[];
}

export const earnings: View<Data> = {
	title: () => "Earnings",
	every: 3000,
	load: async (api, _, signal) => {
		const [days, peers, modules, spent, sales, tasks] = await Promise.all([
			api.get<Sum>("/earnings?by=day", signal), api.get<Sum>("/earnings?by=peer", signal), api.get<Sum>("/earnings?by=module", signal),
			api.get<Sum>("/spending", signal), api.get<Sale[]>("/sales?newest=100", signal), api.get<Task[]>("/tasks", signal),
		]);
		return { days, peers, modules, spent, sales, tasks };
	},
	draw: (d) => [
		tiles(
			tile("Earned", credits(d.days.amount_micro), many(d.days.payments, "payment"), "plus"),
			tile("Due", credits(d.days.due_micro), "delivered, not paid yet"),
			tile("Spent", credits(d.spent.amount_micro), many(d.spent.payments, "payment")),
			tile("At work", count(d.tasks.length), d.tasks.some((t) => t.held) ? "some are held" : "for others"),
		),
		d.tasks.length > 0 ? card("Under way", table("Orders under way", d.tasks, (t) => t.order, [
			{ name: "Order", cell: (t) => h("code", null, short(t.order)) },
			{ name: "Buyer", cell: (t) => who(t.buyer) },
			{ name: "State", cell: (t) => (t.held ? pill(`held: ${t.held}`, "warn") : statePill(t.state)) },
			{ name: "Progress", cell: (t) => meter(t.fuel, t.fuel_limit, `${count(t.fuel)} of ${count(t.fuel_limit)} fuel`) },
			{ name: "Fuel", num: true, cell: (t) => fuel(t.fuel) },
			{ name: "So far", num: true, cell: (t) => credits(t.cost_micro) },
		])) : null,
		card("By day", d.days.groups.length > 0 ? bars(fortnight(d.days), "Earned by day, in credits") : empty("Nothing earned yet.", "seaworker up --sell")),
		h("div", { class: "columns" },
			card("By buyer", ranking(d.peers, (key) => who(key))),
			card("By program", ranking(d.modules, (key) => h("span", { title: key }, d.modules.names?.[key] ?? (key === "none" ? "no job" : h("code", null, short(key))))))),
		d.sales.length > 0 ? card("Orders taken", table("Orders taken, the newest first", d.sales, (s) => s.order, [
			{ name: "Order", cell: (s) => h("code", null, short(s.order)) },
			{ name: "Buyer", cell: (s) => who(s.buyer) },
			{ name: "State", cell: (s) => [statePill(s.state), s.text ? h("span", { class: "faint" }, ` ${s.text}`) : null] },
			{ name: "Fuel", num: true, cell: (s) => fuel(s.fuel) },
			{ name: "Bill", num: true, cell: (s) => credits(s.cost_micro) },
			{ name: "Taken", cell: (s) => ago(s.taken) },
		])) : null,
	],
};

/** fortnight is what was earned on each of the last 14 days, in UTC as the ledger's own days are. */
function fortnight(days: Sum, now = Date.now()): { name: string; micro: number }[] {
	const earned = new Map(days.groups.map((g) => [g.key, g.amount_micro]));
	return Array.from({ length: 14 }, (_, i) => {
		const day = new Date(now - (13 - i) * 86400e3);
		return { name: day.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }), micro: earned.get(day.toISOString().slice(0, 10)) ?? 0 };
	});
}

/** ranking is the largest groups of a sum, each with its part of it. */
function ranking(sum: Sum, name: (key: string) => Child): Child {
	const groups = [...sum.groups].sort((a, b) => b.amount_micro - a.amount_micro).slice(0, 10);
	if (groups.length === 0) return empty("Nothing yet.");
	return h("ul", { class: "ranking" }, groups.map((g) => h("li", { "data-key": g.key }, name(g.key), h("b", null, credits(g.amount_micro)),
		meter(g.amount_micro, sum.amount_micro, `${Math.round((g.amount_micro / sum.amount_micro) * 100)} %`, "good"))));
}
