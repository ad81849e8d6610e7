// A purse pays an order as it runs: a lock when half of the first quantum is used,
// vouchers for each quantum that the seller shows. See docs/PROTOCOL.md, part 8,
// "Paid as it runs".

import { type Bytes, compare } from "../bytes.ts";
import { saidOf } from "../ledger/account.ts";
import { pack, unpack, zero } from "../ledger/format.ts";
import { type Ledger } from "../ledger/ledger.ts";
import { release as releaseLayout, voucher } from "../ledger/lock.ts";
import { findLock } from "../ledger/tally.ts";
import { costOf, gfuel, least } from "./price.ts";
import { Refused } from "./reason.ts";
import { type Quote } from "./statement.ts";

// No machine is faster: no voucher is for more fuel a second.
const fastest = 32n * gfuel;

// How long after the job's own time its lock stays open, s.
const lockTime = 3600;

/** Purse is of one order. */
export class Purse {
	/** newest is the newest voucher, and vouched what it is over. */
	newest: Bytes | undefined;
	vouched = 0n;
	/** owed is what the seller can claim: vouched, or the bill once that is signed. */
	owed = 0n;
	lock: Bytes | undefined;

	/** pause is in how many ms a voucher that is due may be given, 0 when none is. */
	pause = 0;

	readonly #quantum: bigint;
	readonly #most: bigint; // fuel; the rest is paid when the output was checked
	#covered = 0n;
	#began: number | undefined;

	constructor(
		readonly ledger: Ledger,
		readonly seller: Bytes,
		/** order and quoted are the hashes of both statements. */
		readonly order: Bytes,
		readonly quoted: Bytes,
		readonly quote: Quote,
		fuel: bigint,
		/** until is when the job's own time ends, Unix ms. */
		readonly until: number,
	) {
		const q = quote.quantum ?? 0n;
		this.#quantum = fuel > q ? q : 0n;
		this.#most = fuel - q;
	}

	/** resume takes up what was promised for the order in an earlier run. */
	async resume(): Promise<void> {
		const { mine } = await this.ledger.account(this.seller);
		this.vouched = this.owed = (await this.ledger.paid(this.seller, this.order)).ours;
		const k = Object.values(mine.tally.locks).find(({ ref }) => compare(ref, this.order) === 0);
		this.lock = k?.id;
		const said = k && saidOf(mine, k.id);
		if (!said) return;
		this.newest = pack(voucher, said);
		this.#covered = said.fuel;
		if (said.cum > this.vouched) this.vouched = this.owed = said.cum;
	}

	/** vouch gives what is due for the fuel that the seller has shown of a guest that runs. */
	async vouch(shown: bigint): Promise<void> {
		this.pause = 0;
		if (this.#quantum === 0n) return;
		this.#began ??= performance.now();
		if (shown < this.#quantum / 2n) return;
		if (!this.lock) {
			const expiry = BigInt(Math.floor(this.until / 10_000) + lockTime / 10);
			this.lock = await this.ledger.lock(this.seller, this.quote.ceiling, this.order, { expiry, quote: this.quoted, hash: zero() });
		}
		const due = least(shown, this.#most);
		if (due <= this.#covered || shown - this.#covered < this.#quantum) return;
		const can = Number((due * 1000n) / fastest) - (performance.now() - this.#began);
		if (can > 0) {
			this.pause = Math.ceil(can);
			return;
		}
		const cost = costOf(this.quote, due)!; // at most the ceiling
		this.newest = pack(voucher, await this.ledger.voucher(this.seller, this.lock, cost, due));
		this.vouched = this.owed = cost;
		this.#covered = due;
	}

	/** pay pays the bill, out of the lock if there is one, and gives what was paid in all. It may be called again. */
	async pay(bill: bigint, fuel: bigint, release: Bytes | undefined): Promise<bigint> {
		const paid = async () => (await this.ledger.paid(this.seller, this.order)).ours;
		const open = this.lock && findLock((await this.ledger.account(this.seller)).mine.tally, this.lock);
		if (open) {
			if ((await paid()) < bill) await this.ledger.voucher(this.seller, open.id, bill, fuel);
			if (bill > this.owed) this.owed = bill;
			await this.fold(release);
		} else if (bill > 0n && (await paid()) < bill) {
			await this.ledger.pay(this.seller, bill, this.order);
		}
		const sum = await paid();
		if (sum < bill) throw new Refused("not_paid", `${sum} of ${bill} micro-credits are paid`);
		return sum;
	}

	/** fold pays what is vouched, and closes the lock if its seller has released it. */
	async fold(release: Bytes | undefined): Promise<void> {
		if (!this.lock) return;
		try {
			if (release) return await this.ledger.fold(this.seller, this.lock, unpack(release, releaseLayout, "release"));
		} catch {
			// It is no release, so the lock stays until it expires: what is owed is owed.
		}
		await this.ledger.fold(this.seller, this.lock);
	}
}
