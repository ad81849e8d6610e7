import { balance } from "../chart.ts";
import { type Child, h, s } from "../dom.ts";
import { count, credits, moment, short, signed } from "../format.ts";
import { card, empty, meter, statePill, table, tile, tiles, who } from "../parts.ts";
import type { CurvePoint, Line, Strangers } from "../types.ts";
import type { View } from "../view.ts";

interface Data {
	lines: Line[];
	strangers: Strangers;
	curve: CurvePoint[];
}

/** credit shows all lines, or the one of the peer that is chosen. */
export const credit: View<Data> = {
	title: (peer) => (peer ? `Credit with ${short(peer)}` : "Credit"),
	every: 3000,
	load: async (api, peer, signal) => {
		const [lines, strangers, curve] = await Promise.all([
			api.get<Line[]>("/credit", signal), api.get<Strangers>("/credit/strangers", signal), api.get<CurvePoint[]>(`/credit/curve?peer=${peer}`, signal),
		]);
		return { lines, strangers, curve };
	},
	draw: (d, peer) => {
		const one = d.lines.find((l) => l.peer === peer);
		if (one) return [h("p", { class: "eyebrow" }, h("a", { href: "#/credit" }, "All peers")), h("p", { class: "name" }, who(one.peer), statePill(one.state)), ofOne(one, d.curve)];
		const sum = (of: (l: Line) => number): number => d.lines.reduce((total, l) => total + of(l), 0);
		const owed = sum((l) => Math.max(0, l.balance_micro));
		const owing = sum((l) => Math.max(0, -l.balance_micro));
		const most = Math.max(1, ...d.lines.map((l) => Math.abs(l.balance_micro)));
		return [
			tiles(
				tile("Balance", signed(owed - owing), "over all peers", owed < owing ? "minus" : "plus"),
				tile("Others owe us", credits(owed)),
				tile("We owe others", credits(owing)),
				tile("Set aside", credits(sum((l) => l.held_micro)), "for what runs"),
				tile("Strangers owe", credits(d.strangers.used_micro), meter(d.strangers.used_micro, d.strangers.budget_micro, `${credits(d.strangers.used_micro)} of ${credits(d.strangers.budget_micro)}`, "warn")),
			),
			card("Balance over time", d.curve.length > 0 ? balance(d.curve) : empty("No credit has moved yet.")),
			card("By peer", d.lines.length === 0 ? empty("No dealings with anyone yet. Let somebody owe you:", "seaworker credit limit PEER CREDITS") :
				table("Credit by peer", [...d.lines].sort((a, b) => b.balance_micro - a.balance_micro), (l) => l.peer, [
					{ name: "Peer", cell: (l) => h("a", { href: `#/credit/${l.peer}` }, who(l.peer)) },
					{ name: "Balance", num: true, cell: (l) => h("span", { class: l.balance_micro < 0 ? "minus" : "plus" }, signed(l.balance_micro)) },
					{ name: "We owe · they owe", cell: (l) => lever(l.balance_micro, most) },
					{ name: "They may owe", num: true, cell: (l) => credits(l.they_may_owe_micro) },
					{ name: "We may owe", num: true, cell: (l) => (l.i_may_owe_micro ? credits(l.i_may_owe_micro) : "not told") },
					{ name: "State", cell: (l) => [statePill(l.state), l.stranger ? h("span", { class: "faint" }, " stranger") : null, l.warning ? h("span", { class: "warning" }, l.warning) : null] },
				])),
		];
	},
};

/** lever is a balance to the left or the right of nothing. */
function lever(micro: number, most: number): Child {
	const part = (Math.abs(micro) / most) * 58;
	return s("svg", { class: "lever", viewBox: "0 0 120 14", width: 120, height: 14, "aria-hidden": "true" },
		s("rect", { class: "rail", x: 0, y: 6, width: 120, height: 2, rx: 1 }),
		s("rect", { class: micro < 0 ? "minus" : "plus", x: micro < 0 ? 60 - part : 60, y: 2, width: Math.max(part, micro === 0 ? 0 : 2), height: 10, rx: 3 }),
		s("rect", { class: "mid", x: 59, y: 0, width: 2, height: 14 }));
}

function ofOne(l: Line, curve: CurvePoint[]): Child {
	const until = (at: string | undefined): string => (at ? `until ${moment(at)}` : "without an end");
	return [
		l.warning || l.reason ? h("p", { class: "problem", role: "alert" }, l.reason ?? l.warning) : null,
		tiles(
			tile("Balance", signed(l.balance_micro), l.balance_micro < 0 ? "we owe" : "they owe", l.balance_micro < 0 ? "minus" : "plus"),
			tile("They may owe", credits(l.they_may_owe_micro), l.stranger ? "as a stranger" : until(l.they_may_until)),
			tile("We may owe", l.i_may_owe_micro ? credits(l.i_may_owe_micro) : "–", l.i_may_owe_micro ? until(l.i_may_until) : "no limit is told"),
			tile("Repaid", credits(l.repaid_micro)),
			tile("Entries", `${count(l.mine.seq)} + ${count(l.theirs.seq)}`, l.undelivered ? "some not delivered yet" : "ours and theirs"),
		),
		card("Balance over time", curve.length > 0 ? balance(curve) : empty("No credit has moved yet.")),
		card("Promised", h("dl", { class: "facts" },
			h("dt", null, "By us"), h("dd", null, credits(l.mine.cum_micro)),
			h("dt", null, "By the peer"), h("dd", null, credits(l.theirs.cum_micro)),
			h("dt", null, "Key"), h("dd", null, h("code", null, l.peer)))),
	];
}
