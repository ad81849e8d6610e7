package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sort"

	"github.com/peersea/sea/identity"
)

// The index of payments by reference. References are random, so one tree of
// them would have every payment change a page of its own somewhere in the file.
// Instead each commit adds its references as a run, sorted, in records side by
// side, and refRatio runs of about one length become one: a reference is written
// a few times in company, and a look goes through two dozen runs at most, or
// through those that their filters do not rule out. A reference that is paid in
// parts, as by the FOLDs of one lock, stands there once for each.
//
//	0                        → the runs: id and number of references, from the oldest
//	id, last tag, last number → up to refBlock references: tag and number
//
// A tag is 8 bytes of the SHA-256 of writer and reference; the log record it
// leads to says whether it is the one. In a file of the first schema there is no
// record 0, and a record for each reference.
const (
	refBlock = 120     // two records of so many fill a page
	refRatio = 4       // so many runs are merged, which are less than so many times as long as the newest
	maxRefs  = 1 << 18 // a run is not made longer: 4 MiB

	// maxParts is how many payments for one reference are looked at, for whoever
	// asks again and again what is paid: an honest peer makes a few, and what
	// comes after so many counts for none.
	maxParts = 64
)

var refRunsKey = number(0)

// refRun is a run of the index. Its id is the newest log number in it.
type refRun struct{ id, count uint64 }

// ref is where the log has a payment for a reference.
type ref struct{ tag, at uint64 }

// refOf is that of w's payment for of in record at.
func refOf(w writer, of identity.Hash, at uint64) ref { return ref{w.tag(of), at} }

// tag is that of the key of w's payment for a reference.
func (w writer) tag(of identity.Hash) uint64 {
	b := append(make([]byte, 0, 65), w.line[:]...)
	return tagOf(append(append(b, byte(w.side)), of[:]...))
}

func (r ref) compare(s ref) int {
	switch {
	case r.tag < s.tag, r.tag == s.tag && r.at < s.at:
		return -1
	case r == s:
		return 0
	}
	return 1
}

func (r ref) blockKey(run uint64) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 3*8), run)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, r.tag), r.at)
}

func tagOf(refKey []byte) uint64 {
	h := sha256.Sum256(refKey)
	return binary.BigEndian.Uint64(h[:])
}

func encodeRefRuns(runs []refRun) []byte {
	b := append(make([]byte, 0, 1+16*len(runs)+sumSize), version)
	for _, r := range runs {
		b = binary.BigEndian.AppendUint64(b, r.id)
		b = binary.BigEndian.AppendUint64(b, r.count)
	}
	return b
}

func decodeRefRuns(b []byte) ([]refRun, error) {
	pairs, err := decodePairs(b, "list of reference runs")
	var runs []refRun
	for _, p := range pairs {
		runs = append(runs, refRun{p[0], p[1]})
	}
	return runs, err
}

func encodeRefs(refs []ref) []byte {
	b := append(make([]byte, 0, 1+16*len(refs)+sumSize), version)
	for _, r := range refs {
		b = binary.BigEndian.AppendUint64(b, r.tag)
		b = binary.BigEndian.AppendUint64(b, r.at)
	}
	return b
}

func decodeRefs(b []byte) ([]ref, error) {
	pairs, err := decodePairs(b, "record of references")
	refs := make([]ref, 0, len(pairs))
	for i, p := range pairs {
		refs = append(refs, ref{p[0], p[1]})
		if err == nil && i > 0 && refs[i-1].compare(refs[i]) >= 0 {
			err = errors.New("its references are not sorted")
		}
	}
	if err == nil && len(refs) == 0 {
		err = errors.New("it holds no reference")
	}
	return refs, err
}

func decodePairs(b []byte, what string) ([][2]uint64, error) {
	r := reader{b: b, what: what}
	r.version()
	if r.err == nil && (len(b)-1)%16 != 0 {
		r.fail(ErrFormat, "it has %d bytes", len(b))
	}
	all := make([][2]uint64, 0, len(b)/16)
	for r.err == nil && r.at < len(b) {
		all = append(all, [2]uint64{r.u64(), r.u64()})
	}
	return all, r.end()
}

// tagged returns the log numbers of the payments whose tag is that of w's
// payments for ref, the oldest first, maxParts at most: of those that were ever
// made, and of hardly any other.
func (k book) tagged(w writer, of identity.Hash) ([]uint64, error) {
	runs, found, err := read(k, bRef, refRunsKey, decodeRefRuns)
	if err != nil {
		return nil, err
	}
	return k.taggedIn(runs, found, nil, w, of)
}

