package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// partText stands between what is wrong with a segment and which part it is.
const partText = " (it has records "

// lostText says what the loss of a segment means.
const lostText = "; history, export and what peers may ask for again lack these records until the file is put back; balances, limits and payments do not need it"

// sealed replays the segments, each of which is verified as a whole first. When one
// is lost the rest of the log is checked without what was in it, see gap.
func (c *checker) sealed(replay func(key, value []byte) (bool, error)) error {
	parts, err := c.sealedParts()
	if err != nil {
		return err
	}
	var before sealedPart
	for i, p := range parts {
		s, err := c.readPart(p, before)
		if err != nil {
			bad := new(DamageError)
			if why := c.settle(); why != nil || !errors.As(err, &bad) || bad.File == "" {
				return errors.Join(why, err)
			}
			return c.beyond(parts[i:], bad)
		}
		c.part = &s
		heads := c.rep.Heads
		for i, value := range s.records {
			key := number(s.first + uint64(i))
			if _, err := replay(key, value); err != nil {
				return err
			}
			// What a line needs to go on is in both.
			if live := c.get(bLog, key); live != nil && !bytes.Equal(live, value) {
				return damage(c, bLog, key, live, "it is another record in its segment")
			}
		}
		if c.run.entries != nil || c.rep.Heads-heads != uint64(len(s.heads)) {
			return c.badPart(p, s.headAt(0), "its heads are not those of its runs")
		}
		c.part, before = nil, p
		c.rep.Segments++
	}
	return nil
}

// readPart reads the file of p, which follows before.
func (c *checker) readPart(p, before sealedPart) (segment, error) {
	dir := c.segments()
	if dir == "" {
		return segment{}, damage(c, bSegment, number(p.last), nil, "there is no folder for segments")
	}
	if p.n != before.n+1 || p.first != before.last+1 {
		return segment{}, damage(c, bSegment, number(p.last), nil, "it does not follow the segment before it")
	}
	info, err := os.Stat(filepath.Join(dir, p.name()))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return segment{}, c.badPart(p, -1, "the file is missing")
	case err != nil:
		return segment{}, c.badPart(p, -1, err.Error())
	case info.Size() != p.size:
		return segment{}, c.badPart(p, -1, fmt.Sprintf("the file has %d bytes, not %d", info.Size(), p.size))
	}
	b, err := os.ReadFile(filepath.Join(dir, p.name()))
	if err != nil {
		return segment{}, c.badPart(p, -1, err.Error())
	}
	s, err := decodeSegment(b)
	if bad := new(DamageError); errors.As(err, &bad) {
		found := c.badPart(p, bad.Offset, bad.Why)
		if found.Number = p.first; bad.Number != 0 {
			found.Number = bad.Number
		}
		return s, found
	}
	switch {
	case s.owner != c.self:
		return s, c.badPart(p, 0, "it is another key's")
	case s.n != p.n || s.first != p.first || s.last != p.last || !bytes.Equal(b[len(b)-32:], p.hash[:]):
		return s, c.badPart(p, 0, "it is not the one that was sealed")
	case s.prev != before.hash:
		return s, c.badPart(p, 0, "it does not name the segment before it")
	}
	return s, nil
}

func (c *checker) badPart(p sealedPart, at int64, why string) *DamageError {
	return &DamageError{Number: p.first, File: filepath.Join(c.segments(), p.name()), Offset: at,
		Why: why + partText + fmt.Sprintf("%d to %d)", p.first, p.last) + lostText}
}

// head makes sure that the head of the run at is where it can be found.
func (c *checker) head(key []byte, at span) error {
	missing := errors.New("it is missing from the heads by number")
	got, found, err := read(c.book, bHead, key, decodeSpan)
	if err != nil {
		return err
	}
	if found && got != at || !found && c.part == nil {
		return missing
	}
	if found {
		c.heads++
	}
	if c.part != nil {
		if got, found := c.part.head(key); !found || got != at {
			return missing
		}
	}
	return nil
}
