package ledger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// clock is a time that a test sets.
type clock struct{ at time.Time }

func newClock() *clock                { return &clock{testTime} }
func (c *clock) now() time.Time       { return c.at }
func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// againOpen closes l and opens its file again, under another certificate.
func againOpen(t *testing.T, l *Ledger, path string, key identity.Signer, cfg Config) *Ledger {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, key, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	return again
}

// show hands a's credentials to b.
func show(t *testing.T, a, b *Ledger) error {
	t.Helper()
	message, err := a.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if message == nil {
		return nil
	}
	return b.TakeCredentials(t.Context(), a.self, message)
}

// TestCertifiedBudget has a node try to promise more than its certificate allows, on one
// line and on several, by payments and locks, at once and after restarts with and
// without the certificate.
func TestCertifiedBudget(t *testing.T) {
	entity, key, at := keyOf(t, 9), keyOf(t, 1), newClock()
	said := certify(t, entity, key.Entity(), 10*Credit, CanPay)
	with, without := Config{Now: at.now, Certificate: &said}, Config{Now: at.now}
	l, path := openTest(t, key, with)
	if _, err := l.Credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, b, c := keyOf(t, 2).Entity(), keyOf(t, 3).Entity(), keyOf(t, 4).Entity()
	pay := func(to identity.Entity, amount Amount, want error) {
		t.Helper()
		if _, err := l.Pay(t.Context(), to, amount, NewRef()); !errors.Is(err, want) {
			t.Errorf("pay %s: got %v, want %v", amount, err, want)
		}
	}
	pay(a, 6*Credit, nil)
	pay(a, 4*Credit+1, ErrBudget)
	lock, err := l.Lock(t.Context(), b, 4*Credit, identity.HashOf([]byte("job")), LockTerms{Expiry: tickOf(at.at) + 6, Quote: testQuote})
	if err != nil {
		t.Fatal(err)
	}
	pay(c, 1, ErrBudget)
	if got := l.Acting(); got.Used != 10*Credit || got.Budget != 10*Credit || got.Entity != entity.Entity() || got.Standing != Holds {
		t.Errorf("got %+v", got)
	}
	for _, cfg := range []Config{with, without, with} { // the word that was given binds without the certificate too
		l = againOpen(t, l, path, key, cfg)
		pay(c, 1, ErrBudget)
		if _, err := l.Lock(t.Context(), c, 1, NewRef(), LockTerms{Expiry: tickOf(at.at) + 6, Quote: testQuote}); !errors.Is(err, ErrBudget) {
			t.Errorf("lock: got %v, want %v", err, ErrBudget)
		}
	}
	at.pass(2 * time.Minute) // the lock is over, nothing was promised of it
	if err := l.Fold(t.Context(), b, lock.Hash(), nil); err != nil {
		t.Fatal(err)
	}
	pay(c, 1, ErrBudget) // the payee has not said that it claims nothing
	rel, err := (Release{Line: LineOf(l.self, b), Side: SideOf(l.self, b), Lock: lock.Hash()}).sign(keyOf(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Fold(t.Context(), b, lock.Hash(), &rel); err != nil {
		t.Fatal(err)
	}
	pay(c, 4*Credit, nil)
	pay(c, 1, ErrBudget)
	l = againOpen(t, l, path, key, without)
	pay(c, 1, ErrBudget)
	at.pass(actLife + time.Second)
	pay(c, 1, nil) // it acts for itself

	dearer := certifyFrom(t, entity, identity.Certificate{Node: key.Entity(), Can: []string{CanPay}, Budget: uint64(20 * Credit),
		NotAfter: said64(at) + 86_400, Serial: 2})
	l = againOpen(t, l, path, key, Config{Now: at.now, Certificate: &dearer})
	if _, err := l.Credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	pay(c, 5*Credit, nil)
	pay(c, 5*Credit, ErrBudget)
	seller := certifyFrom(t, entity, identity.Certificate{Node: key.Entity(), Can: []string{CanSell}, Budget: uint64(90 * Credit),
		NotAfter: said64(at) + 86_400, Serial: 3})
	l = againOpen(t, l, path, key, Config{Now: at.now, Certificate: &seller})
	if _, err := l.Credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	pay(c, 1, ErrBudget) // it may not pay at all
	if _, err := Open(path+"2", keyOf(t, 8), Config{Certificate: &said}); !errors.Is(err, ErrOwner) {
		t.Errorf("another node's certificate: got %v", err)
	}
}

func said64(c *clock) int64 { return c.at.Unix() }

// TestOverBudget has a node sign what its certificate does not allow, which an
// honest ledger does not: before the peer knows of the certificate, and after.
func TestOverBudget(t *testing.T) {
	entity, node := keyOf(t, 9), keyOf(t, 2)
	said := certify(t, entity, node.Entity(), 4*Credit, CanPay)
	w := actUnder(t, node, said, testTime.Unix(), testTime.Unix()+3600)
	shown := credentials{warrant: &w}.encode()
	tick := func(e *Entry) { e.Tick = tickOf(testTime) + 2 }
	words := "promised or locked 5 credits in all in entry %d, and its certificate 1 of " + entity.Entity().String() + ", under which it said that it acts, allows 4"
	for name, over := range map[string]func(c *chain){
		"pays":  func(c *chain) { c.pay(tick, Credit, Credit) },
		"locks": func(c *chain) { c.last.Tick = 0; lockAt(t, c, 2*Credit, tickOf(testTime)+2) },
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(name, late), func(t *testing.T) {
				l, path := openTest(t, keyOf(t, 1), Config{})
				c := newChain(t, node, l.self).pay(tick, 3*Credit)
				if _, err := l.Receive(t.Context(), node.Entity(), c.push(0)); err != nil {
					t.Fatal(err)
				}
				over(c)
				receive := func() error { _, err := l.Receive(t.Context(), node.Entity(), c.push(1)); return err }
				take := func() error { return l.TakeCredentials(t.Context(), node.Entity(), shown) }
				steps := []func() error{take, receive}
				if late {
					steps = []func() error{receive, take}
				}
				if err := steps[0](); err != nil {
					t.Fatal(err)
				}
				if err := steps[1](); !errors.Is(err, ErrContradiction) {
					t.Fatalf("got %v, want %v", err, ErrContradiction)
				}
				line := l.Line(node.Entity())
				if line.State != StateDisputed || !late && line.Theirs.Cum != 3*Credit {
					t.Errorf("got %+v", line)
				}
				file, what, err := l.Prove(node.Entity())
				want := fmt.Sprintf(words, line.Theirs.Seq+1)
				switch {
				case late:
					want = fmt.Sprintf(words, line.Theirs.Seq)
				case name == "pays":
					want = fmt.Sprintf(words, line.Theirs.Seq+2)
				}
				if err != nil || what.What != want || what.By != node.Entity() {
					t.Fatalf("got %q, %v", what.What, err)
				}
				if again, err := CheckProof(file); err != nil || again != what {
					t.Errorf("got %+v, %v", again, err)
				}
				if len(file) > 1300 {
					t.Errorf("the proof has %d bytes", len(file))
				}
				for i := 0; i < len(file); i += 11 {
					bad := append([]byte(nil), file...)
					bad[i] ^= 1
					if again, err := CheckProof(bad); err == nil && again == what {
						t.Fatalf("byte %d is not looked at", i)
					}
				}
				if _, err := l.Hold(node.Entity(), 1); !errors.Is(err, ErrLine) {
					t.Errorf("hold: got %v", err)
				}
				l = againOpen(t, l, path, keyOf(t, 1), Config{})
				if l.Line(node.Entity()).State != StateDisputed {
					t.Error("forgotten")
				}
			})
		}
	}
}

