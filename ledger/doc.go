// Package ledger keeps what keys owe each other, so that both can prove it.
//
// Two keys share a line, which is two half-chains of entries. Each side writes
// only its own: "I have promised you cum in all". A balance is what they have
// promised less what we have, the same two numbers on both sides. An [Entry]
// names the one before by hash; a [Head] signs the newest and thereby all. A
// [Grant] says how far a creditor lets the other go into debt.
//
// A [Ledger] is one key's lines, in one file. Pay and Grant write; Hold and
// Reserve set room aside for work that is under way; Line and Lines show. A
// carrier takes the rest from peer to peer: on meeting, each side sends its
// Position and gives the other's to Compare; then Next at one end makes what
// Receive takes at the other, whose answer goes to Acked. Any message may be
// lost, late, doubled or out of order. Check reads a whole file and verifies
// every signature, number and sum in it.
//
// One rule makes crashes harmless: persist, then send. An entry, its signature
// and its place in the outbox are written in one transaction and are on the
// disk before Pay returns or anything leaves; a payee acknowledges after its
// own fsync. What was not acknowledged is sent again, the same bytes.
//
// Only one process may sign for a key on a line: a second one that opens the
// file is told ErrInUse, and a file put back from an old copy is fenced as soon
// as a peer shows what is missing, and rebuilt from what the peer holds (Recall).
//
// Seal moves the oldest records into files of their own beside the ledger's, which
// History, Check and what peers ask for read as well. Without them balances and
// payments are as before, and what stands there is ErrSegment.
package ledger
