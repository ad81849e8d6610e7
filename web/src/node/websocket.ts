// WebSocket wires: how a tab reaches the nodes that listen. See docs/PROTOCOL.md,
// part 2.

import { type Bytes } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Lane, maxMessage, type Wire } from "./wire.ts";

// A browser tells nobody when a WebSocket has room again, so it is asked.
const pollEvery = 10;

/** dialWebSocket opens a wire to ws:// or wss://. Rejects with "unreachable", also when signal aborts. */
export async function dialWebSocket(url: string, signal: AbortSignal): Promise<Wire> {
	let socket: WebSocket;
	try {
		socket = new WebSocket(url, "sea.1");
	} catch {
		throw new SeaError("unreachable", `no URL of a WebSocket, or one that this page may not open: ${url}`);
	}
	socket.binaryType = "arraybuffer";
	try {
		await new Promise<void>((resolve, reject) => {
			const fail = () => reject(new SeaError("unreachable", `no WebSocket at ${url}`));
			socket.onopen = () => (socket.protocol === "sea.1" ? resolve() : fail());
			socket.onclose = socket.onerror = fail;
			signal.addEventListener("abort", fail, { once: true });
			if (signal.aborted) fail();
		});
	} catch (err) {
		socket.close();
		throw err;
	}
	return new Socket(socket);
}

class Socket implements Wire {
	readonly lanes = 1;
	readonly remote: string;
	readonly #socket: WebSocket;

	constructor(socket: WebSocket) {
		this.#socket = socket;
		this.remote = new URL(socket.url).host;
	}

	buffered(): number {
		return this.#socket.bufferedAmount;
	}

	send(message: Bytes): void {
		if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message);
	}

	async drained(): Promise<void> {
		const enough = this.#socket.bufferedAmount / 2;
		while (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount > enough) {
			await new Promise((resolve) => setTimeout(resolve, pollEvery));
		}
	}

	start(message: (message: Bytes, lane: Lane) => void, ended: (why: string) => void): void {
		this.#socket.onmessage = ({ data }) => {
			if (data instanceof ArrayBuffer && data.byteLength > 0 && data.byteLength <= maxMessage) message(new Uint8Array(data), 0);
			else this.close();
		};
		const closed = (code: number) => {
			this.#socket.onmessage = this.#socket.onclose = null;
			ended(`the WebSocket closed (${code})`);
		};
		this.#socket.onclose = ({ code }) => closed(code);
		if (this.#socket.readyState > WebSocket.OPEN) closed(1006);
	}

	close(): void {
		this.#socket.close(1000);
	}
}
