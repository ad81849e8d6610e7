// Package market is where jobs are bought and sold: the plugin by which two
// nodes trade the execution of a WebAssembly program for signed credit.
//
// A trade is a row of signed statements, each a new value that names the one
// before by its hash: Offer, Ask, Quote or Refusal, Order, the engine's
// receipt, Delivery, and at the end one entry of the ledger. A statement is on
// disk before it is sent, unless it promises nothing, so a crash of either side
// at any point is harmless: both come back, take up the trade where it was, and
// the buyer pays at most once, at most the quoted ceiling, and only for what
// was delivered and checked. What a seller fails another one is asked for, and
// the buyer's cap covers all tries together. A long job is paid as it runs: then what was
// delivered is the last quantum at least.
//
// Market is the plugin and both roles. As a buyer it takes a Spec and keeps a
// Job with its history; as a seller it has a Policy and keeps a Sale for each
// order. Book is the durable part of the buyer's side, and answers questions
// with or without a running node.
//
// # Places to fail
//
// Failpoints, in the order of a trade: the buyer's
//
//	market:map-persisted      a map is on disk, no item was begun
//	market:map-item           that an item has a job is given to the disk, the job is not
//	market:job-persisted      the job is on disk, nobody was asked
//	market:ask-sent           asks have gone out
//	market:quote-received     a quote was chosen
//	market:order-persisted    the order is on disk, not sent
//	market:order-sent         the seller has taken the order
//	market:locked             the ledger has the lock of a job that runs
//	market:vouched            a voucher is signed, not sent
//	market:output-fetched     all output is here and checked
//	market:delivery-persisted receipt, delivery and output are on disk, nothing is paid
//	market:pay-before         about to pay
//	market:pay-after          the ledger has the entry, the job does not know
//	market:map-item-ended     a job has ended, its map's item does not know
//
// and the seller's
//
//	market:quote-signed       a quote is about to be sent
//	market:sale-persisted     the order is on disk, not answered
//	market:inputs-fetched     module and inputs are here
//	market:running            the guest is about to run
//	market:voucher-taken      the ledger has a voucher
//	market:ran                the guest has ended, nothing is signed
//	market:receipt-signed     receipt and delivery exist in memory only
//	market:delivery-kept      receipt, delivery and output are on disk
//	market:delivery-sent      the buyer's poll has been answered with them
//	market:paid               the payment was seen, the sale does not know
//
// # What is bounded, and where
//
// Every bound is a constant beside what it bounds: the buyer's in buyer.go, the
// seller's in policy.go and seller.go, messages in wire.go, files in
// plugins/storage.
package market
