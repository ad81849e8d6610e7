// Charts, drawn as SVG. Each says in words what it shows, for who does not see it.

import { h, s } from "./dom.ts";
import { clock, credits, moment, signed } from "./format.ts";
import type { CurvePoint } from "./types.ts";

const high = 230;
const margin = { left: 64, right: 14, top: 14, bottom: 28 };

/** narrow is whether the screen is a phone's; charts are drawn anew when that changes. */
export const narrow = matchMedia("(max-width: 720px)");

/** width is how wide a chart is drawn: as the screen is, so that its words stay as large as others. */
const width = (): number => (narrow.matches ? 400 : 1000);

/** ticks are round numbers from low to high, about n of them. */
export function ticks(low: number, high: number, n: number): number[] {
	const rough = (high - low) / n;
	if (!(rough > 0)) return [low];
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = ([1, 2, 5].find((m) => m * power >= rough) ?? 10) * power;
	const all: number[] = [];
	for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) all.push(i * step);
	return all;
}

/** balance draws a balance over time, up to now, as steps with the range that each covers. */
export function balance(points: CurvePoint[], now = Date.now()): HTMLElement {
	const wide = width();
	const times = points.map((p) => Date.parse(p.at));
	const start = times[0] ?? now - 60_000;
	const from = start - Math.max((now - start) * 0.04, 1000);
	const low = Math.min(0, ...points.map((p) => p.low_micro));
	const top = Math.max(0, ...points.map((p) => p.high_micro));
	const pad = (top - low) * 0.12 || 1e6;
	const [bottom, ceiling] = [low < 0 ? low - pad : 0, top > 0 ? top + pad : low < 0 ? 0 : pad];
	const x = (t: number): number => margin.left + ((t - from) / (now - from)) * (wide - margin.left - margin.right);
	const y = (v: number): number => margin.top + ((ceiling - v) / (ceiling - bottom)) * (high - margin.top - margin.bottom);

	let line = `M${x(from).toFixed(1)} ${y(0).toFixed(1)}`;
	let band = "";
	points.forEach((p, i) => {
		line += `H${x(times[i]!).toFixed(1)}V${y(p.balance_micro).toFixed(1)}`;
		band += `M${x(times[i]!).toFixed(1)} ${y(p.low_micro).toFixed(1)}V${y(p.high_micro).toFixed(1)}`;
	});
	line += `H${x(now).toFixed(1)}`;
	const end = points.at(-1)?.balance_micro ?? 0;
	const axis = ticks(bottom, ceiling, 4);
	const words = points.length === 0 ? "The balance has not moved yet." :
		`Balance from ${moment(start)} to now: it is ${signed(end)}, was ${signed(low)} at the least and ${signed(top)} at the most.`;
	const readout = h("output", { class: "readout", "data-key": "readout" });
	const days = now - from > 36 * 3600e3;

	const picture = s("svg", {
		class: "chart", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": words, "data-key": "chart",
		onpointermove: (e) => point(e as PointerEvent), onpointerleave: () => { said(""); },
	},
		axis.map((v) => s("g", { class: v === 0 ? "zero" : "grid" },
			s("line", { x1: margin.left, x2: wide - margin.right, y1: y(v), y2: y(v) }),
			s("text", { x: margin.left - 10, y: y(v) + 4, "text-anchor": "end" }, label(v, axis)))),
		[0.02, 0.5, 1].map((part, i) => s("text", {
			class: "time", x: margin.left + part * (wide - margin.left - margin.right), y: high - 6, "text-anchor": ["start", "middle", "end"][i]!,
		}, part === 1 ? "now" : days ? new Date(from + part * (now - from)).toLocaleDateString("en-GB", { day: "numeric", month: "short" }) : clock(from + part * (now - from)))),
		s("path", { class: "area", d: `${line}V${y(0).toFixed(1)}Z` }),
		s("path", { class: "band", d: band }),
		s("path", { class: "line", d: line }),
		s("circle", { class: "end", cx: x(now), cy: y(end), r: 4.5 }),
	);
	const figure = h("figure", { class: "plot" }, picture, readout);

	function said(text: string): void {
		const at = document.querySelector(".plot .readout"); // the one that was kept, when the page was brought up to date
		if (at) at.textContent = text;
	}
	function point(e: PointerEvent): void {
		const box = (e.currentTarget as Element).getBoundingClientRect();
		const t = from + (((e.clientX - box.left) / box.width) * wide - margin.left) / (wide - margin.left - margin.right) * (now - from);
		const next = times.findIndex((at) => at > t);
		const i = (next < 0 ? times.length : next) - 1;
		said(i < 0 ? "" : `${moment(times[i]!)}  ${signed(points[i]!.balance_micro)}`);
	}
	return figure;
}

/** label writes an axis' number with as many digits as its neighbours need. */
function label(v: number, axis: number[]): string {
	const step = axis.length > 1 ? (axis[1]! - axis[0]!) / 1e6 : 1;
	return (v / 1e6).toFixed(Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)))).replace("-", "−");
}

/** bars draws an amount for each name, side by side. */
export function bars(groups: { name: string; micro: number }[], what: string): HTMLElement {
	const wide = width();
	const most = Math.max(1, ...groups.map((g) => g.micro));
	const room = wide - margin.left - margin.right;
	const each = room / Math.max(groups.length, 7);
	const words = groups.map((g) => `${g.name}: ${credits(g.micro)}`).join("; ");
	const axis = ticks(0, most * 1.1, 4);
	const y = (v: number): number => margin.top + (1 - v / (most * 1.1)) * (high - margin.top - margin.bottom);
	return h("figure", { class: "plot" }, s("svg", { class: "chart", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `${what}: ${words}` },
		axis.map((v) => s("g", { class: v === 0 ? "zero" : "grid" },
			s("line", { x1: margin.left, x2: wide - margin.right, y1: y(v), y2: y(v) }),
			s("text", { x: margin.left - 10, y: y(v) + 4, "text-anchor": "end" }, label(v, axis)))),
		groups.map((g, i) => s("g", { class: "bar" },
			s("title", null, `${g.name}: ${credits(g.micro)}`),
			s("rect", { x: margin.left + i * each + each * 0.18, width: Math.min(each * 0.64, 56), y: y(g.micro), height: y(0) - y(g.micro), rx: 4 }),
			(groups.length - 1 - i) % Math.ceil(groups.length / (wide / 70)) === 0
				? s("text", { class: "time", x: margin.left + i * each + each * 0.18 + Math.min(each * 0.32, 28), y: high - 6, "text-anchor": "middle" }, g.name) : null)),
	));
}
