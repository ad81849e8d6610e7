// A picture in tiles: each is a job, and those who sell draw them in turn. What each
// did is on the bill.

import { sea } from "./peersea.js";
import { enter, say } from "./room.js";

const tiles = 4; // each way
const atOnce = 4;
const cap = 0.5; // credits for a tile
const button = document.querySelector("button");
const canvas = document.querySelector("canvas");
const pen = canvas.getContext("2d");
const size = canvas.width / tiles;
const step = 3 / canvas.width; // the picture is 3 wide
const bill = new Map(); // by seller: tiles, fuel, cost

const hex = (bytes) => Array.from(bytes, (x) => x.toString(16).padStart(2, "0")).join("");

function draw(x, y, bytes) {
	const image = pen.createImageData(size, size);
	bytes.forEach((n, i) => image.data.set(n === 0 ? [8, 24, 40, 255] : [(n * 5) % 256, 80 + ((n * 3) % 176), 143 + ((n * 7) % 113), 255], 4 * i));
	pen.putImageData(image, x * size, y * size);
}

function show() {
	const rows = [...bill].map(([seller, { tiles, fuel, cost }]) => [seller.slice(0, 12), tiles, fuel.toLocaleString(), Number(cost) / 1e6]);
	const all = [...bill.values()];
	rows.push(["All", ...["tiles", "fuel", "cost"].map((of) => all.reduce((sum, one) => sum + BigInt(one[of]), 0n))]);
	rows.at(-1)[2] = rows.at(-1)[2].toLocaleString();
	rows.at(-1)[3] = Number(rows.at(-1)[3]) / 1e6;
	document.querySelector("tbody").replaceChildren(...rows.map((cells) => {
		const row = document.createElement("tr");
		row.append(...cells.map((text, i) => Object.assign(document.createElement(i ? "td" : "th"), { textContent: text })));
		return row;
	}));
}

async function tile(module, x, y, to) {
	const args = ["fractal", -2.25 + x * size * step, 1.5 - y * size * step, step, size, size].map(String);
	const { done } = await sea.run(module, { args, maxCredit: cap, to: [to] });
	const { end, stdout, seller, fuel, cost } = await done;
	if (end !== "exit" || stdout.length !== size * size) throw new Error(`a tile ended as ${end}`);
	draw(x, y, stdout);
	const line = bill.get(hex(seller)) ?? { tiles: 0, fuel: 0n, cost: 0n };
	bill.set(hex(seller), { tiles: line.tiles + 1, fuel: line.fuel + fuel, cost: line.cost + cost });
	show();
}

async function render() {
	const module = new Uint8Array(await (await fetch("fractal.wasm")).arrayBuffer());
	const todo = Array.from({ length: tiles * tiles }, (_, i) => [i % tiles, Math.floor(i / tiles)]);
	bill.clear();
	say("asking who sells …");
	const { buyer } = await sea.shop();
	const sellers = await buyer.sellers();
	if (sellers.length === 0) throw new Error("nobody sells just now");
	say(`drawn by ${sellers.length} …`);
	let turn = 0;
	await Promise.all(Array.from({ length: atOnce }, async () => {
		for (let next; (next = todo.shift()); ) await tile(module, ...next, sellers[turn++ % sellers.length].at);
	}));
	say(`done: ${tiles * tiles} tiles`);
}

button.addEventListener("click", async () => {
	button.disabled = true;
	await render().catch((err) => say(err.message));
	button.disabled = false;
});

await enter();
say("online");
button.disabled = false;
