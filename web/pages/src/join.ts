// The join page: this tab becomes a peer by the node that served it. It talks in a
// channel, buys a run of a program, runs it again to recompute the bill, and sells.

import { toHex } from "../../src/bytes.ts";
import { type Channel, Sea } from "../../src/index.ts";
import { type Ledger } from "../../src/ledger/ledger.ts";
import { type Buyer } from "../../src/market/buyer.ts";
import { type Progress, specOf } from "../../src/market/spec.ts";
import { type Bought } from "../../src/market/trade.ts";
import { type HashAddress } from "../../src/node/addr.ts";
import { type Node } from "../../src/node/node.ts";
import { Engine, Rest, sell as open, type Seller } from "../../src/sell.ts";
import { type Child, h, show } from "./dom.ts";
import { clock, count, credits, fuel, short } from "./format.ts";
import { card, glyph, meter, pairs, pill, statePill, tile, tiles, wave, who } from "./parts.ts";
import { sonar } from "./sonar.ts";
import type { Peer } from "./types.ts";

const channelName = "harbour";
const most = 200; // lines of the channel that are kept
const longest = 500; // characters of one
const numbers = [1_000_000, 5_000_000, 20_000_000]; // that the program may be given
const cap = 2; // credits a run may cost

/** Line is what somebody said, or when nobody did, what is to be known. */
interface Line {
	at: number;
	from?: string;
	text: string;
}

/** Run is the program that was bought last. */
interface Run {
	n: number;
	progress?: Progress;
	bought?: Bought;
	trouble?: string;
	/** again is what this tab found when it ran the program itself: the fuel, and whether it wrote the same. */
	again?: { fuel: bigint; same: boolean } | "running";
}

const main = document.querySelector("main")!;

const sea = new Sea();
let trouble = ""; // why the tab is no peer
let node: Node | undefined;
let buyer: Buyer | undefined;
let ledger: Ledger | undefined;
let channel: Channel | undefined;
let checker: Promise<Engine> | undefined; // recomputes
let worker: Promise<Engine> | undefined; // sells
let seller: Seller | undefined;
let selling = false;
let resting = ""; // why nothing is sold now
let share = 50; // of a core, in percent
let program: Promise<Uint8Array> | undefined;
let run: Run | undefined;
const lines: Line[] = [];

async function join(): Promise<void> {
	if (!isSecureContext) throw new Error("Browsers give pages their cryptography over https:// or on this very machine only. Open this page there.");
	node = await sea.node();
	({ ledger, buyer } = await sea.shop());
	ledger.watchers.add(draw);
	sea.on("online", draw);
	sea.on("offline", draw);
	await sea.goOnline(location.origin.replace(/^http/, "ws"));
	channel = sea.join(channelName);
	channel.on("connect", () => note("Somebody else is here."));
	channel.on("disconnect", () => note("Nobody else is here any more."));
	channel.on("say", (text: unknown, from: HashAddress) => {
		if (typeof text === "string") add({ at: Date.now(), from: from.toString(), text: text.slice(0, longest) });
	});
	draw();
}

const note = (text: string): void => add({ at: Date.now(), text });

function add(line: Line): void {
	lines.push(line);
	if (lines.length > most) lines.shift();
	draw();
	const list = document.querySelector(".said");
	if (list) list.scrollTop = list.scrollHeight;
}

/** peers are this tab's neighbours as the dial shows them. */
function peers(): Peer[] {
	return [...(node?.links() ?? [])].map((l) => ({
		peer: toHex(l.peer.node), address: l.key, transport: l.remote === location.host ? "ws" : "webrtc", relayed: false, remote: l.remote, outbound: l.initiator,
		rtt_us: l.rtt * 1000, since: new Date(l.since).toISOString(), sent_bytes: 0, received_bytes: 0,
	}));
}

function draw(): void {
	const near = peers();
	const here = node?.addr.toString() ?? "";
	show(main,
		h("section", { class: "hero" },
			h("div", { class: "self" },
				h("p", { class: "brand" }, wave(), "Sea"),
				h("h1", null, trouble ? "This tab is not in the sea" : near.length > 0 ? "This tab is a peer of the sea" : "Joining the sea…"),
				h("p", { class: "lead" }, trouble || "It has a key of its own, neighbours, and no server behind it. Nothing was installed; closing the tab leaves."),
				node ? h("p", { class: "name" }, glyph(here, 38), h("code", { title: here }, short(here, 12))) : null),
			h("div", { class: "aside" }, sonar({ address: here || "00000000", peers: near, near: {} }), ways(near))),
		h("div", { class: "columns" }, talk(), h("div", { class: "stack" }, work(near.length > 0), sell(near.length > 0))),
	);
	main.removeAttribute("aria-busy");
}

