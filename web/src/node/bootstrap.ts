// The nodes by which a peer comes into the sea, and comes back.

import { SeaError } from "../error.ts";
import { about } from "./chance.ts";
import { Refused } from "./hello.ts";
import { type Link } from "./link.ts";

// A bootstrap that does not answer is let be for so long, ms; twice as long each time.
const pauseFirst = 1000;
const pauseLast = 60_000;

// How many other nodes are tried that a full one names.
const maxElsewhere = 4;

interface Bootstrap {
	readonly url: string;
	link: Link | undefined;
	dialling: boolean;
	until: number; // it is let be
	pause: number;
}

/** Bootstraps dials URLs, again when it is asked to and there is no link to them. */
export class Bootstraps {
	readonly #all: Bootstrap[];

	/** dial links to who listens at a URL; entered is told of each such link. */
	constructor(
		urls: readonly string[],
		readonly dial: (url: string) => Promise<Link>,
		readonly entered: (link: Link) => void,
	) {
		this.#all = urls.map((url) => ({ url, link: undefined, dialling: false, until: 0, pause: 0 }));
	}

	/** first dials all and resolves with the first link; it rejects when there is none, with the reasons. */
	async first(): Promise<void> {
		try {
			await Promise.any(this.#all.map((b) => this.#try(b)));
		} catch (err) {
			const why = err instanceof AggregateError ? err.errors.map((e) => (e instanceof Error ? e.message : String(e))) : [];
			throw new SeaError("unreachable", why.join("; ") || "no bootstrap was named");
		}
	}

	/** again enters by those that are linked, and dials those that are not and were let be. */
	again(): void {
		for (const b of this.#all) {
			if (b.link && !b.link.alive.aborted) this.entered(b.link);
			else if (!b.dialling && Date.now() >= b.until) void this.#try(b).catch(() => {});
		}
	}

	async #try(b: Bootstrap): Promise<void> {
		b.dialling = true;
		try {
			b.link = await this.#dial(b.url);
			b.pause = 0;
			this.entered(b.link);
		} catch (err) {
			b.pause = Math.min(Math.max(2 * b.pause, pauseFirst), pauseLast);
			b.until = Date.now() + about(b.pause);
			throw err;
		} finally {
			b.dialling = false;
		}
	}

	/** dial goes on to the nodes that a full one names. */
	async #dial(url: string): Promise<Link> {
		try {
			return await this.dial(url);
		} catch (err) {
			// Another's word, which may name any machine: it must have a name and a certificate.
			const others = err instanceof Refused ? err.elsewhere.filter((other) => other.startsWith("wss://")) : [];
			for (const other of others.slice(0, maxElsewhere)) {
				const link = await this.dial(other).catch(() => undefined);
				if (link) return link;
			}
			throw err;
		}
	}
}
