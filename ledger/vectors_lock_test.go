package ledger

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/peersea/sea/identity"
)

// locks adds the vectors of locks, vouchers and claims.
func (g *examples) locks(t testing.TB, add func(string, string, []byte, bool, map[string]any), stored func(bucket, []byte, []byte)) {
	t.Helper()
	c := newChain(t, g.payer, g.payee.Entity())
	quote, ref := identity.HashOf([]byte("quote")), identity.HashOf([]byte("order"))
	preimage := [32]byte{1, 2, 3}
	terms := LockTerms{Expiry: 176_000_360, Quote: quote}
	add("terms of a lock", "the body of a LOCK that is paid out by vouchers", terms.Encode(), true,
		map[string]any{"expiry": terms.Expiry, "quote": quote, "hash": terms.Hash})
	c.lock(10_000_000, terms)
	id := c.last.Hash()
	v, err := Voucher{Line: c.line, Side: c.side, Lock: id, Cum: 4_000_000, Fuel: 4_000_000_000, Quote: quote}.sign(g.payer)
	if err != nil {
		t.Fatal(err)
	}
	add("voucher", "4 credits of the lock; signed for sea/voucher/1 without the last 64 bytes", v.Encode(), false,
		map[string]any{"side": v.Side, "lock": v.Lock, "cum": v.Cum, "fuel": v.Fuel, "quote": v.Quote})
	x, err := Release{Line: c.line, Side: c.side, Lock: id, Cum: v.Cum}.sign(g.payee)
	if err != nil {
		t.Fatal(err)
	}
	add("release", "the payee's word that the lock may be closed at 4 credits; signed for sea/release/1 without the last 64 bytes",
		x.Encode(), false, map[string]any{"lock": x.Lock, "cum": x.Cum})

	c.say(KindFold, 4_000_000, 6_000_000, 4_000_000, ref, v)
	c.say(KindVoid, 6_000_000, 0, 4_000_000, ref, voiding{id, &x})
	byHash := LockTerms{Expiry: 176_000_360, Hash: sha256.Sum256(preimage[:])}
	c.say(KindLock, 50, 50, 4_000_000, quote, byHash)
	second := c.last.Hash()
	c.say(KindSettle, 50, 0, 4_000_050, quote, settlement{second, preimage})
	c.say(KindLock, 60, 60, 4_000_050, quote, terms)
	c.say(KindVoid, 60, 0, 4_000_050, quote, voiding{lock: c.last.Hash()})
	add("push of a lock's life", "LOCK, FOLD and VOID with the release; LOCK and SETTLE by a preimage; LOCK and VOID alone: each entry with its body behind it",
		c.push(0), false, nil)
	add("position of claims", "what the payee shows the payer: a voucher, a preimage and a release",
		position{line: c.line, shown: []exhibit{{voucher: &v}, {lock: second, preimage: &preimage}, {release: &x}}}.encode(), false, nil)

	ids := []identity.Hash{id, second}
	if bytes.Compare(id[:], second[:]) > 0 {
		ids[0], ids[1] = second, id
	}
	root, none := locksRoot(ids, ids[:1]), locksRoot(nil, nil)
	add("root of the locks", "the locks of a checkpoint whose low side has two that are not closed, and whose high side has the first of them",
		root[:], false, map[string]any{"low": ids, "high": ids[:1]})
	add("root of no locks", "the locks of a checkpoint without any", none[:], false, nil)

	w := writer{c.line, c.side}
	stored(bLock, w.refKey(id), lock{id: id, seq: 1, ref: ref, amount: 10_000_000, folded: 4_000_000, terms: terms}.encode())
	stored(bClaim, w.refKey(id), evidence{voucher: &v, preimage: &preimage}.encode())
	rec := record{peer: g.payer.Entity(), entry: &c.runs[1].entries[0], body: v, signed: true, sig: c.runs[1].sig}
	g.bytes["record of a fold"] = rec.encode()
}
