package market

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/plugins/state"
)

const (
	papersVersion = 1

	// maxPapers is how many statements of negotiations that came to nothing are
	// kept, the newest of all jobs that were bought for themselves and as many of
	// those of maps, at about 600 bytes each; maxJobPapers how
	// many of one job. Those of the order that was delivered, and of up to
	// maxTried that were not, are the job's own and kept as long as it is.
	maxPapers    = 10_000
	maxJobPapers = 256
)

// A Paper is something that was signed for a job.
type Paper struct {
	At time.Time `json:"at"`
	// What is ask, quote, refusal, order, receipt or delivery; Hash names it.
	What string          `json:"what"`
	Hash identity.Hash   `json:"hash"`
	By   identity.Entity `json:"by"`
	// Says is what it says in a few words, Statement the signed bytes.
	Says      string `json:"says"`
	Statement []byte `json:"statement"`
}

// paper is a statement that is about to be kept.
type paper struct {
	what string
	st   identity.Statement
}

type paperBody struct {
	V    uint64             `cbor:"v"`
	Job  ID                 `cbor:"job"`
	At   int64              `cbor:"at"`
	What string             `cbor:"what"`
	St   identity.Statement `cbor:"st"`
}

// papers is where the statements are that belong to no order: a ring on disk.
type papers struct {
	store *state.Store
	table *state.Table // by number

	mu    sync.Mutex // guards what follows
	next  uint64     // number
	first uint64     // of those that are kept
	of    map[ID]int // how many of each job that runs
}

func openPapers(st *state.Store, name string) (*papers, error) {
	table, err := st.Table(name, papersVersion)
	if err != nil {
		return nil, err
	}
	p := &papers{store: st, table: table, of: map[ID]int{}}
	err = table.Scan(nil, func(key, _ []byte) bool {
		if len(key) == 8 {
			p.first = binary.BigEndian.Uint64(key)
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	p.next = p.first
	return p, table.ScanBack(func(key, _ []byte) bool {
		if len(key) == 8 {
			p.next = binary.BigEndian.Uint64(key) + 1
		}
		return false
	})
}

// keep writes statements down, soon, and forgets the oldest ones when there are
// too many. Of a job that has its share no more are kept.
func (p *papers) keep(id ID, all []paper) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b state.Batch
	now := time.Now().UnixMilli()
	for _, one := range all {
		if p.of[id] >= maxJobPapers {
			break
		}
		p.of[id]++
		raw, err := cbor.Marshal(paperBody{papersVersion, id, now, one.what, one.st})
		if err != nil {
			return err
		}
		b.Put(p.table, binary.BigEndian.AppendUint64(nil, p.next), raw)
		p.next++
	}
	for ; p.next-p.first > maxPapers; p.first++ {
		b.Delete(p.table, binary.BigEndian.AppendUint64(nil, p.first))
	}
	if b.Len() == 0 {
		return nil
	}
	return p.store.Queue(&b)
}

// ended forgets how many of a job there are.
func (p *papers) ended(id ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.of, id)
}

// list returns a job's statements, the oldest first.
func (p *papers) list(id ID) (all []Paper, err error) {
	var bad error
	err = p.table.Scan(nil, func(_, raw []byte) bool {
		var body paperBody
		if bad = decodeRecord(raw, papersVersion, &body); bad != nil {
			return false
		}
		if body.Job == id {
			all = append(all, paper{body.What, body.St}.show(body.At))
		}
		return true
	})
	if err == nil {
		err = bad
	}
	return all, err
}

// Signed returns all that was signed for a job and is kept: of orders that came
// to nothing and of sellers that were not ordered from, then of orders that
// their sellers failed, then of the last one. The error is ErrNoJob or the
// disk's.
func (b *Book) Signed(id ID) ([]Paper, error) {
	r, err := b.record(id)
	if err != nil {
		return nil, err
	}
	all, err := b.papersOf(r).list(id)
	if err != nil {
		return nil, err
	}
	add := func(ask, quote, order, receipt, delivery *identity.Statement) {
		at := r.Created
		if order != nil {
			if o, err := readOrder(order.Body); err == nil {
				at = o.At
			}
		}
		for _, p := range []struct {
			what string
			st   *identity.Statement
		}{{"ask", ask}, {"quote", quote}, {"order", order}, {"receipt", receipt}, {"delivery", delivery}} {
			if p.st != nil {
				all = append(all, paper{p.what, *p.st}.show(at))
			}
		}
	}
	for _, t := range r.Tried {
		add(t.Ask, t.Quote, t.Order, nil, nil)
	}
	add(r.Ask, r.Quote, r.Order, r.Receipt, r.Delivery)
	return all, nil
}

// show reads a statement whose signature was verified when it came.
func (p paper) show(at int64) Paper {
	s := Paper{At: time.UnixMilli(at), What: p.what, By: p.st.By, Statement: p.st.Encode()}
	purpose := map[string]identity.Purpose{
		"ask": AskPurpose, "quote": QuotePurpose, "refusal": RefusalPurpose, "order": OrderPurpose,
		"receipt": compute.ReceiptPurpose, "delivery": DeliveryPurpose,
	}[p.what]
	s.Hash = p.st.Hash(purpose)
	switch p.what {
	case "ask":
		if a, err := readAsk(p.st.Body); err == nil {
			s.Says = fmt.Sprintf("for at most %s credits, to %s", a.Credit, a.To.Short())
		}
	case "quote":
		if q, err := readQuote(p.st.Body); err == nil {
			s.Says = fmt.Sprintf("%s credits a job and %s per Gfuel, at most %s", q.Fee, q.PerGfuel, q.Ceiling)
			if q.Resold > 0 {
				s.Says += fmt.Sprintf(", for a result from before, at %d %% of the price", q.Resold)
			}
		}
	case "refusal":
		if f, err := readRefusal(p.st.Body); err == nil {
			s.Says = fmt.Sprintf("%s: %s", f.Reason, f.Text)
		}
	case "order":
		if o, err := readOrder(p.st.Body); err == nil {
			s.Says = "accepts quote " + o.Quote.Short()
		}
	case "receipt":
		if c, err := compute.DecodeReceipt(p.st.Body); err == nil {
			s.Says = fmt.Sprintf("%d fuel, %s", c.Fuel, c.End)
		}
	case "delivery":
		if d, err := readDelivery(p.st.Body); err == nil {
			s.Says = fmt.Sprintf("%s credits", d.Cost)
		}
	}
	return s
}

// keepPapers writes down what was signed for a job to no end.
func (m *Market) keepPapers(r *jobRecord, all ...paper) {
	if len(all) == 0 {
		return
	}
	if err := m.book.papersOf(r).keep(r.ID, all); err != nil {
		m.log.Warn("cannot keep what was signed", "job", r.ID.Short(), "err", err)
	}
}

// papersOf is where a job's papers are.
func (b *Book) papersOf(r *jobRecord) *papers {
	if r.mapped {
		return b.mapPapers
	}
	return b.papers
}

// papers are what was signed between a seller that was asked and this node.
func (q quoted) papers() []paper {
	var all []paper
	for _, p := range []paper{{"ask", q.ask}, {"quote", q.quote}, {"refusal", q.refusal}} {
		if p.st.Body != nil {
			all = append(all, p)
		}
	}
	return all
}
