import { balance } from "../chart.ts";
import { type Child, h } from "../dom.ts";
import { ago, count, credits, fuel, many, short, signed, span } from "../format.ts";
import { card, empty, glyph, meter, pill, statePill, tile, tiles, who } from "../parts.ts";
import { sonar } from "../sonar.ts";
import type { CurvePoint, Job, Line, MyOffer, SeaMap, Status, Sum, Task } from "../types.ts";
import type { View } from "../view.ts";

interface Data {
	status: Status;
	map: SeaMap;
	jobs: Job[];
	tasks: Task[];
	lines: Line[];
	curve: CurvePoint[];
	earned: Sum;
	offer: MyOffer;
}

export const overview: View<Data> = {
	title: () => "Overview",
	every: 3000,
	load: async (api, _, signal) => {
		const [status, map, jobs, tasks, lines, curve, earned, offer] = await Promise.all([
			api.get<Status>("/status", signal), api.get<SeaMap>("/map", signal), api.get<Job[]>("/jobs?newest=8", signal), api.get<Task[]>("/tasks", signal),
			api.get<Line[]>("/credit", signal), api.get<CurvePoint[]>("/credit/curve", signal), api.get<Sum>("/earnings", signal), api.get<MyOffer>("/offer", signal),
		]);
		return { status, map, jobs, tasks, lines, curve, earned, offer };
	},
	draw: (d, _, act) => {
		const total = d.lines.reduce((sum, l) => sum + l.balance_micro, 0);
		const busy = d.jobs.filter((j) => !j.ended).length;
		return [
			h("section", { class: "hero" },
				h("div", { class: "self" },
					h("p", { class: "eyebrow" }, d.status.online ? "This node is online" : "This node is offline"),
					h("p", { class: "name" }, glyph(d.status.entity, 46), h("code", { title: d.status.entity }, short(d.status.entity, 12))),
					h("p", { class: "lead" }, sentence(d.status)),
					h("dl", { class: "ids" },
						id("Entity", d.status.entity, act.run), id("Address", d.status.address, act.run),
						d.status.acts_for ? id("Acts for", d.status.acts_for.entity, act.run) : null),
				),
				h("div", { class: "aside" }, sonar(d.map)),
			),
			tiles(
				tile("Neighbours", count(d.map.peers.length), relayed(d.map)),
				tile("Balance", signed(total), `with ${many(d.lines.length, "peer")}`, total < 0 ? "minus" : "plus"),
				tile("Earned", credits(d.earned.amount_micro), d.earned.due_micro > 0 ? `${credits(d.earned.due_micro)} due` : many(d.earned.payments, "payment")),
				tile("At work", count(busy + d.tasks.length), `${busy} for us, ${d.tasks.length} for others`),
				tile("Price", d.offer.selling ? credits(d.offer.price_micro_per_gfuel) : "–", d.offer.selling ? "a Gfuel" : "not selling"),
			),
			h("div", { class: "columns" },
				card("Reachable", reach(d.status)),
				card("Now", now(d), h("a", { href: "#/jobs" }, "All jobs")),
			),
			card("Balance over time", d.curve.length > 0 ? balance(d.curve) : empty("No credit has moved yet."), h("a", { href: "#/credit" }, "By peer")),
		];
	},
};

const relayed = (map: SeaMap): string => {
	const n = map.peers.filter((p) => p.relayed).length;
	return n === 0 ? "all direct" : `${n} relayed`;
};

function id(name: string, hex: string, run: (what: () => Promise<unknown>, said: string) => void): Child {
	return [h("dt", null, name), h("dd", null, h("code", null, hex),
		h("button", { class: "quiet", type: "button", "aria-label": `Copy the ${name.toLowerCase()}`, onclick: () => run(() => navigator.clipboard.writeText(hex), `${name} copied`) }, "Copy"))];
}

function sentence(s: Status): string {
	if (!s.online) return "It has left the sea. Start it with “seaworker up”.";
	const selling = s.shift.mode === "paused" ? "Selling is paused." : s.shift.mode === "draining" ? "It finishes what it has and takes no more."
		: s.not_now ? `Not selling now: ${s.not_now}.` : s.selling ? "It sells computing to others." : "It does not sell.";
	const reached = (s.reached?.yes.length ?? 0) > 0 ? "Others can dial it." : s.listening.length > 0 ? "Nobody has dialled it yet." : "Others reach it through the sea.";
	return `${reached} ${selling}`;
}

/** reach is what is known of how others come to this node. */
function reach(s: Status): Child {
	const natText = { none: "no NAT in between", keeps: "behind a NAT that keeps one port", draws: "behind a NAT with a port for each peer", hidden: "behind a NAT" };
	const rows: [boolean | null, string, Child][] = [
		[s.listening.length > 0 ? true : null, "Listens", s.listening.length > 0 ? list(s.listening) : "nowhere: others reach it through the sea"],
		[s.reached ? s.reached.yes.length > 0 : null, "Dialled by others", s.reached
			? `${s.reached.yes.length} came through, ${s.reached.no.length} did not, ${ago(s.reached.asked)}` : "nobody has tried yet"],
	];
	if (s.direct && s.direct.length > 0) rows.push([true, "By WebRTC", list(s.direct)]);
	if (s.outside) rows.push([s.outside.nat !== "draws", "From outside", `${s.outside.seen.join(", ")} · ${natText[s.outside.nat]}`]);
	if (s.mapped) rows.push([!s.mapped.error, "Router", s.mapped.error ?? `lets others in, by ${s.mapped.by}`]);
	if (s.clock_ahead_ms !== undefined) {
		const off = Math.abs(s.clock_ahead_ms);
		rows.push([off < 10_000, "Clock", off < 1000 ? "agrees with the neighbours'" : `${span(off)} ${s.clock_ahead_ms > 0 ? "ahead of" : "behind"} the neighbours'`]);
	}
	return h("ul", { class: "checks" }, rows.map(([ok, name, text]) =>
		h("li", { class: ok === null ? "unknown" : ok ? "yes" : "no" }, h("b", null, name), h("span", null, text), h("span", { class: "hidden" }, ok === null ? " (not known)" : ok ? " (good)" : " (wrong)"))));
}

const list = (all: string[]): Child => all.map((text, i) => [i > 0 ? ", " : "", h("code", null, text.replace(/#([0-9a-f]{6})[0-9a-f]+$/, "#$1…"))]);

function now(d: Data): Child {
	const rows: Child[] = [
		d.tasks.slice(0, 5).map((t) => h("li", { "data-key": t.order },
			h("span", { class: "what" }, h("b", null, "Work for "), who(t.buyer)), t.held ? pill(`held: ${t.held}`, "warn") : statePill(t.state),
			meter(t.fuel, t.fuel_limit, `${count(t.fuel)} of ${count(t.fuel_limit)} fuel`))),
		d.jobs.slice(0, 6).map((j) => h("li", { "data-key": j.job },
			h("a", { class: "what", href: `#/jobs/${j.job}` }, j.spec.name || short(j.job)), statePill(j.state),
			j.ended ? h("span", { class: "faint" }, `${fuel(j.fuel)} · ${credits(j.cost_micro)} · ${ago(j.ended)}`) : meter(j.fuel, j.fuel_limit, `${count(j.fuel)} of ${count(j.fuel_limit)} fuel`))),
	];
	return d.tasks.length + d.jobs.length > 0 ? h("ul", { class: "feed" }, rows) : empty("Nothing has run yet.", "seaworker run PROGRAM.wasm");
}
