package ledger

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
)

// pacts verifies each line's checkpoints: the signatures, and that they name
// prefixes of what the log has.
func (c *checker) pacts() error {
	return c.scan(bCheckpoint, nil, func(key, value []byte) (bool, error) {
		payload, err := unseal(c, bCheckpoint, key, value)
		if err != nil {
			return false, err
		}
		p, err := decodePact(payload)
		if err == nil {
			err = c.checkPact(key, p)
		}
		if errors.Is(err, ErrDamaged) {
			return false, err // names another record
		}
		if err != nil {
			return false, damage(c, bCheckpoint, key, value, err.Error())
		}
		return true, nil
	})
}

func (c *checker) checkPact(key []byte, p pact) error {
	a := c.lines[LineOf(c.self, p.peer)]
	if a == nil || !bytes.Equal(key, a.mine.line[:]) {
		return errors.New("its key is not a line with its peer")
	}
	if p.proposed != nil && (a.mine.side != Low || p.proposed.N != p.n()+1) {
		return errors.New("its proposal is not the next one of the low side")
	}
	if p.agreed != nil && p.proposed != nil && p.proposed.Prev != p.agreed.Hash() {
		return errors.New("its proposal does not follow its checkpoint")
	}
	for _, one := range []*Checkpoint{p.agreed, p.proposed} {
		if one == nil {
			continue
		}
		if one.Line != a.mine.line {
			return fmt.Errorf("checkpoint %d is of another line", one.N)
		}
		if err := one.verify(c.self, a.mine.side); err != nil {
			return err
		}
		for _, w := range []struct {
			writer
			half
		}{{a.mine, a.own}, {a.theirs, a.other}} {
			s := one.Sides[w.side]
			if held, err := c.holds(w.writer, w.half, s); len(c.lost) > 0 && errors.Is(err, ErrSegment) {
				continue
			} else if err != nil {
				return err
			} else if held != isHeld || s.Grant > w.grantSeq || s.Grant == w.grantSeq && s.Limit != w.grantLimit {
				return fmt.Errorf("checkpoint %d is not a prefix of the log: it has entry %d and grant %d", one.N, s.Seq, s.Grant)
			}
		}
		if one.Locks == (identity.Hash{}) {
			continue // of a program that knew no roots
		}
		if root, err := c.rootAt(*a, one.Sides); len(c.lost) > 0 && errors.Is(err, ErrSegment) {
			continue
		} else if err != nil {
			return err
		} else if root != one.Locks {
			return fmt.Errorf("checkpoint %d has another root of the locks", one.N)
		}
	}
	if p.agreed == nil {
		return nil
	}
	c.rep.Agreed++
	return p.agreed.verify(p.peer, a.theirs.side)
}
