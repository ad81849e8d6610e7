package ledger

// refFilter tells of a run of the index which tags cannot be in it. A tag sets
// four bits of one word; one that is not there finds its four set once in 200
// times or so. It never denies one that is there.
type refFilter []uint64

// filterPart is how many references share a word: 16 bits for each.
const filterPart = 4

func newRefFilter(refs []ref) refFilter {
	f := make(refFilter, len(refs)/filterPart+1)
	for _, r := range refs {
		i, mask := f.place(r.tag)
		f[i] |= mask
	}
	return f
}

func (f refFilter) may(tag uint64) bool {
	i, mask := f.place(tag)
	return f[i]&mask == mask
}

// place takes the word from the tag's upper half and the bits in it from its
// lowest: it is a part of a hash.
func (f refFilter) place(tag uint64) (word uint64, mask uint64) {
	return tag >> 32 * uint64(len(f)) >> 32, 1<<(tag&63) | 1<<(tag>>6&63) | 1<<(tag>>12&63) | 1<<(tag>>18&63)
}

// refFilters are those of the runs in the file, as far as there is room. The
// committer has them. A run never changes, but an id may come twice when a
// transaction was undone: so a new run's filter is kept only after its commit.
type refFilters struct {
	of    map[uint64]refFilter // by the run's id
	refs  uint64               // how many references they are of: maxFiltered
	asked map[uint64]uint64    // how often the others were looked through
}

const (
	// maxFiltered bounds the filters: 16 MiB. The runs beyond it are looked through.
	maxFiltered = 1 << 23

	// filterAfter is how many references of a run that was there before the
	// process are read for each time that it was looked through, to make its filter.
	filterAfter = 32
)

// rule says whether a tag cannot be in a run.
func (f *refFilters) rule(run refRun, tag uint64) (out bool) {
	if f == nil {
		return false
	}
	one, ok := f.of[run.id]
	return ok && !one.may(tag)
}

// due says that the run was looked through so often that it is worth a filter.
func (f *refFilters) due(run refRun) bool {
	if f == nil || f.of[run.id] != nil || f.refs+run.count > maxFiltered {
		return false
	}
	if f.asked == nil {
		f.asked = map[uint64]uint64{}
	}
	f.asked[run.id]++
	return f.asked[run.id]*filterAfter >= run.count
}

// add keeps the filter of a run that is in the file.
func (f *refFilters) add(run refRun, one refFilter) {
	if f.refs+run.count > maxFiltered {
		return
	}
	if f.of == nil {
		f.of = map[uint64]refFilter{}
	}
	f.of[run.id] = one
	f.refs += run.count
	delete(f.asked, run.id)
}

// drop forgets a run that is no longer in the file.
func (f *refFilters) drop(run refRun) {
	if f.of[run.id] != nil {
		delete(f.of, run.id)
		f.refs -= run.count
	}
	delete(f.asked, run.id)
}
