package ledger

import (
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// trade is two ledgers with a lock of 100 between them.
type trade struct {
	*testing.T
	payer, payee *Ledger
	paths        [2]string
	keys         [2]*identity.Key
	lock         identity.Hash
	ref          identity.Hash
	late         atomic.Int64 // how much later than testTime it is
}

var testQuote = identity.HashOf([]byte("quote"))

func newTrade(t *testing.T, hash identity.Hash) *trade {
	x := &trade{T: t, keys: [2]*identity.Key{keyOf(t, 1), keyOf(t, 2)}, ref: identity.HashOf([]byte("order"))}
	x.payer, x.paths[0] = openTest(t, x.keys[0], x.config())
	x.payee, x.paths[1] = openTest(t, x.keys[1], x.config())
	e, err := x.payer.Lock(t.Context(), x.payee.self, 100, x.ref, x.terms(hash))
	x.must(err)
	x.lock = e.Hash()
	x.deliver()
	return x
}

func (x *trade) config() Config {
	return Config{Now: func() time.Time { return testTime.Add(time.Duration(x.late.Load())) }}
}

func (x *trade) terms(hash identity.Hash) LockTerms {
	return LockTerms{Expiry: tickOf(testTime) + 60, Quote: testQuote, Hash: hash}
}

func (x *trade) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

// voucher has the payer sign cum and, unless it is lost, the payee take it.
func (x *trade) voucher(cum Amount, lost bool) {
	x.Helper()
	v, err := x.payer.SignVoucher(x.payee.self, x.lock, cum, uint64(cum)*1000)
	x.must(err)
	if !lost {
		x.must(x.payee.TakeVoucher(x.Context(), x.payer.self, v))
	}
}

func (x *trade) release(cum Amount) *Release {
	x.Helper()
	r, err := x.payee.Release(x.payer.self, x.lock, cum)
	x.must(err)
	return &r
}

func (x *trade) fold(rel *Release) {
	x.Helper()
	x.must(x.payer.Fold(x.Context(), x.payee.self, x.lock, rel))
}

// deliver carries what the payer has signed to the payee.
func (x *trade) deliver() {
	x.Helper()
	for {
		b, err := x.payer.Next(x.payee.self)
		x.must(err)
		if b == nil {
			return
		}
		b, err = x.payee.Receive(x.Context(), x.payer.self, b)
		x.must(err)
		x.must(x.payer.Acked(x.Context(), x.payee.self, b))
	}
}

// meet has the payee show the payer what it holds, until nothing more comes.
func (x *trade) meet() {
	x.Helper()
	for range 3 { // a claim is folded, then a release is shown, then it is closed
		b, err := x.payee.Position(x.payer.self)
		x.must(err)
		x.must(x.payer.Compare(x.Context(), x.payee.self, b))
		x.deliver()
	}
}

// crash opens the payee's ledger (1) or the payer's (0) again as a crash left it:
// with what was synced before the last voucher was signed or taken.
func (x *trade) crash(i int, image string) {
	x.Helper()
	l := []**Ledger{&x.payer, &x.payee}[i]
	(*l).Close()
	again, err := Open(image, x.keys[i], x.config())
	x.must(err)
	x.Cleanup(func() {
		again.Close()
		if _, err := Check(image); err != nil {
			x.Error(err)
		}
	})
	*l = again
}

func (x *trade) image(i int) string {
	x.Helper()
	path := x.TempDir() + "/image.db"
	x.must([]*Ledger{x.payer, x.payee}[i].Snapshot(path))
	return path
}

// want compares what both sides see: the same claim, from the same bytes.
func (x *trade) want(cum, claim, locked Amount) {
	x.Helper()
	mine, theirs := x.payer.Line(x.payee.self), x.payee.Line(x.payer.self)
	if mine.Mine != theirs.Theirs || mine.Claim != -theirs.Claim {
		x.Errorf("the sides differ: %+v and %+v", mine.Mine, theirs.Theirs)
	}
	if h := theirs.Theirs; h.Cum != cum || h.Claim != claim || h.Locked != locked {
		x.Errorf("got cum %d, claim %d, locked %d, want %d, %d, %d", h.Cum, h.Claim, h.Locked, cum, claim, locked)
	}
	if mine.State != StateOpen || theirs.State != StateOpen {
		x.Errorf("the lines are %s and %s: %s", mine.State, theirs.State, theirs.Reason)
	}
}

func TestLockVoucherFoldVoid(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	x.want(0, 0, 100)
	x.voucher(30, false)
	x.want(0, 30, 100)
	x.voucher(40, false)
	x.voucher(20, false) // what is lower changes nothing
	x.want(0, 40, 100)
	if _, err := x.payee.Release(x.payer.self, x.lock, 39); !errors.Is(err, ErrVoucher) {
		t.Errorf("a release below what is held: got %v", err)
	}
	x.fold(x.release(40))
	x.deliver()
	x.want(40, 40, 0)
	if n := len(x.payer.Locks(x.payee.self)) + len(x.payee.Locks(x.payer.self)); n != 0 {
		t.Errorf("%d locks are left", n)
	}
	e, found, err := x.payee.PaidFor(x.payer.self, x.ref)
	if err != nil || !found || e.Kind != KindFold || e.Amount != 40 {
		t.Errorf("paid: got %+v, %v, %v", e, found, err)
	}
	if err := x.payer.Fold(t.Context(), x.payee.self, x.lock, nil); !errors.Is(err, ErrLock) {
		t.Errorf("again: got %v", err)
	}
	if _, err := x.payer.Lock(t.Context(), x.payee.self, 5, x.ref, x.terms(identity.Hash{})); !errors.Is(err, ErrRef) {
		t.Errorf("another lock for what is paid: got %v", err)
	}
	var kinds []string
	for p, err := range x.payee.History(Filter{}) {
		x.must(err)
		if kinds = append(kinds, p.Kind); p.Kind == "FOLD" != (p.Amount == 40) {
			t.Errorf("posting %+v", p)
		}
	}
	if len(kinds) != 3 {
		t.Errorf("history is %v", kinds)
	}
}

func TestClaimNeverFolded(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	x.voucher(30, false)
	x.late.Store(int64(time.Hour)) // after the expiry
	x.want(0, 30, 100)
	if _, err := x.payee.Hold(x.payer.self, DefaultStrangers/2-29); !errors.Is(err, ErrLimit) {
		t.Errorf("a claim does not count in the limit: got %v", err)
	}
	x.payer.Close()
	x.payee.Close()
	if rep, err := Check(x.paths[1]); err != nil || rep.Locks != 1 {
		t.Errorf("got %+v, %v", rep, err)
	}
}

// TestClaimVoidedEarly has the payer take the lock back before its expiry,
// without the payee: its entries are taken and the claim stays.
func TestClaimVoidedEarly(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	x.voucher(30, false)
	x.void(nil)
	x.deliver()
	x.want(0, 30, 0)
	x.meet() // an honest payer folds it after all
	x.want(30, 30, 0)
	if n := len(x.payee.Locks(x.payer.self)); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// void writes a VOID whatever the rules of Fold are.
func (x *trade) void(rel *Release) {
	x.Helper()
	x.must(x.payer.submit(x.Context(), LineOf(x.payer.self, x.payee.self), func(b *batch) error {
		d, err := b.begin(x.payee.self, 1)
		if err != nil {
			return err
		}
		k, _ := d.t.find(x.lock)
		_, err = b.add(d, KindVoid, k.rest(), k.ref, voiding{x.lock, rel})
		return err
	}))
}

func TestClaimVoidedAfterExpiry(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	x.voucher(30, false)
	x.late.Store(int64(time.Hour))
	x.void(nil)
	x.deliver()
	x.want(0, 30, 0) // a voucher always counts
	x.meet()
	x.want(30, 30, 0)
}

func TestFoldWithoutReleaseWaitsForExpiry(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	x.voucher(30, false)
	x.fold(nil)
	x.deliver()
	x.want(30, 30, 70)
	x.late.Store(int64(time.Hour))
	x.fold(nil)
	x.deliver()
	x.want(30, 30, 0)
	x.meet() // and the payee's release closes what nothing more is claimed of
	if n := len(x.payer.Locks(x.payee.self)) + len(x.payee.Locks(x.payer.self)); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// TestPayerForgetsVouchers crashes the payer after a voucher that no commit
// followed: it folds less, and the rest when the payee shows what it holds.
func TestPayerForgetsVouchers(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	x.voucher(30, false)
	x.must(pay(x.payer, x.payee.self, 1)) // 30 is on the disk
	image := x.image(0)
	x.voucher(50, false)
	x.crash(0, image)
	x.deliver()
	x.fold(nil)
	x.deliver()
	if h := x.payee.Line(x.payer.self).Theirs; h.Cum != 31 || h.Claim != 51 {
		t.Errorf("before they meet: got %+v", h)
	}
	x.meet()
	x.want(51, 51, 50)
}

// TestPayeeForgetsVouchers crashes the payee before the commit that follows a
// voucher: that one is lost here, and the payer folds it nevertheless.
func TestPayeeForgetsVouchers(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	x.voucher(30, false)
	x.must(x.payee.submit(t.Context(), LineID{}, func(*batch) error { return nil }))
	image := x.image(1)
	x.voucher(50, false)
	x.crash(1, image)
	if h := x.payee.Line(x.payer.self).Theirs; h.Claim != 30 {
		t.Errorf("after the crash: got %+v", h)
	}
	x.fold(x.release(30))
	x.deliver()
	x.want(50, 50, 0)
}

// TestClosedVouchersLast closes both ledgers right after a voucher.
func TestClosedVouchersLast(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	x.voucher(30, false)
	x.crash(0, x.paths[0])
	x.crash(1, x.paths[1])
	x.want(0, 30, 100)
}

func TestSettle(t *testing.T) {
	preimage := [32]byte{1, 2, 3}
	x := newTrade(t, sha256.Sum256(preimage[:]))
	if err := x.payer.Settle(t.Context(), x.payee.self, x.lock, [32]byte{}); !errors.Is(err, ErrVoucher) {
		t.Errorf("another preimage: got %v", err)
	}
	if _, err := x.payer.SignVoucher(x.payee.self, x.lock, 5, 0); !errors.Is(err, ErrVoucher) {
		t.Errorf("a voucher: got %v", err)
	}
	x.must(x.payee.Reveal(t.Context(), x.payer.self, x.lock, preimage))
	if h := x.payee.Line(x.payer.self).Theirs; h.Claim != 100 || h.Cum != 0 {
		t.Errorf("with the preimage: got %+v", h)
	}
	x.crash(1, x.paths[1])
	x.meet() // the payer learns of it and settles
	x.want(100, 100, 0)
}

func TestPreimageVoidedEarly(t *testing.T) {
	preimage := [32]byte{1, 2, 3}
	x := newTrade(t, sha256.Sum256(preimage[:]))
	x.void(nil)
	x.deliver()
	x.want(0, 0, 0)
	x.must(x.payee.Reveal(t.Context(), x.payer.self, x.lock, preimage))
	x.meet()
	x.want(100, 100, 0)
}

func TestPreimageVoidedAfterExpiry(t *testing.T) {
	preimage := [32]byte{1, 2, 3}
	x := newTrade(t, sha256.Sum256(preimage[:]))
	x.late.Store(int64(time.Hour))
	x.fold(nil)
	x.deliver()
	x.want(0, 0, 0)
	if err := x.payee.Reveal(t.Context(), x.payer.self, x.lock, preimage); !errors.Is(err, ErrLock) {
		t.Errorf("too late: got %v", err)
	}
}

// TestPreimageClocks has the payer's clock run ahead of the payee's, which claims
// the lock at the last moment by its own. Within 20 s the claim stands. Beyond it
// the payee loses that lock, and nothing else.
func TestPreimageClocks(t *testing.T) {
	preimage := [32]byte{1, 2, 3}
	for _, test := range []struct {
		ahead time.Duration
		lost  bool
	}{{0, false}, {20 * time.Second, false}, {time.Hour, true}} {
		x := newTrade(t, sha256.Sum256(preimage[:]))
		other, err := x.payer.Lock(t.Context(), x.payee.self, 50, NewRef(), x.terms(identity.Hash{}))
		x.must(err)
		x.deliver()
		v, err := x.payer.SignVoucher(x.payee.self, other.Hash(), 20, 0)
		x.must(err)
		x.must(x.payee.TakeVoucher(t.Context(), x.payer.self, v))

		last := 60*tickLength*time.Second - time.Second // before the expiry
		x.late.Store(int64(last + test.ahead))
		x.fold(nil) // the payer, by its clock
		x.deliver()
		x.late.Store(int64(last))
		if err := x.payee.Reveal(t.Context(), x.payer.self, x.lock, preimage); (err != nil) != test.lost {
			t.Errorf("%v ahead: got %v", test.ahead, err)
		}
		x.meet()
		if test.lost {
			x.want(0, 20, 50)
		} else {
			x.want(100, 120, 50)
		}
	}
	x := newTrade(t, sha256.Sum256(preimage[:]))
	x.late.Store(int64(60 * tickLength * time.Second))
	if err := x.payee.Reveal(t.Context(), x.payer.self, x.lock, preimage); !errors.Is(err, ErrVoucher) {
		t.Errorf("at the expiry: got %v, want %v", err, ErrVoucher)
	}
	x.fold(nil)
	x.deliver()
	x.want(0, 0, 100) // not yet
}

// TestHoldMakesRoomForVouchers holds room for a quantum and lets the voucher for
// it take its place: nothing counts twice.
func TestHoldMakesRoomForVouchers(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	h, err := x.payee.Hold(x.payer.self, DefaultStrangers/2)
	x.must(err)
	h.For(x.ref)
	x.voucher(30, false)
	if used := x.payee.Strangers().Used; used != DefaultStrangers/2 {
		t.Errorf("used is %d", used)
	}
	x.fold(x.release(30))
	x.deliver()
	if used := x.payee.Strangers().Used; used != DefaultStrangers/2 {
		t.Errorf("after the fold: used is %d", used)
	}
}
