// The dashboard: a menu, and the view that the address names after its #.

import { Api, Refused, Silent } from "./api.ts";
import { h, show } from "./dom.ts";
import { narrow } from "./chart.ts";
import { many } from "./format.ts";
import { icon, wave } from "./parts.ts";
import type { Shift, Status } from "./types.ts";
import type { Act, View } from "./view.ts";
import { credit } from "./views/credit.ts";
import { earnings } from "./views/earnings.ts";
import { job } from "./views/job.ts";
import { jobs } from "./views/jobs.ts";
import { network } from "./views/network.ts";
import { offers } from "./views/offers.ts";
import { overview } from "./views/overview.ts";

const menu = ["overview", "network", "jobs", "credit", "offers", "earnings"];
const views: Record<string, View<never>> = { overview, network, jobs, credit, offers, earnings, job } as unknown as Record<string, View<never>>;

const api = Api.open();
const nav = document.querySelector("nav")!;
const main = document.querySelector("main")!;
const said = document.querySelector("#said")!;
let leaving = new AbortController(); // of the view that is shown

/** place is the view that the address names, and what follows its name. */
function place(): [name: string, arg: string] {
	const [name = "", arg = ""] = location.hash.replace(/^#\/?/, "").split("/");
	if (name === "jobs" && arg) return ["job", arg];
	return name in views && name !== "job" ? [name, arg] : ["overview", ""];
}

function drawMenu(status?: Status): void {
	const [name] = place();
	const here = name === "job" ? "jobs" : name;
	const paused = status !== undefined && status.shift.mode !== "open";
	show(nav,
		h("a", { class: "brand", href: "#/" }, wave(), "Sea"),
		h("ul", null, menu.map((m) => h("li", null, h("a", { href: `#/${m === "overview" ? "" : m}`, "aria-current": m === here ? "page" : null }, icon(m), h("span", null, views[m]!.title("")))))),
		h("div", { class: "foot" },
			h("p", { class: `state ${status?.online ? "on" : "off"}` }, h("i", { "aria-hidden": "true" }), status === undefined ? "No answer" : status.online ? `Online, ${many(status.links, "link")}` : "Offline"),
			status?.selling || paused ? h("button", { type: "button", class: "shift", onclick: () => run(async () => {
				await api.send<Shift>("PUT", "/shift", { mode: paused ? "open" : "paused" });
			}, paused ? "Selling goes on" : "Selling is paused") }, paused ? "Sell again" : "Pause selling") : null,
			status ? h("p", { class: "version" }, `seaworker ${status.version}`) : null),
	);
}

/** open shows the view that the address names, until it names another. */
async function open(): Promise<void> {
	leaving.abort();
	leaving = new AbortController();
	const { signal } = leaving;
	const at = location.hash;
	const [name, arg] = place();
	const view = views[name] as unknown as View<unknown>;
	document.title = `${view.title(arg)} · Sea`;
	drawMenu(status);
	main.setAttribute("aria-busy", "true");
	let data: unknown;
	const draw = (): void => {
		if (signal.aborted) return;
		show(main, h("h1", { tabindex: -1, "data-key": name }, view.title(arg)), view.draw(data as never, arg, act));
		main.removeAttribute("aria-busy");
		main.dataset["at"] = at;
	};
	const act: Act = { api, run };
	for (let first = true; !signal.aborted; first = false) {
		try {
			const began = performance.now();
			data = await view.load(api, arg, signal);
			const took = performance.now() - began;
			if (signal.aborted) return;
			draw();
			if (first) arrive();
			problem(null);
			again = draw;
			await view.live?.(api, data as never, draw, signal);
			// A long history takes the daemon long to sum: it is asked a twentieth of the time at most.
			await rest(view.every && Math.max(view.every, 20 * took), signal);
		} catch (err) {
			if (signal.aborted) return;
			problem(err);
			await rest(3000, signal);
		}
	}
}

/** arrive puts the keyboard at the beginning of a view that was gone to. */
function arrive(): void {
	main.scrollTop = 0;
	window.scrollTo(0, 0);
	if (moved) main.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
	moved = true;
}
let moved = false; // from the page that was opened first
let again: () => void = () => {}; // draws what is shown anew

/** problem shows what is wrong above the view; null takes that away. */
function problem(err: unknown): void {
	const bar = document.querySelector("#problem")!;
	bar.toggleAttribute("hidden", err === null);
	if (err === null) return;
	if (err instanceof Refused && err.status === 403) {
		show(bar, h("b", null, "This page has no key to the daemon."), " Have it print the address to open:", h("code", null, "seaworker dashboard"));
	} else if (err instanceof Refused) {
		show(bar, h("b", null, err.message), " ", err.hint);
	} else if (err instanceof Silent) {
		show(bar, h("b", null, "The daemon does not answer."), " Start it again with", h("code", null, "seaworker up"));
	} else {
		show(bar, h("b", null, "This page is broken."), " ", String(err));
		console.error(err);
	}
	main.removeAttribute("aria-busy");
}

/** run does something for the reader and says how it went. */
function run(what: () => Promise<unknown>, text: string): void {
	const done = what();
	again(); // what is under way may show
	void done.then(
		() => { said.textContent = text; },
		(err: unknown) => { said.textContent = err instanceof Error ? err.message : String(err); },
	).then(() => {
		again();
		wake();
		setTimeout(() => { said.textContent = ""; }, 4000);
	});
}

/** rest waits until a view is to be loaded anew: after ms, and while the page is seen. 0 is for what does not change. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
	await new Promise<void>((go) => {
		const end = (): void => {
			clearTimeout(timer);
			wakers.delete(end);
			signal.removeEventListener("abort", end);
			go();
		};
		const timer = ms > 0 ? setTimeout(end, ms) : undefined;
		wakers.add(end);
		signal.addEventListener("abort", end);
	});
	while (document.hidden && !signal.aborted) await new Promise((go) => document.addEventListener("visibilitychange", go, { once: true }));
}
const wakers = new Set<() => void>();
function wake(): void {
	for (const end of [...wakers]) end();
}

let status: Status | undefined;

/** keepStatus keeps the menu true. */
async function keepStatus(): Promise<void> {
	for (const never = new AbortController().signal; ; await rest(3000, never)) {
		try {
			status = await api.get<Status>("/status");
		} catch {
			status = undefined; // the view says what is wrong
		}
		drawMenu(status);
	}
}

document.querySelector<HTMLElement>(".skip")!.onclick = (e) => {
	e.preventDefault(); // the address names views
	main.querySelector<HTMLElement>("h1")?.focus();
};
addEventListener("hashchange", () => void open());
narrow.addEventListener("change", () => again());
void open();
void keepStatus();
