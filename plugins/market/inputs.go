package market

import (
	"context"
	"errors"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/storage"
)

// getInputs fetches what is not here from the buyer. All of it is pinned when it
// returns nil, each blob as soon as it is here: what comes next must not push it
// out again.
func (m *Market) getInputs(ctx context.Context, s *sale) *Refused {
	var pinned []identity.Hash
	no := m.eachInput(ctx, s, func(ctx context.Context, b compute.Blob, seen func(uint64)) (here bool, err error) {
		if m.blobs.Pin(b.Hash) {
			pinned = append(pinned, b.Hash)
			return true, nil
		}
		if err = m.connect(ctx, s.contact()); err == nil {
			err = m.blobs.Fetch(ctx, s.contact(), b, seen)
		}
		return false, err
	})
	if no != nil {
		m.blobs.Unpin(pinned...)
	}
	return no
}

// eachInput calls get for each blob that the job reads, again and again until it
// says that the blob is here, as long as the buyer may take.
func (m *Market) eachInput(ctx context.Context, s *sale, get func(ctx context.Context, b compute.Blob, seen func(uint64)) (here bool, err error)) *Refused {
	var have, total uint64
	for _, b := range jobBlobs(s.work) {
		total += b.Size
	}
	end := time.Now().Add(m.transferTime(m.cfg.InputPatience, total))
	timed, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	last := time.Now()
	for _, b := range jobBlobs(s.work) {
		seen := func(n uint64) {
			last = time.Now()
			s.has(have + n)
		}
		for pause := firstPause; ; pause = min(2*pause, lastPause) {
			here, err := get(timed, b, seen)
			if here {
				break
			}
			if err == nil {
				seen(b.Size)
				continue
			}
			var no *Refused
			switch {
			case ctx.Err() != nil:
				no = refuse(Cancelled, "it was cancelled before it ran")
			case !time.Now().Before(end): // not timed's word, which may come a little later
				no = refuse(InputsMissing, "%v", errSlow)
			case errors.Is(err, storage.ErrHash), errors.Is(err, storage.ErrFull), time.Since(last) > m.cfg.InputPatience:
				no = refuse(InputsMissing, "%v", err)
			}
			if no != nil {
				return no
			}
			select {
			case <-time.After(pause):
			case <-timed.Done():
			}
		}
		have += b.Size
	}
	return nil
}

// has takes in how many bytes of the input are here.
func (s *sale) has(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.input {
		s.input = n
		s.touch()
	}
}
