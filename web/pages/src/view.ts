import type { Api } from "./api.ts";
import type { Child } from "./dom.ts";

/** Act is what a view can do beside being drawn. */
export interface Act {
	api: Api;
	/** run does something for the reader, says how it went, and has the view loaded anew. */
	run: (what: () => Promise<unknown>, said: string) => void;
}

/**
 * A View shows one side of the node. It is loaded and drawn anew every so many
 * milliseconds while somebody looks. arg is what follows its name in the address.
 */
export interface View<T> {
	title: (arg: string) => string;
	every: number;
	load: (api: Api, arg: string, signal: AbortSignal) => Promise<T>;
	draw: (data: T, arg: string, act: Act) => Child;
	/** live changes data as news come, calls redraw after each, and ends with signal; nothing is loaded anew meanwhile. */
	live?: (api: Api, data: T, redraw: () => void, signal: AbortSignal) => Promise<void>;
}
