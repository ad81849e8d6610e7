package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/peersea/sea/identity"
)

// maxHeads is how many lines a copy of the heads has at most, those on which most
// was promised: about 4 MB.
const maxHeads = 10_000

// KnownHead is what a second, small file remembers of a line: whom to ask when
// the ledger's own file is lost, and what they must at least be able to show.
type KnownHead struct {
	Peer identity.Entity `json:"peer"`

	// Mine and Theirs are the newest entries of the two half-chains, and
	// Checkpoint the number of the newest that both signed, 0 for none.
	Mine       Half   `json:"mine"`
	Theirs     Half   `json:"theirs"`
	Checkpoint uint64 `json:"checkpoint"`
}

// headFile is the first line of that file; the second is its CRC-32C in hex.
type headFile struct {
	Version int             `json:"version"`
	Entity  identity.Entity `json:"entity"`
	Heads   []KnownHead     `json:"heads"`
}

// SaveHeads writes the newest heads of all lines to the file at path, 0600, in
// place of the one that is there, whole or not at all. What that one has and this
// ledger does not, because its own file was lost, stays. It is as old as the last
// call: a promise since then is not in it.
func (l *Ledger) SaveHeads(path string) error {
	fail := func(err error) error { return fmt.Errorf("copy the heads: %w", err) }
	before, err := ReadHeads(path, l.self)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrDamaged) {
		return fail(err)
	}
	known := map[identity.Entity]KnownHead{}
	for _, h := range before {
		known[h.Peer] = h
	}
	for _, line := range l.Lines() {
		if line.State == StateDamaged || !line.Known() {
			continue
		}
		h, was := KnownHead{line.Peer, line.Mine, line.Theirs, line.Agreed.N}, known[line.Peer]
		if was.Mine.Seq > h.Mine.Seq {
			h.Mine = was.Mine
		}
		if was.Theirs.Seq > h.Theirs.Seq {
			h.Theirs = was.Theirs
		}
		h.Checkpoint = max(h.Checkpoint, was.Checkpoint)
		known[line.Peer] = h
	}
	out := headFile{Version: version, Entity: l.self, Heads: make([]KnownHead, 0, len(known))}
	for _, h := range known {
		out.Heads = append(out.Heads, h)
	}
	slices.SortFunc(out.Heads, func(a, b KnownHead) int {
		return cmp.Or(cmp.Compare(b.stake(), a.stake()), bytes.Compare(a.Peer[:], b.Peer[:]))
	})
	out.Heads = out.Heads[:min(len(out.Heads), maxHeads)]
	b, err := json.Marshal(out)
	if err != nil {
		return fail(err)
	}
	b = fmt.Appendf(append(b, '\n'), "%08x\n", crc32.Checksum(b, castagnoli))
	if err := replaceFile(path, b); err != nil {
		return fail(err)
	}
	return nil
}

func (h KnownHead) stake() Amount { return max(h.Mine.Cum, h.Theirs.Cum) }

// replaceFile puts b at path, so that there is the old content or the new one.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".heads-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// ReadHeads reads what SaveHeads wrote, those with the most at stake first.
// Errors are fs.ErrNotExist, ErrDamaged, ErrVersion and ErrOwner.
func ReadHeads(path string, self identity.Entity) ([]KnownHead, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	heads, err := parseHeads(b, self)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return heads, nil
}

func parseHeads(b []byte, self identity.Entity) ([]KnownHead, error) {
	bad := func(why string) error { return &DamageError{Offset: -1, Why: why} }
	body, sum, ok := bytes.Cut(b, []byte("\n"))
	if !ok || string(sum) != fmt.Sprintf("%08x\n", crc32.Checksum(body, castagnoli)) {
		return nil, bad("the copy of the heads does not have its checksum")
	}
	var in headFile
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, bad(err.Error())
	}
	switch {
	case in.Version != version:
		return nil, fmt.Errorf("%w: the copy of the heads is of version %d", ErrVersion, in.Version)
	case in.Entity != self:
		return nil, fmt.Errorf("%w: the copy of the heads belongs to %s", ErrOwner, in.Entity)
	case len(in.Heads) > maxHeads:
		return nil, bad(fmt.Sprintf("it has more than %d heads", maxHeads))
	}
	return in.Heads, nil
}
