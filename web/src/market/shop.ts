// A shop is what a peer needs to buy: its ledger, and the buyer. It is loaded when
// the first job is bought.

import { toHex } from "../bytes.ts";
import { type Signer } from "../identity/ed25519.ts";
import { type Carrier, Credit } from "../ledger/credit.ts";
import { Ledger } from "../ledger/ledger.ts";
import { IdbStore, MemoryStore, type Store } from "../ledger/store.ts";
import { Buyer, type Home } from "./buyer.ts";

/** Shop is open for as long as the program runs. */
export interface Shop {
	readonly ledger: Ledger;
	readonly credit: Credit;
	readonly buyer: Buyer;
}

/** openShop opens the ledger of a node's key, in the store or in the browser's own, or for as long as the program runs where there is none. */
export async function openShop(node: Home & Carrier & { readonly signer: Signer }, store?: Store): Promise<Shop> {
	const ledger = await Ledger.open(node.signer, store ?? (await storeOf(node.signer)));
	return { ledger, credit: new Credit(node, ledger), buyer: new Buyer(node, ledger) };
}

async function storeOf({ key }: Signer): Promise<Store> {
	return typeof indexedDB === "undefined" ? new MemoryStore() : IdbStore.open(`peersea/ledger/${toHex(key)}`);
}

// Reaching all of the core from here makes it one file beside this one, which packs tighter than two.
export { Sea } from "../sea.ts";
