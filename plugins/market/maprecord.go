package market

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/ledger"
)

const mapsVersion = 1 // of both tables

// mapRecord is a map on disk. Its items are records of their own.
type mapRecord struct {
	ID      ID       `cbor:"id"`
	Spec    MapSpec  `cbor:"spec"`
	State   MapState `cbor:"state"`
	Reason  Reason   `cbor:"reason"`
	Error   string   `cbor:"error"`
	Created int64    `cbor:"created"` // milliseconds of Unix time
	Ended   int64    `cbor:"ended"`
	Items   int      `cbor:"items"`
	// Stop is that the buyer wants it to stop.
	Stop bool `cbor:"stop"`
}

// itemRecord is an item of a map on disk. There is none before it is begun.
type itemRecord struct {
	// State is Asking until the item has ended, then Done or Failed.
	State State  `cbor:"state"`
	Name  string `cbor:"name"`
	// Open are the jobs for it that run, Tries how many there were. Cost is what
	// those cost that have ended.
	Open  []openTry     `cbor:"open,omitempty"`
	Tries int           `cbor:"tries"`
	Cost  ledger.Amount `cbor:"cost"`

	// Of the job whose result it is.
	Job     ID              `cbor:"job,omitzero"`
	Reason  Reason          `cbor:"reason,omitempty"`
	Error   string          `cbor:"error,omitempty"`
	Exit    *int32          `cbor:"exit,omitempty"`
	Fuel    uint64          `cbor:"fuel"`
	Seller  identity.Entity `cbor:"seller,omitzero"`
	Out     output          `cbor:"out"`
	Err     output          `cbor:"err"`
	Outcome []byte          `cbor:"outcome,omitempty"`
}

// openTry is a job for an item, and what it may cost.
type openTry struct {
	Job ID            `cbor:"job"`
	Cap ledger.Amount `cbor:"cap"`
}

type mapBody struct {
	V uint64 `cbor:"v"`
	mapRecord
}

type itemBody struct {
	V uint64 `cbor:"v"`
	itemRecord
}

func (r *mapRecord) encode() ([]byte, error) { return cbor.Marshal(mapBody{mapsVersion, *r}) }

func decodeMap(b []byte) (*mapRecord, error) {
	var body mapBody
	if err := decodeRecord(b, mapsVersion, &body); err != nil {
		return nil, fmt.Errorf("map record: %w", err)
	}
	return &body.mapRecord, nil
}

func (r *itemRecord) encode() ([]byte, error) { return cbor.Marshal(itemBody{mapsVersion, *r}) }

func decodeItem(b []byte) (*itemRecord, error) {
	var body itemBody
	if err := decodeRecord(b, mapsVersion, &body); err != nil {
		return nil, fmt.Errorf("map item record: %w", err)
	}
	return &body.itemRecord, nil
}

// mapKey is where a map is in its table, the oldest first.
func (r *mapRecord) key() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(r.Created)), r.ID[:]...)
}

// itemKey is where an item is in its table.
func itemKey(id ID, item int) []byte {
	return binary.BigEndian.AppendUint32(id[:len(id):len(id)], uint32(item))
}

func (r *itemRecord) final() bool { return r.State.Final() }

// item is the record as others see it.
func (r *itemRecord) item(n int) MapItem {
	i := MapItem{
		Item: n, Name: r.Name, State: r.State, Job: r.Job, Reason: r.Reason, Error: r.Error, Exit: r.Exit, Fuel: r.Fuel,
		Cost: r.Cost, Seller: r.Seller, Tries: r.Tries,
		Stdout: r.Out.Blob, Stderr: r.Err.Blob, Out: r.Out.Bytes, Err: r.Err.Bytes,
	}
	if o, err := compute.DecodeOutcome(r.Outcome); err == nil {
		i.Files = o.Files
	}
	return i
}

// take takes in the job that was the item's last, or the one that counts.
func (r *itemRecord) take(j *jobRecord) {
	v := j.job()
	r.Job, r.Reason, r.Error, r.Exit, r.Fuel, r.Seller = j.ID, v.Reason, v.Error, v.Exit, v.Fuel, v.Seller
	r.Out, r.Err, r.Outcome = j.Out, j.Err, j.Outcome
}

// tally sums items that have ended.
type tally struct {
	done, failed, again int
	fuel                uint64
	sellers             map[identity.Entity]*MapSeller
}

// maxMapSellers is how many sellers a map's summary names.
const maxMapSellers = 64

func (t *tally) add(r *itemRecord) {
	t.again += max(0, r.Tries-1)
	if !r.final() {
		return
	}
	if r.State == Done && (r.Exit == nil || *r.Exit == 0) {
		t.done++
	} else {
		t.failed++
	}
	t.fuel += r.Fuel
	if r.Seller == (identity.Entity{}) {
		return
	}
	who := r.Seller
	if t.sellers == nil {
		t.sellers = map[identity.Entity]*MapSeller{}
	}
	if t.sellers[who] == nil && len(t.sellers) >= maxMapSellers {
		who = identity.Entity{}
	}
	s := t.sellers[who]
	if s == nil {
		s = &MapSeller{Seller: who}
		t.sellers[who] = s
	}
	s.Items, s.Fuel, s.Cost = s.Items+1, s.Fuel+r.Fuel, s.Cost+r.Cost
}

// view is the map as others see it, without what runs.
func (r *mapRecord) view(t *tally, cost ledger.Amount) Map {
	m := Map{
		ID: r.ID, Spec: r.Spec, Each: r.Spec.Each, State: r.State, Reason: r.Reason, Error: r.Error, Hint: r.Reason.Hint(), Created: time.UnixMilli(r.Created),
		Items: r.Items, Done: t.done, Failed: t.failed, Again: t.again, Fuel: t.fuel, Cost: cost,
	}
	if r.Ended != 0 {
		m.Ended = time.UnixMilli(r.Ended)
	}
	for _, s := range t.sellers {
		m.Sellers = append(m.Sellers, *s)
	}
	sortSellers(m.Sellers)
	return m
}
