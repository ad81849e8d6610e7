// A shop is what a peer needs to buy: its ledger, and the buyer. It is loaded when
// the first job is bought.

import { toHex } from "../bytes.ts";
import { type Signer } from "../identity/ed25519.ts";
import { type Carrier, Credit } from "../ledger/credit.ts";
import { Ledger } from "../ledger/ledger.ts";
import { IdbStore, MemoryStore, type Store } from "../ledger/store.ts";
import { Book } from "./book.ts";
import { Buyer, type Home } from "./buyer.ts";
import { Memory } from "./memory.ts";

/** Shop is open for as long as the program runs. */
export interface Shop {
	readonly ledger: Ledger;
	readonly credit: Credit;
	readonly buyer: Buyer;
}

/**
 * openShop opens the ledger of a node's key and the jobs that it has bought, in the
 * stores or in the browser's own, or for as long as the program runs where there is
 * none. Jobs that an earlier run has left open go on.
 */
export async function openShop(node: Home & Carrier & { readonly signer: Signer }, store?: Store, jobs?: Store): Promise<Shop> {
	const ledger = await Ledger.open(node.signer, store ?? (await storeOf("ledger", node.signer)));
	const kept = jobs ?? (await storeOf("jobs", node.signer));
	const buyer = new Buyer(node, ledger, await Book.open(kept), await Memory.open(kept));
	const shop = { ledger, credit: new Credit(node, ledger), buyer };
	shop.buyer.resume();
	return shop;
}

/** storeOf opens what a browser keeps of a kind for a key. */
export async function storeOf(kind: string, { key }: Signer): Promise<Store> {
	return typeof indexedDB === "undefined" ? new MemoryStore() : IdbStore.open(`peersea/${kind}/${toHex(key)}`);
}

// Reaching all of the core from here makes it one file beside this one, which packs tighter than two.
export { Sea } from "../sea.ts";
