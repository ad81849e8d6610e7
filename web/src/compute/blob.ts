// Bytes by their hash, and paths: docs/PROTOCOL.md, part 5.

import { type Bytes, compare, sha256, utf8 } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { bytes, map, type Of, type Shape, uint } from "../identity/shape.ts";

/** maxInputBytes is the most that stdin and all input files hold together, 1 GiB. */
export const maxInputBytes = 1 << 30;

const maxPath = 1024; // bytes of a path
const maxName = 255; // bytes of one part of it
const maxParts = 32; // parts of a path

/** emptyHash is the SHA-256 of nothing. */
const emptyHash = new Uint8Array([
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
	0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

export const hashSize = 32;

const parts = map({ hash: bytes(hashSize), size: uint(maxInputBytes) });

/** Blob names bytes by their SHA-256 and their number. */
export type Blob = Of<typeof parts>;

/** emptyBlob is the only name of no bytes. */
export const emptyBlob: Blob = { hash: emptyHash, size: 0 };

/** blobOf names b. */
export async function blobOf(b: Uint8Array): Promise<Blob> {
	return { hash: await sha256(b), size: b.length };
}

/** blob is the shape of a blob that is empty in hash and size, or in neither. */
export const blob: Shape<Blob> = (v, name) => {
	const b = parts(v, name);
	checkBlob(b, name);
	return b;
};

/** checkBlob throws SeaError "invalid" when hash and size disagree. */
export function checkBlob(b: Blob, name: string): void {
	if (b.hash.length !== hashSize || !Number.isSafeInteger(b.size) || b.size < 0 || b.size > maxInputBytes) {
		throw invalid(`${name}: not a hash and up to ${maxInputBytes} bytes`);
	}
	if ((b.size === 0) !== (compare(b.hash, emptyHash) === 0)) {
		throw invalid(`${name}: hash and size disagree about being empty`);
	}
}

/** Blobs give the bytes of a job by their hash; they throw SeaError "blob" for what is not there. */
export interface Blobs {
	open(hash: Uint8Array): Promise<Bytes>;
}

/** load gives the bytes of b and holds them to its hash. SeaError "blob". */
export async function load(what: string, b: Blob, blobs: Blobs): Promise<Bytes> {
	if (b.size === 0) return new Uint8Array(0);
	const data = await blobs.open(b.hash);
	if (data.length !== b.size || compare(await sha256(data), b.hash) !== 0) {
		throw new SeaError("blob", `the bytes of ${what} do not have its hash`);
	}
	return data;
}

/**
 * checkPath throws SeaError "invalid" unless p is relative, clean, separated by
 * "/", without NUL, "." and "..", and not too long.
 */
export function checkPath(p: string): void {
	const all = p.split("/");
	const clean = all.every((part) => part !== "" && part !== "." && part !== ".." && utf8(part).length <= maxName);
	if (!clean || p.includes("\0") || all.length > maxParts || utf8(p).length > maxPath) {
		throw invalid(`path ${JSON.stringify(p.slice(0, 80))} is not clean, or too long`);
	}
}

/** parents are the folders that a path is in, outermost first. */
export function parents(p: string): string[] {
	const all: string[] = [];
	for (let at = p.indexOf("/"); at >= 0; at = p.indexOf("/", at + 1)) all.push(p.slice(0, at));
	return all;
}

/** checkSorted throws SeaError "invalid" unless paths ascend in byte order, each once. */
export function checkSorted(paths: string[]): void {
	let before: Bytes | undefined;
	for (const p of paths) {
		const b = utf8(p);
		if (before && compare(before, b) >= 0) throw invalid(`path ${JSON.stringify(p.slice(0, 80))} is not sorted`);
		before = b;
	}
}

/** invalid is the error of what is encoded and not as the protocol says. */
export function invalid(why: string): SeaError {
	return new SeaError("invalid", why);
}
