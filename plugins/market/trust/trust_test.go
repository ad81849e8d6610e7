package trust

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/golden"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/plugins/state"
)

// protocolKey is the key file of PROTOCOL: a draw is a function of the key.
const protocolKey = `sea key 1
entity 84b671c8dcdd56fef4b3dacfa4a1fe69167828f9d3a51e7e737966c1be42840c
secret 5c3e9f19c313794585cac7152cb2090ffa98cbb0a52a4e6741a8f6e08a7ea119
`

func testKey(t testing.TB) *identity.Key {
	t.Helper()
	key, err := identity.Restore(strings.NewReader(protocolKey), nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// drawVector is a draw in testdata/draws.json.
type drawVector struct {
	Buyer   string   `json:"buyer"`
	Order   string   `json:"order"`
	Receipt string   `json:"receipt"`
	Alpha   string   `json:"alpha"`
	Proof   string   `json:"proof"`
	Drawn   string   `json:"drawn"`
	Falls   []uint64 `json:"falls_at_one_in"` // of 1 to 10
	Address string   `json:"address"`
}

func TestDrawVectors(t *testing.T) {
	key := testKey(t)
	var made []drawVector
	for i := range 8 {
		order, receipt := identity.HashOf([]byte{'o', byte(i)}), identity.HashOf([]byte{'r', byte(i)})
		proof, lot := Draw(key, order, receipt)
		again, err := CheckDraw(proof, key.Entity(), order, receipt)
		if err != nil || again != lot {
			t.Errorf("%d: the seller's check gives %v, %v", i, again, err)
		}
		if _, err := CheckDraw(proof, key.Entity(), receipt, order); !errors.Is(err, identity.ErrBadDraw) {
			t.Errorf("%d: good for another order: %v", i, err)
		}
		v := drawVector{
			Buyer: key.Entity().String(), Order: order.String(), Receipt: receipt.String(),
			Alpha: hex.EncodeToString(alpha(order, receipt)), Proof: hex.EncodeToString(proof[:]),
			Drawn: hex.EncodeToString(lot.drawn[:]), Address: lot.Address().String(),
		}
		for n := uint64(1); n <= 10; n++ {
			if lot.Falls(n) {
				v.Falls = append(v.Falls, n)
			}
		}
		made = append(made, v)
	}
	golden.JSON(t, "testdata/draws.json", made)
}

func TestRule(t *testing.T) {
	var def Rule
	for straight, want := range map[uint64]uint64{0: 1, 9: 1, 10: 10, 11: 10, 1000: 10, math.MaxUint64: 10} {
		if got := def.OneIn(straight); got != want {
			t.Errorf("after %d: one in %d, want %d", straight, got, want)
		}
	}
	slow := Rule{Sure: 3, Floor: 50}
	for straight, want := range map[uint64]uint64{2: 1, 3: 3, 7: 7, 50: 50, 51: 50} {
		if got := slow.OneIn(straight); got != want {
			t.Errorf("slow, after %d: one in %d, want %d", straight, got, want)
		}
	}
	r := Record{}
	for range 10 {
		if def.Audits(r) {
			t.Errorf("a seller with %d matches may audit", r.Straight)
		}
		r = r.Matched()
	}
	if !def.Audits(r) || r.Differed(false).Straight != 0 || r.Differed(false).Excluded() || !r.Differed(true).Excluded() || def.Audits(r.Differed(true)) {
		t.Errorf("%+v", r)
	}
	if f := r.Differed(true).Forgiven(); f.Excluded() || f.Straight != 0 || f.Mismatches != 1 {
		t.Errorf("forgiven: %+v", f)
	}
	for want, rec := range map[string]Record{"every job": {}, "one job in 10": r, "excluded": r.Differed(true)} {
		if got := rec.Explain(def); !strings.Contains(got, want) {
			t.Errorf("%+v: %q", rec, got)
		}
	}
}

// TestFalls holds the lot against its odds, at the borders exactly.
func TestFalls(t *testing.T) {
	lot := func(first uint64) Lot {
		var d identity.Drawn
		for i := range 8 {
			d[i] = byte(first >> (56 - 8*i))
		}
		return Lot{d}
	}
	tenth := uint64(math.MaxUint64) / 10
	for _, test := range []struct {
		first uint64
		n     uint64
		want  bool
	}{{0, 10, true}, {tenth - 1, 10, true}, {tenth, 10, false}, {math.MaxUint64, 1, true}, {math.MaxUint64, 0, true}, {math.MaxUint64, 2, false}} {
		if got := lot(test.first).Falls(test.n); got != test.want {
			t.Errorf("%d at one in %d: %v", test.first, test.n, got)
		}
	}
}

func TestAgreed(t *testing.T) {
	for _, test := range []struct {
		group, total, trust uint64
		want                bool
	}{
		{1, 1, 2, true}, {1, 2, 2, false}, {2, 2, 2, true}, {2, 3, 2, true}, {1, 3, 2, false}, {2, 4, 2, false}, {3, 4, 2, true},
		{2, 3, 3, false}, {3, 3, 3, true}, {3, 4, 3, true}, {5, 7, 3, true}, {0, 0, 2, false}, {4, 3, 2, false}, {1, 1, 0, false},
		{math.MaxUint64, math.MaxUint64, math.MaxUint64, false},
	} {
		if got := Agreed(test.group, test.total, test.trust); got != test.want {
			t.Errorf("%d of %d at %d: %v", test.group, test.total, test.trust, got)
		}
	}
}

func TestAuditor(t *testing.T) {
	entity := func(b byte) identity.Entity { return identity.Entity{b} }
	at := func(b byte) (a addr.Addr) { a[0] = b; return a }
	lot := Lot{} // its address is zero
	seller := Candidate{at(1), entity(1), entity(9)}
	all := []Candidate{seller, {at(2), entity(2), entity(9)}, {at(3), entity(9), entity(9)}, {at(5), entity(5), entity(5)}, {at(4), entity(4), entity(8)}}
	if got, ok := lot.Auditor(all, seller); !ok || got.Key != entity(4) {
		t.Errorf("got %v, %v", got, ok)
	}
	if got, ok := lot.Auditor(all[:3], seller); ok {
		t.Errorf("its own entity checks it: %v", got)
	}
}

func TestSame(t *testing.T) {
	r := compute.Receipt{Job: identity.Hash{1}, Result: identity.Hash{2}, End: compute.Exit, Code: 3, Fuel: 4, PeakPages: 5, Tariff: 1, Engine: "a"}
	other := r
	if other.Engine = "b"; !Same(r, other) {
		t.Error("another engine is another claim")
	}
	for _, change := range []func(*compute.Receipt){
		func(r *compute.Receipt) { r.Job[0]++ }, func(r *compute.Receipt) { r.Result[0]++ }, func(r *compute.Receipt) { r.End = compute.Trap },
		func(r *compute.Receipt) { r.Code++ }, func(r *compute.Receipt) { r.Fuel++ }, func(r *compute.Receipt) { r.PeakPages++ },
	} {
		other = r
		change(&other)
		if Same(r, other) {
			t.Errorf("%+v is the same as %+v", other, r)
		}
	}
	// A meter that is inflated by a hundredth, a tenth or ten times is another
	// claim, however small the job.
	for _, fuel := range []uint64{100, 10_000, 1 << 40} {
		for _, inflated := range []uint64{fuel + fuel/100, fuel + fuel/10, fuel * 10} {
			a, b := r, r
			if a.Fuel, b.Fuel = fuel, inflated; Same(a, b) {
				t.Errorf("%d fuel is the same as %d", a.Fuel, b.Fuel)
			}
		}
	}
}

func openBook(t testing.TB, path string) (*Book, *state.Store) {
	t.Helper()
	st, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenBook(st)
	if err != nil {
		t.Fatal(err)
	}
	return b, st
}

// TestBook shows that records outlive the process, and that a full book forgets
// strangers before liars.
func TestBook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	b, st := openBook(t, path)
	liar, good := identity.Entity{1}, identity.Entity{2}
	for range 3 {
		if err := b.Update(good, Record.Matched); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Update(liar, func(r Record) Record { return r.Differed(true) }); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	b, st = openBook(t, path)
	defer st.Close()
	if r := b.Of(good); r.Straight != 3 || r.Matches != 3 || r.Jobs != 3 || r.Last == 0 {
		t.Errorf("%+v", r)
	}
	if !b.Of(liar).Excluded() || len(b.All()) != 2 {
		t.Errorf("%+v of %d", b.Of(liar), len(b.All()))
	}

	for i := len(b.records); i < maxRecords; i++ {
		b.records[identity.Entity{3, byte(i), byte(i >> 8)}] = Record{Last: int64(i)}
	}
	if err := b.Update(identity.Entity{4}, Record.Accepted); err != nil {
		t.Fatal(err)
	}
	if len(b.records) != maxRecords || !b.Of(liar).Excluded() || b.Of(good).Straight != 3 || b.Of(identity.Entity{3, 2}).Last != 0 {
		t.Errorf("%d records, the liar's %+v", len(b.records), b.Of(liar))
	}
}

// FuzzRecord reads records: what is accepted has one spelling and adds up.
func FuzzRecord(f *testing.F) {
	for _, r := range []Record{{}, Record{}.Matched(), Record{}.Matched().Differed(true), {Last: 1_770_000_000_000}} {
		b, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		if again, err := r.encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x became %x, %v", b, again, err)
		}
	})
}

// random is a lot that a key nobody knows could have drawn.
func random(r *rand.Rand) (l Lot) {
	for i := 0; i < len(l.drawn); i += 8 {
		binary.BigEndian.PutUint64(l.drawn[i:], r.Uint64())
	}
	return l
}
