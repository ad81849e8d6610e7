package ledger

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
)

// Examined is what a ledger file holds, as far as Examine looks.
type Examined struct {
	Entity  identity.Entity `json:"entity"`
	Bytes   int64           `json:"bytes"`
	Lines   int             `json:"lines"`
	Records uint64          `json:"records"`         // of the log, sealed ones too
	Newest  time.Time       `json:"newest,omitzero"` // of the newest entry, by its writer's clock
	Torn    string          `json:"torn,omitempty"`  // what is wrong, though the file can be used
}

// Examine looks at every page and every checksum of the ledger file at path and
// of the log in front of it, which no process may have open for writing, and
// changes nothing. It verifies no
// signature, so it takes a second for half a gigabyte: it is what to do before
// Open, in a process of its own, because reading a damaged file may end the
// process that maps it. Errors are those of Check. Segments are not read: nothing
// that is signed needs them.
func Examine(path string) (Examined, error) {
	var out Examined
	fail := func(err error) (Examined, error) { return out, fmt.Errorf("examine ledger: %w", err) }
	info, err := os.Stat(path)
	if err != nil {
		return fail(err)
	}
	if out.Bytes = info.Size(); out.Bytes == 0 {
		return fail(&DamageError{Offset: 0, Why: "it is empty"})
	}
	o, err := openOverlay(path, true, false, 0, time.Second)
	if err != nil {
		return fail(err)
	}
	if o.file.torn != nil {
		out.Torn = o.file.torn.Error()
	}
	failpoint.Hit(failExamine)
	err = withSegments(o, path, false).view(func(g getter) error { return book{g}.examine(&out) })
	if err := errors.Join(err, o.close()); err != nil {
		return fail(err)
	}
	return out, nil
}

func (k book) examine(out *Examined) (err error) {
	if out.Entity, err = readMeta(k); err != nil {
		return err
	}
	if err := k.sums(); err != nil {
		return err
	}
	err = k.accounts(out.Entity, func(account) error { out.Lines++; return nil })
	if err != nil {
		return err
	}
	const far = 100 // grants have no time
	next, err := k.next()
	if err != nil {
		return err
	}
	out.Records = next - 1
	for n := out.Records; n > 0 && n+far > out.Records; n-- {
		rec, err := k.record(n)
		if errors.Is(err, ErrSegment) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.entry != nil {
			out.Newest = shown(rec.entry.Time())
			return nil
		}
	}
	return nil
}
