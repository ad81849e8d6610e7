// The daemon's control API, as far as a browser may use it; docs/API.md has it all.

/** Refused is what the daemon answers when it does not do what was asked. */
export class Refused extends Error {
	constructor(
		readonly status: number,
		message: string,
		readonly hint: string,
	) {
		super(message);
	}
}

/** Silent is that the daemon does not answer at all. */
export class Silent extends Error {}

const kept = "sea.token";

/**
 * An Api asks the daemon that served the page. The token came in the address, after
 * the #, which browsers send to nobody; it is kept for this tab alone.
 */
export class Api {
	private constructor(private readonly token: string) {}

	static open(): Api {
		const given = /^#token=(\w+)$/.exec(location.hash)?.[1];
		if (given !== undefined) {
			sessionStorage.setItem(kept, given);
			history.replaceState(null, "", "#/"); // out of sight, and out of the history
		}
		return new Api(given ?? sessionStorage.getItem(kept) ?? "");
	}

	async get<T>(path: string, signal?: AbortSignal): Promise<T> {
		return (await this.ask("GET", path, undefined, signal)).json() as Promise<T>;
	}

	async send<T>(method: "POST" | "PUT", path: string, body: unknown = {}): Promise<T> {
		return (await this.ask(method, path, body)).json() as Promise<T>;
	}

	async blob(path: string): Promise<Blob> {
		return (await this.ask("GET", path)).blob();
	}

	/** events yields the data of each server-sent event until the stream ends. */
	async *events<T>(path: string, signal: AbortSignal): AsyncGenerator<T> {
		const reader = (await this.ask("GET", path, undefined, signal)).body!.pipeThrough(new TextDecoderStream()).getReader();
		for (let text = ""; ; ) {
			const { done, value } = await reader.read();
			if (done) return;
			const parts = (text + value).split("\n\n");
			text = parts.pop()!;
			for (const part of parts) yield JSON.parse(part.slice("data: ".length)) as T;
		}
	}

	private async ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
		const init: RequestInit = { method, headers: { Authorization: `Bearer ${this.token}` }, cache: "no-store" };
		if (body !== undefined) init.body = JSON.stringify(body);
		if (signal) init.signal = signal;
		const answer = await fetch(`/v1${path}`, init).catch((err: unknown) => {
			throw new Silent("the daemon does not answer", { cause: err });
		});
		if (answer.ok) return answer;
		const { error, hint } = (await answer.json().catch(() => ({}))) as { error?: string; hint?: string };
		throw new Refused(answer.status, error ?? `the daemon answered ${answer.status}`, hint ?? "");
	}
}
