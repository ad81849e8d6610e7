// Each tab says ten times a second where its cursor is and what it has drawn since.
// Places are between 0 and 1, so that boards of all sizes show the same.

import { join, short } from "./room.js";

const every = 100; // ms; a channel bears 20 messages a second of one peer
const mostPoints = 64; // in one message
const mostStrokes = 5000; // that are kept
const gone = 10_000; // ms without a word, after which a cursor is

const canvas = document.querySelector("canvas");
const pen = canvas.getContext("2d");
const strokes = []; // { color, points }
const cursors = new Map(); // by author: { color, at, name, heard }

/** colorOf gives each peer a colour of its own. */
const colorOf = (author) => `hsl(${parseInt(String(author).slice(0, 4), 16) % 360} 70% 50%)`;

let mine = []; // drawn and not said yet
let at; // where the cursor is
let moved = false;
let drawing = false;

const isPoint = (p) => Array.isArray(p) && p.length === 2 && p.every((x) => typeof x === "number" && x >= 0 && x <= 1);

function keep(color, points) {
	strokes.push({ color, points });
	if (strokes.length > mostStrokes) strokes.shift();
}

function paint() {
	const { width, height } = canvas.getBoundingClientRect();
	canvas.width = width * devicePixelRatio;
	canvas.height = height * devicePixelRatio;
	pen.scale(devicePixelRatio, devicePixelRatio);
	pen.lineWidth = 3;
	pen.lineCap = pen.lineJoin = "round";
	for (const { color, points } of strokes) {
		pen.strokeStyle = color;
		pen.beginPath();
		points.forEach(([x, y], i) => (i ? pen.lineTo(x * width, y * height) : pen.moveTo(x * width, y * height)));
		pen.stroke();
	}
	for (const { color, at: [x, y], name } of cursors.values()) {
		pen.fillStyle = color;
		pen.beginPath();
		pen.arc(x * width, y * height, 5, 0, 7);
		pen.fill();
		pen.fillText(name, x * width + 8, y * height + 4);
	}
}

canvas.addEventListener("pointerdown", (event) => {
	drawing = true;
	canvas.setPointerCapture(event.pointerId);
	mine = [];
});
canvas.addEventListener("pointerup", () => (drawing = false));
canvas.addEventListener("pointermove", (event) => {
	const box = canvas.getBoundingClientRect();
	at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((x) => Math.min(Math.max(x, 0), 1));
	moved = true;
	if (drawing) mine.push(at);
});
addEventListener("resize", paint);

const chan = await join("board");
chan.on("drew", (said, author) => {
	const points = said?.points;
	if (!isPoint(said?.at) || !Array.isArray(points) || points.length > mostPoints || !points.every(isPoint)) return;
	const color = colorOf(author);
	if (points.length > 1) keep(color, points);
	cursors.set(String(author), { color, at: said.at, name: short(author), heard: Date.now() });
	paint();
});

setInterval(() => {
	for (const [author, { heard }] of cursors) if (Date.now() - heard > gone) cursors.delete(author);
	if (!moved) return paint();
	moved = false;
	const points = mine.slice(0, mostPoints);
	mine = mine.slice(Math.max(0, points.length - 1)); // the next stroke begins where this one ends
	if (points.length > 1) keep(getComputedStyle(canvas).color, points);
	chan.send("drew", { at, points }).catch(() => {}); // too much at once: the next one is soon
	paint();
}, every);
