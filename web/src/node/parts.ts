// Large frames travel in Parts. See docs/PROTOCOL.md, part 4.

import { type Bytes, concat } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { type Uint } from "../identity/cbor.ts";
import { decodeFrame, type Frame, type Framed, maxFrame, maxPiece } from "./frame.ts";
import * as Tag from "./tag.ts";

/** maxOpen is how many cut frames may be under way at once in one direction. */
export const maxOpen = 4;

// What always fits beside a part's own heads.
const piece = 16348;

const mayBeCut = new Set<number>([Tag.message, Tag.request, Tag.reply, Tag.routed, Tag.answer, Tag.publish]);

/** cut gives the parts of a frame's bytes, in order. id counts up from 0. */
export function* cut(id: number, frame: Bytes): Generator<Framed<5>> {
	for (let at = 0; at < frame.length; at += piece) {
		const data = frame.subarray(at, at + piece);
		yield [Tag.part, id, frame.length - at - data.length, data];
	}
}

/** Joiner puts parts together: maxOpen frames at once, of maxFrame bytes at most each. */
export class Joiner {
	#next = 0;
	readonly #open = new Map<Uint, { left: number; size: number; pieces: Bytes[] }>();

	/** add gives the frame when a part was its last. SeaError "frame" when the part may not come now. */
	add([, id, left, data]: Framed<5>): Frame | undefined {
		const wrong = (why: string) => new SeaError("frame", `part of frame ${id}: ${why}`);
		let whole = this.#open.get(id);
		if (!whole) {
			const size = left + data.length;
			if (id !== this.#next || this.#open.size === maxOpen) throw wrong("it may not begin now");
			if (size > maxFrame) throw wrong("too large");
			this.#next++;
			this.#open.set(id, (whole = { left: size, size, pieces: [] }));
		}
		if (left !== whole.left - data.length) throw wrong("a gap or an overlap");
		whole.left = left;
		whole.pieces.push(data);
		if (left > 0) return undefined;
		this.#open.delete(id);
		const f = decodeFrame(concat(...whole.pieces));
		if (whole.size <= maxPiece || !mayBeCut.has(f[0])) throw wrong("a frame that is not cut");
		return f;
	}
}
