// Emitter calls listeners by the names of events.

/** Listener is called with what an event brings. */
export type Listener = (...args: never[]) => unknown;

/** Emitter is what has on and off. */
export class Emitter {
	readonly #listeners = new Map<string, Set<Listener>>();

	/** on has a listener called at each event of a name, in the order in which they came. */
	on(name: string, listener: Listener): void {
		let all = this.#listeners.get(name);
		if (!all) this.#listeners.set(name, (all = new Set()));
		all.add(listener);
	}

	/** off takes one away. */
	off(name: string, listener: Listener): void {
		this.#listeners.get(name)?.delete(listener);
	}

	/** emit calls those who listen, and resolves when all have done their work. What one throws is nobody's to catch, and the others are called. */
	protected async emit(name: string, ...args: unknown[]): Promise<void> {
		await Promise.all([...(this.#listeners.get(name) ?? [])].map(async (listener) => {
			try {
				await (listener as (...args: unknown[]) => unknown)(...args);
			} catch (err) {
				queueMicrotask(() => {
					throw err;
				});
			}
		}));
	}
}
