// Where a tab's key lives: in IndexedDB, where scripts can use and not read it.
// Two tabs never use one key at the same time: each holds a lock on its own.

import { type Bytes } from "./bytes.ts";
import { SeaError } from "./error.ts";
import { Pair } from "./identity/ed25519.ts";

// A profile has at most so many keys, one for each tab that was open at once.
const maxKeys = 64;

/** loadPair gives this tab's key pair, and makes it the first time: one with so many bits of work. */
export async function loadPair(work: number): Promise<Pair> {
	if (typeof indexedDB === "undefined") return Pair.generate(work); // as in Node: for as long as the program runs
	const name = `peersea/${work}`;
	for (let i = 0; i < maxKeys; i++) {
		if (await lock(`${name}/${i}`)) return load(name, i, work);
	}
	throw new SeaError("key", `${maxKeys} tabs have a key each: close one`);
}

/** lock holds a name until the page ends, and tells whether it was free. */
function lock(name: string): Promise<boolean> {
	return new Promise((resolve, reject) => {
		navigator.locks
			.request(name, { ifAvailable: true }, (held) => {
				resolve(held !== null);
				return held && new Promise(() => {}); // until the page ends
			})
			.catch(reject);
	});
}

async function load(name: string, i: number, work: number): Promise<Pair> {
	const db = await done(Object.assign(indexedDB.open(name, 1), {
		onupgradeneeded(this: IDBOpenDBRequest) {
			this.result.createObjectStore("keys");
		},
	}));
	try {
		const kept = (await done(db.transaction("keys").objectStore("keys").get(i))) as { key: Bytes; secret: CryptoKey } | undefined;
		if (kept) return Pair.of(kept.key, kept.secret);
		const made = await Pair.generate(work);
		await done(db.transaction("keys", "readwrite", { durability: "strict" }).objectStore("keys").put({ key: made.key, secret: made.secret }, i));
		return made;
	} finally {
		db.close();
	}
}

function done<T>(request: IDBRequest<T>): Promise<T> {
	return new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});
}
