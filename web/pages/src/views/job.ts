import type { Api } from "../api.ts";
import { type Child, h } from "../dom.ts";
import { bytes, clock, count, credits, fuel, moment, short, span } from "../format.ts";
import { card, meter, pairs, statePill, tile, tiles, tones, who } from "../parts.ts";
import type { Job, JobEvent, JobUpdate, Verification } from "../types.ts";
import type { Act, View } from "../view.ts";

/** most is how much of each output is shown, the end of it, in characters. */
const most = 200_000;

/** Watched is a job as its events tell, and what came of recomputing it. */
interface Watched {
	job: Job;
	events: JobEvent[];
	out: { stdout: string; stderr: string };
	fuel: number;
	limit: number;
	cost: number;
	next: JobUpdate["next"];
	ended: boolean;
}

/** recomputed holds the verdicts of this tab, by job: "" while one is under way. */
const recomputed = new Map<string, Verification | "">();

export const job: View<Watched> = {
	title: () => "Job",
	every: 0,
	load: async (api, id, signal) => {
		const j = await api.get<Job>(`/jobs/${id}`, signal);
		return {
			job: j, events: [], out: { stdout: "", stderr: "" }, fuel: j.fuel, limit: j.fuel_limit, cost: j.cost_micro,
			next: { event: 0, stdout: 0, stderr: 0 }, ended: false,
		};
	},
	live: async (api, w, redraw, signal) => {
		const text = { stdout: new TextDecoder(), stderr: new TextDecoder() };
		while (!w.ended) {
			const from = `?event=${w.next.event}&stdout=${w.next.stdout}&stderr=${w.next.stderr}`;
			for await (const u of api.events<JobUpdate>(`/jobs/${w.job.job}/events${from}`, signal)) {
				w.events.push(...(u.events ?? []));
				for (const name of ["stdout", "stderr"] as const) {
					const more = u[name];
					if (more) w.out[name] = (w.out[name] + text[name].decode(unbase64(more), { stream: true })).slice(-most);
				}
				[w.fuel, w.limit, w.cost, w.next] = [u.fuel, u.fuel_limit, u.cost_micro, u.next];
				const last = w.events.at(-1);
				if (last) w.job.state = last.state;
				if (u.job) {
					w.job = u.job;
					w.ended = true;
				}
				redraw();
			}
		}
	},
	draw: (w, _, act) => {
		const j = w.job;
		const over = j.ended !== undefined;
		const ran = Date.parse(j.ended ?? new Date().toISOString()) - Date.parse(j.created);
		const seller = j.seller ?? w.events.filter((e) => e.seller).at(-1)?.seller;
		return [
			h("header", { class: "jobhead" },
				h("div", null,
					h("p", { class: "eyebrow" }, h("a", { href: "#/jobs" }, "Jobs"), " / ", h("code", null, short(j.job))),
					h("p", { class: "name" }, j.spec.name || "job", " ", statePill(j.state)),
					h("code", { class: "args" }, j.spec.args.slice(1).join(" "))),
				h("div", { class: "acts" }, actions(j, over, act))),
			over ? null : h("div", { class: "progress" }, meter(w.fuel, w.limit, `${count(w.fuel)} of ${count(w.limit)} fuel`), h("span", null, `${fuel(w.fuel)} of at most ${fuel(w.limit)}`)),
			j.error ? h("p", { class: "problem", role: "alert" }, j.error, j.hint ? h("span", null, ` ${j.hint}`) : null) : null,
			verdict(j),
			tiles(
				tile("Cost", credits(over ? j.cost_micro : w.cost), `of at most ${credits(j.spec.max_credit_micro)}`),
				tile("Fuel", count(w.fuel || j.fuel), over ? "as the receipt says" : "as the seller says"),
				tile("Time", span(ran), `begun ${clock(j.created)}`),
				tile("Seller", who(seller), j.spec.verify === "none" ? "not compared" : j.spec.verify),
				tile("Exit", j.exit ?? "–", j.trap ?? (over ? "the program's own code" : "")),
			),
			h("div", { class: "columns wideleft" },
				h("div", { class: "stack" },
					card("Output", log(w.out.stdout, over), over && j.stdout.size > 0 ? download(act.api, `/jobs/${j.job}/stdout`, `${j.spec.name}.out`, j.stdout.size) : null),
					w.out.stderr || (over && j.stderr.size > 0) ? card("Errors", log(w.out.stderr, over), over ? download(act.api, `/jobs/${j.job}/stderr`, `${j.spec.name}.err`, j.stderr.size) : null) : null,
					j.files && j.files.length > 0 ? card("Files", h("ul", { class: "files" }, j.files.filter((f) => !f.dir).map((f) =>
						h("li", null, h("code", null, f.path), download(act.api, `/jobs/${j.job}/files/${f.path.split("/").map(encodeURIComponent).join("/")}`, f.path.split("/").at(-1)!, f.blob.size))))) : null),
				card("What happened", h("ol", { class: "events" }, w.events.map((e) =>
					h("li", { class: tones[e.state] ?? "calm", "data-key": e.seq }, h("time", { datetime: e.at, title: moment(e.at) }, clock(e.at)), h("b", null, e.state), h("span", null, e.text), e.try ? h("em", null, e.try) : null)))),
			),
		];
	},
};

function actions(j: Job, over: boolean, act: Act): Child {
	if (!over) return h("button", { type: "button", class: "danger", onclick: () => act.run(() => act.api.send("POST", `/jobs/${j.job}/cancel`), "Cancelled") }, "Cancel");
	if (!j.receipt) return null;
	const busy = recomputed.get(j.job) === "";
	return h("button", { type: "button", disabled: busy, onclick: () => act.run(async () => {
		recomputed.set(j.job, "");
		try {
			recomputed.set(j.job, await act.api.send<Verification>("POST", `/jobs/${j.job}/verify`, { engine: "compiler" }));
		} catch (err) {
			recomputed.delete(j.job);
			throw err;
		}
	}, "Recomputed") }, busy ? "Recomputing…" : "Recompute the bill");
}

/** verdict is what came of running the job again here. */
function verdict(j: Job): Child {
	const v = recomputed.get(j.job);
	if (!v) return null;
	return h("section", { class: `verdict ${v.match ? "good" : "bad"}`, role: "status" },
		h("strong", null, v.match ? "The same to the unit" : "Not what was billed"),
		pairs(["Fuel claimed", count(v.fuel_claimed)], ["Fuel recomputed", count(v.fuel_recomputed)], ["Output", v.output_match ? "the same, byte for byte" : "not the same"]));
}

const log = (text: string, over: boolean): Child =>
	h("pre", { class: "log", tabindex: 0, role: "log", "aria-label": "what the program wrote" }, text || (over ? "(nothing)" : "(nothing yet)"));

const download = (api: Api, path: string, name: string, size: number): Child =>
	h("button", { type: "button", class: "quiet", onclick: async () => {
		const url = URL.createObjectURL(await api.blob(path));
		h("a", { href: url, download: name }).click();
		URL.revokeObjectURL(url);
	} }, `Download ${bytes(size)}`);

function unbase64(text: string): Uint8Array {
	return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
