package market

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/state"
	"github.com/peersea/sea/plugins/storage"
)

// What a Book keeps: so many jobs that were bought for themselves, and so many
// for the items of maps, with those that check them. A large map thus leaves the
// others alone. Older ones that have ended are forgotten with everything but what
// was paid, which the ledger has.
const maxJobs = 10_000

// Book is the buyer's durable side: jobs with their history, papers and output.
// It needs no node. All methods may be called at once.
type Book struct {
	store *state.Store
	blobs *storage.Storage
	jobs  *state.Table

	papers    *papers      // of jobs that were bought for themselves
	mapPapers *papers      // and of those of maps
	modules   *state.Table // by order, of those that were paid and are forgotten: see ModuleOf

	mu    sync.Mutex // guards what follows
	index []jobKey   // oldest first
	live  map[ID]*job
}

// jobKey is where a job is in the table: when it was made, its id, and whether a
// map bought it, so that the keys tell how many there are of each kind.
type jobKey struct {
	created int64
	id      ID
	mapped  bool
}

// mappedKey follows the id in the key of a job that a map bought.
const mappedKey = 1

func (k jobKey) bytes() []byte {
	b := append(binary.BigEndian.AppendUint64(nil, uint64(k.created)), k.id[:]...)
	if k.mapped {
		b = append(b, mappedKey)
	}
	return b
}

// readJobKey reads what bytes makes; false for anything else.
func readJobKey(b []byte) (jobKey, bool) {
	if len(b) != 24 && (len(b) != 25 || b[24] != mappedKey) {
		return jobKey{}, false
	}
	return jobKey{int64(binary.BigEndian.Uint64(b)), ID(b[8:24]), len(b) == 25}, true
}

func (r *jobRecord) key() jobKey { return jobKey{r.Created, r.ID, r.mapped} }

