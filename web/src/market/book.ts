// Book keeps what a buyer has ordered, so that a tab that was closed, reloaded or has
// crashed finds it again: an order before it is sent, the word to stop before it is
// sent, and what was delivered before it is paid.

import { type Bytes } from "../bytes.ts";
import { type Blob } from "../compute/blob.ts";
import { SeaError } from "../error.ts";
import { Statement } from "../identity/statement.ts";
import { type Store } from "../ledger/store.ts";
import { Refused } from "./reason.ts";
import { type Bought } from "./trade.ts";

// So many jobs are kept, and so many bytes of inputs and outputs with them. Those that
// have ended go first, the oldest before others; no other is taken when none has.
const maxJobs = 64;
const maxBytes = 512 << 20;

/** JobRecord is what is kept of a job. */
export interface JobRecord {
	readonly v: 1;
	readonly id: string;
	/** made is when it was begun, until when it is given up, Unix ms. */
	readonly made: number;
	readonly until: number;
	readonly args: readonly string[];
	readonly job: Bytes;
	readonly fuel: bigint;
	readonly maxCredit: bigint;
	readonly maxPrice: bigint;
	readonly to: readonly string[] | undefined;
	/** verify tells that its buyer looks at it before it is paid. */
	readonly verify: boolean;
	state: "open" | "done" | "failed";
	/** stop tells that the seller is told to stop. */
	stop: boolean;
	reason: string;
	text: string;
	cost: bigint;
	/** spent is what sellers that failed it can claim, of so many, whose keys are in hex. */
	spent: bigint;
	avoid: string[];
	tries: number;
	drops: number;
	/** bytes is how many its inputs and its output have, out those of the output. */
	bytes: number;
	out: number;
	/** order is the one that is under way. */
	order: OrderRecord | undefined;
}

/** OrderRecord is an order with what it was made of, encoded; hash names it, in hex. */
export interface OrderRecord {
	readonly hash: string;
	readonly at: string;
	readonly ask: Bytes;
	readonly quoted: Bytes;
	readonly order: Bytes;
}

/** Inputs are the bytes of a job. */
export type Inputs = readonly (readonly [Blob, Bytes])[];

/** Delivered is what was checked, with the word that lets its lock be closed. */
export interface Delivered {
	readonly bought: Bought;
	readonly release: Bytes | undefined;
}

interface Output extends Omit<Bought, "receipt" | "delivery"> {
	/** of is the order's hash in hex. */
	readonly of: string;
	readonly receipt: Bytes;
	readonly delivery: Bytes;
	readonly release: Bytes | undefined;
}

const jobKey = (r: JobRecord) => `job/${r.made.toString(16).padStart(16, "0")}/${r.id}`;
const inKey = (r: JobRecord) => `in/${r.id}`;
const outKey = (r: JobRecord) => `out/${r.id}`;

/** Book is made by open. Errors of its store are Refused "internal". */
export class Book {
	readonly #store: Store;
	readonly #jobs: Map<string, JobRecord>; // by id, the oldest first: maxJobs

	private constructor(store: Store, jobs: JobRecord[]) {
		this.#store = store;
		this.#jobs = new Map(jobs.map((r) => [r.id, r]));
	}

	/** open reads the jobs that a store has. "unavailable" when they are of another version. */
	static async open(store: Store): Promise<Book> {
		const all = (await store.list("job/", "job/~", maxJobs)).map(([, r]) => r as JobRecord);
		if (all.some((r) => r.v !== 1)) throw new SeaError("unavailable", "the jobs are kept by another version");
		return new Book(store, all);
	}

	/** jobs are all, oldest first. Who changes one saves it. */
	get jobs(): Iterable<JobRecord> {
		return this.#jobs.values();
	}

	/** job is the one of an id. */
	job(id: string): JobRecord | undefined {
		return this.#jobs.get(id);
	}

	/** add keeps a job with its inputs. Refused "busy" when there is no room. */
	async add(r: JobRecord, inputs: Inputs): Promise<void> {
		r.bytes = inputs.reduce((n, [, b]) => n + b.length, 0);
		const gone = this.#room(r.bytes, 1);
		this.#jobs.set(r.id, r);
		try {
			await this.#commit([[jobKey(r), r], [inKey(r), inputs]], gone);
		} catch (err) {
			this.#jobs.delete(r.id);
			throw err;
		}
	}

	/** inputs are those of a job that has not ended. */
	async inputs(r: JobRecord): Promise<Inputs> {
		const [found] = await this.#store.list(inKey(r), inKey(r), 1);
		return (found?.[1] as Inputs | undefined) ?? [];
	}

	/** save keeps what has changed. */
	save(r: JobRecord): Promise<void> {
		return this.#commit([[jobKey(r), r]], []);
	}

	/** deliver keeps what was delivered and checked. */
	async deliver(r: JobRecord, { bought, release }: Delivered): Promise<void> {
		const { receipt, delivery, ...rest } = bought;
		const output: Output = { ...rest, of: r.order!.hash, receipt: receipt.encode(), delivery: delivery.encode(), release };
		const bytes = bought.files.reduce((n, f) => n + f.data.length, bought.stdout.length + bought.stderr.length);
		const gone = this.#room(bytes - r.out, 0);
		r.bytes += bytes - r.out;
		r.out = bytes;
		await this.#commit([[jobKey(r), r], [outKey(r), output]], gone);
	}

	/** delivered gives what deliver has kept: of a job that is open, for its present order. */
	async delivered(r: JobRecord): Promise<Delivered | undefined> {
		const [found] = await this.#store.list(outKey(r), outKey(r), 1);
		if (!found) return undefined;
		const { of, receipt, delivery, release, ...rest } = found[1] as Output;
		if (r.state === "open" && of !== r.order?.hash) return undefined;
		return { bought: { ...rest, receipt: Statement.decode(receipt), delivery: Statement.decode(delivery) }, release };
	}

	/** end keeps how a job ended, without its inputs. */
	async end(r: JobRecord): Promise<void> {
		r.bytes = r.out;
		await this.#commit([[jobKey(r), r]], [inKey(r)]);
	}

	/** #room forgets what has ended, until so many bytes and jobs more fit, and gives the records that go. */
	#room(bytes: number, jobs: number): string[] {
		const gone: JobRecord[] = [];
		const all = [...this.#jobs.values()];
		let sum = all.reduce((n, r) => n + r.bytes, bytes);
		for (const r of all) {
			if (sum <= maxBytes && all.length + jobs - gone.length <= maxJobs) break;
			if (r.state === "open") continue;
			sum -= r.bytes;
			gone.push(r);
		}
		if (sum > maxBytes || all.length + jobs - gone.length > maxJobs) {
			throw new Refused("busy", `${maxJobs} jobs with ${maxBytes >> 20} MiB are kept at most, and others are under way`);
		}
		for (const r of gone) this.#jobs.delete(r.id);
		return gone.flatMap((r) => [jobKey(r), inKey(r), outKey(r)]);
	}

	async #commit(puts: readonly (readonly [string, unknown])[], drops: readonly string[]): Promise<void> {
		try {
			await this.#store.commit(puts, drops);
		} catch (err) {
			throw new Refused("internal", `the job cannot be kept: ${err instanceof Error ? err.message : String(err)}`);
		}
	}
}
