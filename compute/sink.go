package compute

import "fmt"

// sink collects a result from a guest or a worker, and holds it to the job's
// limits: a worker is not trusted.
type sink struct {
	job  Job
	live Live
	room uint64 // of Limits.OutputBytes
	res  Result
	dirs map[string]bool // the folders among res.Files
	talk talk            // with who watches
}

func newSink(job Job, live Live) *sink {
	return &sink{
		job: job, live: live, room: job.Limits.OutputBytes, dirs: map[string]bool{"": true},
		talk: talk{hushed: make(chan struct{})},
	}
}

// take counts n bytes of output.
func (s *sink) take(n uint64) error {
	if n > s.room {
		return fmt.Errorf("%w: it gave more output than the job allows", ErrEngine)
	}
	s.room -= n
	return nil
}

func (s *sink) stdout(b []byte) error {
	if err := s.take(uint64(len(b))); err != nil {
		return err
	}
	s.res.Stdout = append(s.res.Stdout, b...)
	s.talk.say(&s.live.Stdout, b)
	return nil
}

func (s *sink) stderr(b []byte) error {
	if err := s.take(uint64(len(b))); err != nil {
		return err
	}
	s.res.Stderr = append(s.res.Stderr, b...)
	s.talk.say(&s.live.Stderr, b)
	return nil
}

func (s *sink) progress(fuel uint64) {
	s.res.Fuel = min(fuel, s.job.Limits.Fuel)
	if s.live.Progress != nil {
		s.live.Progress(s.res.Fuel)
	}
}

func (s *sink) outcome(o outcome) error {
	if err := checkTrap(o.End, o.Code, o.Trap); err != nil {
		return fmt.Errorf("%w: its result: %w", ErrEngine, err)
	}
	if o.Fuel > s.job.Limits.Fuel || o.PeakPages > s.job.Limits.MemoryPages {
		return fmt.Errorf("%w: its result has more fuel or memory than the job allows", ErrEngine)
	}
	s.res.End, s.res.Code, s.res.Trap = o.End, o.Code, o.Trap
	s.res.Fuel, s.res.PeakPages, s.res.Cause = o.Fuel, o.PeakPages, clip(o.Cause)
	return nil
}

// entry adds a file or folder of the output; fill then reads its bytes.
func (s *sink) entry(path string, dir bool, size uint64, fill func([]byte) error) error {
	if err := CheckPath(path); err != nil {
		return fmt.Errorf("%w: output file: %w", ErrEngine, err)
	}
	n := len(s.res.Files)
	switch {
	case n >= int(s.job.Limits.Files):
		return fmt.Errorf("%w: it gave more files than the job allows", ErrEngine)
	case n > 0 && s.res.Files[n-1].Path >= path:
		return fmt.Errorf("%w: its output files are not sorted", ErrEngine)
	case !s.dirs[parent(path)] || dir && size > 0:
		return fmt.Errorf("%w: its output folder is no tree", ErrEngine)
	}
	if dir {
		s.dirs[path] = true
	}
	if err := s.take(size); err != nil {
		return err
	}
	f := OutFile{Path: path, Dir: dir, Data: make([]byte, size)}
	if err := fill(f.Data); err != nil {
		return err
	}
	f.Blob = BlobOf(f.Data)
	s.res.Files = append(s.res.Files, f)
	return nil
}

// result is what there is, complete or not.
func (s *sink) result() Result { return s.res }
