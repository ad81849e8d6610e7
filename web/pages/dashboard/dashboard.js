// src/api.ts
var Refused = class extends Error {
  constructor(status2, message, hint) {
    super(message);
    this.status = status2;
    this.hint = hint;
  }
  status;
  hint;
};
var Silent = class extends Error {
};
var kept = "sea.token";
var Api = class _Api {
  constructor(token) {
    this.token = token;
  }
  token;
  static open() {
    const given = /^#token=(\w+)$/.exec(location.hash)?.[1];
    if (given !== void 0) {
      sessionStorage.setItem(kept, given);
      history.replaceState(null, "", "#/");
    }
    return new _Api(given ?? sessionStorage.getItem(kept) ?? "");
  }
  async get(path, signal) {
    return (await this.ask("GET", path, void 0, signal)).json();
  }
  async send(method, path, body = {}) {
    return (await this.ask(method, path, body)).json();
  }
  async blob(path) {
    return (await this.ask("GET", path)).blob();
  }
  /** events yields the data of each server-sent event until the stream ends. */
  async *events(path, signal) {
    const reader = (await this.ask("GET", path, void 0, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (text + value).split("\n\n");
      text = parts.pop();
      for (const part of parts) yield JSON.parse(part.slice("data: ".length));
    }
  }
  async ask(method, path, body, signal) {
    const init = { method, headers: { Authorization: `Bearer ${this.token}` }, cache: "no-store" };
    if (body !== void 0) init.body = JSON.stringify(body);
    if (signal) init.signal = signal;
    const answer = await fetch(`/v1${path}`, init).catch((err) => {
      throw new Silent("the daemon does not answer", { cause: err });
    });
    if (answer.ok) return answer;
    const { error, hint } = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, error ?? `the daemon answered ${answer.status}`, hint ?? "");
  }
};

// src/dom.ts
var handlers = /* @__PURE__ */ new WeakMap();
function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}
function s(tag, props, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}
function fill(el, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function") {
      el[name] = value;
      handlers.set(el, [...handlers.get(el) ?? [], name]);
    } else if (value !== false && value !== null && value !== void 0) {
      el.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(el, children);
  return el;
}
function append(el, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(el, child);
    else if (child instanceof Node) el.append(child);
    else if (child !== null && child !== void 0 && child !== false) el.append(String(child));
  }
}
function show(el, ...children) {
  const fresh = el.cloneNode(false);
  append(fresh, children);
  patchChildren(el, fresh);
}
function patch(old, fresh) {
  if (old instanceof Element && fresh instanceof Element && old.nodeName === fresh.nodeName && key(old) === key(fresh)) {
    patchAttributes(old, fresh);
    patchChildren(old, fresh);
    return old;
  }
  if (old instanceof Text && fresh instanceof Text) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return old;
  }
  old.replaceWith(fresh);
  return fresh;
}
function patchAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old instanceof HTMLDetailsElement)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const name of handlers.get(old) ?? []) old[name] = null;
  const now2 = handlers.get(fresh) ?? [];
  for (const name of now2) old[name] = fresh[name];
  handlers.set(old, now2);
}
function patchChildren(old, fresh) {
  const keyed = /* @__PURE__ */ new Map();
  for (const child of old.childNodes) {
    const k = key(child);
    if (k !== null) keyed.set(k, child);
  }
  let at2 = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const k = key(child);
    let mate = k === null ? at2 : keyed.get(k) ?? null;
    if (mate !== null && k === null && key(mate) !== null) mate = null;
    if (mate === null) {
      old.insertBefore(child, at2);
      continue;
    }
    if (mate !== at2) old.insertBefore(mate, at2);
    at2 = patch(mate, child).nextSibling;
  }
  while (at2 !== null) {
    const next = at2.nextSibling;
    at2.remove();
    at2 = next;
  }
}
function key(node) {
  return node instanceof Element ? node.getAttribute("data-key") : null;
}

