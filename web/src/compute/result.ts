// What came of a job: docs/PROTOCOL.md, part 5.

import { type Bytes, sha256 } from "../bytes.ts";
import { encode } from "../identity/cbor.ts";
import { type Shape, bool, bytes, list, map, type Of, read, text, uint, version } from "../identity/shape.ts";
import { type Blob, blob, checkBlob, checkPath, checkSorted, hashSize, invalid } from "./blob.ts";
import * as Most from "./most.ts";

/** ends are how a guest may end. The words are hashed and signed. */
export const ends = ["exit", "trap", "out_of_fuel", "output_limit", "interrupted"] as const;

/** End is how a guest ended. */
export type End = (typeof ends)[number];

/** trapWords are the guest's faults, as coarse as the coarsest engine. */
export const trapWords = [
	"unreachable", "memory_bounds", "table_access", "divide_by_zero", "integer_overflow", "call_depth", "bad_pointer",
] as const;

/** Trap is a fault of the guest. */
export type Trap = (typeof trapWords)[number];

/** maxOutcomeBytes is more than the longest encoding of an outcome. */
export const maxOutcomeBytes = 20 << 20;

const word = <W extends string>(words: readonly W[]): Shape<W> => (v, name) => {
	if (typeof v !== "string" || !(words as readonly string[]).includes(v)) throw invalid(`${name}: not a word that is known`);
	return v as W;
};

/** end is the shape of an End. */
export const end = word(ends);

/** code is the shape of an exit code, signed 32 bits. */
export const code: Shape<number> = (v, name) => {
	if (typeof v !== "number" || v !== (v | 0) || Object.is(v, -0)) throw invalid(`${name}: not a number of 32 bits`);
	return v;
};

const outFile = map({ path: text(1, 1024), dir: bool, hash: bytes(hashSize), size: uint(Most.outputBytes) });

/** OutFile is a file or folder that the guest left in its output folder, by its path there. */
export type OutFile = Of<typeof outFile>;

const shape = map({
	v: version,
	end,
	code,
	trap: word(["", ...trapWords] as const),
	stdout: blob,
	stderr: blob,
	files: list(outFile, Most.files),
});

/** Outcome is a result without its bytes, as it is encoded: what a result's hash covers. */
export type Outcome = Of<typeof shape>;

/** encodeOutcome gives the outcome's one encoding. SeaError "invalid". */
export function encodeOutcome(o: Outcome): Bytes {
	checkOutcome(o);
	return encode(o);
}

/** decodeOutcome reads what encodeOutcome wrote and nothing else. SeaError "cbor" or "invalid". */
export function decodeOutcome(b: Uint8Array): Outcome {
	if (b.length > maxOutcomeBytes) throw invalid(`outcome: ${b.length} bytes, at most ${maxOutcomeBytes}`);
	const o = read(b, shape, "outcome");
	checkOutcome(o);
	return o;
}

/** hashOutcome names a result. */
export function hashOutcome(o: Outcome): Promise<Bytes> {
	return sha256(encodeOutcome(o));
}

/** checkEnd throws SeaError "invalid" for an exit code where there is none. */
export function checkEnd(e: End, exit: number): void {
	if (e !== "exit" && exit !== 0) throw invalid(`end ${e} with exit code ${exit}`);
}

function checkOutcome(o: Outcome): void {
	checkEnd(o.end, o.code);
	if ((o.end === "trap") !== (o.trap !== "")) throw invalid(`end ${o.end} with trap ${JSON.stringify(o.trap)}`);
	checkBlob(o.stdout, "stdout");
	checkBlob(o.stderr, "stderr");
	if (o.files.length > Most.files) throw invalid(`${o.files.length} files, at most ${Most.files}`);
	let total = o.stdout.size + o.stderr.size;
	const folders = new Set<string>();
	for (const f of o.files) {
		checkPath(f.path);
		checkBlob(f as Blob, f.path);
		if (f.dir && f.size > 0) throw invalid("an output folder with bytes");
		const at = f.path.lastIndexOf("/");
		if (at >= 0 && !folders.has(f.path.slice(0, at))) throw invalid("an output file in no folder");
		if (f.dir) folders.add(f.path);
		total += f.size;
	}
	checkSorted(o.files.map((f) => f.path));
	if (total > Most.outputBytes) throw invalid(`${total} bytes of output, at most ${Most.outputBytes}`);
}
