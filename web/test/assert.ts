// For tests that run in a page.

/** assert throws unless ok holds. */
export default function assert(ok: boolean): asserts ok {
	if (!ok) throw new Error("that does not hold");
}
