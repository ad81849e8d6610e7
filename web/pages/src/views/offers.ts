import { type Child, h } from "../dom.ts";
import { bytes, count, credits, fuel, many, span } from "../format.ts";
import { card, empty, pill, table, tile, tiles, who } from "../parts.ts";
import type { MyOffer, SellerOffer, Status } from "../types.ts";
import type { View } from "../view.ts";

interface Data {
	offers: SellerOffer[];
	mine: MyOffer;
	status: Status;
}

export const offers: View<Data> = {
	title: () => "Offers",
	every: 15000,
	load: async (api, _, signal) => {
		const [found, mine, status] = await Promise.all([api.get<SellerOffer[]>("/offers", signal), api.get<MyOffer>("/offer", signal), api.get<Status>("/status", signal)]);
		return { offers: found, mine, status };
	},
	draw: (d) => {
		const sorted = [...d.offers].sort((a, b) => a.price_micro_per_gfuel - b.price_micro_per_gfuel);
		const cheapest = sorted[0]?.price_micro_per_gfuel ?? 0;
		const dearest = Math.max(1, ...d.offers.map((o) => o.price_micro_per_gfuel));
		return [
			tiles(
				tile("Sellers", count(d.offers.length), "within reach"),
				tile("Cheapest", d.offers.length > 0 ? credits(cheapest) : "–", "a Gfuel"),
				tile("Free slots", count(d.offers.reduce((sum, o) => sum + o.free, 0)), `of ${count(d.offers.reduce((sum, o) => sum + o.slots, 0))}`),
				tile("We ask", d.mine.selling ? credits(d.mine.price_micro_per_gfuel) : "–", d.mine.selling ? "a Gfuel" : "not selling"),
			),
			card("Sellers within reach", d.offers.length === 0 ? empty("Nobody within reach sells.") :
				table("Offers, the cheapest first", sorted, (o) => o.seller ?? o.seller_address, [
					{ name: "Seller", cell: (o) => who(o.seller ?? o.seller_address) },
					{ name: "A Gfuel", num: true, cell: (o) => h("b", null, credits(o.price_micro_per_gfuel)) },
					{ name: "", cell: (o) => h("meter", { value: o.price_micro_per_gfuel, max: dearest, "aria-hidden": "true" }) },
					{ name: "Fee", num: true, cell: (o) => (o.fee_micro ? credits(o.fee_micro) : "none") },
					{ name: "Free", num: true, cell: (o) => slots(o.free, o.slots) },
					{ name: "Memory", num: true, cell: (o) => bytes(o.caps.memory_pages * 65536) },
					{ name: "We may owe", num: true, cell: (o) => credits(o.room_micro) },
					{ name: "", cell: (o) => o.labels?.map((l) => pill(l, "calm")) },
				])),
			card("Our own offer", own(d.mine), d.status.not_now ? pill(d.status.not_now, "warn") : null),
		];
	},
};

/** slots are those of a seller, the free ones bright. */
const slots = (free: number, all: number): Child =>
	h("span", { class: "slots", title: `${free} of ${all} free` }, `${free} / ${all}`);

function own(o: MyOffer): Child {
	if (!o.selling) return empty("This node does not sell.", "seaworker up --sell --price 1");
	return h("dl", { class: "facts" },
		h("dt", null, "A Gfuel"), h("dd", null, credits(o.price_micro_per_gfuel)),
		h("dt", null, "Fee"), h("dd", null, o.fee_micro ? credits(o.fee_micro) : "none"),
		h("dt", null, "A job may use"), h("dd", null, `${fuel(o.caps.fuel)}, ${bytes(o.caps.memory_pages * 65536)}, ${span(o.caps.wall_ms)}`),
		h("dt", null, "At once"), h("dd", null, many(o.slots, "job")),
		h("dt", null, "Hours"), h("dd", null, o.hours ?? "always"),
		h("dt", null, "Strangers may owe"), h("dd", null, `${credits(o.strangers_micro)}, of which they use ${credits(o.strangers_used_micro)}`),
		o.policy ? [h("dt", null, "Policy"), h("dd", null, h("code", null, o.policy))] : null);
}