// taggedIn is tagged in the runs of the index that their filters do not rule
// out; there are none in the first schema.
func (k book) taggedIn(runs []refRun, indexed bool, filters *refFilters, w writer, of identity.Hash) ([]uint64, error) {
	if !indexed {
		n, found, err := read(k, bRef, w.refKey(of), decodeNumber)
		if err != nil || !found {
			return nil, err
		}
		return []uint64{n}, nil
	}
	var all []uint64
	tag := w.tag(of)
	for _, run := range runs {
		if filters.rule(run, tag) {
			continue
		}
		if filters.due(run) {
			refs, _, err := k.refsOf(run)
			if err != nil {
				return nil, err
			}
			filters.add(run, newRefFilter(refs))
		}
		err := k.refBlocks(run.id, ref{tag: tag}, func(key, payload []byte) (bool, error) {
			all = appendTagged(all, payload, tag)
			return binary.BigEndian.Uint64(key[8:]) == tag && len(all) < maxParts, nil // then the next record may go on
		})
		if err != nil {
			return nil, err
		}
		if len(all) >= maxParts {
			return all[:maxParts], nil
		}
	}
	return all, nil
}

// hasRef says whether one of the runs has this very reference.
func (k book) hasRef(runs []refRun, want ref) (found bool, err error) {
	for _, run := range runs {
		err := k.refBlocks(run.id, want, func(_, payload []byte) (bool, error) {
			found = holdsRef(payload, want)
			return false, nil // it is in this record or in none
		})
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// refBlocks calls f for the payloads of a run's records, from the one that from
// is in.
func (k book) refBlocks(run uint64, from ref, f func(key, payload []byte) (more bool, err error)) error {
	return k.scan(bRef, from.blockKey(run), func(key, value []byte) (bool, error) {
		if len(key) != 24 || binary.BigEndian.Uint64(key) != run {
			return false, nil
		}
		payload, err := unseal(k, bRef, key, value)
		if err != nil {
			return false, err
		}
		return f(key, payload)
	})
}

// refsOf returns all references of a run, and the keys of its records.
func (k book) refsOf(run refRun) (refs []ref, keys [][]byte, err error) {
	refs = make([]ref, 0, min(run.count, maxRefs))
	err = k.refBlocks(run.id, ref{}, func(key, payload []byte) (bool, error) {
		some, err := decodeRefs(payload)
		if err == nil && !bytes.Equal(some[len(some)-1].blockKey(run.id), key) {
			err = errors.New("its key is not its last reference")
		}
		if err == nil && len(refs) > 0 && refs[len(refs)-1].compare(some[0]) >= 0 {
			err = errors.New("it does not come after the record before it")
		}
		if err != nil {
			return false, damage(k, bRef, key, payload, err.Error())
		}
		refs, keys = append(refs, some...), append(keys, bytes.Clone(key))
		return true, nil
	})
	if err == nil && uint64(len(refs)) != run.count {
		err = damage(k, bRef, number(run.id), nil, "the run of references is not as long as it should be")
	}
	return refs, keys, err
}

// holdsRef says whether a record, whose checksum is right, has r.
func holdsRef(payload []byte, r ref) bool {
	if len(payload) == 0 {
		return false
	}
	pairs := payload[1:]
	at := func(i int) ref {
		return ref{binary.BigEndian.Uint64(pairs[16*i:]), binary.BigEndian.Uint64(pairs[16*i+8:])}
	}
	n := len(pairs) / 16
	i := sort.Search(n, func(i int) bool { return at(i).compare(r) >= 0 })
	return i < n && at(i) == r
}

// appendTagged adds the log numbers that a record, whose checksum is right, has
// for tag.
func appendTagged(all []uint64, payload []byte, tag uint64) []uint64 {
	if len(payload) == 0 {
		return all
	}
	pairs := payload[1:]
	n := len(pairs) / 16
	for i := sort.Search(n, func(i int) bool { return binary.BigEndian.Uint64(pairs[16*i:]) >= tag }); i < n; i++ {
		if binary.BigEndian.Uint64(pairs[16*i:]) != tag {
			break
		}
		all = append(all, binary.BigEndian.Uint64(pairs[16*i+8:]))
	}
	return all
}

// freshRefs are the references of the payments that a transaction has written so
// far. They go into the index together, at its end.
type freshRefs struct {
	all    []ref
	before []int          // the one before it with its tag, counted from 1, or 0
	newest map[uint64]int // by tag, counted from 1

	runs          []refRun // of the index before the transaction, if that was read
	read, indexed bool

	filters *refFilters // of these runs; may be nil

	made   refRun // the run that the transaction adds, with its filter, in place of merged
	filter refFilter
	merged []refRun
}

// kept notes that the transaction is in the file.
func (f *freshRefs) kept() {
	for _, run := range f.merged {
		f.filters.drop(run)
	}
	if f.filter != nil {
		f.filters.add(f.made, f.filter)
	}
}

func (f *freshRefs) add(r ref) {
	f.all = append(f.all, r)
	f.before = append(f.before, f.newest[r.tag])
	f.newest[r.tag] = len(f.all)
}

// tagged returns the log numbers of those with a tag, the first first.
func (f *freshRefs) tagged(tag uint64) (numbers []uint64) {
	for i := f.newest[tag]; i > 0; i = f.before[i-1] {
		numbers = append(numbers, f.all[i-1].at)
	}
	slices.Reverse(numbers)
	return numbers
}

// addRefs takes in references of payments that were just written, the newest at
// log number id, in any order.
func (p pen) addRefs(id uint64, refs []ref) error {
	if len(refs) == 0 {
		return nil
	}
	runs, _, err := read(p.book, bRef, refRunsKey, decodeRefRuns)
	if err != nil {
		return err
	}
	slices.SortFunc(refs, ref.compare)
	for {
		n := mergeable(runs, uint64(len(refs)))
		if n < refRatio-1 {
			break
		}
		for range n {
			last := runs[len(runs)-1]
			runs = runs[:len(runs)-1]
			old, err := p.takeRefs(last)
			if err != nil {
				return err
			}
			refs = mergeRefs(old, refs)
			p.fresh.merged = append(p.fresh.merged, last)
		}
	}
	for block := range slices.Chunk(refs, refBlock) {
		if err := p.put(bRef, block[len(block)-1].blockKey(id), encodeRefs(block)); err != nil {
			return err
		}
	}
	p.fresh.made, p.fresh.filter = refRun{id, uint64(len(refs))}, newRefFilter(refs)
	return p.put(bRef, refRunsKey, encodeRefRuns(append(runs, p.fresh.made)))
}

// mergeable is how many of the newest runs a run of n is to be merged with, if
// they are refRatio - 1 or more: those that are less than refRatio times as long,
// and fit into one.
func mergeable(runs []refRun, n uint64) (count int) {
	for sum := n; count < len(runs); count++ {
		run := runs[len(runs)-1-count]
		if sum += run.count; run.count >= refRatio*n || sum > maxRefs {
			break
		}
	}
	return count
}

// mergeRefs makes one sorted list of two.
func mergeRefs(a, b []ref) []ref {
	all := make([]ref, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].compare(b[0]) < 0 {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// takeRefs removes a run and returns what was in it.
func (p pen) takeRefs(run refRun) ([]ref, error) {
	refs, keys, err := p.refsOf(run)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if err := p.remove(bRef, key); err != nil {
			return nil, err
		}
	}
	return refs, nil
}

// upgradeRefs makes the index of the first schema into this one.
func (p pen) upgradeRefs() error {
	var refs []ref
	var keys [][]byte
	err := p.scan(bRef, nil, func(key, value []byte) (bool, error) {
		payload, err := unseal(p, bRef, key, value)
		if err != nil {
			return false, err
		}
		n, err := decodeNumber(payload)
		if err != nil {
			return false, damage(p, bRef, key, value, err.Error())
		}
		refs, keys = append(refs, ref{tagOf(key), n}), append(keys, slices.Clone(key))
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := p.remove(bRef, key); err != nil {
			return err
		}
	}
	slices.SortFunc(refs, func(a, b ref) int { return cmp.Compare(a.at, b.at) })
	for some := range slices.Chunk(refs, maxRefs) {
		if err := p.addRefs(some[len(some)-1].at, some); err != nil {
			return err
		}
	}
	return nil
}

// countRefs checks the runs and returns how many references are in them.
func (k book) countRefs() (uint64, error) {
	runs, _, err := read(k, bRef, refRunsKey, decodeRefRuns)
	if err != nil {
		return 0, err
	}
	var total, records uint64
	for _, run := range runs {
		refs, keys, err := k.refsOf(run)
		if err != nil {
			return 0, err
		}
		total += uint64(len(refs))
		records += uint64(len(keys))
	}
	err = k.scan(bRef, nil, func(key, value []byte) (bool, error) {
		if bytes.Equal(key, refRunsKey) {
			return true, nil
		}
		if records == 0 {
			return false, damage(k, bRef, key, value, "no run of references has this record")
		}
		records--
		return true, nil
	})
	return total, err
}