// src/format.ts
var digits = new Intl.NumberFormat("en-US", { maximumFractionDigits: 6 });
var credits = (micro) => `${digits.format(micro / 1e6)} cr`;
var signed = (micro) => (micro > 0 ? "+" : "") + credits(micro).replace("-", "\u2212");
var count = (n) => digits.format(n);
function scaled(n, base, prefixes) {
  let i = 0;
  while (n >= base && i < prefixes.length - 1) {
    n /= base;
    i++;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toPrecision(3)} ${prefixes[i]}`;
}
var fuel = (n) => `${scaled(n, 1e3, ["", "k", "M", "G", "T"])}fuel`;
var bytes = (n) => scaled(n, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
function rtt(micros) {
  if (micros <= 0) return "\u2013";
  const ms = micros / 1e3;
  return `${ms >= 100 ? Math.round(ms) : ms.toPrecision(ms < 1 ? 2 : 3)} ms`;
}
function span(ms) {
  const s2 = Math.max(0, ms) / 1e3;
  if (s2 < 9.95) return `${s2.toFixed(1)} s`;
  if (s2 < 90) return `${Math.round(s2)} s`;
  if (s2 < 90 * 60) return `${Math.round(s2 / 60)} min`;
  if (s2 < 36 * 3600) return `${Math.round(s2 / 3600)} h`;
  return `${Math.round(s2 / 86400)} d`;
}
function ago(at2, now2 = Date.now()) {
  const ms = now2 - Date.parse(at2);
  return ms < 5e3 ? "just now" : `${span(ms)} ago`;
}
var clock = (at2) => new Date(at2).toLocaleTimeString("en-GB");
var moment = (at2) => new Date(at2).toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
var short = (hex, n = 10) => hex.slice(0, n);
var many = (n, thing) => `${count(n)} ${thing}${n === 1 ? "" : "s"}`;

// src/chart.ts
var high = 230;
var margin = { left: 64, right: 14, top: 14, bottom: 28 };
var narrow = matchMedia("(max-width: 720px)");
var width = () => narrow.matches ? 400 : 1e3;
function ticks(low, high2, n) {
  const rough = (high2 - low) / n;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((m) => m * power >= rough) ?? 10) * power;
  const all = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high2 + step * 1e-9; i++) all.push(i * step);
  return all;
}
function balance(points, now2 = Date.now()) {
  const wide = width();
  const times = points.map((p) => Date.parse(p.at));
  const start = times[0] ?? now2 - 6e4;
  const from = start - Math.max((now2 - start) * 0.04, 1e3);
  const low = Math.min(0, ...points.map((p) => p.low_micro));
  const top = Math.max(0, ...points.map((p) => p.high_micro));
  const pad = (top - low) * 0.12 || 1e6;
  const [bottom, ceiling] = [low < 0 ? low - pad : 0, top > 0 ? top + pad : low < 0 ? 0 : pad];
  const x = (t) => margin.left + (t - from) / (now2 - from) * (wide - margin.left - margin.right);
  const y = (v) => margin.top + (ceiling - v) / (ceiling - bottom) * (high - margin.top - margin.bottom);
  let line = `M${x(from).toFixed(1)} ${y(0).toFixed(1)}`;
  let band = "";
  points.forEach((p, i) => {
    line += `H${x(times[i]).toFixed(1)}V${y(p.balance_micro).toFixed(1)}`;
    band += `M${x(times[i]).toFixed(1)} ${y(p.low_micro).toFixed(1)}V${y(p.high_micro).toFixed(1)}`;
  });
  line += `H${x(now2).toFixed(1)}`;
  const end = points.at(-1)?.balance_micro ?? 0;
  const axis = ticks(bottom, ceiling, 4);
  const words = points.length === 0 ? "The balance has not moved yet." : `Balance from ${moment(start)} to now: it is ${signed(end)}, was ${signed(low)} at the least and ${signed(top)} at the most.`;
  const readout = h("output", { class: "readout", "data-key": "readout" });
  const days = now2 - from > 36 * 36e5;
  const picture = s(
    "svg",
    {
      class: "chart",
      viewBox: `0 0 ${wide} ${high}`,
      role: "img",
      "aria-label": words,
      "data-key": "chart",
      onpointermove: (e) => point(e),
      onpointerleave: () => {
        said2("");
      }
    },
    axis.map((v) => s(
      "g",
      { class: v === 0 ? "zero" : "grid" },
      s("line", { x1: margin.left, x2: wide - margin.right, y1: y(v), y2: y(v) }),
      s("text", { x: margin.left - 10, y: y(v) + 4, "text-anchor": "end" }, label(v, axis))
    )),
    [0.02, 0.5, 1].map((part, i) => s("text", {
      class: "time",
      x: margin.left + part * (wide - margin.left - margin.right),
      y: high - 6,
      "text-anchor": ["start", "middle", "end"][i]
    }, part === 1 ? "now" : days ? new Date(from + part * (now2 - from)).toLocaleDateString("en-GB", { day: "numeric", month: "short" }) : clock(from + part * (now2 - from)))),
    s("path", { class: "area", d: `${line}V${y(0).toFixed(1)}Z` }),
    s("path", { class: "band", d: band }),
    s("path", { class: "line", d: line }),
    s("circle", { class: "end", cx: x(now2), cy: y(end), r: 4.5 })
  );
  const figure = h("figure", { class: "plot" }, picture, readout);
  function said2(text) {
    const at2 = document.querySelector(".plot .readout");
    if (at2) at2.textContent = text;
  }
  function point(e) {
    const box = e.currentTarget.getBoundingClientRect();
    const t = from + ((e.clientX - box.left) / box.width * wide - margin.left) / (wide - margin.left - margin.right) * (now2 - from);
    const next = times.findIndex((at2) => at2 > t);
    const i = (next < 0 ? times.length : next) - 1;
    said2(i < 0 ? "" : `${moment(times[i])}  ${signed(points[i].balance_micro)}`);
  }
  return figure;
}
function label(v, axis) {
  const step = axis.length > 1 ? (axis[1] - axis[0]) / 1e6 : 1;
  return (v / 1e6).toFixed(Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)))).replace("-", "\u2212");
}
function bars(groups, what) {
  const wide = width();
  const most2 = Math.max(1, ...groups.map((g) => g.micro));
  const room = wide - margin.left - margin.right;
  const each = room / Math.max(groups.length, 7);
  const words = groups.map((g) => `${g.name}: ${credits(g.micro)}`).join("; ");
  const axis = ticks(0, most2 * 1.1, 4);
  const y = (v) => margin.top + (1 - v / (most2 * 1.1)) * (high - margin.top - margin.bottom);
  return h("figure", { class: "plot" }, s(
    "svg",
    { class: "chart", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `${what}: ${words}` },
    axis.map((v) => s(
      "g",
      { class: v === 0 ? "zero" : "grid" },
      s("line", { x1: margin.left, x2: wide - margin.right, y1: y(v), y2: y(v) }),
      s("text", { x: margin.left - 10, y: y(v) + 4, "text-anchor": "end" }, label(v, axis))
    )),
    groups.map((g, i) => s(
      "g",
      { class: "bar" },
      s("title", null, `${g.name}: ${credits(g.micro)}`),
      s("rect", { x: margin.left + i * each + each * 0.18, width: Math.min(each * 0.64, 56), y: y(g.micro), height: y(0) - y(g.micro), rx: 4 }),
      (groups.length - 1 - i) % Math.ceil(groups.length / (wide / 70)) === 0 ? s("text", { class: "time", x: margin.left + i * each + each * 0.18 + Math.min(each * 0.32, 28), y: high - 6, "text-anchor": "middle" }, g.name) : null
    ))
  ));
}

// src/parts.ts
function card(title, body, more, kind2 = "") {
  return h("section", { class: `card ${kind2}`, "data-key": title }, h("header", null, h("h2", null, title), more), body);
}
function tile(label2, value, note, kind2 = "") {
  return h("div", { class: `tile ${kind2}` }, h("dt", null, label2), h("dd", null, h("strong", null, value), note ? h("span", null, note) : null));
}
var tiles = (...all) => h("dl", { class: "tiles" }, all);
var pairs = (...all) => h("dl", null, all.map(([name, what]) => h("div", null, h("dt", null, name), h("dd", null, what))));
var pill = (text, tone) => h("span", { class: `pill ${tone}` }, text);
var tones = {
  queued: "calm",
  asking: "busy",
  running: "busy",
  verifying: "busy",
  done: "good",
  failed: "bad",
  cancelled: "warn",
  stopped: "warn",
  taken: "calm",
  delivered: "busy",
  paid: "good",
  refused: "bad",
  open: "good",
  fenced: "warn",
  disputed: "bad"
};
var statePill = (state) => pill(state, tones[state] ?? "calm");
function glyph(hex, size2 = 22) {
  const hue = parseInt(hex.slice(0, 4), 16) / 65536 * 360;
  const waves = [0, 1, 2].map((row) => {
    const digits2 = parseInt(hex.slice(4 + row * 3, 7 + row * 3), 16);
    const [a, b] = [2 + (digits2 & 7) * 0.5, 2 + (digits2 >> 3 & 7) * 0.5];
    const y = 8 + row * 8;
    const path = `M3 ${y}c4-${a} 5-${a} 9 0s6 ${b} 9 0 5-${a} 8 0`;
    return s("path", { d: path, fill: "none", stroke: `hsl(${hue + (digits2 >> 6) * 0.9} 70% ${54 + row * 6}%)`, "stroke-width": 3.4, "stroke-linecap": "round" });
  });
  return s(
    "svg",
    { class: "glyph", viewBox: "0 0 32 32", width: size2, height: size2, "aria-hidden": "true" },
    s("rect", { width: 32, height: 32, rx: 10, fill: `hsl(${hue} 60% 50% / .16)` }),
    waves
  );
}
var who = (key2) => key2 ? h("span", { class: "who", title: key2 }, glyph(key2), h("code", null, short(key2))) : h("span", { class: "faint" }, "\u2013");
function meter(value, whole, label2, tone = "busy") {
  return h("progress", { class: tone, value: Math.min(value, whole), max: whole || 1, "aria-label": label2 }, label2);
}
function table(caption, rows, id2, columns, mark) {
  return h(
    "table",
    null,
    h("caption", { class: "hidden" }, caption),
    h("thead", null, h("tr", null, columns.map((c) => h("th", { scope: "col", class: c.num ? "num" : null }, c.name)))),
    h("tbody", null, rows.map((row) => h(
      "tr",
      { "data-key": id2(row), class: mark?.(row) ? "marked" : null },
      columns.map((c) => h("td", { "data-label": c.name, class: c.num ? "num" : null }, c.cell(row)))
    )))
  );
}
var empty = (text, command) => h("div", { class: "empty" }, wave(), h("p", null, text), command ? h("pre", null, command) : null);
var wave = () => s(
  "svg",
  { class: "wave", viewBox: "0 0 48 24", width: 48, height: 24, "aria-hidden": "true" },
  s("path", { d: "M2 9c6-8 10-8 15 0s9 8 15 0 9-8 14-2", fill: "none", stroke: "currentColor", "stroke-width": 3, "stroke-linecap": "round" }),
  s("path", { d: "M2 19c6-8 10-8 15 0s9 8 15 0 9-8 14-2", fill: "none", stroke: "currentColor", "stroke-width": 3, "stroke-linecap": "round", opacity: 0.45 })
);
var icons = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-4H4zM14 8h6V4h-6z",
  network: "M12 12m-2.5 0a2.5 2.5 0 105 0 2.5 2.5 0 10-5 0M5 6m-2 0a2 2 0 104 0 2 2 0 10-4 0M19 7m-2 0a2 2 0 104 0 2 2 0 10-4 0M17 19m-2 0a2 2 0 104 0 2 2 0 10-4 0M6.5 7.3l3.6 3M17.2 8.2l-3 2.4M15.8 17.3l-2.4-3",
  jobs: "M5 5l6 7-6 7M13 19h7",
  credit: "M4 8h16M4 8l3-4M4 8l3 4M20 16H4M20 16l-3-4M20 16l-3 4",
  offers: "M4 11V4h7l9 9-7 7zM8 8h.01",
  earnings: "M4 20h16M7 16v-4M12 16V6M17 16v-7"
};
var icon = (name) => s(
  "svg",
  { viewBox: "0 0 24 24", width: 22, height: 22, fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" },
  s("path", { d: icons[name] ?? "" })
);

// src/views/credit.ts
var credit = {
  title: (peer) => peer ? `Credit with ${short(peer)}` : "Credit",
  every: 3e3,
  load: async (api2, peer, signal) => {
    const [lines, strangers, curve] = await Promise.all([
      api2.get("/credit", signal),
      api2.get("/credit/strangers", signal),
      api2.get(`/credit/curve?peer=${peer}`, signal)
    ]);
    return { lines, strangers, curve };
  },
  draw: (d, peer) => {
    const one = d.lines.find((l) => l.peer === peer);
    if (one) return [h("p", { class: "eyebrow" }, h("a", { href: "#/credit" }, "All peers")), h("p", { class: "name" }, who(one.peer), statePill(one.state)), ofOne(one, d.curve)];
    const sum = (of) => d.lines.reduce((total, l) => total + of(l), 0);
    const owed = sum((l) => Math.max(0, l.balance_micro));
    const owing = sum((l) => Math.max(0, -l.balance_micro));
    const most2 = Math.max(1, ...d.lines.map((l) => Math.abs(l.balance_micro)));
    return [
      tiles(
        tile("Balance", signed(owed - owing), "over all peers", owed < owing ? "minus" : "plus"),
        tile("Others owe us", credits(owed)),
        tile("We owe others", credits(owing)),
        tile("Set aside", credits(sum((l) => l.held_micro)), "for what runs"),
        tile("Strangers owe", credits(d.strangers.used_micro), meter(d.strangers.used_micro, d.strangers.budget_micro, `${credits(d.strangers.used_micro)} of ${credits(d.strangers.budget_micro)}`, "warn"))
      ),
      card("Balance over time", d.curve.length > 0 ? balance(d.curve) : empty("No credit has moved yet.")),
      card("By peer", d.lines.length === 0 ? empty("No dealings with anyone yet. Let somebody owe you:", "seaworker credit limit PEER CREDITS") : table("Credit by peer", [...d.lines].sort((a, b) => b.balance_micro - a.balance_micro), (l) => l.peer, [
        { name: "Peer", cell: (l) => h("a", { href: `#/credit/${l.peer}` }, who(l.peer)) },
        { name: "Balance", num: true, cell: (l) => h("span", { class: l.balance_micro < 0 ? "minus" : "plus" }, signed(l.balance_micro)) },
        { name: "We owe \xB7 they owe", cell: (l) => lever(l.balance_micro, most2) },
        { name: "They may owe", num: true, cell: (l) => credits(l.they_may_owe_micro) },
        { name: "We may owe", num: true, cell: (l) => l.i_may_owe_micro ? credits(l.i_may_owe_micro) : "not told" },
        { name: "State", cell: (l) => [statePill(l.state), l.stranger ? h("span", { class: "faint" }, " stranger") : null, l.warning ? h("span", { class: "warning" }, l.warning) : null] }
      ]))
    ];
  }
};
function lever(micro, most2) {
  const part = Math.abs(micro) / most2 * 58;
  return s(
    "svg",
    { class: "lever", viewBox: "0 0 120 14", width: 120, height: 14, "aria-hidden": "true" },
    s("rect", { class: "rail", x: 0, y: 6, width: 120, height: 2, rx: 1 }),
    s("rect", { class: micro < 0 ? "minus" : "plus", x: micro < 0 ? 60 - part : 60, y: 2, width: Math.max(part, micro === 0 ? 0 : 2), height: 10, rx: 3 }),
    s("rect", { class: "mid", x: 59, y: 0, width: 2, height: 14 })
  );
}
function ofOne(l, curve) {
  const until = (at2) => at2 ? `until ${moment(at2)}` : "without an end";
  return [
    l.warning || l.reason ? h("p", { class: "problem", role: "alert" }, l.reason ?? l.warning) : null,
    tiles(
      tile("Balance", signed(l.balance_micro), l.balance_micro < 0 ? "we owe" : "they owe", l.balance_micro < 0 ? "minus" : "plus"),
      tile("They may owe", credits(l.they_may_owe_micro), l.stranger ? "as a stranger" : until(l.they_may_until)),
      tile("We may owe", l.i_may_owe_micro ? credits(l.i_may_owe_micro) : "\u2013", l.i_may_owe_micro ? until(l.i_may_until) : "no limit is told"),
      tile("Repaid", credits(l.repaid_micro)),
      tile("Entries", `${count(l.mine.seq)} + ${count(l.theirs.seq)}`, l.undelivered ? "some not delivered yet" : "ours and theirs")
    ),
    card("Balance over time", curve.length > 0 ? balance(curve) : empty("No credit has moved yet.")),
    card("Promised", h(
      "dl",
      { class: "facts" },
      h("dt", null, "By us"),
      h("dd", null, credits(l.mine.cum_micro)),
      h("dt", null, "By the peer"),
      h("dd", null, credits(l.theirs.cum_micro)),
      h("dt", null, "Key"),
      h("dd", null, h("code", null, l.peer))
    ))
  ];
}

