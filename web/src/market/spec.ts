// Spec is what a buyer wants run, and what it may cost.

import { type Bytes, compare, sha256, toHex, utf8 } from "../bytes.ts";
import { type Blob, type Blobs, blobOf } from "../compute/blob.ts";
import { defaultLimits, encodeJob, type Job, type Limits, newJob } from "../compute/job.ts";
import * as Most from "../compute/most.ts";
import { type Statement } from "../identity/statement.ts";
import { type HashAddress } from "../node/addr.ts";
import { SeaError } from "../error.ts";
import { maxSum } from "./price.ts";
import { Refused } from "./reason.ts";

/** RunOptions are the wishes of a run; all may be left out. Credits are numbers such as 0.25, to six digits after the point. */
export interface RunOptions {
	args?: string[];
	env?: string[];
	stdin?: string | Uint8Array;
	/** files are the guest's input files, by path. */
	files?: { [path: string]: string | Uint8Array };
	/** entry is a reactor's function to call with stdin, instead of a command. */
	entry?: string;
	/** maxCredit is the most that it may cost, 10; maxPrice the most for 10^9 fuel, without a bound. */
	maxCredit?: number;
	maxPrice?: number;
	/** fuel is the most it may use; without it as much as maxCredit covers and the seller lends. */
	fuel?: number | bigint;
	limits?: Partial<Omit<Limits, "fuel" | "wall_ms">>;
	seed?: Uint8Array;
	/** start is the guest's clock at first, Unix nanoseconds. */
	start?: bigint;
	/** timeout is how long the whole of it may take, ms: 600,000. */
	timeout?: number;
	/** to are the only sellers that are asked. */
	to?: HashAddress[];
	/**
	 * verify looks at what was delivered before it is paid, as recheck does by a second
	 * run: false is "mismatch", the seller is left out. When it throws nothing is paid.
	 */
	verify?: (receipt: Statement, job: Job, blobs: Blobs) => Promise<boolean>;
	/** signal cancels the job; what ran is paid. */
	signal?: AbortSignal;
	/** progress hears how far it is. It must not throw. */
	progress?: (at: Progress) => void;
}

/** Progress is how far a job is: fuel by the seller's word, micro-credits that are promised for good. */
export interface Progress {
	readonly state: "asking" | "ordered" | "running" | "held" | "checking" | "paid";
	readonly fuel: bigint;
	readonly vouched: bigint;
	/** why says why it is held, or what the seller before said. */
	readonly why?: string;
}

/** Spec is a run with its defaults. */
export interface Spec {
	readonly job: Job;
	/** blobs are what the seller fetches, each once. */
	readonly blobs: (readonly [Blob, Bytes])[];
	/** fuel is what was asked for, 0n without. */
	readonly fuel: bigint;
	readonly maxCredit: bigint;
	readonly maxPrice: bigint;
	readonly timeout: number;
	readonly options: RunOptions;
}

/** specOf is what to run. Refused "bad_job" says what is wrong. */
export async function specOf(module: Uint8Array, o: RunOptions): Promise<Spec> {
	const blobs = new Map<string, readonly [Blob, Bytes]>();
	const blob = async (data: string | Uint8Array): Promise<Blob> => {
		const b = typeof data === "string" ? utf8(data) : (data.slice() as Bytes);
		const made = await blobOf(b);
		if (b.length > 0) blobs.set(toHex(made.hash), [made, b]);
		return made;
	};
	const { hash } = await blob(module);
	const timeout = o.timeout ?? 600_000;
	const files = await Promise.all(Object.entries(o.files ?? {}).map(async ([path, data]) => ({ path, ...(await blob(data)) })));
	files.sort((a, b) => compare(utf8(a.path), utf8(b.path)));
	const fuel = BigInt(o.fuel ?? 0);
	const job: Job = {
		...newJob(hash, module.length),
		...(o.entry !== undefined && { entry: o.entry }),
		args: o.args ?? [], env: o.env ?? [], stdin: await blob(o.stdin ?? ""), files,
		seed: (o.seed as Bytes | undefined) ?? new Uint8Array(32), start: o.start ?? 0n,
		limits: { ...defaultLimits(), ...o.limits, fuel: fuel || 1n, wall_ms: Math.min(Math.max(1, Math.ceil(timeout)), Most.wallMillis) },
	};
	try {
		encodeJob(job);
	} catch (err) {
		throw new Refused("bad_job", err instanceof SeaError ? err.message : String(err));
	}
	return {
		job, blobs: [...blobs.values()], fuel, timeout, options: o,
		maxCredit: microOf(o.maxCredit ?? 10), maxPrice: o.maxPrice === undefined ? maxSum - 1n : microOf(o.maxPrice),
	};
}

/** microOf gives credits in micro-credits. Refused "bad_job" below 0 and for what nobody has. */
export function microOf(credits: number): bigint {
	const micro = Math.round(credits * 1e6);
	if (!(micro >= 0) || !Number.isSafeInteger(micro)) throw new Refused("bad_job", `${credits} is no sum of credits`);
	return BigInt(micro);
}

/** blobsOf gives the job's bytes by their hash. SeaError "blob" for what is not there. */
export const blobsOf = (s: Spec): Blobs => ({
	async open(hash) {
		const [, b] = s.blobs.find(([blob]) => compare(blob.hash, hash) === 0) ?? [];
		if (!b) throw new SeaError("blob", "no such bytes");
		return b;
	},
});

/** jobFor is the job that may have so much fuel. */
export const jobFor = (s: Spec, fuel: bigint): Job => ({ ...s.job, limits: { ...s.job.limits, fuel } });

/** hashOf names a job's encoding. */
export const hashOf = (job: Job): Promise<Bytes> => sha256(encodeJob(job));
