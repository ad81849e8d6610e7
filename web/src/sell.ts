// What a page needs to sell what its browser computes, and to recompute a bill: the
// module peersea/sell, which only who does that loads.

import { type Engine } from "./compute/engine.ts";
import { defaultTerms, Seller, type Terms } from "./market/seller.ts";
import { storeOf } from "./market/shop.ts";
import { type Sea } from "./sea.ts";

export { Engine, type Live, Result } from "./compute/engine.ts";
export { Rest, type Rules, type Why } from "./market/rest.ts";
export { type Sale } from "./market/sale.ts";
export { type Caps, Seller, type Terms } from "./market/seller.ts";
export { recheck, type Verification } from "./market/verification.ts";

/**
 * sell has a peer sell what engine computes, on terms; those left out are defaultTerms'.
 * It uses the ledger that the peer buys with, and keeps orders and deliveries in this
 * browser. Call it once for each peer. Who called it closes seller and engine.
 */
export async function sell(sea: Sea, engine: Engine, terms: Partial<Terms> = {}): Promise<Seller> {
	const node = await sea.node();
	const { ledger, buyer } = await sea.shop();
	return Seller.open(node, ledger, engine, buyer.shelf, await storeOf("sales", node.signer), { ...defaultTerms, ...terms });
}
