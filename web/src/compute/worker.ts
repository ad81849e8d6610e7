// The script of a Web Worker that runs guests: messages to a Work and back.

import { SeaError } from "../error.ts";
import { Cell, type Done, type Order, wholeShare, Work } from "./work.ts";

/** Setup is the first message to the worker, an Order each that follows. */
export interface Setup {
	rewriter: WebAssembly.Module;
	/** cells are shared, or undefined where pages cannot share memory. */
	cells: Int32Array | undefined;
}

/** Said is what the worker says: about each order that it has begun, the fuel, and at last one of the others. */
export type Said =
	| { begun: true }
	| { fuel: bigint }
	| { done: Done }
	| { refused: string }
	| { failed: string };

interface Scope {
	onmessage: ((e: MessageEvent<Setup | Order>) => void) | null;
	postMessage(said: Said, transfer?: Transferable[]): void;
}

const scope = globalThis as unknown as Scope;
let work: Work | undefined;

scope.onmessage = ({ data }) => {
	if ("rewriter" in data) {
		work = new Work(data.rewriter, data.cells ?? own());
		return;
	}
	try {
		if (!work) throw new SeaError("engine", "an order before the setup");
		const done = work.do(data, () => scope.postMessage({ begun: true }), (fuel) => scope.postMessage({ fuel }));
		scope.postMessage({ done }, [done.stdout.buffer, done.stderr.buffer]);
	} catch (err) {
		if (err instanceof SeaError && err.code === "module") scope.postMessage({ refused: err.message });
		else scope.postMessage({ failed: err instanceof SeaError ? err.message : String(err) });
	}
};

/** own gives cells that nobody else writes: a thread waits by them alone. */
function own(): Int32Array {
	const cells = new Int32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer, 0, Cell.count);
	cells[Cell.share] = wholeShare;
	return cells;
}
