// Where a ledger is kept. What commit has taken survives the end of the tab, and
// of the machine: a promise is never sent before.

import { SeaError } from "../error.ts";

/** Store keeps values that can be cloned, under texts in order of their characters. */
export interface Store {
	/** list gives the pairs from first to last, in order, at most most of them. */
	list(first: string, last: string, most: number): Promise<[string, unknown][]>;
	/**
	 * commit drops and puts, all or nothing. It rejects with "unavailable" when nothing was
	 * kept, and from then on always: somebody else may have written.
	 */
	commit(puts: readonly (readonly [string, unknown])[], drops?: readonly string[]): Promise<void>;
	/** close ends it. */
	close(): void;
}

/** MemoryStore keeps what it is given for as long as it lives: for Node, and tests. */
export class MemoryStore implements Store {
	readonly #all = new Map<string, unknown>();

	async list(first: string, last: string, most: number): Promise<[string, unknown][]> {
		const keys = [...this.#all.keys()].filter((k) => k >= first && k <= last).sort();
		return keys.slice(0, most).map((k) => [k, structuredClone(this.#all.get(k))]);
	}

	async commit(puts: readonly (readonly [string, unknown])[], drops: readonly string[] = []): Promise<void> {
		for (const k of drops) this.#all.delete(k);
		for (const [k, v] of structuredClone(puts)) this.#all.set(k, v);
	}

	/** copy is a store with the same in it: a backup. */
	copy(): MemoryStore {
		const made = new MemoryStore();
		for (const [k, v] of this.#all) made.#all.set(k, structuredClone(v));
		return made;
	}

	close(): void {}
}

/** IdbStore is a store in IndexedDB. */
export class IdbStore implements Store {
	#turn: number;
	#broken: SeaError | undefined;

	private constructor(
		readonly db: IDBDatabase,
		turn: number,
	) {
		this.#turn = turn;
		// Whoever deletes the database must not wait for this tab.
		db.onversionchange = () => db.close();
	}

	/** open opens the store of a name, and makes it the first time. */
	static async open(name: string): Promise<IdbStore> {
		const request = indexedDB.open(name, 1);
		request.onupgradeneeded = () => request.result.createObjectStore("ledger");
		const db = await done(request);
		const turn = await done(db.transaction("ledger").objectStore("ledger").get(turnKey));
		return new IdbStore(db, (turn as number | undefined) ?? 0);
	}

	async list(first: string, last: string, most: number): Promise<[string, unknown][]> {
		const all = this.db.transaction("ledger").objectStore("ledger");
		const range = IDBKeyRange.bound(first, last);
		const [keys, values] = await Promise.all([done(all.getAllKeys(range, most)), done(all.getAll(range, most))]);
		return keys.map((k, i) => [k as string, values[i]]);
	}

	/** commit looks whether another tab has written since this one opened the store: then nothing is kept. */
	async commit(puts: readonly (readonly [string, unknown])[], drops: readonly string[] = []): Promise<void> {
		if (this.#broken) throw this.#broken;
		try {
			await this.#write(puts, drops);
			this.#turn++;
		} catch (err) {
			this.#broken = new SeaError("unavailable", `the ledger cannot be written: ${err instanceof Error ? err.message : String(err)}`);
			throw this.#broken;
		}
	}

	#write(puts: readonly (readonly [string, unknown])[], drops: readonly string[]): Promise<void> {
		return new Promise((resolve, reject) => {
			const change = this.db.transaction("ledger", "readwrite", { durability: "strict" });
			const all = change.objectStore("ledger");
			let other = false;
			change.oncomplete = () => resolve();
			change.onabort = () => reject(other ? new Error("another tab has written it") : (change.error ?? new Error("the browser gave up")));
			const turn = all.get(turnKey);
			turn.onsuccess = () => {
				other = ((turn.result as number | undefined) ?? 0) !== this.#turn;
				if (other) return change.abort();
				for (const k of drops) all.delete(k);
				for (const [k, v] of puts) all.put(v, k);
				all.put(this.#turn + 1, turnKey);
			};
		});
	}

	close(): void {
		this.db.close();
	}
}

// How often the store was written. It stands outside of every range that is listed.
const turnKey = "!turn";

function done<T>(request: IDBRequest<T>): Promise<T> {
	return new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});
}
