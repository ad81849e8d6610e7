// A page for the test of this package.

export interface Test {
	later(n: number): Promise<number>;
	keep(name: string, value: string): void;
	kept(name: string): string | null;
	fail(): void;
}

const test: Test = {
	later: (n) => new Promise((resolve) => setTimeout(resolve, 0, n + 1)),
	keep: (name, value) => localStorage.setItem(name, value),
	kept: (name) => localStorage.getItem(name),
	fail() {
		console.error("as asked");
		void Promise.reject(new Error("nobody caught this"));
	},
};

Object.assign(globalThis, { test });
