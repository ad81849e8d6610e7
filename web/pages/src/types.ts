// What the control API answers, as far as it is shown. Amounts are micro-credits,
// times RFC 3339 unless a name says otherwise.

export interface Status {
	address: string;
	entity: string;
	acts_for?: { entity: string };
	version: string;
	online: boolean;
	links: number;
	listening: string[];
	direct?: string[];
	selling: boolean;
	shift: Shift;
	not_now?: string;
	outside?: { seen: string[]; nat: "none" | "keeps" | "draws" | "hidden" };
	reached?: { url: string; yes: string[]; no: string[]; asked: string };
	mapped?: { by?: string; urls?: string[]; asked: string; error?: string };
	clock_ahead_ms?: number;
}

export interface Shift {
	mode: "open" | "draining" | "paused";
	until_ms?: number;
}

export interface Peer {
	peer: string;
	acts_for?: string;
	address: string;
	transport: string;
	relayed: boolean;
	obstacle?: string;
	remote: string;
	outbound: boolean;
	rtt_us: number;
	since: string;
	sent_bytes: number;
	received_bytes: number;
}

export interface SeaMap {
	address: string;
	peers: Peer[];
	near: Record<string, string[]>;
}

export interface JobEvent {
	seq: number;
	at: string;
	state: string;
	text: string;
	reason?: string;
	seller?: string;
	try?: string;
}

export interface Job {
	job: string;
	spec: { name: string; module: { hash: string; size: number }; args: string[]; max_credit_micro: number; verify: string };
	state: string;
	reason?: string;
	error?: string;
	hint?: string;
	created: string;
	ended?: string;
	seller?: string;
	fuel: number;
	fuel_limit: number;
	cost_micro: number;
	paid: boolean;
	receipt?: string;
	exit: number | null;
	trap?: string;
	stdout: { size: number };
	stderr: { size: number };
	files?: { path: string; dir: boolean; blob: { size: number } }[];
	history?: JobEvent[];
	check?: string;
}

export interface JobUpdate {
	events?: JobEvent[];
	stdout?: string;
	stderr?: string;
	fuel: number;
	fuel_limit: number;
	cost_micro: number;
	next: { event: number; stdout: number; stderr: number };
	job?: Job;
}

/** A SeaJobMap is one program that is bought for many inputs. */
export interface SeaJobMap {
	map: string;
	spec: { name: string; args: string[]; max_credit_micro: number };
	each: string;
	state: string;
	error?: string;
	created: string;
	items: number;
	done: number;
	failed: number;
	running: number;
	fuel: number;
	cost_micro: number;
}

export interface Verification {
	match: boolean;
	fuel_claimed: number;
	fuel_recomputed: number;
	output_match: boolean;
}

export interface Line {
	peer: string;
	balance_micro: number;
	they_may_owe_micro: number;
	i_may_owe_micro: number;
	they_may_until?: string;
	i_may_until?: string;
	repaid_micro: number;
	held_micro: number;
	state: string;
	reason?: string;
	warning?: string;
	stranger: boolean;
	undelivered: boolean;
	mine: { seq: number; cum_micro: number };
	theirs: { seq: number; cum_micro: number };
}

export interface Strangers {
	budget_micro: number;
	used_micro: number;
}

export interface CurvePoint {
	at: string;
	balance_micro: number;
	low_micro: number;
	high_micro: number;
}

export interface Offer {
	fee_micro: number;
	price_micro_per_gfuel: number;
	price_micro_per_gib?: number;
	caps: { fuel: number; memory_pages: number; wall_ms: number };
	slots: number;
	labels?: string[];
}

export interface SellerOffer extends Offer {
	seller?: string;
	seller_address: string;
	free: number;
	room_micro: number;
	engine: string;
}

export interface MyOffer extends Offer {
	selling: boolean;
	hours?: string;
	policy?: string;
	strangers_micro: number;
	strangers_used_micro: number;
}

export interface Sale {
	order: string;
	buyer: string;
	module: string;
	state: string;
	text?: string;
	fuel: number;
	cost_micro: number;
	taken: string;
}

export interface Task {
	order: string;
	buyer: string;
	module: string;
	state: string;
	held?: string;
	fuel: number;
	fuel_limit: number;
	cost_micro: number;
	taken: string;
}

export interface Sum {
	payments: number;
	amount_micro: number;
	groups: { key: string; payments: number; amount_micro: number }[];
	names?: Record<string, string>;
	due_micro: number;
}
