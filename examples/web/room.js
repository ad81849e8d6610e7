// What the pages do first.

import { sea } from "./peersea.js";

const status = document.querySelector("[role=status]");

/** say shows one line about how things are. */
export const say = (text) => (status.textContent = text);

/** enter goes online by the node that served this page, or the one that ?via= names. */
export async function enter() {
	const via = new URLSearchParams(location.search).get("via") ?? `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`;
	say("making this tab's key …");
	await sea.ready();
	say(`going online by ${via} …`);
	await sea.goOnline(via).catch((err) => {
		say(`not online: ${err.message}`);
		throw err;
	});
}

/** join gives the channel of this page's room, which the address names. */
export async function join(page) {
	const room = decodeURIComponent(location.hash.slice(1)) || "lobby";
	const chan = sea.join(`example:${page}:${room}`);
	const show = () => say(`${short(sea.localId())} in ${room}, ${chan.connected() ? "with others" : "nobody else yet"}`);
	chan.on("connect", show);
	chan.on("disconnect", () => (sea.online() ? show() : say("offline: coming back")));
	sea.on("online", show);
	await enter();
	show();
	return chan;
}

/** short is the first digits of an address. */
export const short = (addr) => String(addr).slice(0, 6);
