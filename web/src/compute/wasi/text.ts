// Arguments and environment: docs/WASI.md, part 6.

import { type Memory } from "./memory.ts";
import { type World } from "./world.ts";

function strings(w: World, m: Memory, list: Uint8Array[], pointers: number, buf: number): void {
	const bytes = total(list);
	m.span(pointers, list.length * 4);
	m.span(buf, bytes);
	w.pay(list.length * 4 + bytes);
	for (const s of list) {
		m.put32(pointers, buf);
		m.span(buf, s.length).set(s);
		pointers += 4;
		buf += s.length;
	}
}

function sizes(m: Memory, list: Uint8Array[], count: number, size: number): void {
	m.put32(count, list.length);
	m.put32(size, total(list));
}

function total(list: Uint8Array[]): number {
	return list.reduce((n, s) => n + s.length, 0);
}

export const text = {
	args_get: (w: World, m: Memory, pointers: number, buf: number) => strings(w, m, w.args, pointers, buf),
	args_sizes_get: (w: World, m: Memory, count: number, size: number) => sizes(m, w.args, count, size),
	environ_get: (w: World, m: Memory, pointers: number, buf: number) => strings(w, m, w.env, pointers, buf),
	environ_sizes_get: (w: World, m: Memory, count: number, size: number) => sizes(m, w.env, count, size),
};
