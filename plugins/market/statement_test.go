package market

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/internal/golden"
	"github.com/peersea/sea/ledger"
)

// seedKey signs with a key from a fixed seed, so that vectors stay the same.
type seedKey byte

func (k seedKey) private() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(k)}, ed25519.SeedSize))
}

func (k seedKey) Entity() identity.Entity {
	return identity.Entity(k.private().Public().(ed25519.PublicKey))
}

func (k seedKey) Sign(p identity.Purpose, body []byte) (identity.Statement, error) {
	sig := ed25519.Sign(k.private(), append(append([]byte(p), 0), body...))
	return identity.Statement{By: k.Entity(), Body: body, Sig: [64]byte(sig)}, nil
}

const (
	buyerKey  seedKey = 1
	sellerKey seedKey = 2
)

func sampleJob() compute.Job {
	limits := compute.DefaultLimits()
	return compute.Job{
		Module: identity.HashOf([]byte("module")), ModuleSize: 1000,
		Args: []string{"primes", "1000"}, Env: []string{"A=b"},
		Stdin: compute.BlobOf([]byte("in")), Files: []compute.File{{Path: "a/b", Hash: identity.HashOf([]byte("x")), Size: 1}},
		Limits: limits, Tariff: compute.Tariff1,
	}
}

// sample is one of the market's statements.
type sample struct {
	name    string
	purpose identity.Purpose
	sign    func() (identity.Statement, error)
	open    func(identity.Statement) (any, error)
}

// samples is a row of statements of one trade, each naming the one before.
func samples(t testing.TB) []sample {
	t.Helper()
	price := Price{Fee: 250_000, PerGfuel: ledger.Credit}
	job := sampleJob()
	offer := Offer{
		For: buyerKey.Entity(), Price: price, Caps: DefaultPolicy().Caps, Slots: 4, Free: 3,
		Room: 10 * ledger.Credit, Strangers: 10 * ledger.Credit, Tariff: 1, Engine: "wazero 1.12.0",
		At: 1_770_000_000_000, Until: 1_770_000_030_000,
	}
	hash := func(sign func(identity.Signer) (identity.Statement, error), k seedKey, p identity.Purpose) identity.Hash {
		st, err := sign(k)
		if err != nil {
			t.Fatal(err)
		}
		return st.Hash(p)
	}
	ask := Ask{
		Offer: hash(offer.Sign, sellerKey, OfferPurpose), To: sellerKey.Entity(), Job: job.Encode(),
		Credit: 20 * ledger.Credit, PerGfuel: 2 * ledger.Credit, Nonce: [16]byte{1, 2, 3},
	}
	asked := hash(ask.Sign, buyerKey, AskPurpose)
	ceiling, _ := price.Cost(job.Limits.Fuel)
	quote := Quote{Ask: asked, Job: job.Hash(), Price: price, Ceiling: ceiling, Until: 1_770_000_120_000}
	refusal := Refusal{Of: asked, Reason: RefusedCredit, Text: "no grant, and strangers owe all they may", Room: 1}
	order := Order{Quote: hash(quote.Sign, sellerKey, QuotePurpose), At: 1_770_000_001_000}
	ordered := hash(order.Sign, buyerKey, OrderPurpose)
	receipt := compute.Receipt{Job: job.Hash(), Result: identity.HashOf([]byte("result")), End: compute.Exit, Fuel: 5_000_000_001, PeakPages: 17, Tariff: 1, Engine: "wazero 1.12.0"}
	cost, _ := price.Cost(receipt.Fuel)
	delivery := Delivery{Order: ordered, Receipt: hash(receipt.Sign, sellerKey, compute.ReceiptPurpose), Cost: cost}
	cancel := Cancel{Order: ordered}
	steady, paced, stopped := offer, quote, delivery
	steady.Slowest, paced.Slowest, stopped.Reason = Gfuel, Gfuel, TooSlow

	willing, resold := ask, quote
	willing.Resold, resold.Resold, resold.Price = true, 20, price.part(20)
	resold.Ceiling, _ = resold.Cost(job.Limits.Fuel)

	roomy := offer
	roomy.PerGiB = ledger.Credit / 4
	labelled := offer
	labelled.Labels = Labels{"gpu=no", "region=eu"}

	sign := func(f func(identity.Signer) (identity.Statement, error), k seedKey) func() (identity.Statement, error) {
		return func() (identity.Statement, error) { return f(k) }
	}
	return []sample{
		{"offer", OfferPurpose, sign(offer.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenOffer(s)) }},
		{"ask", AskPurpose, sign(ask.Sign, buyerKey), func(s identity.Statement) (any, error) {
			a, _, err := OpenAsk(s)
			return a, err
		}},
		{"quote", QuotePurpose, sign(quote.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenQuote(s)) }},
		{"refusal", RefusalPurpose, sign(refusal.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenRefusal(s)) }},
		{"order", OrderPurpose, sign(order.Sign, buyerKey), func(s identity.Statement) (any, error) { return as(OpenOrder(s)) }},
		{"delivery", DeliveryPurpose, sign(delivery.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenDelivery(s)) }},
		{"cancel", CancelPurpose, sign(cancel.Sign, buyerKey), func(s identity.Statement) (any, error) { return as(OpenCancel(s)) }},
		{"offer with a slowest rate", OfferPurpose, sign(steady.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenOffer(s)) }},
		{"quote with a slowest rate", QuotePurpose, sign(paced.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenQuote(s)) }},
		{"delivery of what was too slow", DeliveryPurpose, sign(stopped.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenDelivery(s)) }},
		{"offer with a price of memory", OfferPurpose, sign(roomy.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenOffer(s)) }},
		{"ask that a result from before will do for", AskPurpose, sign(willing.Sign, buyerKey), func(s identity.Statement) (any, error) {
			a, _, err := OpenAsk(s)
			return a, err
		}},
		{"quote for a result from before", QuotePurpose, sign(resold.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenQuote(s)) }},
		{"offer with labels", OfferPurpose, sign(labelled.Sign, sellerKey), func(s identity.Statement) (any, error) { return as(OpenOffer(s)) }},
	}
}