// src/views/earnings.ts
var earnings = {
  title: () => "Earnings",
  every: 3e3,
  load: async (api2, _, signal) => {
    const [days, peers, modules, spent, sales, tasks] = await Promise.all([
      api2.get("/earnings?by=day", signal),
      api2.get("/earnings?by=peer", signal),
      api2.get("/earnings?by=module", signal),
      api2.get("/spending", signal),
      api2.get("/sales?newest=100", signal),
      api2.get("/tasks", signal)
    ]);
    return { days, peers, modules, spent, sales, tasks };
  },
  draw: (d) => [
    tiles(
      tile("Earned", credits(d.days.amount_micro), many(d.days.payments, "payment"), "plus"),
      tile("Due", credits(d.days.due_micro), "delivered, not paid yet"),
      tile("Spent", credits(d.spent.amount_micro), many(d.spent.payments, "payment")),
      tile("At work", count(d.tasks.length), d.tasks.some((t) => t.held) ? "some are held" : "for others")
    ),
    d.tasks.length > 0 ? card("Under way", table("Orders under way", d.tasks, (t) => t.order, [
      { name: "Order", cell: (t) => h("code", null, short(t.order)) },
      { name: "Buyer", cell: (t) => who(t.buyer) },
      { name: "State", cell: (t) => t.held ? pill(`held: ${t.held}`, "warn") : statePill(t.state) },
      { name: "Progress", cell: (t) => meter(t.fuel, t.fuel_limit, `${count(t.fuel)} of ${count(t.fuel_limit)} fuel`) },
      { name: "Fuel", num: true, cell: (t) => fuel(t.fuel) },
      { name: "So far", num: true, cell: (t) => credits(t.cost_micro) }
    ])) : null,
    card("By day", d.days.groups.length > 0 ? bars(fortnight(d.days), "Earned by day, in credits") : empty("Nothing earned yet.", "seaworker up --sell")),
    h(
      "div",
      { class: "columns" },
      card("By buyer", ranking(d.peers, (key2) => who(key2))),
      card("By program", ranking(d.modules, (key2) => h("span", { title: key2 }, d.modules.names?.[key2] ?? (key2 === "none" ? "no job" : h("code", null, short(key2))))))
    ),
    d.sales.length > 0 ? card("Orders taken", table("Orders taken, the newest first", d.sales, (s2) => s2.order, [
      { name: "Order", cell: (s2) => h("code", null, short(s2.order)) },
      { name: "Buyer", cell: (s2) => who(s2.buyer) },
      { name: "State", cell: (s2) => [statePill(s2.state), s2.text ? h("span", { class: "faint" }, ` ${s2.text}`) : null] },
      { name: "Fuel", num: true, cell: (s2) => fuel(s2.fuel) },
      { name: "Bill", num: true, cell: (s2) => credits(s2.cost_micro) },
      { name: "Taken", cell: (s2) => ago(s2.taken) }
    ])) : null
  ]
};
function fortnight(days, now2 = Date.now()) {
  const earned = new Map(days.groups.map((g) => [g.key, g.amount_micro]));
  return Array.from({ length: 14 }, (_, i) => {
    const day = new Date(now2 - (13 - i) * 864e5);
    return { name: day.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }), micro: earned.get(day.toISOString().slice(0, 10)) ?? 0 };
  });
}
function ranking(sum, name) {
  const groups = [...sum.groups].sort((a, b) => b.amount_micro - a.amount_micro).slice(0, 10);
  if (groups.length === 0) return empty("Nothing yet.");
  return h("ul", { class: "ranking" }, groups.map((g) => h(
    "li",
    { "data-key": g.key },
    name(g.key),
    h("b", null, credits(g.amount_micro)),
    meter(g.amount_micro, sum.amount_micro, `${Math.round(g.amount_micro / sum.amount_micro * 100)} %`, "good")
  )));
}

