package ledger

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// keyOf makes the key whose seed is 32 times b.
func keyOf(t testing.TB, b byte) *identity.Key {
	t.Helper()
	seed := bytes.Repeat([]byte{b}, 32)
	// The entity is not known before the key is: ask with a wrong one first.
	text := func(e string) string {
		return fmt.Sprintf("sea key 1\nentity %s\nsecret %s\n", e, hex.EncodeToString(seed))
	}
	k, err := identity.Restore(strings.NewReader(text(publicOf(seed))), nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// chain writes half-chains by hand, also such as no ledger would.
type chain struct {
	t    testing.TB
	key  identity.Signer
	line LineID
	side Side
	last Entry
	runs []run
}

func newChain(t testing.TB, from identity.Signer, to identity.Entity) *chain {
	return &chain{t: t, key: from, line: LineOf(from.Entity(), to), side: SideOf(from.Entity(), to)}
}

// clone returns a copy that can go another way.
func (c *chain) clone() *chain {
	d := *c
	d.runs = append([]run(nil), c.runs...)
	return &d
}

// pay adds a run of one entry for each amount; edit, unless nil, may change each
// before the next names it.
func (c *chain) pay(edit func(*Entry), amounts ...Amount) *chain {
	c.t.Helper()
	var r run
	for _, a := range amounts {
		e := Entry{
			Line: c.line, Side: c.side, Epoch: firstEpoch, Seq: c.last.Seq + 1, Cum: c.last.Cum + a,
			Tick: 176_000_000, Kind: KindPay, Amount: a,
		}
		if c.last.Seq > 0 {
			e.Prev = c.last.Hash()
		}
		e.Ref = identity.HashOf(fmt.Appendf(nil, "order %d of %d", e.Seq, a))
		if edit != nil {
			edit(&e)
		}
		c.last = e
		r.entries = append(r.entries, e)
	}
	h, err := signHead(c.key, c.last)
	if err != nil {
		c.t.Fatal(err)
	}
	r.sig = h.Sig
	c.runs = append(c.runs, r)
	return c
}

// lock adds a run of a LOCK.
func (c *chain) lock(amount Amount, t LockTerms) *chain {
	return c.say(KindLock, amount, c.last.Held+amount, c.last.Cum, identity.HashOf([]byte("order")), t)
}

// say adds a run of one entry with a body, whatever is wrong with it.
func (c *chain) say(kind Kind, amount, held, cum Amount, ref identity.Hash, b body) *chain {
	c.t.Helper()
	e := Entry{
		Line: c.line, Side: c.side, Epoch: firstEpoch, Seq: c.last.Seq + 1, Cum: cum, Held: held,
		Tick: 90, Kind: kind, Amount: amount, Ref: ref, Body: bodyHash(b),
	}
	if c.last.Seq > 0 {
		e.Prev = c.last.Hash()
	}
	c.last = e
	h, err := signHead(c.key, e)
	if err != nil {
		c.t.Fatal(err)
	}
	r := run{sig: h.Sig}
	r.add(e, b)
	c.runs = append(c.runs, r)
	return c
}

// write appends r to our own half-chain of a, whatever is wrong with it.
func write(b *batch, a *account, r run) error {
	t, err := r.follows(a.own.tally())
	if last := r.last(); err != nil {
		t = tally{epoch: last.Epoch, seq: last.Seq, cum: last.Cum, held: last.Held, tip: last.Hash(), locks: a.own.locks}
	}
	return b.appendRun(a, a.mine, r, t)
}

// push is the message with the runs from the i-th on.
func (c *chain) push(i int) []byte { return push{line: c.line, runs: c.runs[i:]}.encode() }

func grantBy(t testing.TB, creditor identity.Signer, to identity.Entity, seq uint64, limit Amount, expiry int64) Grant {
	t.Helper()
	g, err := Grant{Line: LineOf(creditor.Entity(), to), Seq: seq, Creditor: creditor.Entity(), Limit: limit, Expiry: expiry}.sign(creditor)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var testTime = time.Unix(1_760_000_000, 0)

// openTest opens a ledger in a new folder, checked and closed when t ends.
func openTest(t testing.TB, key identity.Signer, cfg Config) (*Ledger, string) {
	t.Helper()
	path := t.TempDir() + "/ledger.db"
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return testTime }
	}
	l, err := Open(path, key, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := Check(path); err != nil {
			t.Error(err)
		}
	})
	return l, path
}
