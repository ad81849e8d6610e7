package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// What is refused of locks, from their payer and from those who lie.

func TestVouchersRefused(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	if _, err := x.payer.SignVoucher(x.payee.self, x.lock, 101, 0); !errors.Is(err, ErrAmount) {
		t.Errorf("above the lock: got %v", err)
	}
	if _, err := x.payer.SignVoucher(x.payee.self, x.ref, 1, 0); !errors.Is(err, ErrLock) {
		t.Errorf("of no lock: got %v", err)
	}
	good := Voucher{Line: LineOf(x.payer.self, x.payee.self), Side: SideOf(x.payer.self, x.payee.self), Lock: x.lock, Cum: 9, Quote: testQuote}
	tests := []struct {
		name string
		edit func(*Voucher)
		by   int
		want error
	}{
		{"above the lock", func(v *Voucher) { v.Cum = 101 }, 0, ErrVoucher},
		{"for another quote", func(v *Voucher) { v.Quote[0]++ }, 0, ErrVoucher},
		{"of another lock", func(v *Voucher) { v.Lock[0]++ }, 0, ErrLock},
		{"of another line", func(v *Voucher) { v.Line[0]++ }, 0, ErrStranger},
		{"of the other side", func(v *Voucher) { v.Side ^= 1 }, 0, ErrStranger},
		{"signed by the payee", func(v *Voucher) {}, 1, identity.ErrBadSignature},
	}
	for _, test := range tests {
		v := good
		test.edit(&v)
		v, err := v.sign(x.keys[test.by])
		x.must(err)
		if err := x.payee.TakeVoucher(t.Context(), x.payer.self, v); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	x.want(0, 0, 100)
}

// TestLockIsOnePerRef asks for a lock again.
func TestLockIsOnePerRef(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	e, err := x.payer.Lock(t.Context(), x.payee.self, 100, x.ref, x.terms(identity.Hash{}))
	if err != nil || e.Hash() != x.lock {
		t.Errorf("again: got %v, %v", e.Hash(), err)
	}
	if _, err := x.payer.Lock(t.Context(), x.payee.self, 99, x.ref, x.terms(identity.Hash{})); !errors.Is(err, ErrRef) {
		t.Errorf("with another amount: got %v", err)
	}
	if _, err := x.payer.Pay(t.Context(), x.payee.self, 99, x.ref); !errors.Is(err, ErrRef) {
		t.Errorf("a payment for it: got %v", err)
	}
	for i := range MaxLocks - 1 {
		_, err := x.payer.Lock(t.Context(), x.payee.self, 1, identity.HashOf([]byte{byte(i)}), x.terms(identity.Hash{}))
		x.must(err)
	}
	if _, err := x.payer.Lock(t.Context(), x.payee.self, 1, NewRef(), x.terms(identity.Hash{})); !errors.Is(err, ErrLocks) {
		t.Errorf("one too many: got %v", err)
	}
	x.deliver()
	x.want(0, 0, 100+MaxLocks-1)
}

// TestLocksOfStrangers: when all locks are taken, those who are known get one.
func TestLocksOfStrangers(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	if !x.payee.MayLock(x.payer.self) || !x.payee.MayLock(x.payee.self) {
		t.Error("a stranger may not lock")
	}
	x.payee.mu.Lock()
	x.payee.locks += maxAllLocks - 1
	x.payee.mu.Unlock()
	if x.payee.MayLock(x.payer.self) {
		t.Error("a stranger may lock when there is no room")
	}
	_, err := x.payer.Lock(t.Context(), x.payee.self, 1, NewRef(), x.terms(identity.Hash{}))
	x.must(err)
	message, err := x.payer.Next(x.payee.self)
	x.must(err)
	if _, err := x.payee.Receive(t.Context(), x.payer.self, message); !errors.Is(err, ErrLocks) {
		t.Errorf("a stranger's: got %v, want %v", err, ErrLocks)
	}
	x.must(x.payee.Grant(x.payer.self, 1, time.Time{}))
	_, err = x.payee.Receive(t.Context(), x.payer.self, message)
	x.must(err)
	if !x.payee.MayLock(x.payer.self) {
		t.Error("one with a grant may not lock")
	}
	for range MaxLocks - 2 {
		_, err := x.payer.Lock(t.Context(), x.payee.self, 1, NewRef(), x.terms(identity.Hash{}))
		x.must(err)
	}
	x.deliver()
	if x.payee.MayLock(x.payer.self) {
		t.Errorf("one with %d locks may lock", MaxLocks)
	}
}

// TestVoidThenVouchers has a payer take its lock back, get the release that is
// due then, and go on with vouchers: closing the lock would unmake them.
func TestVoidThenVouchers(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	x.voucher(30, true)
	x.void(nil)
	x.deliver()
	b, err := x.payee.Position(x.payer.self)
	x.must(err)
	p, err := decodePosition(b)
	x.must(err)
	if len(p.shown) != 1 || p.shown[0].release == nil {
		t.Fatalf("shown: %+v, want a release", p.shown)
	}
	v, err := x.payer.SignVoucher(x.payee.self, x.lock, 90, 1)
	x.must(err)
	if err := x.payee.TakeVoucher(t.Context(), x.payer.self, v); !errors.Is(err, ErrVoucher) {
		t.Errorf("a voucher after it: got %v, want %v", err, ErrVoucher)
	}
}

func pay(l *Ledger, to identity.Entity, amount Amount) error {
	_, err := l.Pay(background, to, amount, NewRef())
	return err
}

// TestLockLies has a payer sign what breaks the rules of locks.
func TestLockLies(t *testing.T) {
	payer, payee := keyOf(t, 1), keyOf(t, 2)
	terms := LockTerms{Expiry: 99, Quote: testQuote}
	base := newChain(t, payer, payee.Entity()).lock(100, terms)
	lock := base.last.Hash()
	voucher := func(cum Amount) Voucher {
		v, err := Voucher{Line: base.line, Side: base.side, Lock: lock, Cum: cum, Quote: testQuote}.sign(payer)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	ref := base.last.Ref
	tests := []struct {
		name string
		do   func(c *chain) *chain
		want error
	}{
		{"held falls without a reason", func(c *chain) *chain { return c.pay(func(e *Entry) { e.Held = 0 }, 5) }, ErrContradiction},
		{"a fold of more than its voucher", func(c *chain) *chain {
			return c.say(KindFold, 20, 80, 20, ref, voucher(10))
		}, ErrContradiction},
		{"a fold above the lock", func(c *chain) *chain {
			return c.say(KindFold, 101, 0, 101, ref, voucher(101))
		}, ErrContradiction},
		{"a fold twice", func(c *chain) *chain {
			return c.say(KindFold, 10, 90, 10, ref, voucher(10)).say(KindFold, 10, 80, 20, ref, voucher(10))
		}, ErrContradiction},
		{"a fold for another order", func(c *chain) *chain {
			return c.say(KindFold, 10, 90, 10, testQuote, voucher(10))
		}, ErrContradiction},
		{"a void of a part", func(c *chain) *chain {
			return c.say(KindVoid, 50, 50, 0, ref, voiding{lock: lock})
		}, ErrContradiction},
		{"a void twice", func(c *chain) *chain {
			return c.say(KindVoid, 100, 0, 0, ref, voiding{lock: lock}).say(KindVoid, 100, 0, 0, ref, voiding{lock: lock})
		}, ErrContradiction},
		{"a void of no lock", func(c *chain) *chain {
			return c.say(KindVoid, 100, 0, 0, ref, voiding{lock: ref})
		}, ErrContradiction},
		{"a settlement by nothing", func(c *chain) *chain {
			return c.say(KindSettle, 100, 0, 100, ref, settlement{lock: lock})
		}, ErrContradiction},
		{"a voucher signed by nobody", func(c *chain) *chain {
			v := voucher(10)
			v.Sig[0] ^= 1
			return c.say(KindFold, 10, 90, 10, ref, v)
		}, identity.ErrBadSignature},
		{"a release signed by the payer", func(c *chain) *chain {
			x, err := Release{Line: base.line, Side: base.side, Lock: lock}.sign(payer)
			if err != nil {
				t.Fatal(err)
			}
			return c.say(KindVoid, 100, 0, 0, ref, voiding{lock, &x})
		}, identity.ErrBadSignature},
		{"a body that is not the one named", func(c *chain) *chain {
			c = c.say(KindFold, 10, 90, 10, ref, voucher(10))
			c.runs[1].bodies[0] = voucher(11)
			return c
		}, ErrFormat},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, path := openTest(t, payee, Config{})
			c := test.do(base.clone())
			var err error
			for range 2 { // what is good before it may be taken first
				if _, err = l.Receive(t.Context(), payer.Entity(), c.push(0)); err != nil {
					break
				}
			}
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			state := StateOpen
			if test.want == ErrContradiction && l.Line(payer.Entity()).Theirs.Seq > 0 {
				state = StateDisputed
			}
			if got := l.Line(payer.Entity()).State; got != state {
				t.Errorf("the line is %s, want %s", got, state)
			}
			l.Close()
			if _, err := Check(path); err != nil {
				t.Error(err)
			}
		})
	}
}