func as[T any](v T, err error) (any, error) { return v, err }

// vector is a statement in testdata/statements.json.
type vector struct {
	Name      string `json:"name"`
	Purpose   string `json:"purpose"`
	By        string `json:"by"`
	Body      string `json:"body"`
	Statement string `json:"statement"`
	Hash      string `json:"hash"`
}

func TestVectors(t *testing.T) {
	var made []vector
	for _, s := range samples(t) {
		st, err := s.sign()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.open(st); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		made = append(made, vector{
			s.name, string(s.purpose), st.By.String(), hex.EncodeToString(st.Body),
			hex.EncodeToString(st.Encode()), st.Hash(s.purpose).String(),
		})
	}
	golden.JSON(t, "testdata/statements.json", made)
}

// TestFlips alters every byte of every statement: each is refused, and with an
// error of ours.
func TestFlips(t *testing.T) {
	all := samples(t)
	for _, s := range all {
		st, err := s.sign()
		if err != nil {
			t.Fatal(err)
		}
		raw := st.Encode()
		for i := range raw {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << (i % 8)
			got, err := identity.DecodeStatement(bad)
			if err == nil {
				_, err = s.open(got)
			}
			if err == nil || err.Error() == "" {
				t.Errorf("%s: byte %d altered and accepted", s.name, i)
			}
		}
		// A body that is signed but altered is refused for what is wrong in it.
		for i := range st.Body {
			body := bytes.Clone(st.Body)
			body[i] ^= 1
			resigned, err := sellerKey.Sign(s.purpose, body)
			if err != nil {
				t.Fatal(err)
			}
			v, err := s.open(resigned)
			if err != nil {
				if !errors.Is(err, ErrStatement) {
					t.Errorf("%s: byte %d of the body: %v is not ErrStatement", s.name, i, err)
				}
				continue
			}
			if again, err := encodeBody(v); err != nil || !bytes.Equal(again, body) {
				t.Errorf("%s: byte %d of the body: %x became %x, %v", s.name, i, body, again, err)
			}
		}
		// And none is good for another purpose.
		for _, other := range all {
			if other.purpose == s.purpose {
				continue
			}
			if _, err := other.open(st); !errors.Is(err, identity.ErrBadSignature) {
				t.Errorf("a statement of %s opened as %s: %v", s.name, other.name, err)
			}
		}
	}
}

// encodeBody is the one spelling of a statement's body.
func encodeBody(v any) ([]byte, error) {
	switch v := v.(type) {
	case Offer:
		return cbor.Marshal(offerBody{version, v})
	case Ask:
		return cbor.Marshal(askBody{version, v})
	case Quote:
		return cbor.Marshal(quoteBody{version, v})
	case Refusal:
		return cbor.Marshal(refusalBody{version, v})
	case Order:
		return cbor.Marshal(orderBody{version, v})
	case Delivery:
		return cbor.Marshal(deliveryBody{version, v})
	case Cancel:
		return cbor.Marshal(cancelBody{version, v})
	}
	return nil, errors.New("no statement")
}

