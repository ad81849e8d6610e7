import { join, say, short } from "./room.js";

const most = 500; // lines that are kept
const list = document.querySelector("ol");
const form = document.querySelector("form");
const input = document.querySelector("input");

function add(who, text) {
	const line = document.createElement("li");
	const name = document.createElement("b");
	name.textContent = who;
	line.append(name, text);
	list.append(line);
	if (list.children.length > most) list.firstChild.remove();
	line.scrollIntoView();
}

const chan = await join("chat");
chan.on("said", (text, author) => typeof text === "string" && add(short(author), text.slice(0, 1000)));

form.addEventListener("submit", async (event) => {
	event.preventDefault();
	const text = input.value;
	try {
		await chan.send("said", text);
		add("I", text);
		form.reset();
	} catch (err) {
		say(err.message);
	}
});