/** ways says by what the neighbours are linked. */
function ways(near: Peer[]): Child {
	const sockets = near.filter((p) => p.transport === "ws").length;
	const direct = near.length - sockets;
	return h("ul", { class: "legend", "aria-label": "Neighbours" },
		sockets > 0 ? h("li", { class: "ws" }, `${count(sockets)} by WebSocket`) : null,
		direct > 0 ? h("li", null, `${count(direct)} by WebRTC`) : null);
}

function talk(): Child {
	return card("Talk", [
		h("p", null, "Everyone in the channel “", channelName, "” hears it, by way of the others: nobody keeps it."),
		h("div", { class: "chat" },
			h("ol", { class: "said", role: "log", "aria-label": `The channel ${channelName}`, tabindex: 0 },
				lines.map((l) => h("li", { class: l.from ? (l.from === node?.addr.toString() ? "mine" : null) : "note" },
					l.from ? [h("span", { class: "who" }, glyph(l.from), h("code", null, short(l.from, 6))), h("p", null, l.text), h("time", null, clock(l.at))] : l.text))),
			h("form", { class: "row", onsubmit: say },
				h("input", { name: "text", "aria-label": "What to say", placeholder: "Say something", maxlength: longest, autocomplete: "off", disabled: !channel }),
				h("button", { type: "submit", disabled: !channel }, "Say"))),
	], channel ? pill(channel.connected() ? "others are here" : "nobody else yet", channel.connected() ? "good" : "calm") : null);
}

function say(e: Event): void {
	e.preventDefault();
	const input = (e.currentTarget as HTMLFormElement).elements.namedItem("text") as HTMLInputElement;
	const text = input.value.trim();
	if (!text || !channel || !node) return;
	input.value = "";
	add({ at: Date.now(), from: node.addr.toString(), text });
	channel.send("say", text).catch((err: unknown) => note(`Not said: ${err instanceof Error ? err.message : String(err)}`));
}

function work(online: boolean): Child {
	const busy = run !== undefined && !run.bought && !run.trouble;
	return card("Run a program on a stranger's machine", [
		h("p", null, `It counts primes, is sandboxed there, and costs some credit: a promise that this tab signs, ${credits(cap * 1e6)} at most.`),
		h("form", { class: "chat", onsubmit: buy },
			h("div", { class: "row" },
				h("select", { name: "n", "aria-label": "Primes below" }, numbers.map((n) => h("option", { value: n }, `Primes below ${count(n)}`))),
				h("button", { type: "submit", disabled: busy || !online || !buyer }, busy ? "Running…" : "Run it")),
			run ? outcome(run) : null),
	]);
}

function outcome(r: Run): Child {
	if (r.trouble) return h("p", { class: "problem", role: "alert" }, r.trouble);
	const b = r.bought;
	if (!b) {
		const at = r.progress;
		return h("div", { class: "progress", role: "status" }, meter(Number(at?.fuel ?? 0n), r.n * 60, "progress"),
			h("span", null, at ? `${at.state}${at.fuel > 0n ? `, ${fuel(Number(at.fuel))}` : ""}${at.why ? ` (${at.why})` : ""}` : "asking"));
	}
	return [
		tiles(
			tile("There are", new TextDecoder().decode(b.stdout).trim(), `primes below ${count(r.n)}`),
			tile("Fuel", count(Number(b.fuel)), "as the seller's receipt says"),
			tile("Bill", credits(Number(b.cost)), "promised by this tab"),
			tile("Seller", who(toHex(b.seller)), b.engine)),
		r.again === undefined ? h("button", { type: "button", onclick: () => void recompute(r) }, "Recompute the bill in this tab")
			: r.again === "running" ? h("button", { type: "button", disabled: true }, "Recomputing…")
			: h("section", { class: `verdict ${r.again.fuel === b.fuel && r.again.same ? "good" : "bad"}`, role: "status" },
				h("strong", null, r.again.fuel === b.fuel && r.again.same ? "The same to the unit" : "Not what was billed"),
				pairs(["Fuel here", count(Number(r.again.fuel))], ["Output", r.again.same ? "the same" : "another"])),
	];
}

/** fetched gives a file that stands beside the page. */
async function fetched(name: string): Promise<Uint8Array> {
	const answer = await fetch(name);
	if (!answer.ok) throw new Error(`${name}: the node answered ${answer.status}`);
	return new Uint8Array(await answer.arrayBuffer());
}