// OpenBook reads the book in st. The caller closes st and blobs, after the Book
// is no longer used.
func OpenBook(st *state.Store, blobs *storage.Storage) (*Book, error) {
	jobs, err := st.Table("market/jobs", jobsVersion)
	if err != nil {
		return nil, err
	}
	modules, err := st.Table("market/modules", modulesVersion)
	if err != nil {
		return nil, err
	}
	papers, err := openPapers(st, "market/papers")
	if err != nil {
		return nil, err
	}
	mapPapers, err := openPapers(st, "market/mappapers")
	if err != nil {
		return nil, err
	}
	b := &Book{store: st, blobs: blobs, jobs: jobs, modules: modules, papers: papers, mapPapers: mapPapers, live: map[ID]*job{}}
	err = jobs.Scan(nil, func(key, _ []byte) bool {
		if k, ok := readJobKey(key); ok {
			b.index = append(b.index, k)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Jobs lists the newest jobs, at most limit, without their histories. alone leaves
// out those that maps bought.
func (b *Book) Jobs(limit int, alone bool) ([]Job, error) {
	var index []jobKey
	b.mu.Lock()
	for _, k := range slices.Backward(b.index) {
		if len(index) == limit {
			break
		}
		if !alone || !k.mapped {
			index = append(index, k)
		}
	}
	b.mu.Unlock()
	jobs := make([]Job, 0, len(index))
	for _, k := range index {
		j, err := b.Job(k.id)
		if errors.Is(err, ErrNoJob) {
			continue // forgotten meanwhile
		} else if err != nil {
			return nil, err
		}
		j.History = nil
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// Job returns the job, or ErrNoJob.
func (b *Book) Job(id ID) (Job, error) {
	b.mu.Lock()
	live := b.live[id]
	b.mu.Unlock()
	if live != nil {
		return live.job(), nil
	}
	r, err := b.record(id)
	if err != nil {
		return Job{}, err
	}
	j := r.job()
	j.History = r.history()
	return j, nil
}

// Find returns the job whose id begins with prefix: at least one hex digit.
// Errors are ErrNoJob and ErrAmbiguous.
func (b *Book) Find(prefix string) (Job, error) {
	var found []ID
	b.mu.Lock()
	for _, k := range b.index {
		if prefix != "" && strings.HasPrefix(k.id.String(), prefix) {
			found = append(found, k.id)
		}
	}
	b.mu.Unlock()
	switch len(found) {
	case 0:
		return Job{}, fmt.Errorf("%w: %.40q", ErrNoJob, prefix)
	case 1:
		return b.Job(found[0])
	}
	return Job{}, fmt.Errorf("%w: %.40q", ErrAmbiguous, prefix)
}

// FindReceipt returns the job whose receipt's hash begins with prefix, looking
// at the newest first. Errors are ErrNoJob and ErrAmbiguous.
func (b *Book) FindReceipt(prefix string) (Job, error) {
	jobs, err := b.Jobs(2*maxJobs, false)
	if err != nil {
		return Job{}, err
	}
	var found []Job
	for _, j := range jobs {
		if j.Receipt != (identity.Hash{}) && prefix != "" && strings.HasPrefix(j.Receipt.String(), prefix) {
			found = append(found, j)
		}
	}
	switch len(found) {
	case 0:
		return Job{}, fmt.Errorf("%w: no receipt begins with %.80q", ErrNoJob, prefix)
	case 1:
		return b.Job(found[0].ID)
	}
	return Job{}, fmt.Errorf("%w: %.80q", ErrAmbiguous, prefix)
}

// record reads a job from the disk, or gives the live one's record.
func (b *Book) record(id ID) (*jobRecord, error) {
	b.mu.Lock()
	live := b.live[id]
	var k jobKey
	if live == nil {
		for _, k = range slices.Backward(b.index) { // mostly one of the newest
			if k.id == id {
				break
			}
		}
	}
	b.mu.Unlock()
	if live != nil {
		return live.copy(), nil
	}
	if k.id != id {
		return nil, fmt.Errorf("%w: %s", ErrNoJob, id.Short())
	}
	raw, err := b.jobs.Get(k.bytes())
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoJob, id.Short())
	}
	r, err := decodeJob(raw)
	if err != nil {
		return nil, err
	}
	r.mapped = k.mapped
	return r, nil
}

// Log opens what has arrived of a stream, also while the job runs; until then,
// and for lost sellers, it is the seller's word. Of a job that is to be checked
// there is nothing before that. The caller closes it. Errors are ErrNoJob and
// ErrGone.
func (b *Book) Log(id ID, s Stream) (io.ReadCloser, error) {
	b.mu.Lock()
	live := b.live[id]
	b.mu.Unlock()
	if live != nil {
		if live.copy().withheld() {
			return io.NopCloser(bytes.NewReader(nil)), nil
		}
		sp := live.spool(s)
		return io.NopCloser(io.NewSectionReader(sp, 0, int64(sp.Size()))), nil
	}
	r, err := b.record(id)
	if err != nil {
		return nil, err
	}
	return b.open(r.stream(s))
}

func (r *jobRecord) stream(s Stream) output {
	if s == Stderr {
		return r.Err
	}
	return r.Out
}

func (b *Book) open(o output) (io.ReadCloser, error) {
	if o.inline() {
		return io.NopCloser(bytes.NewReader(o.Bytes)), nil
	}
	rc, err := b.blobs.Open(o.Blob.Hash)
	if errors.Is(err, compute.ErrNoBlob) {
		return nil, fmt.Errorf("%w: the output was kept for a while only", ErrGone)
	}
	return rc, err
}

// Save writes the output folder of a job into dir, which is made when it is not
// there. Files that are there are replaced; nothing outside dir is touched,
// whatever links there are. Errors are ErrNoJob, ErrNoReceipt, ErrGone and the
// file system's.
func (b *Book) Save(ctx context.Context, id ID, dir string) error {
	r, err := b.record(id)
	if err != nil {
		return err
	}
	if len(r.Outcome) == 0 {
		return ErrNoReceipt
	}
	o, err := compute.DecodeOutcome(r.Outcome)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range o.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.saveFile(root, f); err != nil {
			return fmt.Errorf("save %s: %w", f.Path, err)
		}
	}
	return nil
}

func (b *Book) saveFile(root *os.Root, f compute.OutFile) (err error) {
	name := filepath.FromSlash(f.Path)
	if !filepath.IsLocal(name) {
		return fmt.Errorf("the path is not one of this system")
	}
	if f.Dir {
		return root.MkdirAll(name, 0o755)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	from, err := b.blobs.Open(f.Blob.Hash)
	if errors.Is(err, compute.ErrNoBlob) {
		return fmt.Errorf("%w: the output was kept for a while only", ErrGone)
	} else if err != nil {
		return err
	}
	defer from.Close()
	to, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// Papers are the statements of a trade, as they were signed; nil is not there.
type Papers struct {
	Ask      *identity.Statement `json:"ask"`
	Quote    *identity.Statement `json:"quote"`
	Order    *identity.Statement `json:"order"`
	Receipt  *identity.Statement `json:"receipt"`
	Delivery *identity.Statement `json:"delivery"`
}

// Papers returns the job's statements, or ErrNoJob.
func (b *Book) Papers(id ID) (Papers, error) {
	r, err := b.record(id)
	if err != nil {
		return Papers{}, err
	}
	return Papers{r.Ask, r.Quote, r.Order, r.Receipt, r.Delivery}, nil
}

// Receipt returns the job's receipt as the seller signed it, verified and read.
// Errors are ErrNoJob, ErrNoReceipt and those of compute.OpenReceipt.
func (b *Book) Receipt(id ID) (identity.Statement, compute.Receipt, error) {
	r, err := b.record(id)
	if err != nil {
		return identity.Statement{}, compute.Receipt{}, err
	}
	if r.Receipt == nil {
		return identity.Statement{}, compute.Receipt{}, ErrNoReceipt
	}
	rec, err := compute.OpenReceipt(*r.Receipt)
	return *r.Receipt, rec, err
}

// begin gives the job's record, as it is now, its place among what is written;
// wait returns when it is durable.
func (b *Book) begin(j *job) (wait func() error) {
	j.saving.Lock()
	defer j.saving.Unlock()
	r := j.copy()
	raw, err := r.encode()
	if err != nil {
		return func() error { return err }
	}
	var batch state.Batch
	batch.Put(b.jobs, r.key().bytes(), raw)
	return b.store.Begin(&batch)
}

// save writes the job's record as it is now.
func (b *Book) save(j *job) error { return b.begin(j)() }

// add takes a new job in and forgets the oldest one of its kind that has ended
// when there are too many. It does not write the record.
func (b *Book) add(j *job) error {
	var old []jobKey
	b.mu.Lock()
	b.live[j.rec.ID] = j
	b.index = append(b.index, j.rec.key())
	alike := 0
	for _, k := range b.index {
		if k.mapped == j.rec.mapped {
			alike++
		}
	}
	for ; alike > maxJobs; alike-- {
		i := slices.IndexFunc(b.index, func(k jobKey) bool { return k.mapped == j.rec.mapped && b.live[k.id] == nil })
		if i < 0 {
			break
		}
		old = append(old, b.index[i])
		b.index = slices.Delete(b.index, i, i+1)
	}
	b.mu.Unlock()
	if len(old) == 0 {
		return nil
	}
	var batch state.Batch
	for _, k := range old {
		if err := b.forget(&batch, k); err != nil {
			return err
		}
	}
	return b.store.Queue(&batch)
}

// unfinished reads the jobs that have not ended, to go on with them.
func (b *Book) unfinished() (all []*jobRecord, err error) {
	var bad error
	err = b.jobs.Scan(nil, func(key, raw []byte) bool {
		r, err := decodeJob(raw)
		if err != nil {
			bad = errors.Join(bad, err)
		} else if !r.State.Final() {
			k, _ := readJobKey(key)
			r.mapped = k.mapped
			all = append(all, r)
		}
		return true
	})
	return all, errors.Join(err, bad)
}

// orders are those of the jobs that have not ended.
func (b *Book) orders() map[identity.Hash]struct{} {
	b.mu.Lock()
	live := slices.Collect(maps.Values(b.live))
	b.mu.Unlock()
	all := make(map[identity.Hash]struct{}, len(live))
	for _, j := range live {
		if r := j.copy(); r.Order != nil {
			all[r.Order.Hash(OrderPurpose)] = struct{}{}
		}
	}
	return all
}

// settle takes a job that has ended from the live ones.
func (b *Book) settle(id ID) {
	b.mu.Lock()
	j := b.live[id]
	delete(b.live, id)
	b.mu.Unlock()
	if j != nil {
		j.update(func(*jobRecord) {})
	}
	b.papers.ended(id)
	b.mapPapers.ended(id)
}
