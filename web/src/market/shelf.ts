// Shelf has the bytes that sellers fetch by their hash, for those they were shared
// with, and fetches what others share. See docs/PROTOCOL.md, part 8, "Inputs".

import { type Bytes, compare, concat, sha256, toHex } from "../bytes.ts";
import { type Blob } from "../compute/blob.ts";
import { SeaError } from "../error.ts";
import { encode } from "../identity/cbor.ts";
import { read } from "../identity/shape.ts";
import { type HashAddress } from "../node/addr.ts";
import { type Handler } from "../node/rpc.ts";
import { Refused } from "./reason.ts";
import { followBytes, get } from "./wire.ts";
import * as Scope from "./scope.ts";

// How many pieces of a blob are asked for at once, and how long one may take, ms.
const window = 4;
const pieceTime = 60_000;

interface Shared {
	readonly peer: Bytes;
	readonly bytes: Bytes;
}

/** Caller calls others. */
export interface Caller {
	call(to: HashAddress, scope: string, body: Bytes, signal?: AbortSignal): Promise<Bytes>;
}

/** Shelf holds what is shared for as long as it is: as much as its jobs have. */
export class Shelf {
	readonly #shared = new Map<string, Set<Shared>>(); // by hash in hex

	/** share lets a peer have blobs until the function that it gives is called. */
	share(peer: Bytes, blobs: Iterable<readonly [Blob, Bytes]>): () => void {
		const mine: [string, Shared][] = [];
		for (const [{ hash }, b] of blobs) {
			const key = toHex(hash);
			const one = { peer, bytes: b };
			const all = this.#shared.get(key) ?? new Set();
			this.#shared.set(key, all.add(one));
			mine.push([key, one]);
		}
		return () => {
			for (const [key, one] of mine) {
				const all = this.#shared.get(key);
				all?.delete(one);
				if (all?.size === 0) this.#shared.delete(key);
			}
		};
	}

	/** serve answers storage:get. Whoever a blob was not shared with learns the same as if it were not there. */
	readonly serve: Handler = (body, from) => {
		if (!from.direct) throw new SeaError("refused", "blobs are served over direct links only; connect first");
		const asked = read(body, get, Scope.get);
		if (asked.size < 1) throw new SeaError("bad_request", "no bytes are asked for");
		const one = [...(this.#shared.get(toHex(asked.hash)) ?? [])].find((s) => compare(s.peer, from.node) === 0);
		if (!one) throw new SeaError("not_found", "no such blob for you");
		const at = asked.offset > BigInt(one.bytes.length) ? one.bytes.length : Number(asked.offset);
		return one.bytes.slice(at, at + asked.size);
	};
}

/** fetchBlob gets a blob over the link to a node. Refused "bad_output" when it is another, else the call's error. */
export async function fetchBlob(node: Caller, from: HashAddress, { hash, size }: Blob, signal: AbortSignal): Promise<Bytes> {
	const pieces: Bytes[] = new Array(Math.ceil(size / followBytes));
	let next = 0;
	const worker = async () => {
		while (next < pieces.length) {
			const i = next++;
			const most = Math.min(followBytes, size - i * followBytes);
			const until = AbortSignal.any([signal, AbortSignal.timeout(pieceTime)]);
			const piece = await node.call(from, Scope.get, encode({ hash, offset: i * followBytes, size: most }), until);
			if (piece.length !== most) throw new Refused("bad_output", "a piece of the output has another size than was said");
			pieces[i] = piece;
		}
	};
	await Promise.all(Array.from({ length: window }, worker));
	const whole = concat(...pieces);
	if (compare(await sha256(whole), hash) !== 0) throw new Refused("bad_output", "the output has another hash than was said");
	return whole;
}