function buy(e: Event): void {
	e.preventDefault();
	if (!buyer || (run && !run.bought && !run.trouble)) return;
	const select = (e.currentTarget as HTMLFormElement).elements.namedItem("n") as HTMLSelectElement;
	const r: Run = { n: Number(select.value) };
	run = r;
	draw();
	program ??= fetched("primes.wasm");
	program.then((module) => buyer!.run(module, { args: args(r.n), maxCredit: cap, progress: (p) => { r.progress = p; draw(); } }).done)
		.then((bought) => { r.bought = bought; }, (err: unknown) => { r.trouble = err instanceof Error ? err.message : String(err); })
		.then(draw);
}

const args = (n: number): string[] => ["primes", String(n)];

/** recompute runs the program once more, on this browser's engine. */
async function recompute(r: Run): Promise<void> {
	r.again = "running";
	draw();
	try {
		checker ??= engine();
		const module = (await program)!;
		const spec = await specOf(module, { args: args(r.n), fuel: r.bought!.fuel * 2n });
		const { done } = await (await checker).run(spec.job, { open: async () => module as Uint8Array<ArrayBuffer> });
		r.again = { fuel: done.fuel, same: toHex(done.stdout) === toHex(r.bought!.stdout) };
	} catch (err) {
		delete r.again;
		note(`The bill was not recomputed: ${err instanceof Error ? err.message : String(err)}`);
	}
	draw();
}

/** engine makes one that runs metered programs in a thread of its own. */
async function engine(): Promise<Engine> {
	const rewriter = await WebAssembly.compile((await fetched("meter.wasm")) as BufferSource);
	return new Engine(() => new Worker("worker.js", { type: "module" }), rewriter);
}

function sell(online: boolean): Child {
	const sales = [...(seller?.sales ?? [])].reverse();
	const earned = sales.reduce((sum, s) => sum + (s.state === "paid" ? s.cost : 0n), 0n);
	const state = !selling ? "off" : !seller ? "starting" : resting ? `rests: ${resting}` : sales.some((s) => s.open) ? "at work" : "waiting for work";
	return card("Sell this machine's time", [
		h("p", null, "Strangers' programs run in this tab, sandboxed and metered, for a credit a Gfuel. It rests while the tab is hidden, and on battery."),
		h("div", { class: "chat" },
			h("div", { class: "row" },
				h("input", { type: "range", min: 10, max: 100, step: 10, value: share, "aria-label": "Share of a core, in percent", oninput: (e) => {
					share = Number((e.currentTarget as HTMLInputElement).value);
					void worker?.then((w) => w.share(share / 100));
					draw();
				} }),
				h("span", { class: "share" }, `${share} % of a core`),
				h("button", { type: "button", class: selling ? "danger" : null, disabled: !online || !ledger || !buyer, "aria-pressed": String(selling), onclick: () => void toggle() }, selling ? "Stop" : "Sell")),
			sales.length > 0 ? [
				tiles(tile("Earned", credits(Number(earned)), "promised to this tab"), tile("Jobs", count(sales.length))),
				h("ul", { class: "sales" }, sales.slice(0, 6).map((s) => h("li", { "data-key": toHex(s.order) },
					who(toHex(s.buyer)), statePill(s.state), h("span", { class: "faint" }, `${fuel(Number(s.fuel))}${s.cost > 0n ? ` · ${credits(Number(s.cost))}` : ""}`)))),
			] : null),
	], pill(state, !selling ? "calm" : resting ? "warn" : "good"));
}

/** toggle has the tab sell, or not. */
async function toggle(): Promise<void> {
	selling = !selling;
	draw();
	try {
		worker ??= engine();
		const w = await worker;
		w.share(share / 100);
		if (!seller) {
			seller = await open(sea, w);
			seller.changed = draw;
			const rest = new Rest({ hidden: true, battery: typeof (navigator as { getBattery?: unknown }).getBattery === "function" }, (why) => {
				resting = why;
				seller!.rest(why || (selling ? "" : "paused"));
				draw();
			});
			resting = rest.why;
		}
		seller.rest(resting || (selling ? "" : "paused"));
	} catch (err) {
		selling = false;
		worker = undefined;
		note(`Nothing is sold: ${err instanceof Error ? err.message : String(err)}`);
	}
	draw();
}

draw();
join().catch((err: unknown) => {
	trouble = err instanceof Error ? err.message : String(err);
	draw();
});
setInterval(() => {
	if (!document.hidden) draw(); // neighbours come and go
}, 2000);