// src/views/job.ts
var most = 2e5;
var recomputed = /* @__PURE__ */ new Map();
var job = {
  title: () => "Job",
  every: 0,
  load: async (api2, id2, signal) => {
    const j = await api2.get(`/jobs/${id2}`, signal);
    return {
      job: j,
      events: [],
      out: { stdout: "", stderr: "" },
      fuel: j.fuel,
      limit: j.fuel_limit,
      cost: j.cost_micro,
      next: { event: 0, stdout: 0, stderr: 0 },
      ended: false
    };
  },
  live: async (api2, w, redraw, signal) => {
    const text = { stdout: new TextDecoder(), stderr: new TextDecoder() };
    while (!w.ended) {
      const from = `?event=${w.next.event}&stdout=${w.next.stdout}&stderr=${w.next.stderr}`;
      for await (const u of api2.events(`/jobs/${w.job.job}/events${from}`, signal)) {
        w.events.push(...u.events ?? []);
        for (const name of ["stdout", "stderr"]) {
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
    const over = j.ended !== void 0;
    const ran = Date.parse(j.ended ?? (/* @__PURE__ */ new Date()).toISOString()) - Date.parse(j.created);
    const seller = j.seller ?? w.events.filter((e) => e.seller).at(-1)?.seller;
    return [
      h(
        "header",
        { class: "jobhead" },
        h(
          "div",
          null,
          h("p", { class: "eyebrow" }, h("a", { href: "#/jobs" }, "Jobs"), " / ", h("code", null, short(j.job))),
          h("p", { class: "name" }, j.spec.name || "job", " ", statePill(j.state)),
          h("code", { class: "args" }, j.spec.args.slice(1).join(" "))
        ),
        h("div", { class: "acts" }, actions(j, over, act))
      ),
      over ? null : h("div", { class: "progress" }, meter(w.fuel, w.limit, `${count(w.fuel)} of ${count(w.limit)} fuel`), h("span", null, `${fuel(w.fuel)} of at most ${fuel(w.limit)}`)),
      j.error ? h("p", { class: "problem", role: "alert" }, j.error, j.hint ? h("span", null, ` ${j.hint}`) : null) : null,
      verdict(j),
      tiles(
        tile("Cost", credits(over ? j.cost_micro : w.cost), `of at most ${credits(j.spec.max_credit_micro)}`),
        tile("Fuel", count(w.fuel || j.fuel), over ? "as the receipt says" : "as the seller says"),
        tile("Time", span(ran), `begun ${clock(j.created)}`),
        tile("Seller", who(seller), j.spec.verify === "none" ? "not compared" : j.spec.verify),
        tile("Exit", j.exit ?? "\u2013", j.trap ?? (over ? "the program's own code" : ""))
      ),
      h(
        "div",
        { class: "columns wideleft" },
        h(
          "div",
          { class: "stack" },
          card("Output", log(w.out.stdout, over), over && j.stdout.size > 0 ? download(act.api, `/jobs/${j.job}/stdout`, `${j.spec.name}.out`, j.stdout.size) : null),
          w.out.stderr || over && j.stderr.size > 0 ? card("Errors", log(w.out.stderr, over), over ? download(act.api, `/jobs/${j.job}/stderr`, `${j.spec.name}.err`, j.stderr.size) : null) : null,
          j.files && j.files.length > 0 ? card("Files", h("ul", { class: "files" }, j.files.filter((f) => !f.dir).map((f) => h("li", null, h("code", null, f.path), download(act.api, `/jobs/${j.job}/files/${f.path.split("/").map(encodeURIComponent).join("/")}`, f.path.split("/").at(-1), f.blob.size))))) : null
        ),
        card("What happened", h("ol", { class: "events" }, w.events.map((e) => h("li", { class: tones[e.state] ?? "calm", "data-key": e.seq }, h("time", { datetime: e.at, title: moment(e.at) }, clock(e.at)), h("b", null, e.state), h("span", null, e.text), e.try ? h("em", null, e.try) : null))))
      )
    ];
  }
};
function actions(j, over, act) {
  if (!over) return h("button", { type: "button", class: "danger", onclick: () => act.run(() => act.api.send("POST", `/jobs/${j.job}/cancel`), "Cancelled") }, "Cancel");
  if (!j.receipt) return null;
  const busy = recomputed.get(j.job) === "";
  return h("button", { type: "button", disabled: busy, onclick: () => act.run(async () => {
    recomputed.set(j.job, "");
    try {
      recomputed.set(j.job, await act.api.send("POST", `/jobs/${j.job}/verify`, { engine: "compiler" }));
    } catch (err) {
      recomputed.delete(j.job);
      throw err;
    }
  }, "Recomputed") }, busy ? "Recomputing\u2026" : "Recompute the bill");
}
function verdict(j) {
  const v = recomputed.get(j.job);
  if (!v) return null;
  return h(
    "section",
    { class: `verdict ${v.match ? "good" : "bad"}`, role: "status" },
    h("strong", null, v.match ? "The same to the unit" : "Not what was billed"),
    pairs(["Fuel claimed", count(v.fuel_claimed)], ["Fuel recomputed", count(v.fuel_recomputed)], ["Output", v.output_match ? "the same, byte for byte" : "not the same"])
  );
}
var log = (text, over) => h("pre", { class: "log", tabindex: 0, role: "log", "aria-label": "what the program wrote" }, text || (over ? "(nothing)" : "(nothing yet)"));
var download = (api2, path, name, size2) => h("button", { type: "button", class: "quiet", onclick: async () => {
  const url = URL.createObjectURL(await api2.blob(path));
  h("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
} }, `Download ${bytes(size2)}`);
function unbase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

// src/views/jobs.ts
var jobs = {
  title: () => "Jobs",
  every: 2e3,
  load: async (api2, _, signal) => {
    const [all, maps] = await Promise.all([api2.get("/jobs?newest=200", signal), api2.get("/maps", signal)]);
    return { all, maps };
  },
  draw: ({ all, maps }) => {
    const ended = all.filter((j) => j.ended);
    const spent = all.reduce((sum, j) => sum + j.cost_micro, 0);
    return [
      tiles(
        tile("Running", count(all.length - ended.length)),
        tile("Done", count(ended.filter((j) => j.state === "done").length)),
        tile("Failed", count(ended.filter((j) => j.state === "failed").length)),
        tile("Fuel", fuel(all.reduce((sum, j) => sum + j.fuel, 0))),
        tile("Cost", credits(spent))
      ),
      maps.length > 0 ? card("Maps", table("Programs bought for many inputs, the newest first", maps.slice(0, 20), (m) => m.map, [
        { name: "Map", cell: (m) => [h("b", null, m.spec.name || "map"), " ", h("code", { class: "faint" }, short(m.map, 6))] },
        { name: "Over", cell: (m) => m.each },
        { name: "State", cell: (m) => [statePill(m.state), m.error ? h("span", { class: "warning" }, m.error) : null] },
        { name: "Items", cell: (m) => [`${count(m.done)} of ${count(m.items)}${m.failed > 0 ? `, ${count(m.failed)} failed` : ""}`, meter(m.done + m.failed, m.items, `${m.done} of ${m.items} items`, m.failed > 0 ? "warn" : "good")] },
        { name: "At once", num: true, cell: (m) => count(m.running) },
        { name: "Fuel", num: true, cell: (m) => m.fuel ? fuel(m.fuel) : "\u2013" },
        { name: "Cost", num: true, cell: (m) => m.cost_micro ? credits(m.cost_micro) : "\u2013" },
        { name: "Begun", cell: (m) => ago(m.created) }
      ])) : null,
      card("Bought", all.length === 0 ? empty("Nothing bought yet.", "seaworker run PROGRAM.wasm -- ARGUMENTS") : table("Jobs that were bought, the newest first", all, (j) => j.job, [
        { name: "Job", cell: (j) => h("a", { href: `#/jobs/${j.job}` }, h("b", null, j.spec.name || "job"), " ", h("code", { class: "faint" }, short(j.job, 6))) },
        { name: "Arguments", cell: (j) => h("code", { class: "args" }, j.spec.args.slice(1).join(" ") || "\u2013") },
        { name: "State", cell: (j) => [statePill(j.state), j.ended ? null : meter(j.fuel, j.fuel_limit, `${count(j.fuel)} of ${count(j.fuel_limit)} fuel`)] },
        { name: "Seller", cell: (j) => who(j.seller) },
        { name: "Fuel", num: true, cell: (j) => j.fuel ? fuel(j.fuel) : "\u2013" },
        { name: "Cost", num: true, cell: (j) => j.cost_micro ? credits(j.cost_micro) : "\u2013" },
        { name: "Begun", cell: (j) => ago(j.created) }
      ]))
    ];
  }
};

// src/sonar.ts
var size = 640;
var middle = size / 2;
var rim = 262;
var rings = [{ ms: 1, text: "1 ms" }, { ms: 10, text: "10 ms" }, { ms: 100, text: "100 ms" }];
function bearing(address) {
  return parseInt(address.slice(0, 8), 16) / 2 ** 32 * 2 * Math.PI;
}
function reach(ms) {
  return rim * (0.2 + 0.7 * Math.min(1, Math.max(0, (Math.log10(Math.max(ms, 0.01)) + 1) / 4)));
}
var at = (angle, r) => [middle + Math.sin(angle) * r, middle - Math.cos(angle) * r];
var place = (p) => at(bearing(p.address), reach(p.rtt_us / 1e3));
var radius = (p) => 7 + Math.min(9, Math.log2(1 + (p.sent_bytes + p.received_bytes) / 4096));
function namePlaces(peers) {
  const [width2, height] = [64, 19];
  const places = /* @__PURE__ */ new Map();
  for (const p of [...peers].sort((a, b) => place(a)[1] - place(b)[1])) {
    const [x, y] = place(p);
    const tx = x < middle ? x - radius(p) - 6 : x + radius(p) + 6;
    let ty = y + 4;
    for (const [ox, oy] of [...places.values()].sort((a, b) => a[1] - b[1])) {
      if (ox < middle === tx < middle && Math.abs(ox - tx) < width2 && Math.abs(oy - ty) < height) ty = oy + height;
    }
    places.set(p, [tx, ty]);
  }
  return places;
}
function sonar(map, chosen = "") {
  const peers = new Map(map.peers.map((p) => [p.address, p]));
  const beyond = /* @__PURE__ */ new Set();
  const ties = [];
  for (const [from, near] of Object.entries(map.near)) {
    const a = peers.get(from);
    if (!a) continue;
    for (const to of near) {
      const b = peers.get(to);
      if (to === map.address || b && from > to && map.near[to]?.includes(from)) continue;
      const [x1, y1] = place(a);
      const [x2, y2] = b ? place(b) : at(bearing(to), rim - 8);
      if (!b) beyond.add(to);
      ties.push(s("path", { class: "tie", d: `M${x1.toFixed(1)} ${y1.toFixed(1)}Q${middle} ${middle} ${x2.toFixed(1)} ${y2.toFixed(1)}` }));
    }
  }
  const [mx, my] = at(bearing(map.address), rim);
  const names = namePlaces(map.peers);
  return s(
    "svg",
    { class: "sonar", viewBox: `0 0 ${size} ${size}`, role: "group", "aria-label": `${map.peers.length} neighbours, by address and by round trip` },
    s(
      "defs",
      null,
      s("radialGradient", { id: "deep" }, s("stop", { offset: "0%", class: "deep0" }), s("stop", { offset: "100%", class: "deep1" })),
      s("linearGradient", { id: "beam", x1: 0, x2: 1, y1: 0, y2: 0 }, s("stop", { offset: "0%", class: "beam0" }), s("stop", { offset: "100%", class: "beam1" }))
    ),
    s("circle", { class: "dial", cx: middle, cy: middle, r: rim, fill: "url(#deep)" }),
    s("g", { class: "sweep" }, s("path", { d: `M${middle} ${middle}L${middle} ${middle - rim}A${rim} ${rim} 0 0 0 ${at(-0.7, rim).join(" ")}Z`, fill: "url(#beam)" })),
    rings.map((r) => [
      s("circle", { class: "ring", cx: middle, cy: middle, r: reach(r.ms) }),
      s("text", { class: "ringtext", x: middle + 4, y: middle - reach(r.ms) - 4 }, r.text)
    ]),
    Array.from({ length: 64 }, (_, i) => {
      const [x1, y1] = at(i / 64 * 2 * Math.PI, rim);
      const [x2, y2] = at(i / 64 * 2 * Math.PI, rim + (i % 4 === 0 ? 10 : 5));
      return s("line", { class: "tick", x1, y1, x2, y2 });
    }),
    Array.from({ length: 16 }, (_, i) => {
      const [x, y] = at(i / 16 * 2 * Math.PI, rim + 25);
      return s("text", { class: "digit", x, y: y + 5, "text-anchor": "middle" }, i.toString(16));
    }),
    s("line", { class: "own", x1: middle, y1: middle, x2: mx, y2: my }),
    ties,
    [...beyond].map((to) => {
      const [cx, cy] = at(bearing(to), rim - 8);
      return s("circle", { class: "beyond", cx, cy, r: 3.5 }, s("title", null, `${short(to)}, known by a neighbour`));
    }),
    map.peers.map((p) => {
      const [x, y] = place(p);
      return s("line", { class: `link ${kind(p)}`, x1: middle, y1: middle, x2: x, y2: y });
    }),
    map.peers.map((p) => {
      const [x, y] = place(p);
      const r = radius(p);
      const [tx, ty] = names.get(p);
      return s(
        "a",
        {
          href: `#/network/${p.address}`,
          "data-key": p.address,
          class: `peer ${kind(p)}${p.address === chosen ? " chosen" : ""}`,
          "aria-label": `${short(p.peer)}, ${kindText(p)}, ${rtt(p.rtt_us)}`
        },
        s("circle", { class: "halo", cx: x, cy: y, r: r + 7 }),
        s("circle", { class: "dot", cx: x, cy: y, r }),
        s("text", { x: tx, y: ty, "text-anchor": x < middle ? "end" : "start" }, short(p.peer, 6))
      );
    }),
    s("circle", { class: "me", cx: middle, cy: middle, r: 11 }),
    s("circle", { class: "mecore", cx: middle, cy: middle, r: 4.5 })
  );
}
var kind = (p) => p.relayed ? "relayed" : p.transport === "webrtc" ? "rtc" : "ws";
var kindText = (p) => ({ relayed: "relayed", rtc: "WebRTC", ws: "WebSocket" })[kind(p)];

// src/views/network.ts
var network = {
  title: () => "Network",
  every: 4e3,
  load: (api2, _, signal) => api2.get("/map", signal),
  draw: (map, chosen) => [
    h(
      "div",
      { class: "picture" },
      sonar(map, chosen),
      h(
        "div",
        { class: "legend" },
        h("p", null, "This node is in the middle. Each peer stands where its address points, clockwise from 0 to f, and as far out as a message takes there and back."),
        h(
          "ul",
          null,
          h("li", { class: "rtc" }, "WebRTC"),
          h("li", { class: "ws" }, "WebSocket"),
          h("li", { class: "relayed" }, "relayed: no direct way was found"),
          h("li", { class: "beyond" }, "known by a neighbour")
        ),
        h("p", { class: "faint" }, "A larger dot has carried more.")
      )
    ),
    card(many(map.peers.length, "neighbour"), map.peers.length === 0 ? empty("No neighbours. Name a node to join by:", "seaworker peer add ws://HOST:PORT") : table("Neighbours", [...map.peers].sort((a, b) => a.address < b.address ? -1 : 1), (p) => p.peer, [
      { name: "Peer", cell: (p) => h("a", { href: `#/network/${p.address}`, "aria-current": p.address === chosen ? "true" : null }, who(p.peer)) },
      { name: "Way", cell: (p) => pill(kindText(p), { relayed: "warn", rtc: "busy", ws: "good" }[kind(p)]) },
      { name: "There and back", num: true, cell: (p) => rtt(p.rtt_us) },
      { name: "Sent", num: true, cell: (p) => bytes(p.sent_bytes) },
      { name: "Received", num: true, cell: (p) => bytes(p.received_bytes) },
      { name: "Since", cell: (p) => ago(p.since) },
      { name: "At", cell: (p) => [h("span", { class: "faint" }, p.outbound ? "to " : "from "), h("code", null, p.relayed ? short(p.remote) : p.remote), p.obstacle ? h("span", { class: "faint" }, ` ${p.obstacle}`) : null] }
    ], (p) => p.address === chosen))
  ]
};

// src/views/offers.ts
var offers = {
  title: () => "Offers",
  every: 15e3,
  load: async (api2, _, signal) => {
    const [found, mine, status2] = await Promise.all([api2.get("/offers", signal), api2.get("/offer", signal), api2.get("/status", signal)]);
    return { offers: found, mine, status: status2 };
  },
  draw: (d) => {
    const sorted = [...d.offers].sort((a, b) => a.price_micro_per_gfuel - b.price_micro_per_gfuel);
    const cheapest = sorted[0]?.price_micro_per_gfuel ?? 0;
    const dearest = Math.max(1, ...d.offers.map((o) => o.price_micro_per_gfuel));
    return [
      tiles(
        tile("Sellers", count(d.offers.length), "within reach"),
        tile("Cheapest", d.offers.length > 0 ? credits(cheapest) : "\u2013", "a Gfuel"),
        tile("Free slots", count(d.offers.reduce((sum, o) => sum + o.free, 0)), `of ${count(d.offers.reduce((sum, o) => sum + o.slots, 0))}`),
        tile("We ask", d.mine.selling ? credits(d.mine.price_micro_per_gfuel) : "\u2013", d.mine.selling ? "a Gfuel" : "not selling")
      ),
      card("Sellers within reach", d.offers.length === 0 ? empty("Nobody within reach sells.") : table("Offers, the cheapest first", sorted, (o) => o.seller ?? o.seller_address, [
        { name: "Seller", cell: (o) => who(o.seller ?? o.seller_address) },
        { name: "A Gfuel", num: true, cell: (o) => h("b", null, credits(o.price_micro_per_gfuel)) },
        { name: "", cell: (o) => h("meter", { value: o.price_micro_per_gfuel, max: dearest, "aria-hidden": "true" }) },
        { name: "Fee", num: true, cell: (o) => o.fee_micro ? credits(o.fee_micro) : "none" },
        { name: "Free", num: true, cell: (o) => slots(o.free, o.slots) },
        { name: "Memory", num: true, cell: (o) => bytes(o.caps.memory_pages * 65536) },
        { name: "We may owe", num: true, cell: (o) => credits(o.room_micro) },
        { name: "", cell: (o) => o.labels?.map((l) => pill(l, "calm")) }
      ])),
      card("Our own offer", own(d.mine), d.status.not_now ? pill(d.status.not_now, "warn") : null)
    ];
  }
};
var slots = (free, all) => h("span", { class: "slots", title: `${free} of ${all} free` }, `${free} / ${all}`);
function own(o) {
  if (!o.selling) return empty("This node does not sell.", "seaworker up --sell --price 1");
  return h(
    "dl",
    { class: "facts" },
    h("dt", null, "A Gfuel"),
    h("dd", null, credits(o.price_micro_per_gfuel)),
    h("dt", null, "Fee"),
    h("dd", null, o.fee_micro ? credits(o.fee_micro) : "none"),
    h("dt", null, "A job may use"),
    h("dd", null, `${fuel(o.caps.fuel)}, ${bytes(o.caps.memory_pages * 65536)}, ${span(o.caps.wall_ms)}`),
    h("dt", null, "At once"),
    h("dd", null, many(o.slots, "job")),
    h("dt", null, "Hours"),
    h("dd", null, o.hours ?? "always"),
    h("dt", null, "Strangers may owe"),
    h("dd", null, `${credits(o.strangers_micro)}, of which they use ${credits(o.strangers_used_micro)}`),
    o.policy ? [h("dt", null, "Policy"), h("dd", null, h("code", null, o.policy))] : null
  );
}

// src/views/overview.ts
var overview = {
  title: () => "Overview",
  every: 3e3,
  load: async (api2, _, signal) => {
    const [status2, map, jobs2, tasks, lines, curve, earned, offer] = await Promise.all([
      api2.get("/status", signal),
      api2.get("/map", signal),
      api2.get("/jobs?newest=8", signal),
      api2.get("/tasks", signal),
      api2.get("/credit", signal),
      api2.get("/credit/curve", signal),
      api2.get("/earnings", signal),
      api2.get("/offer", signal)
    ]);
    return { status: status2, map, jobs: jobs2, tasks, lines, curve, earned, offer };
  },
  draw: (d, _, act) => {
    const total = d.lines.reduce((sum, l) => sum + l.balance_micro, 0);
    const busy = d.jobs.filter((j) => !j.ended).length;
    return [
      h(
        "section",
        { class: "hero" },
        h(
          "div",
          { class: "self" },
          h("p", { class: "eyebrow" }, d.status.online ? "This node is online" : "This node is offline"),
          h("p", { class: "name" }, glyph(d.status.entity, 46), h("code", { title: d.status.entity }, short(d.status.entity, 12))),
          h("p", { class: "lead" }, sentence(d.status)),
          h(
            "dl",
            { class: "ids" },
            id("Entity", d.status.entity, act.run),
            id("Address", d.status.address, act.run),
            d.status.acts_for ? id("Acts for", d.status.acts_for.entity, act.run) : null
          )
        ),
        h("div", { class: "aside" }, sonar(d.map))
      ),
      tiles(
        tile("Neighbours", count(d.map.peers.length), relayed(d.map)),
        tile("Balance", signed(total), `with ${many(d.lines.length, "peer")}`, total < 0 ? "minus" : "plus"),
        tile("Earned", credits(d.earned.amount_micro), d.earned.due_micro > 0 ? `${credits(d.earned.due_micro)} due` : many(d.earned.payments, "payment")),
        tile("At work", count(busy + d.tasks.length), `${busy} for us, ${d.tasks.length} for others`),
        tile("Price", d.offer.selling ? credits(d.offer.price_micro_per_gfuel) : "\u2013", d.offer.selling ? "a Gfuel" : "not selling")
      ),
      h(
        "div",
        { class: "columns" },
        card("Reachable", reach2(d.status)),
        card("Now", now(d), h("a", { href: "#/jobs" }, "All jobs"))
      ),
      card("Balance over time", d.curve.length > 0 ? balance(d.curve) : empty("No credit has moved yet."), h("a", { href: "#/credit" }, "By peer"))
    ];
  }
};
var relayed = (map) => {
  const n = map.peers.filter((p) => p.relayed).length;
  return n === 0 ? "all direct" : `${n} relayed`;
};
function id(name, hex, run2) {
  return [h("dt", null, name), h(
    "dd",
    null,
    h("code", null, hex),
    h("button", { class: "quiet", type: "button", "aria-label": `Copy the ${name.toLowerCase()}`, onclick: () => run2(() => navigator.clipboard.writeText(hex), `${name} copied`) }, "Copy")
  )];
}
function sentence(s2) {
  if (!s2.online) return "It has left the sea. Start it with \u201Cseaworker up\u201D.";
  const selling = s2.shift.mode === "paused" ? "Selling is paused." : s2.shift.mode === "draining" ? "It finishes what it has and takes no more." : s2.not_now ? `Not selling now: ${s2.not_now}.` : s2.selling ? "It sells computing to others." : "It does not sell.";
  const reached = (s2.reached?.yes.length ?? 0) > 0 ? "Others can dial it." : s2.listening.length > 0 ? "Nobody has dialled it yet." : "Others reach it through the sea.";
  return `${reached} ${selling}`;
}
function reach2(s2) {
  const natText = { none: "no NAT in between", keeps: "behind a NAT that keeps one port", draws: "behind a NAT with a port for each peer", hidden: "behind a NAT" };
  const rows = [
    [s2.listening.length > 0 ? true : null, "Listens", s2.listening.length > 0 ? list(s2.listening) : "nowhere: others reach it through the sea"],
    [s2.reached ? s2.reached.yes.length > 0 : null, "Dialled by others", s2.reached ? `${s2.reached.yes.length} came through, ${s2.reached.no.length} did not, ${ago(s2.reached.asked)}` : "nobody has tried yet"]
  ];
  if (s2.direct && s2.direct.length > 0) rows.push([true, "By WebRTC", list(s2.direct)]);
  if (s2.outside) rows.push([s2.outside.nat !== "draws", "From outside", `${s2.outside.seen.join(", ")} \xB7 ${natText[s2.outside.nat]}`]);
  if (s2.mapped) rows.push([!s2.mapped.error, "Router", s2.mapped.error ?? `lets others in, by ${s2.mapped.by}`]);
  if (s2.clock_ahead_ms !== void 0) {
    const off = Math.abs(s2.clock_ahead_ms);
    rows.push([off < 1e4, "Clock", off < 1e3 ? "agrees with the neighbours'" : `${span(off)} ${s2.clock_ahead_ms > 0 ? "ahead of" : "behind"} the neighbours'`]);
  }
  return h("ul", { class: "checks" }, rows.map(([ok, name, text]) => h("li", { class: ok === null ? "unknown" : ok ? "yes" : "no" }, h("b", null, name), h("span", null, text), h("span", { class: "hidden" }, ok === null ? " (not known)" : ok ? " (good)" : " (wrong)"))));
}
var list = (all) => all.map((text, i) => [i > 0 ? ", " : "", h("code", null, text.replace(/#([0-9a-f]{6})[0-9a-f]+$/, "#$1\u2026"))]);
function now(d) {
  const rows = [
    d.tasks.slice(0, 5).map((t) => h(
      "li",
      { "data-key": t.order },
      h("span", { class: "what" }, h("b", null, "Work for "), who(t.buyer)),
      t.held ? pill(`held: ${t.held}`, "warn") : statePill(t.state),
      meter(t.fuel, t.fuel_limit, `${count(t.fuel)} of ${count(t.fuel_limit)} fuel`)
    )),
    d.jobs.slice(0, 6).map((j) => h(
      "li",
      { "data-key": j.job },
      h("a", { class: "what", href: `#/jobs/${j.job}` }, j.spec.name || short(j.job)),
      statePill(j.state),
      j.ended ? h("span", { class: "faint" }, `${fuel(j.fuel)} \xB7 ${credits(j.cost_micro)} \xB7 ${ago(j.ended)}`) : meter(j.fuel, j.fuel_limit, `${count(j.fuel)} of ${count(j.fuel_limit)} fuel`)
    ))
  ];
  return d.tasks.length + d.jobs.length > 0 ? h("ul", { class: "feed" }, rows) : empty("Nothing has run yet.", "seaworker run PROGRAM.wasm");
}

// src/main.ts
var menu = ["overview", "network", "jobs", "credit", "offers", "earnings"];
var views = { overview, network, jobs, credit, offers, earnings, job };
var api = Api.open();
var nav = document.querySelector("nav");
var main = document.querySelector("main");
var said = document.querySelector("#said");
var leaving = new AbortController();
function place2() {
  const [name = "", arg = ""] = location.hash.replace(/^#\/?/, "").split("/");
  if (name === "jobs" && arg) return ["job", arg];
  return name in views && name !== "job" ? [name, arg] : ["overview", ""];
}
function drawMenu(status2) {
  const [name] = place2();
  const here = name === "job" ? "jobs" : name;
  const paused = status2 !== void 0 && status2.shift.mode !== "open";
  show(
    nav,
    h("a", { class: "brand", href: "#/" }, wave(), "Sea"),
    h("ul", null, menu.map((m) => h("li", null, h("a", { href: `#/${m === "overview" ? "" : m}`, "aria-current": m === here ? "page" : null }, icon(m), h("span", null, views[m].title("")))))),
    h(
      "div",
      { class: "foot" },
      h("p", { class: `state ${status2?.online ? "on" : "off"}` }, h("i", { "aria-hidden": "true" }), status2 === void 0 ? "No answer" : status2.online ? `Online, ${many(status2.links, "link")}` : "Offline"),
      status2?.selling || paused ? h("button", { type: "button", class: "shift", onclick: () => run(async () => {
        await api.send("PUT", "/shift", { mode: paused ? "open" : "paused" });
      }, paused ? "Selling goes on" : "Selling is paused") }, paused ? "Sell again" : "Pause selling") : null,
      status2 ? h("p", { class: "version" }, `seaworker ${status2.version}`) : null
    )
  );
}
async function open() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const at2 = location.hash;
  const [name, arg] = place2();
  const view = views[name];
  document.title = `${view.title(arg)} \xB7 Sea`;
  drawMenu(status);
  main.setAttribute("aria-busy", "true");
  let data;
  const draw = () => {
    if (signal.aborted) return;
    show(main, h("h1", { tabindex: -1, "data-key": name }, view.title(arg)), view.draw(data, arg, act));
    main.removeAttribute("aria-busy");
    main.dataset["at"] = at2;
  };
  const act = { api, run };
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
      await view.live?.(api, data, draw, signal);
      await rest(view.every && Math.max(view.every, 20 * took), signal);
    } catch (err) {
      if (signal.aborted) return;
      problem(err);
      await rest(3e3, signal);
    }
  }
}
function arrive() {
  main.scrollTop = 0;
  window.scrollTo(0, 0);
  if (moved) main.querySelector("h1")?.focus({ preventScroll: true });
  moved = true;
}
var moved = false;
var again = () => {
};
function problem(err) {
  const bar = document.querySelector("#problem");
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
function run(what, text) {
  const done = what();
  again();
  void done.then(
    () => {
      said.textContent = text;
    },
    (err) => {
      said.textContent = err instanceof Error ? err.message : String(err);
    }
  ).then(() => {
    again();
    wake();
    setTimeout(() => {
      said.textContent = "";
    }, 4e3);
  });
}
async function rest(ms, signal) {
  await new Promise((go) => {
    const end = () => {
      clearTimeout(timer);
      wakers.delete(end);
      signal.removeEventListener("abort", end);
      go();
    };
    const timer = ms > 0 ? setTimeout(end, ms) : void 0;
    wakers.add(end);
    signal.addEventListener("abort", end);
  });
  while (document.hidden && !signal.aborted) await new Promise((go) => document.addEventListener("visibilitychange", go, { once: true }));
}
var wakers = /* @__PURE__ */ new Set();
function wake() {
  for (const end of [...wakers]) end();
}
var status;
async function keepStatus() {
  for (const never = new AbortController().signal; ; await rest(3e3, never)) {
    try {
      status = await api.get("/status");
    } catch {
      status = void 0;
    }
    drawMenu(status);
  }
}
document.querySelector(".skip").onclick = (e) => {
  e.preventDefault();
  main.querySelector("h1")?.focus();
};
addEventListener("hashchange", () => void open());
narrow.addEventListener("change", () => again());
void open();
void keepStatus();