// lockAt adds a LOCK of a tick.
func lockAt(t *testing.T, c *chain, amount Amount, tick uint64) {
	t.Helper()
	terms := LockTerms{Expiry: tick + 6, Quote: testQuote}
	e := Entry{Line: c.line, Side: c.side, Epoch: firstEpoch, Seq: c.last.Seq + 1, Cum: 3 * Credit, Held: amount,
		Tick: tick, Kind: KindLock, Amount: amount, Ref: identity.HashOf([]byte("order")), Body: bodyHash(terms), Prev: c.runs[0].last().Hash()}
	h, err := signHead(c.key, e)
	if err != nil {
		t.Fatal(err)
	}
	r := run{sig: h.Sig}
	r.add(e, terms)
	c.last = e
	c.runs = append(c.runs, r)
}

// TestNobodyIsFramed signs certificates for a key that never agreed: they prove
// nothing against it, whatever it promised.
func TestNobodyIsFramed(t *testing.T) {
	thief, node, me := keyOf(t, 9), keyOf(t, 2), keyOf(t, 1)
	said := certify(t, thief, node.Entity(), 0, CanPay)
	word, err := thief.Sign(ActPurpose, Act{said.Hash(identity.CertificatePurpose), testTime.Unix(), testTime.Unix() + 60}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newWarrant(said, word); !errors.Is(err, ErrWarrant) {
		t.Errorf("the thief's word: got %v", err)
	}
	honest := actUnder(t, node, certify(t, keyOf(t, 8), node.Entity(), 9*Credit, CanPay), testTime.Unix(), testTime.Unix()+60)
	if _, err := newWarrant(said, honest.word); !errors.Is(err, ErrWarrant) {
		t.Errorf("a word for another certificate: got %v", err)
	}
	// What came before the word, or in the tick in which it was given, or after it.
	for name, e := range map[string]int64{"before": -10, "in its tick": 0, "in its last tick": 60, "after": 70} {
		w := actUnder(t, node, certify(t, thief, node.Entity(), 0, CanPay), testTime.Unix()+3, testTime.Unix()+63)
		c := newChain(t, node, me.Entity()).pay(func(x *Entry) { x.Tick = uint64(testTime.Unix()+e) / tickLength }, Credit)
		if _, over := w.breach(c.runs[0]); over {
			t.Errorf("%s: it breaks the certificate", name)
		}
	}
}

// TestRevoked has an entity take a certificate back, which comes to the peer in
// three ways, before and after the certificate itself.
func TestRevoked(t *testing.T) {
	at := newClock()
	boss, _ := openTest(t, keyOf(t, 9), Config{Now: at.now})
	node, other, peer := keyOf(t, 2), keyOf(t, 3), keyOf(t, 1)
	issue := func(to identity.Entity) *identity.Statement {
		s, err := boss.Issue(t.Context(), identity.Certificate{Node: to, Can: []string{CanPay}, Budget: uint64(9 * Credit),
			NotBefore: at.at.Unix(), NotAfter: at.at.Unix() + 86_400})
		if err != nil {
			t.Fatal(err)
		}
		return &s
	}
	first := issue(node.Entity())
	n, nodePath := openTest(t, node, Config{Now: at.now, Certificate: first})
	o, _ := openTest(t, other, Config{Now: at.now, Certificate: issue(other.Entity())})
	p, path := openTest(t, peer, Config{Now: at.now})
	if err := show(t, n, p); !errors.Is(err, ErrUnmet) {
		t.Errorf("without a line: got %v", err)
	}
	for _, x := range []*Ledger{n, o} {
		if _, err := x.Pay(t.Context(), p.self, Credit, NewRef()); err != nil {
			t.Fatal(err)
		}
		deliver(t, x, p)
		if err := show(t, x, p); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Line(n.self).Acting; got == nil || got.Entity != boss.self || got.Standing != Holds || got.Used != Credit || got.Budget != 9*Credit {
		t.Errorf("got %+v", got)
	}
	if err := p.Grant(n.self, 5*Credit, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := boss.Revoke(t.Context(), keyOf(t, 4).Entity(), false); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("never issued: got %v", err)
	}
	if _, err := boss.Revoke(t.Context(), n.self, false); err != nil {
		t.Fatal(err)
	}
	if all, err := boss.Issued(); err != nil || len(all) != 2 {
		t.Errorf("issued: got %+v, %v", all, err)
	}
	// The entity has no line with the peer: its other node brings it.
	if err := show(t, boss, p); !errors.Is(err, ErrUnmet) {
		t.Errorf("without a line: got %v", err)
	}
	if err := show(t, boss, o); err != nil {
		t.Fatal(err)
	}
	if err := show(t, o, p); err != nil {
		t.Fatal(err)
	}
	refused := func(p *Ledger) {
		t.Helper()
		line := p.Line(n.self)
		if line.State != StateRevoked || line.Acting.Standing != Revoked || !strings.Contains(line.Reason, boss.self.Short()) {
			t.Errorf("got %+v, %+v", line, line.Acting)
		}
		if _, err := p.Hold(n.self, 1); !errors.Is(err, ErrLine) {
			t.Errorf("hold: got %v", err)
		}
		if line := p.Line(o.self); line.State != StateOpen || line.Acting.Standing != Holds {
			t.Errorf("another node: got %+v", line)
		}
	}
	refused(p)
	p = againOpen(t, p, path, peer, Config{Now: at.now})
	refused(p)
	// Of what it owes the node can still pay and promise; it says for itself.
	if _, err := n.Pay(t.Context(), p.self, Credit, NewRef()); err != nil {
		t.Fatal(err)
	}
	deliver(t, n, p)
	if got := p.Line(n.self).Balance; got != 2*Credit {
		t.Errorf("balance %s", got)
	}
	// A thief's entity does not help, a new certificate does.
	again := certify(t, keyOf(t, 8), node.Entity(), 9*Credit, CanPay)
	at.pass(20 * time.Second)
	n = againOpen(t, n, nodePath, node, Config{Now: at.now, Certificate: &again})
	if err := show(t, n, p); err != nil {
		t.Fatal(err)
	}
	refused(p)
	n = againOpen(t, n, nodePath, node, Config{Now: at.now, Certificate: issue(node.Entity())})
	if err := show(t, n, p); err != nil {
		t.Fatal(err)
	}
	if line := p.Line(n.self); line.State != StateOpen || line.Acting.Serial != 2 {
		t.Errorf("a new certificate: got %+v, %+v", line, line.Acting)
	}
	at.pass(25 * time.Hour)
	if got := p.Line(n.self).Acting; got.Standing != Ended {
		t.Errorf("a day later: got %+v", got)
	}
	// Taking all back leaves nothing to give.
	if _, err := boss.Revoke(t.Context(), n.self, true); err != nil {
		t.Fatal(err)
	}
	if _, err := boss.Issue(t.Context(), identity.Certificate{Node: n.self, NotAfter: at.at.Unix()}); !errors.Is(err, identity.ErrRevoked) {
		t.Errorf("after all was revoked: got %v", err)
	}
}

// TestCertOrder gives a peer the same certificates, words and revocations in 60
// orders, some twice, and demands the same verdict of all.
func TestCertOrder(t *testing.T) {
	node, me := keyOf(t, 2), keyOf(t, 1)
	var steps []func(*Ledger) error
	for i, entity := range []*identity.Key{keyOf(t, 8), keyOf(t, 9)} {
		for serial := range uint64(3) {
			said := certifyFrom(t, entity, identity.Certificate{Node: node.Entity(), Can: []string{CanPay}, Budget: uint64(Amount(serial+7) * Credit),
				NotBefore: testTime.Unix(), NotAfter: testTime.Unix() + 7200, Serial: serial})
			w := actUnder(t, node, said, testTime.Unix()+int64(serial%2), testTime.Unix()+60)
			steps = append(steps, func(l *Ledger) error {
				return l.TakeCredentials(t.Context(), node.Entity(), credentials{warrant: &w}.encode())
			})
		}
		for serial := range uint64(2) {
			r, err := identity.Revocation{Node: node.Entity(), Serial: serial, At: 1, Until: testTime.Unix() + 7200 - int64(i)}.Sign(entity)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 || serial == 0 { // the second entity's newest holds
				steps = append(steps, func(l *Ledger) error { return l.TakeRevocation(t.Context(), r) })
			}
		}
	}
	c := newChain(t, node, me.Entity()).pay(nil, Credit)
	var want string
	for seed := range 60 {
		cfg := Config{Now: func() time.Time { return testTime }, Log: nil}
		m := newMemStore()
		if err := m.update(func(s setter) error { return writeMeta(newPen(s), me.Entity()) }); err != nil {
			t.Fatal(err)
		}
		cfg, err := cfg.filled()
		if err != nil {
			t.Fatal(err)
		}
		l, err := start(m, me.Entity(), me, false, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Receive(t.Context(), node.Entity(), c.push(0)); err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		order := append(r.Perm(len(steps)), r.Perm(len(steps))[:r.IntN(len(steps))]...)
		for _, i := range order {
			if err := steps[i](l); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		line := l.Line(node.Entity())
		got := fmt.Sprintf("%s %+v", line.State, *line.Acting)
		l.Close()
		if l, err = start(m, me.Entity(), me, false, cfg); err != nil { // as read from the disk
			t.Fatal(err)
		}
		line = l.Line(node.Entity())
		if read := fmt.Sprintf("%s %+v", line.State, *line.Acting); read != got {
			t.Fatalf("seed %d: %s, after a restart %s", seed, got, read)
		}
		l.Close()
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("seed %d: %s\nand before %s", seed, got, want)
		}
	}
	if !strings.HasPrefix(want, "revoked ") || !strings.Contains(want, keyOf(t, 8).Entity().String()) {
		t.Errorf("got %s", want)
	}
}

// TestHonestIsNeverProved has a node pay, lock, fold and take other certificates,
// while its clock goes on and its process ends, and shows all that it signs to a
// peer in any order: nothing is ever held against it.
func TestHonestIsNeverProved(t *testing.T) {
	refused, given := 0, 0
	for seed := range 8 {
		r := rand.New(rand.NewPCG(uint64(seed), 2))
		entity, key, at := keyOf(t, 9), keyOf(t, 1), newClock()
		peers := []*Ledger{}
		for i := range 2 {
			p, _ := openTest(t, keyOf(t, byte(2+i)), Config{Now: at.now, test: true})
			peers = append(peers, p)
		}
		l, path := openTest(t, key, Config{Now: at.now, test: true})
		var words []warrant
		serial := uint64(0)
		locks := map[identity.Hash]identity.Entity{}
		for range 120 {
			to := peers[r.IntN(2)].self
			switch r.IntN(8) {
			case 0, 1:
				_, err := l.Pay(t.Context(), to, Amount(1+r.IntN(9)), NewRef())
				if errors.Is(err, ErrBudget) {
					refused++
				} else if err != nil {
					t.Fatal(err)
				}
			case 2:
				e, err := l.Lock(t.Context(), to, Amount(1+r.IntN(9)), NewRef(), LockTerms{Expiry: tickOf(at.at) + 3, Quote: testQuote})
				if errors.Is(err, ErrBudget) || errors.Is(err, ErrLocks) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if _, err := l.SignVoucher(to, e.Hash(), 1, 1); err != nil {
					t.Fatal(err)
				}
				locks[e.Hash()] = to
			case 3:
				for lock, to := range locks {
					if err := l.Fold(t.Context(), to, lock, nil); err != nil && !errors.Is(err, ErrLock) {
						t.Fatal(err)
					}
				}
			case 4:
				at.pass(time.Duration(r.IntN(40)) * time.Minute)
			case 5:
				at.pass(time.Duration(r.IntN(12)) * time.Second)
			case 6:
				serial++
				said := certifyFrom(t, entity, identity.Certificate{Node: key.Entity(), Can: []string{CanPay}, Budget: uint64(r.IntN(400)),
					NotAfter: at.at.Unix() + 5400, Serial: serial})
				cfg := Config{Now: at.now, Certificate: &said, test: true}
				if r.IntN(4) == 0 {
					cfg.Certificate = nil
				}
				l = againOpen(t, l, path, key, cfg)
			case 7:
				message, err := l.Credentials(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if message != nil {
					c, err := decodeCredentials(message)
					if err != nil {
						t.Fatal(err)
					}
					words = append(words, *c.warrant)
				}
			}
		}
		for _, p := range peers {
			err := l.store.view(func(g getter) error {
				for seq := uint64(1); seq <= l.Line(p.self).Mine.Seq; {
					run, _, found, err := book{g}.runFrom(accountOf(l.self, p.self).mine, firstEpoch, seq)
					if err != nil || !found {
						return fmt.Errorf("entry %d: %v, %w", seq, found, err)
					}
					for _, w := range words {
						if i, over := w.breach(run); over {
							t.Fatalf("seed %d: entry %+v breaks %+v", seed, run.entries[i], w.act)
						}
					}
					seq = run.last().Seq + 1
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		given += len(words)
	}
	if refused < 10 || given < 10 {
		t.Errorf("%d payments refused, %d words given: it tests little", refused, given)
	}
}

// TestCredentialBounds hands more over than is kept, and what is another's.
func TestCredentialBounds(t *testing.T) {
	at := newClock()
	l, _ := openTest(t, keyOf(t, 1), Config{Now: at.now})
	node := keyOf(t, 2)
	c := newChain(t, node, l.self).pay(nil, Credit)
	if _, err := l.Receive(t.Context(), node.Entity(), c.push(0)); err != nil {
		t.Fatal(err)
	}
	take := func(c credentials, want error) {
		t.Helper()
		if err := l.TakeCredentials(t.Context(), node.Entity(), c.encode()); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	for i := range byte(maxEntities + 1) {
		w := actUnder(t, node, certify(t, keyOf(t, 10+i), node.Entity(), 9*Credit, CanPay), at.at.Unix(), at.at.Unix()+60)
		want := error(nil)
		if i == maxEntities {
			want = ErrCertificates
		}
		take(credentials{warrant: &w}, want)
	}
	revoke := func(entity identity.Signer, n int, until int64) identity.Statement {
		s, err := identity.Revocation{Node: keyOf(t, byte(n)).Entity(), At: at.at.Unix(), Until: until}.Sign(entity)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	foreign := actUnder(t, keyOf(t, 3), certify(t, keyOf(t, 9), keyOf(t, 3).Entity(), 1, CanPay), at.at.Unix(), at.at.Unix()+60)
	take(credentials{warrant: &foreign}, ErrStranger)
	take(credentials{revoked: []identity.Statement{revoke(keyOf(t, 9), 30, at.at.Unix()+60)}}, ErrStranger)
	for n := range maxRevoked {
		take(credentials{revoked: []identity.Statement{revoke(node, 30+n, at.at.Unix()+60)}}, nil)
	}
	one := credentials{revoked: []identity.Statement{revoke(node, 200, at.at.Unix()+600)}}
	take(one, ErrCertificates)
	at.pass(2 * time.Minute) // the certificates of those have ended
	take(one, nil)
	if err := l.TakeCredentials(t.Context(), keyOf(t, 3).Entity(), credentials{}.encode()); !errors.Is(err, ErrUnmet) {
		t.Errorf("a stranger: got %v", err)
	}
}