// TestVersion shows that a body of a later version is refused for its number.
func TestVersion(t *testing.T) {
	body, err := cbor.Marshal(map[string]any{"v": 2, "order": []byte("x"), "new": true})
	if err != nil {
		t.Fatal(err)
	}
	st, err := buyerKey.Sign(CancelPurpose, body)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenCancel(st)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("version 2 is not known")) {
		t.Errorf("got %v", err)
	}
}

func TestBounds(t *testing.T) {
	tests := []struct {
		name string
		sign func(identity.Signer) (identity.Statement, error)
	}{
		{"negative price", Quote{Price: Price{PerGfuel: -1}}.Sign},
		{"huge fee", Quote{Price: Price{Fee: maxAmount}}.Sign},
		{"negative ceiling", Quote{Ceiling: -1}.Sign},
		{"negative until", Quote{Until: -1}.Sign},
		{"negative cost", Delivery{Cost: -1}.Sign},
		{"huge cost", Delivery{Cost: maxAmount}.Sign},
		{"negative credit", Ask{Credit: -5}.Sign},
		{"no reason", Refusal{}.Sign},
		{"shouted reason", Refusal{Reason: "BUSY"}.Sign},
		{"long reason", Refusal{Reason: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}.Sign},
		{"text with a line end", Refusal{Reason: Busy, Text: "a\nb"}.Sign},
		{"more free than slots", Offer{Slots: 1, Free: 2}.Sign},
		{"backwards offer", Offer{At: 2, Until: 1}.Sign},
		{"engine with escape", Offer{Engine: "\x1b[31m"}.Sign},
		{"a rate that nothing has", Quote{Slowest: maxSlowest + 1}.Sign},
		{"more than the whole price", Quote{Resold: 101}.Sign},
		{"steps for what does not run", Quote{Resold: 20, Quantum: leastQuantum}.Sign},
		{"a rate for what does not run", Quote{Resold: 20, Slowest: 1}.Sign},
		{"an offer of such a rate", Offer{Slowest: maxSlowest + 1}.Sign},
		{"stopped for no good reason", Delivery{Reason: Busy}.Sign},
		{"order before time", Order{At: -1}.Sign},
	}
	for _, test := range tests {
		if _, err := test.sign(sellerKey); !errors.Is(err, ErrStatement) {
			t.Errorf("%s: got %v, want %v", test.name, err, ErrStatement)
		}
	}
}

// FuzzStatement reads bodies of every kind: what is accepted has one spelling.
func FuzzStatement(f *testing.F) {
	all := samples(f)
	for i, s := range all {
		st, err := s.sign()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), st.Body)
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		s := all[int(kind)%len(all)]
		st, err := sellerKey.Sign(s.purpose, body)
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.open(st)
		if err != nil {
			return
		}
		if again, err := encodeBody(v); err != nil || !bytes.Equal(again, body) {
			t.Errorf("%s: %x became %x, %v", s.name, body, again, err)
		}
	})
}

// FuzzMessage reads what a peer sends around the statements.
func FuzzMessage(f *testing.F) {
	st := func(i int) identity.Statement {
		s, err := samples(f)[i].sign()
		if err != nil {
			f.Fatal(err)
		}
		return s
	}
	offer, ask, quote, refusal, order, delivery, cancel := st(0), st(1), st(2), st(3), st(4), st(5), st(6)
	kinds := []any{
		&offerAnswer{offer}, &askRequest{ask}, &askAnswer{Quote: &quote}, &askAnswer{Refusal: &refusal},
		&orderRequest{order, quote, ask, cursor{1, 2, 3, 4, true, NoVoucher, 5, []byte{6}}}, &followRequest{identity.Hash{1}, cursor{}},
		&follow{State: SaleDelivered, Fuel: 7, Stdout: []byte("x"), StdoutSize: 1, Receipt: &delivery, Delivery: &delivery, Outcome: []byte{1}},
		&cancelRequest{cancel}, &dueRequest{identity.Hash{2}}, &dueAnswer{true},
		&nearAnswer{&offer, []identity.Statement{offer, ask}}, &nearAnswer{Near: []identity.Statement{}}, &noticeRequest{offer},
	}
	fresh := func(kind uint8) any {
		return []any{
			&offerAnswer{}, &askRequest{}, &askAnswer{}, &askAnswer{}, &orderRequest{}, &followRequest{},
			&follow{}, &cancelRequest{}, &dueRequest{}, &dueAnswer{},
			&nearAnswer{}, &nearAnswer{}, &noticeRequest{},
		}[int(kind)%len(kinds)]
	}
	for i, k := range kinds {
		b, err := cbor.Marshal(k)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		v := fresh(kind)
		if cbor.Unmarshal(b, v) != nil {
			return
		}
		if again, err := cbor.Marshal(v); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%T: %x became %x, %v", v, b, again, err)
		}
	})
}
