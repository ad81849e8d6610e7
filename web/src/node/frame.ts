// Frames: what travels over a link, sealed. See docs/PROTOCOL.md, part 4. A frame
// is an array that begins with its tag, here as in CBOR.

import { type Bytes } from "../bytes.ts";
import { SeaError } from "../error.ts";
import { decodeExact, encode } from "../identity/cbor.ts";
import { bytes, type Of, type Shape, text, tuple, uint, uint64 } from "../identity/shape.ts";

/** The bounds of frames, in bytes. */
export const maxBody = 1 << 20;
export const maxStatement = 66 << 10;
export const maxFrame = maxBody + 1024;
export const maxPiece = (16 << 10) - 17;

const maxSigned = 66048;
const scopeForm = /^[a-z0-9./:_-]{1,64}$/;

/** isScope tells whether text names a handler: 1 to 64 of a-z 0-9 - . / : _ */
export const isScope = (text: string): boolean => scopeForm.test(text);

const scope: Shape<string> = (v, name) => {
	if (typeof v !== "string" || !isScope(v)) throw new SeaError("frame", `${name} is no scope`);
	return v;
};
const body = bytes(0, maxBody);
const word = uint(2 ** 32 - 1); // a code or reason
const channel = bytes(28);

/** pieces is a byte string of least to most pieces of one size. */
const pieces = (size: number, least: number, most: number): Shape<Bytes> => {
	const whole = bytes(least * size, most * size);
	return (v, name) => {
		const b = whole(v, name);
		if (b.length % size) throw new SeaError("frame", `${name}: ${b.length} bytes are not pieces of ${size}`);
		return b;
	};
};
const ids = pieces(16, 0, 64);
const members = pieces(28, 0, 8);

// What comes after the tag.
const shapes = {
	0: tuple(text(0, 256)), // observed
	1: tuple(uint64), // number
	2: tuple(uint64),
	3: tuple(word, text(0, 256)), // reason, text
	4: tuple(uint(1 << 21)), // bytes
	5: tuple(uint64, uint(maxFrame), bytes(1, maxPiece)), // id, left, data
	6: tuple(),
	7: tuple(scope, body),
	8: tuple(uint64, scope, body), // id
	9: tuple(uint64, word, text(0, 256), body), // id, code, text
	10: tuple(uint64), // id
	11: tuple(uint64, uint(24), uint(2), uint(4), bytes(1, maxStatement)), // hop, ttl, attempt, budget
	12: tuple(uint64), // hop
	13: tuple(uint64, word, uint(4)), // hop, code, budget
	14: tuple(uint(2), bytes(1, maxStatement)), // attempt
	15: tuple(uint(2)), // need
	16: tuple(text(0, 1024)), // URLs, one a line
	24: tuple(uint64, uint(1), uint(17408), bytes(1, 8192)), // stream, out, left, data
	25: tuple(uint64, uint(1), uint(65536)),
	26: tuple(uint64, uint(1)),
	32: tuple(channel, uint(1), bytes(32), bytes(1, maxSigned), bytes(64)), // past, author, body, signature
	33: tuple(channel, ids),
	34: tuple(channel, ids),
	35: tuple(channel),
	36: tuple(channel, uint(2), ids), // want
	37: tuple(channel, uint(1), ids, members), // yes
	38: tuple(channel),
	39: tuple(channel, bytes(28), uint(6)), // who, ttl
	40: tuple(channel, pieces(28, 1, 6), members), // path
	41: tuple(channel, pieces(28, 0, 6), members),
	42: tuple(channel, uint(16)), // want
};

type Shapes = typeof shapes;

/** Frame is any of them, told apart by its tag. */
export type Frame = { [T in keyof Shapes]: [tag: T, ...Of<Shapes[T]>] }[keyof Shapes];

/** Framed is the frame with a tag. */
export type Framed<T extends keyof Shapes> = Extract<Frame, [T, ...unknown[]]>;

/** encodeFrame gives a frame's bytes, maxFrame at most. */
export const encodeFrame = (f: Frame): Bytes => encode(f);

/** decodeFrame reads one frame and nothing after it. Else SeaError "frame" or "cbor". */
export function decodeFrame(b: Uint8Array): Frame {
	const v = decodeExact(b);
	const tag = Array.isArray(v) ? v[0] : undefined;
	if (typeof tag !== "number" || !Object.hasOwn(shapes, tag)) throw new SeaError("frame", `tag ${String(tag)} is not known here`);
	const members: Shape<unknown[]> = shapes[tag as keyof Shapes];
	return [tag, ...members((v as []).slice(1), `frame ${tag}`)] as Frame;
}
