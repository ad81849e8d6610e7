// Small helpers on bytes, for all of the package.

/** Bytes are bytes in memory that is not shared with another thread. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

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
	const n = Math.min(a.length, b.length);
	for (let i = 0; i < n; i++) {
		if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
	}
	return Math.sign(a.length - b.length);
}

/** toHex gives lower-case digits. */
export function toHex(b: Uint8Array): string {
	return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
}

/** fromHex reads lower-case digits; anything else gives undefined. */
export function fromHex(text: string): Bytes | undefined {
	if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text) || text.endsWith("\n")) return undefined;
	const b = new Uint8Array(text.length / 2);
	for (let i = 0; i < b.length; i++) b[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
	return b;
}

/** sha256 hashes a copy of the pieces, one after the other. */
export async function sha256(...pieces: Uint8Array[]): Promise<Bytes> {
	return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...pieces)));
}
