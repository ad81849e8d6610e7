package ledger

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// TestBudgetBeforeWord has a node with a certificate pay before it has given any
// peer its word: as after each start, or when nobody is linked.
func TestBudgetBeforeWord(t *testing.T) {
	key, at := keyOf(t, 1), newClock()
	said := certify(t, keyOf(t, 9), key.Entity(), 5*Credit, CanPay)
	l, path := openTest(t, key, Config{Now: at.now, Certificate: &said})
	to := keyOf(t, 2).Entity()
	pay := func(amount Amount, want error) {
		t.Helper()
		if _, err := l.Pay(t.Context(), to, amount, NewRef()); !errors.Is(err, want) {
			t.Errorf("pay %s: got %v, want %v", amount, err, want)
		}
	}
	pay(6*Credit, ErrBudget)
	if _, err := l.Reserve(to, 6*Credit, identity.Hash{}); !errors.Is(err, ErrBudget) {
		t.Errorf("reserve: got %v", err)
	}
	pay(5*Credit, nil)
	pay(1, ErrBudget)
	// Revoked before it gave any word: it acts for itself.
	r, err := identity.Revocation{Node: key.Entity(), Serial: 99, At: said64(at), Until: said64(at) + 999_999}.Sign(keyOf(t, 9))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.TakeRevocation(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	pay(1, nil)
	l = againOpen(t, l, path, key, Config{Now: at.now})
	pay(1, nil)
}

// TestMaySell asks of a node what its certificate says, as long as it acts under
// it; and nobody acts for a node that acts for another.
func TestMaySell(t *testing.T) {
	key, at := keyOf(t, 1), newClock()
	said := certify(t, keyOf(t, 9), key.Entity(), 5*Credit, CanPay)
	l, path := openTest(t, key, Config{Now: at.now, Certificate: &said})
	issue := func() error {
		_, err := l.Issue(t.Context(), identity.Certificate{Node: keyOf(t, 3).Entity(), NotAfter: said64(at) + 99})
		return err
	}
	if err := issue(); l.MaySell() || !errors.Is(err, ErrActing) {
		t.Errorf("may sell: %v; issue: %v", l.MaySell(), err)
	}
	at.pass(48 * time.Hour)
	if err := issue(); !l.MaySell() || err != nil {
		t.Errorf("when it has ended: may sell: %v; issue: %v", l.MaySell(), err)
	}
	at.pass(-48 * time.Hour)
	said = certify(t, keyOf(t, 9), key.Entity(), 5*Credit, CanSell)
	l = againOpen(t, l, path, key, Config{Now: at.now, Certificate: &said})
	if !l.MaySell() {
		t.Error("it has the word")
	}
	l = againOpen(t, l, path, key, Config{Now: at.now})
	if !l.MaySell() {
		t.Error("without a certificate")
	}
}

// TestReserveAndLock sets aside under a certified budget what it then locks: an
// order counts once, also when it is set aside again after a restart.
func TestReserveAndLock(t *testing.T) {
	key, at := keyOf(t, 1), newClock()
	said := certify(t, keyOf(t, 9), key.Entity(), 10*Credit, CanPay)
	cfg := Config{Now: at.now, Certificate: &said}
	l, path := openTest(t, key, cfg)
	to, order := keyOf(t, 2).Entity(), identity.HashOf([]byte("order"))
	hold, err := l.Reserve(to, 6*Credit, identity.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	hold.For(order)
	others := func(most Amount, want error) {
		t.Helper()
		h, err := l.Reserve(keyOf(t, 3).Entity(), most, identity.Hash{})
		if !errors.Is(err, want) {
			t.Errorf("%s for another: got %v, want %v", most, err, want)
		}
		h.Release()
	}
	others(4*Credit, nil)
	others(4*Credit+1, ErrBudget)
	if _, err := l.Lock(t.Context(), to, 6*Credit, order, LockTerms{Expiry: tickOf(at.at) + 6, Quote: testQuote}); err != nil {
		t.Fatal(err)
	}
	others(4*Credit, nil)
	others(4*Credit+1, ErrBudget)
	l = againOpen(t, l, path, key, cfg)
	if hold, err = l.Reserve(to, 6*Credit, order); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	others(4*Credit, nil)
	others(4*Credit+1, ErrBudget)
	if _, err := l.Reserve(to, 5*Credit, identity.HashOf([]byte("another"))); !errors.Is(err, ErrBudget) {
		t.Errorf("another order of the same seller: got %v", err)
	}
	hold.Release()
	others(4*Credit, nil)
	others(4*Credit+1, ErrBudget) // the lock is there still
}

// TestClockPutBack has a node promise while its clock is ahead, and act under a
// smaller certificate when the clock is right again: nothing that it signed is
// ever held against it.
func TestClockPutBack(t *testing.T) {
	key, peer, at := keyOf(t, 1), keyOf(t, 2), newClock()
	at.pass(30 * time.Minute)
	l, path := openTest(t, key, Config{Now: at.now})
	p, _ := openTest(t, peer, Config{Now: at.now})
	if _, err := l.Pay(t.Context(), p.self, 9*Credit, NewRef()); err != nil {
		t.Fatal(err)
	}
	deliver(t, l, p)
	at.pass(-30 * time.Minute)
	said := certifyFrom(t, keyOf(t, 9), identity.Certificate{Node: key.Entity(), Can: []string{CanPay}, Budget: uint64(5 * Credit), NotAfter: said64(at) + 86_400})
	l = againOpen(t, l, path, key, Config{Now: at.now, Certificate: &said})
	if err := show(t, l, p); err != nil {
		t.Fatal(err)
	}
	if line := p.Line(l.self); line.State != StateOpen || line.Acting == nil {
		t.Errorf("got %+v", line)
	}
	message, err := l.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l = againOpen(t, l, path, key, Config{Now: at.now, Certificate: &said})
	if again, err := l.Credentials(t.Context()); err != nil || string(again) != string(message) {
		t.Errorf("after a restart it gives another word: %v", err)
	}
	// A certificate that ends before the time of what was promised is of no use.
	short := certifyFrom(t, keyOf(t, 9), identity.Certificate{Node: key.Entity(), Can: []string{CanPay}, Budget: 1, NotAfter: said64(at) + 600, Serial: 1})
	l = againOpen(t, l, path, key, Config{Now: at.now, Certificate: &short})
	if _, err := l.Credentials(t.Context()); !errors.Is(err, identity.ErrExpired) {
		t.Errorf("got %v", err)
	}
}

// TestRevocationEnds has a revocation count until all that it takes back has
// ended, whether or not it is kept for longer.
func TestRevocationEnds(t *testing.T) {
	at, node, entity := newClock(), keyOf(t, 2), keyOf(t, 9)
	l, path := openTest(t, keyOf(t, 1), Config{Now: at.now})
	if _, err := l.Receive(t.Context(), node.Entity(), newChain(t, node, l.self).pay(nil, Credit).push(0)); err != nil {
		t.Fatal(err)
	}
	said := certifyFrom(t, entity, identity.Certificate{Node: node.Entity(), Can: []string{CanPay}, NotAfter: said64(at) + 3600, Budget: uint64(9 * Credit)})
	w := actUnder(t, node, said, said64(at), said64(at)+3600)
	if err := l.TakeCredentials(t.Context(), node.Entity(), credentials{warrant: &w}.encode()); err != nil {
		t.Fatal(err)
	}
	r, err := identity.Revocation{Node: node.Entity(), At: said64(at), Until: said64(at) + 3600}.Sign(entity)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.TakeRevocation(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if line := l.Line(node.Entity()); line.State != StateRevoked {
			t.Errorf("got %+v", line)
		}
		l = againOpen(t, l, path, keyOf(t, 1), Config{Now: at.now})
	}
	at.pass(time.Hour + time.Second)
	for range 2 {
		if line := l.Line(node.Entity()); line.State != StateOpen || line.Acting.Standing != Ended {
			t.Errorf("when it has ended: got %+v", line)
		}
		if h, err := l.Hold(node.Entity(), 1); err != nil {
			t.Error(err)
		} else {
			h.Release()
		}
		l = againOpen(t, l, path, keyOf(t, 1), Config{Now: at.now})
	}
}

// TestRevocationFlood fills the room for revocations with those of entities that
// somebody made up: those of nodes that we know, and of our own, come through,
// also behind one that does not.
func TestRevocationFlood(t *testing.T) {
	at, node, entity, own := newClock(), keyOf(t, 2), keyOf(t, 9), keyOf(t, 8)
	me := keyOf(t, 1)
	said := certify(t, own, me.Entity(), 5*Credit, CanPay)
	l, path := openTest(t, me, Config{Now: at.now, Certificate: &said, test: true})
	if _, err := l.Receive(t.Context(), node.Entity(), newChain(t, node, l.self).pay(nil, Credit).push(0)); err != nil {
		t.Fatal(err)
	}
	w := actUnder(t, node, certify(t, entity, node.Entity(), 9*Credit, CanPay), said64(at), said64(at)+60)
	if err := l.TakeCredentials(t.Context(), node.Entity(), credentials{warrant: &w}.encode()); err != nil {
		t.Fatal(err)
	}
	until := said64(at) + 1<<30
	revoke := func(by *identity.Key, who identity.Entity) identity.Statement {
		s, err := identity.Revocation{Node: who, Serial: 9, At: said64(at), Until: until}.Sign(by)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	l.mu.Lock()
	for i := range uint64(maxRevocations) { // as TakeRevocation would, 64 by each
		var by, who identity.Entity
		binary.BigEndian.PutUint64(by[:], i/maxRevoked)
		binary.BigEndian.PutUint64(who[:], i)
		l.certs.void(by, identity.Revocation{Node: who, Serial: 9, Until: until})
	}
	l.mu.Unlock()
	if err := l.TakeRevocation(t.Context(), revoke(keyOf(t, 7), keyOf(t, 6).Entity())); !errors.Is(err, ErrCertificates) {
		t.Fatalf("one more of a stranger's: got %v", err)
	}
	if err := l.TakeRevocation(t.Context(), revoke(own, keyOf(t, 6).Entity())); err != nil {
		t.Errorf("our own entity's: %v", err)
	}
	message := credentials{warrant: &w, revoked: []identity.Statement{revoke(entity, keyOf(t, 5).Entity()), revoke(entity, node.Entity())}}
	if err := l.TakeCredentials(t.Context(), node.Entity(), message.encode()); !errors.Is(err, ErrCertificates) {
		t.Errorf("got %v", err)
	}
	for range 2 {
		if line := l.Line(node.Entity()); line.State != StateRevoked {
			t.Errorf("a node that we know: got %s", line.State)
		}
		l = againOpen(t, l, path, me, Config{Now: at.now, Certificate: &said, test: true})
	}
}
