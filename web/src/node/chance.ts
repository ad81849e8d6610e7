// Chance: so that peers do not all do the same, or all at once.

/** about is ms, give or take a fifth. */
export const about = (ms: number): number => ms * (0.8 + 0.4 * Math.random());

/** any is a member of a list, undefined of an empty one. */
export const any = <T>(list: readonly T[]): T | undefined => list[Math.floor(Math.random() * list.length)];

/** shuffle gives the members in another order. */
export const shuffle = <T>(list: readonly T[]): T[] =>
	list.map((x) => [Math.random(), x] as const).sort(([a], [b]) => a - b).map(([, x]) => x);
