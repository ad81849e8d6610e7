// When a seller leaves its machine alone: while its tab is hidden, or while the
// machine runs on its battery.

/** Why is what a seller rests for, "" when it works. */
export type Why = "" | "hidden" | "battery";

/** Rules say what is a reason. */
export interface Rules {
	hidden: boolean;
	/** battery rests also where the browser does not tell: what cannot be known is no reason to work. */
	battery: boolean;
}

/** Battery is what the Battery Status API tells. */
interface Battery extends EventTarget {
	readonly charging: boolean;
}

/** Machine is what a Rest looks at: a page and its browser. */
export interface Machine {
	document: EventTarget & { readonly visibilityState: string };
	navigator: { getBattery?: () => Promise<Battery> };
}

/** Rest tells its maker when a seller shall rest, and when it may work again. Who makes it closes it. */
export class Rest {
	readonly #machine: Machine;
	readonly #change: (why: Why) => void;
	#rules: Rules;
	#battery: Battery | undefined;
	#why: Why = "";
	#closed = false;
	readonly #look = (): void => this.#compare();

	/** change is called whenever why has changed. */
	constructor(rules: Rules, change: (why: Why) => void, machine: Machine = globalThis as unknown as Machine) {
		this.#rules = rules;
		this.#change = change;
		this.#machine = machine;
		machine.document.addEventListener("visibilitychange", this.#look);
		void machine.navigator.getBattery?.().then(
			(battery) => {
				if (this.#closed) return;
				this.#battery = battery;
				battery.addEventListener("chargingchange", this.#look);
				this.#compare();
			},
			() => {}, // it does not tell
		);
		this.#compare();
	}

	/** why is the present reason. */
	get why(): Why {
		return this.#why;
	}

	/** rules sets others. */
	set rules(rules: Rules) {
		this.#rules = rules;
		this.#compare();
	}

	close(): void {
		this.#closed = true;
		this.#machine.document.removeEventListener("visibilitychange", this.#look);
		this.#battery?.removeEventListener("chargingchange", this.#look);
	}

	#compare(): void {
		const hidden = this.#rules.hidden && this.#machine.document.visibilityState === "hidden";
		const battery = this.#rules.battery && !this.#battery?.charging;
		const why = hidden ? "hidden" : battery ? "battery" : "";
		if (why === this.#why) return;
		this.#why = why;
		this.#change(why);
	}
}
