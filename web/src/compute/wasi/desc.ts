// An open descriptor: docs/WASI.md, part 3.

import { type Node } from "./tree.ts";

/** Kind is what a descriptor is of. */
export type Kind = "stdin" | "stdout" | "stderr" | "folder" | "file";

/** filetype gives WASI's number of a kind: 0 is unknown. */
export function filetype(kind: Kind): number {
	return kind === "folder" ? 3 : kind === "file" ? 4 : 0;
}

/** WASI's rights that are looked at or shown one by one. */
export const Right = { read: 1n << 1n, write: 1n << 6n } as const;
const seeks = (1n << 2n) | (1n << 5n);
const writes = Right.write | (1n << 8n) | (1n << 22n);
const pathSize = 1n << 19n;
const all = (1n << 30n) - 1n;

export class Desc {
	pos = 0n;
	/** list is a folder's entries as of the last rewind. */
	list: Node[] | null = null;
	/** preopened is the root's, which the guest finds open. */
	preopened = false;

	constructor(
		readonly kind: Kind,
		/** node is null for stdout and stderr. */
		readonly node: Node | null,
		readonly read: boolean,
		readonly write: boolean,
		public flags = 0,
	) {}

	/** stdio is whether it is a stream, without a position. */
	get stdio(): boolean {
		return this.kind !== "folder" && this.kind !== "file";
	}

	get type(): number {
		return filetype(this.kind);
	}

	/** rights are what the descriptor can do, and what those opened from it can. */
	get rights(): [bigint, bigint] {
		if (this.kind === "folder") return [all & ~(Right.read | seeks | writes | pathSize), all];
		let base = all;
		if (!this.write) base &= ~writes;
		if (!this.read) base &= ~Right.read;
		if (this.stdio) base &= ~seeks;
		return [base, 0n];
	}
}
