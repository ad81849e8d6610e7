package market

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
)

func signed(t testing.TB, i int) identity.Statement {
	t.Helper()
	st, err := samples(t)[i].sign()
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func sampleRecord(t testing.TB) *jobRecord {
	ask, quote, order, delivery := signed(t, 1), signed(t, 2), signed(t, 4), signed(t, 5)
	r := &jobRecord{
		ID: ID{1, 2}, Spec: Spec{Name: "x", Module: compute.BlobOf([]byte("m"))}.withDefaults(),
		State: Verifying, Created: 5, Stop: Cancelled, Avoid: []identity.Entity{sellerKey.Entity()},
		Ask: &ask, Quote: &quote, Order: &order, Receipt: &delivery, Delivery: &delivery,
		Outcome: []byte{1}, Out: output{compute.BlobOf([]byte("out")), []byte("out")}, Paid: true,
	}
	r.event(eventRecord{Text: "first"})
	r.event(eventRecord{Text: "second", Reason: Busy, Seller: sellerKey.Entity()})
	return r
}

func sampleSale(t testing.TB) *saleRecord {
	ask, quote, order, refusal := signed(t, 1), signed(t, 2), signed(t, 4), signed(t, 3)
	return &saleRecord{
		State: SaleRefused, Reason: ModuleInvalid, Text: "not WebAssembly", Taken: 1, Ended: 2,
		Ask: &ask, Quote: quote, Order: order, Refusal: &refusal, Fuel: 3, Cost: 4,
	}
}

func TestRecords(t *testing.T) {
	for _, empty := range []bool{false, true} {
		r, s := sampleRecord(t), sampleSale(t)
		if empty { // as they are when nothing has happened yet
			r = &jobRecord{State: Queued}
		}
		raw, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeJob(raw)
		if err != nil {
			t.Fatal(err)
		}
		again, err := got.encode()
		if err != nil || !bytes.Equal(raw, again) {
			t.Errorf("job record: %x became %x, %v", raw, again, err)
		}
		if raw, err = s.encode(); err != nil {
			t.Fatal(err)
		}
		sale, err := decodeSale(raw)
		if err != nil {
			t.Fatal(err)
		}
		if again, err = sale.encode(); err != nil || !bytes.Equal(raw, again) {
			t.Errorf("sale record: %x became %x, %v", raw, again, err)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var r jobRecord
	for range 1000 {
		r.event(eventRecord{Text: "x"})
	}
	h := r.history()
	if len(h) != firstEvents+lastEvents || h[firstEvents-1].Seq != firstEvents-1 || h[len(h)-1].Seq != 999 || h[firstEvents].Seq != 1000-lastEvents {
		t.Errorf("%d events, from %d over %d to %d", len(h), h[0].Seq, h[firstEvents].Seq, h[len(h)-1].Seq)
	}
}

func TestID(t *testing.T) {
	id := NewID()
	got, err := ParseID(id.String())
	if err != nil || got != id {
		t.Errorf("got %v, %v, want %v", got, err, id)
	}
	for _, bad := range []string{"", "12", id.String() + "0", "g" + id.String()[1:], "A" + id.String()[1:]} {
		if got, err := ParseID(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

// FuzzRecord reads records as a damaged disk would give them.
func FuzzRecord(f *testing.F) {
	job, err := sampleRecord(f).encode()
	if err != nil {
		f.Fatal(err)
	}
	sale, err := sampleSale(f).encode()
	if err != nil {
		f.Fatal(err)
	}
	item := itemRecord{State: Asking, Name: "7", Tries: 1, Open: []openTry{{NewID(), 5}}}
	raw, err := item.encode()
	if err != nil {
		f.Fatal(err)
	}
	all := mapRecord{ID: NewID(), Spec: MapSpec{Each: EachNumber, Last: 3}, State: MapRunning, Items: 4}
	many, err := all.encode()
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{job, sale, raw, many} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeJob(b); err == nil {
			r.job()
			if again, err := r.encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x, %v", b, again, err)
			}
		}
		if r, err := decodeItem(b); err == nil {
			r.item(0)
			if again, err := r.encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x, %v", b, again, err)
			}
		}
		if r, err := decodeMap(b); err == nil {
			r.view(&tally{}, 0)
			if again, err := r.encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x, %v", b, again, err)
			}
		}
		if r, err := decodeSale(b); err == nil {
			r.sale()
			if again, err := r.encode(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x, %v", b, again, err)
			}
		}
	})
}

func FuzzID(f *testing.F) {
	f.Add("00112233445566778899aabbccddeeff")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && id.String() != s {
			t.Errorf("%q became %q", s, id)
		}
	})
}

func TestReasonsHaveHints(t *testing.T) {
	for r, hint := range hints {
		if err := r.check(); err != nil || hint == "" || !r.Known() {
			t.Errorf("%s: %v, %q", r, err, hint)
		}
	}
	if len(hints) < 30 || reflect.TypeFor[Reason]().Kind() != reflect.String {
		t.Errorf("%d hints", len(hints))
	}
}
