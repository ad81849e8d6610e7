// Small helpers on bytes, for all of the package.

/** Bytes are bytes in memory that is not shared with another thread. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

/** none is no bytes. It stays inside: who is given its buffer could detach it. */
export const none: Bytes = new Uint8Array(0);

/** draw gives n random bytes. */
export const draw = (n: number): Bytes => crypto.getRandomValues(new Uint8Array(n));

/** utf8 gives the bytes of well-formed text. */
export function utf8(text: string): Bytes {
	return encoder.encode(text);
}

/** concat copies pieces into one. */
export function concat(...pieces: Uint8Array[]): Bytes {
	const whole = new Uint8Array(pieces.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of pieces) {
		whole.set(p, at);
		at += p.length;
	}
	return whole;
}

/** compare orders bytewise; what begins the other comes first. */
export function compare(a: Uint8Array, b: Uint8Array): number {
	for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
	return a.length - b.length;
}

/** toHex gives lower-case digits. */
export function toHex(b: Uint8Array): string {
	return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
}

/** fromHex reads lower-case digits; anything else gives undefined. */
export function fromHex(text: string): Bytes | undefined {
	if (text.length % 2 || /[^0-9a-f]/.test(text)) return undefined;
	return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** sha256 hashes a copy of the pieces, one after the other. */
export async function sha256(...pieces: Uint8Array[]): Promise<Bytes> {
	return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...pieces)));
}
