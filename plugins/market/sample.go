package market

import (
	"context"
	"fmt"
	"io"

	"github.com/peersea/sea/compute"
)

// sampleWallMillis is the longest that a sample may run here: a minute.
const sampleWallMillis = 60_000

// Sample runs the job here, on the first size bytes of its input and on half as
// many, and draws the fuel out to the whole. What is cut is stdin, or the one
// input file of a job without stdin. The error is a *Refused when there is
// nothing to cut or a run comes to no end, or the engine's.
func (m *Market) Sample(ctx context.Context, s Spec, size uint64) (Estimate, error) {
	s = s.withDefaults()
	if no := s.check(); no != nil {
		return Estimate{}, no
	}
	whole := s.Stdin
	if whole.Size == 0 && len(s.Files) == 1 {
		whole = s.Files[0].Blob()
	}
	if whole.Size == 0 {
		return Estimate{}, refuse(BadJob, "a sample is a part of standard input or of the only input file, and the job has neither")
	}
	size = min(max(size, 1), whole.Size)
	b, err := m.sample(ctx, s, whole, size)
	if err != nil {
		return Estimate{}, err
	}
	if size == whole.Size {
		return Estimate{SameJob, b.fuel, 1, b.fuel, b.fuel, "exact: the job was run here"}, nil
	}
	a, err := m.sample(ctx, s, whole, size/2)
	if err != nil {
		return Estimate{}, err
	}
	e := median([]run{a, b})
	e.Basis, e.Fuel = SampleRun, draw(a, b, whole.Size)
	e.Text = fmt.Sprintf("roughly: drawn out from runs here with %d and %d of the %d bytes of input", a.input, b.input, whole.Size)
	return e, nil
}

// sample runs the job on the first size bytes of whole.
func (m *Market) sample(ctx context.Context, s Spec, whole compute.Blob, size uint64) (run, error) {
	part, err := m.part(ctx, whole, size)
	if err != nil {
		return run{}, err
	}
	if s.Stdin.Size > 0 {
		s.Stdin = part
	} else {
		s.Files = []compute.File{{Path: s.Files[0].Path, Hash: part.Hash, Size: part.Size}}
	}
	s.Limits.WallMillis = sampleWallMillis
	job := s.job(compute.MaxFuel)
	names := hashes(jobBlobs(job))
	if !m.blobs.Pin(names...) {
		return run{}, refuse(BadJob, "module, stdin or an input file is not in this node's storage (any more)")
	}
	defer m.blobs.Unpin(names...)
	r, err := m.engine.Run(ctx, job, m.blobs, compute.Live{Tenant: m.key.Entity().String()})
	switch {
	case err != nil:
		return run{}, err
	case r.End != compute.Exit:
		return run{}, refuse(BadJob, "the sample of %d bytes did not come to its end: %s %s", size, r.End, r.Trap)
	case r.Code != 0:
		return run{}, refuse(BadJob, "the sample of %d bytes ended with exit code %d: %.100q", size, r.Code, r.Stderr)
	}
	return run{input: size, fuel: r.Fuel}, nil
}

// part puts the first size bytes of a blob into the storage.
func (m *Market) part(ctx context.Context, whole compute.Blob, size uint64) (compute.Blob, error) {
	if size == whole.Size {
		return whole, nil
	}
	if size == 0 {
		return compute.BlobOf(nil), nil
	}
	from, err := m.blobs.Open(whole.Hash)
	if err != nil {
		return compute.Blob{}, err
	}
	defer from.Close()
	return m.blobs.Put(ctx, io.LimitReader(from, int64(size)), size)
}
