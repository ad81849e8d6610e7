// What views are put together of.

import { type Child, h, s } from "./dom.ts";
import { short } from "./format.ts";

/** card is a panel with a heading; more stands beside the heading. */
export function card(title: string, body: Child, more?: Child, kind = ""): HTMLElement {
	return h("section", { class: `card ${kind}`, "data-key": title }, h("header", null, h("h2", null, title), more), body);
}

/** tile is one number with what it is. */
export function tile(label: string, value: Child, note?: Child, kind = ""): HTMLElement {
	return h("div", { class: `tile ${kind}` }, h("dt", null, label), h("dd", null, h("strong", null, value), note ? h("span", null, note) : null));
}

export const tiles = (...all: Child[]): HTMLElement => h("dl", { class: "tiles" }, all);

/** pairs are names with what they are; each pair stays on one line. */
export const pairs = (...all: [string, Child][]): HTMLElement =>
	h("dl", null, all.map(([name, what]) => h("div", null, h("dt", null, name), h("dd", null, what))));

/** Tone is what a state means for the reader. */
export type Tone = "good" | "bad" | "warn" | "busy" | "calm";

/** pill is a state in a word. */
export const pill = (text: string, tone: Tone): HTMLElement => h("span", { class: `pill ${tone}` }, text);

/** tones are those of the states of jobs and sales. */
export const tones: Record<string, Tone> = {
	queued: "calm", asking: "busy", running: "busy", verifying: "busy", done: "good", failed: "bad", cancelled: "warn", stopped: "warn",
	taken: "calm", delivered: "busy", paid: "good", refused: "bad",
	open: "good", fenced: "warn", disputed: "bad",
};

export const statePill = (state: string): HTMLElement => pill(state, tones[state] ?? "calm");

/**
 * glyph is a mark drawn of a name's digits, so that one peer looks the same in every
 * view: three waves of a height and a colour of their own.
 */
export function glyph(hex: string, size = 22): SVGSVGElement {
	const hue = (parseInt(hex.slice(0, 4), 16) / 65536) * 360;
	const waves = [0, 1, 2].map((row) => {
		const digits = parseInt(hex.slice(4 + row * 3, 7 + row * 3), 16);
		const [a, b] = [2 + (digits & 7) * 0.5, 2 + ((digits >> 3) & 7) * 0.5];
		const y = 8 + row * 8;
		const path = `M3 ${y}c4-${a} 5-${a} 9 0s6 ${b} 9 0 5-${a} 8 0`;
		return s("path", { d: path, fill: "none", stroke: `hsl(${hue + (digits >> 6) * 0.9} 70% ${54 + row * 6}%)`, "stroke-width": 3.4, "stroke-linecap": "round" });
	});
	return s("svg", { class: "glyph", viewBox: "0 0 32 32", width: size, height: size, "aria-hidden": "true" },
		s("rect", { width: 32, height: 32, rx: 10, fill: `hsl(${hue} 60% 50% / .16)` }), waves);
}

/** who is a peer by its key: glyph and first digits, with all of them for who points at it. */
export const who = (key: string | undefined): Child =>
	key ? h("span", { class: "who", title: key }, glyph(key), h("code", null, short(key))) : h("span", { class: "faint" }, "–");

/** meter is a bar filled to a part of its whole. Its words say the same. */
export function meter(value: number, whole: number, label: string, tone: Tone = "busy"): HTMLElement {
	return h("progress", { class: tone, value: Math.min(value, whole), max: whole || 1, "aria-label": label }, label);
}

/** Column is one of a table: its heading, what stands in it, and whether it is a number. */
export interface Column<T> {
	name: string;
	cell: (row: T) => Child;
	num?: boolean;
}

/** table has a row for each; on a narrow screen each row is a block with its headings. */
export function table<T>(caption: string, rows: T[], id: (row: T) => string, columns: Column<T>[], mark?: (row: T) => boolean): HTMLElement {
	return h("table", null,
		h("caption", { class: "hidden" }, caption),
		h("thead", null, h("tr", null, columns.map((c) => h("th", { scope: "col", class: c.num ? "num" : null }, c.name)))),
		h("tbody", null, rows.map((row) => h("tr", { "data-key": id(row), class: mark?.(row) ? "marked" : null },
			columns.map((c) => h("td", { "data-label": c.name, class: c.num ? "num" : null }, c.cell(row)))))),
	);
}

/** empty stands where there is nothing yet, and says how something comes to be there. */
export const empty = (text: string, command?: string): HTMLElement =>
	h("div", { class: "empty" }, wave(), h("p", null, text), command ? h("pre", null, command) : null);

/** wave is the mark of the sea. */
export const wave = (): SVGSVGElement =>
	s("svg", { class: "wave", viewBox: "0 0 48 24", width: 48, height: 24, "aria-hidden": "true" },
		s("path", { d: "M2 9c6-8 10-8 15 0s9 8 15 0 9-8 14-2", fill: "none", stroke: "currentColor", "stroke-width": 3, "stroke-linecap": "round" }),
		s("path", { d: "M2 19c6-8 10-8 15 0s9 8 15 0 9-8 14-2", fill: "none", stroke: "currentColor", "stroke-width": 3, "stroke-linecap": "round", opacity: 0.45 }));

const icons: Record<string, string> = {
	overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-4H4zM14 8h6V4h-6z",
	network: "M12 12m-2.5 0a2.5 2.5 0 105 0 2.5 2.5 0 10-5 0M5 6m-2 0a2 2 0 104 0 2 2 0 10-4 0M19 7m-2 0a2 2 0 104 0 2 2 0 10-4 0M17 19m-2 0a2 2 0 104 0 2 2 0 10-4 0M6.5 7.3l3.6 3M17.2 8.2l-3 2.4M15.8 17.3l-2.4-3",
	jobs: "M5 5l6 7-6 7M13 19h7",
	credit: "M4 8h16M4 8l3-4M4 8l3 4M20 16H4M20 16l-3-4M20 16l-3 4",
	offers: "M4 11V4h7l9 9-7 7zM8 8h.01",
	earnings: "M4 20h16M7 16v-4M12 16V6M17 16v-7",
};

/** icon is one of the menu's. */
export const icon = (name: string): SVGSVGElement =>
	s("svg", { viewBox: "0 0 24 24", width: 22, height: 22, fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" },
		s("path", { d: icons[name] ?? "" }));
