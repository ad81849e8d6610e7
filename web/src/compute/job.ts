// A job: everything that decides a result. docs/PROTOCOL.md, part 5.

import { type Bytes, sha256, utf8 } from "../bytes.ts";
import { encode } from "../identity/cbor.ts";
import { bytes, list, map, type Of, optional, read, text, uint, version, wide } from "../identity/shape.ts";
import { blob, checkBlob, checkPath, checkSorted, emptyBlob, hashSize, invalid, maxInputBytes, parents } from "./blob.ts";
import * as Most from "./most.ts";

/** tariff1 is the only price list of fuel so far. */
export const tariff1 = 1;

const maxEntry = 128; // bytes of an export's name
const maxArgs = 256; // arguments, and as many environment entries
const maxArgBytes = 32 << 10; // of both together
const maxInputs = 512; // input files
const maxStart = 1n << 62n;
const reserved = "sea:"; // begins the meter's names

const limits = map({
	fuel: wide,
	memory_pages: uint(Most.memoryPages),
	output_bytes: uint(Most.outputBytes),
	files: uint(Most.files),
	depth: uint(Most.depth),
	wall_ms: uint(Most.wallMillis),
});

/** Limits are what a job may use. See docs/PROTOCOL.md for what happens when one is reached. */
export type Limits = Of<typeof limits>;

/** defaultLimits are those of Go's run: 10 Gfuel, 512 MiB, 64 MiB of output, 1,024 files, depth 4,096, ten minutes. */
export function defaultLimits(): Limits {
	return { fuel: 10_000_000_000n, memory_pages: 8192, output_bytes: 64 << 20, files: 1024, depth: 4096, wall_ms: 600_000 };
}

const file = map({ path: text(1, 1024), hash: bytes(hashSize), size: uint(maxInputBytes) });

const shape = map({
	v: version,
	module: bytes(hashSize),
	module_size: uint(Most.moduleBytes),
	entry: optional(text(1, maxEntry)),
	args: list(text(0, maxArgBytes), maxArgs),
	env: list(text(0, maxArgBytes), maxArgs),
	stdin: blob,
	files: list(file, maxInputs),
	limits,
	seed: bytes(32),
	start: wide,
	tariff: uint(),
});

/**
 * Job is a job as it is encoded: names and types are the wire's. Two jobs with
 * the same hash have the same result and the same fuel on every honest engine.
 */
export type Job = Of<typeof shape>;

/** newJob is a job of a module, with no inputs, the default limits, and zeros for seed and clock. */
export function newJob(module: Bytes, moduleSize: number): Job {
	return {
		v: 1, module, module_size: moduleSize, args: [], env: [], stdin: emptyBlob, files: [],
		limits: defaultLimits(), seed: new Uint8Array(32), start: 0n, tariff: tariff1,
	};
}

/** encodeJob gives the job's one encoding. SeaError "invalid" says what is out of bounds. */
export function encodeJob(j: Job): Bytes {
	checkJob(j);
	const b = encode(j);
	if (b.length > Most.jobBytes) throw invalid(`job: ${b.length} bytes, at most ${Most.jobBytes}`);
	return b;
}

/** decodeJob reads what encodeJob wrote and nothing else. SeaError "cbor" or "invalid". */
export function decodeJob(b: Uint8Array): Job {
	if (b.length > Most.jobBytes) throw invalid(`job: ${b.length} bytes, at most ${Most.jobBytes}`);
	const j = read(b, shape, "job");
	checkJob(j);
	return j;
}

/** hashJob names the job: the SHA-256 of its encoding. */
export function hashJob(j: Job): Promise<Bytes> {
	return sha256(encodeJob(j));
}

function checkJob(j: Job): void {
	if (j.tariff !== tariff1) throw invalid(`job: tariff ${j.tariff}, only ${tariff1} is known`);
	within("module_size", j.module_size, 8, Most.moduleBytes);
	if (j.module.length !== hashSize || j.seed.length !== 32) throw invalid("job: module and seed have 32 bytes");
	if (j.entry !== undefined && (j.entry === "" || utf8(j.entry).length > maxEntry || j.entry.startsWith(reserved))) {
		throw invalid(`job: an entry of 1 to ${maxEntry} bytes that does not begin with ${reserved}`);
	}
	within("start", j.start, 0, maxStart);
	const l = j.limits;
	within("fuel", l.fuel, 1, Most.fuel);
	within("memory_pages", l.memory_pages, 1, Most.memoryPages);
	within("output_bytes", l.output_bytes, 0, Most.outputBytes);
	within("files", l.files, 0, Most.files);
	within("depth", l.depth, 1, Most.depth);
	within("wall_ms", l.wall_ms, 1, Most.wallMillis);
	checkStrings(j.args, j.env);
	checkBlob(j.stdin, "stdin");
	checkFiles(j);
}

function within(name: string, got: number | bigint, least: number, most: number | bigint): void {
	if (!(got >= least && got <= most)) throw invalid(`job: ${name} is ${got}, not ${least} to ${most}`);
}

function checkStrings(args: string[], env: string[]): void {
	let total = 0;
	for (const strings of [args, env]) {
		if (strings.length > maxArgs) throw invalid(`job: ${strings.length} arguments or environment entries, at most ${maxArgs}`);
		for (const s of strings) {
			if (s.includes("\0")) throw invalid("job: NUL in an argument or environment entry");
			total += utf8(s).length + 1;
		}
	}
	if (total > maxArgBytes) throw invalid(`job: ${total} bytes of arguments and environment, at most ${maxArgBytes}`);
	const names = new Set<string>();
	for (const s of env) {
		const at = s.indexOf("=");
		if (at < 1) throw invalid("job: an environment entry that is not NAME=VALUE");
		names.add(s.slice(0, at));
	}
	if (names.size < env.length) throw invalid("job: a name twice in the environment");
}

function checkFiles(j: Job): void {
	if (j.files.length > maxInputs) throw invalid(`job: ${j.files.length} input files, at most ${maxInputs}`);
	let total = j.stdin.size;
	const folders = new Set<string>();
	for (const f of j.files) {
		checkPath(f.path);
		if (f.path === "out" || f.path.startsWith("out/")) throw invalid("job: an input in the output folder");
		checkBlob(f, f.path);
		total += f.size;
		for (const folder of parents(f.path)) folders.add(folder);
	}
	if (total > maxInputBytes) throw invalid(`job: ${total} bytes of inputs, at most ${maxInputBytes}`);
	checkSorted(j.files.map((f) => f.path));
	if (j.files.some((f) => folders.has(f.path))) throw invalid("job: a path that is a file and a folder");
	if (j.files.length + folders.size > j.limits.files) {
		throw invalid(`job: limit files is ${j.limits.files}, the inputs alone are ${j.files.length + folders.size}`);
	}
}
