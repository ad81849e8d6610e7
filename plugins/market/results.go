package market

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/plugins/market/trust"
	"github.com/peersea/sea/plugins/state"
)

const (
	resultsVersion = 1

	// maxResults and maxResultsBytes are how many results are kept to be resold and
	// how large their records may be together, the oldest go first; maxResultBytes
	// is the largest record, of what has more files than that it is not kept. Output
	// of more than inlineBytes is in the storage, within its own bound, and a result
	// whose output had to go from there is resold no more.
	maxResults      = 10_000
	maxResultsBytes = 64 << 20
	maxResultBytes  = 64 << 10
)

// results are what came of jobs, by the job's hash, which is of all that decides
// it: module, arguments, environment, input, limits, seed and tariff.
type results struct {
	store *state.Store
	table *state.Table

	mu    sync.Mutex // guards what follows
	on    bool
	of    map[identity.Hash]*list.Element
	order *list.List // of keptResult, the oldest first
	bytes int
	next  uint64
}

type keptResult struct {
	job   identity.Hash
	bytes int
}

// resultBody is a result on disk.
type resultBody struct {
	V uint64 `cbor:"v"`
	// Seq counts them.
	Seq uint64 `cbor:"seq"`
	// Receipt is what was claimed of it, and Outcome what its result is the hash of.
	Receipt []byte `cbor:"receipt"`
	Outcome []byte `cbor:"outcome"`
	Out     output `cbor:"out"`
	Err     output `cbor:"err"`
}

func openResults(st *state.Store, on bool) (*results, error) {
	table, err := st.Table("market/results", resultsVersion)
	if err != nil {
		return nil, err
	}
	r := &results{store: st, table: table, on: true, of: map[identity.Hash]*list.Element{}, order: list.New()}
	type found struct {
		keptResult
		seq uint64
	}
	var all []found
	var bad state.Batch
	err = table.Scan(nil, func(key, raw []byte) bool {
		body, _, err := decodeResult(raw)
		if err != nil || len(key) != len(identity.Hash{}) {
			bad.Delete(table, slices.Clone(key))
			return true
		}
		all = append(all, found{keptResult{identity.Hash(key), len(raw)}, body.Seq})
		return true
	})
	if err == nil && bad.Len() > 0 {
		err = st.Commit(&bad)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(a.seq, b.seq) })
	for _, f := range all {
		r.addLocked(f.keptResult)
		r.next = f.seq + 1
	}
	return r, r.keeps(on)
}

// decodeResult reads a record and what its receipt claims. What it says of its
// output is looked at when that is read.
func decodeResult(raw []byte) (resultBody, compute.Receipt, error) {
	var body resultBody
	if len(raw) > maxResultBytes {
		return body, compute.Receipt{}, fmt.Errorf("a result of %d bytes, want at most %d", len(raw), maxResultBytes)
	}
	if err := decodeRecord(raw, resultsVersion, &body); err != nil {
		return body, compute.Receipt{}, err
	}
	claim, err := compute.DecodeReceipt(body.Receipt)
	if err == nil && identity.HashOf(body.Outcome) != claim.Result {
		err = errors.New("the outcome is not what the receipt claims")
	}
	return body, claim, err
}

func (r *results) addLocked(k keptResult) {
	r.of[k.job] = r.order.PushBack(k)
	r.bytes += k.bytes
}

func (r *results) removeLocked(e *list.Element, b *state.Batch) {
	k := r.order.Remove(e).(keptResult)
	delete(r.of, k.job)
	r.bytes -= k.bytes
	b.Delete(r.table, k.job[:])
}

// keeps says whether results are kept from now on. Those that are here go when
// they are not.
func (r *results) keeps(on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = on
	var b state.Batch
	for !on && r.order.Len() > 0 {
		r.removeLocked(r.order.Front(), &b)
	}
	if b.Len() == 0 {
		return nil
	}
	return r.store.Commit(&b)
}

// has says whether a job's result is here.
func (r *results) has(job identity.Hash) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[job] != nil
}

// keep takes in what came of a job, if it would come again and its record is not
// too long, and forgets the oldest for it.
func (r *results) keep(claim compute.Receipt, outcome []byte, out, serr output) error {
	wait, err := r.add(claim, outcome, out, serr)
	if err != nil {
		return err
	}
	return wait()
}

func (r *results) add(claim compute.Receipt, outcome []byte, out, serr output) (wait func() error, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	nothing := func() error { return nil }
	if !r.on || r.of[claim.Job] != nil || !trust.Comparable(claim) {
		return nothing, nil
	}
	raw, err := cbor.Marshal(resultBody{resultsVersion, r.next, claim.Encode(), outcome, out, serr})
	if err != nil || len(raw) > maxResultBytes {
		return nothing, err
	}
	r.next++
	var b state.Batch
	r.addLocked(keptResult{claim.Job, len(raw)})
	for len(r.of) > maxResults || r.bytes > maxResultsBytes {
		r.removeLocked(r.order.Front(), &b)
	}
	b.Put(r.table, claim.Job[:], raw)
	return r.store.Begin(&b), nil
}

// get reads a record. One that cannot be read is for the caller to drop.
func (r *results) get(job identity.Hash) (resultBody, compute.Receipt, error) {
	raw, err := r.table.Get(job[:])
	if err != nil {
		return resultBody{}, compute.Receipt{}, err
	}
	body, claim, err := decodeResult(raw)
	if err == nil && claim.Job != job {
		err = errors.New("it is of another job")
	}
	return body, claim, err
}

// drop forgets a result.
func (r *results) drop(job identity.Hash) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.of[job]
	if e == nil {
		return nil
	}
	var b state.Batch
	r.removeLocked(e, &b)
	return r.store.Commit(&b)
}
