// Numbers, times and names as people read them.

const digits = new Intl.NumberFormat("en-US", { maximumFractionDigits: 6 });

/** credits writes micro-credits as credits, all their digits. */
export const credits = (micro: number): string => `${digits.format(micro / 1e6)} cr`;

/** signed is credits with its sign, also of what is more than zero. */
export const signed = (micro: number): string => (micro > 0 ? "+" : "") + credits(micro).replace("-", "−");

/** count writes a whole number in groups of three digits. */
export const count = (n: number): string => digits.format(n);

/** scaled writes n with three digits and the unit's prefix: 12.3 M. */
function scaled(n: number, base: number, prefixes: string[]): string {
	let i = 0;
	while (n >= base && i < prefixes.length - 1) {
		n /= base;
		i++;
	}
	return `${i === 0 || n >= 100 ? Math.round(n) : n.toPrecision(3)} ${prefixes[i]}`;
}

/** fuel writes an amount of fuel short: 450 Mfuel. */
export const fuel = (n: number): string => `${scaled(n, 1000, ["", "k", "M", "G", "T"])}fuel`;

/** bytes writes a size: 12.3 KiB. */
export const bytes = (n: number): string => scaled(n, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);

/** rtt writes microseconds: 0.23 ms. */
export function rtt(micros: number): string {
	if (micros <= 0) return "–";
	const ms = micros / 1000;
	return `${ms >= 100 ? Math.round(ms) : ms.toPrecision(ms < 1 ? 2 : 3)} ms`;
}

/** span writes a time of so many milliseconds: 12 s, 3 min, 2 h, 5 d. */
export function span(ms: number): string {
	const s = Math.max(0, ms) / 1000;
	if (s < 9.95) return `${s.toFixed(1)} s`;
	if (s < 90) return `${Math.round(s)} s`;
	if (s < 90 * 60) return `${Math.round(s / 60)} min`;
	if (s < 36 * 3600) return `${Math.round(s / 3600)} h`;
	return `${Math.round(s / 86400)} d`;
}

/** ago writes how long ago a time was. */
export function ago(at: string, now = Date.now()): string {
	const ms = now - Date.parse(at);
	return ms < 5000 ? "just now" : `${span(ms)} ago`;
}

/** clock writes the time of a day, seconds included. */
export const clock = (at: string | number): string => new Date(at).toLocaleTimeString("en-GB");

/** moment writes a day and a time. */
export const moment = (at: string | number): string =>
	new Date(at).toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** short is the beginning of a name in hex, as the command line prints it. */
export const short = (hex: string, n = 10): string => hex.slice(0, n);

/** many is a number of things: 1 peer, 2 peers. */
export const many = (n: number, thing: string): string => `${count(n)} ${thing}${n === 1 ? "" : "s"}`;
