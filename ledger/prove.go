package ledger

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
)

// ErrProof is returned, wrapped with the reason, when bytes are no proof of
// misbehaviour.
var ErrProof = errors.New("it proves nothing")

// ErrNoProof is returned when there is none against the peer.
var ErrNoProof = errors.New("nothing is held against the peer")

// proofMark begins every proof that leaves a ledger.
const proofMark = "sea proof 1\n"

// maxProofFile is the longest proof in bytes: two whole runs, and room.
const maxProofFile = 64 << 10

// Misbehaviour is what a proof shows.
type Misbehaviour struct {
	// By signed what it must not have signed, on its line with To.
	By identity.Entity `json:"by"`
	To identity.Entity `json:"to"`
	// What it did, for people: words that follow its name.
	What string `json:"what"`
}

// Prove returns a proof of what peer did, which CheckProof takes on any machine:
// it holds nothing but what peer signed, about 0.6 KB if it signed two entries
// with one number. Of several that are held it is the first. Errors are
// ErrNoProof and ErrDamaged. What shows that this ledger lost something itself
// is no proof against the peer.
func (l *Ledger) Prove(peer identity.Entity) ([]byte, Misbehaviour, error) {
	var file []byte
	var what Misbehaviour
	err := l.store.view(func(g getter) error {
		all, err := book{g}.proofs(LineOf(l.self, peer))
		if err != nil {
			return err
		}
		for _, p := range all {
			short := p.shortest()
			file = append(append([]byte(proofMark), l.self[:]...), short.encode()...)
			if what, err = CheckProof(file); err == nil {
				return nil
			}
		}
		return ErrNoProof
	})
	if err != nil {
		return nil, Misbehaviour{}, fmt.Errorf("prove against %s: %w", peer.Short(), err)
	}
	return file, what, nil
}

// CheckProof says what the bytes that Prove made show, with no ledger and no
// clock. Everything that counts in them is signed by the one they are about.
// Errors are ErrProof, wrapped with what is wrong.
func CheckProof(file []byte) (Misbehaviour, error) {
	fail := func(format string, args ...any) (Misbehaviour, error) {
		return Misbehaviour{}, fmt.Errorf("%w: "+format, append([]any{ErrProof}, args...)...)
	}
	rest, ok := bytes.CutPrefix(file, []byte(proofMark))
	switch {
	case !ok:
		return fail("it does not begin with %q", proofMark)
	case len(file) > maxProofFile:
		return fail("it has %d bytes, %d at most", len(file), maxProofFile)
	case len(rest) < len(identity.Entity{}):
		return fail("it ends at byte %d", len(file))
	}
	to := identity.Entity(rest[:32])
	p, err := decodeProof(rest[32:])
	if err == nil {
		err = to.Check()
	}
	switch {
	case err != nil:
		return fail("%w", err)
	case p.peer == to:
		return fail("a key has no line with itself")
	case p.tick != 0:
		return fail("its time is not zero, and nobody has signed one")
	}
	if p.kind == proofPacts && SideOf(p.peer, to) == High {
		return fail("only the low side proposes checkpoints: it has signed both, too")
	}
	words := p.words()
	if words == "" {
		return fail("it shows what its keeper lost, and nothing against anyone")
	}
	if err := p.verify(to); err != nil {
		return fail("%w", err)
	}
	return Misbehaviour{By: p.peer, To: to, What: words}, nil
}

// shortest is p without what is not needed to show the same, and without the
// time, which is our own.
func (p proof) shortest() proof {
	p.tick = 0
	switch {
	case p.kind == proofFork && p.held != nil:
		last := min(p.held.last().Seq, p.shown.last().Seq)
		held, shown := p.held.since(last), p.shown.since(last)
		if held.forks(shown) {
			p.held, p.shown = &held, &shown
		}
	case p.kind == proofBudget:
		for i := len(p.shown.entries) - 1; i > 0; i-- { // a run of fewer entries, if it shows as much
			if shown := p.shown.from(i); func() bool { _, over := p.warrant.breach(shown); return over }() {
				p.shown = &shown
				break
			}
		}
	case p.kind == proofSum:
		for seq := p.shown.last().Seq; seq > p.shown.first().Seq; seq-- {
			if shown := p.shown.since(seq - 1); shown.missums(nil) {
				p.held, p.shown = nil, &shown
				return p
			}
		}
		if p.held != nil {
			if held := p.held.since(p.held.last().Seq); p.shown.missums(&held) {
				p.held = &held
			}
		}
	}
	return p
}

// since is r from entry seq on, or the whole of it: its signature covers that
// too.
func (r run) since(seq uint64) run {
	if seq > r.first().Seq {
		return r.from(int(seq - r.first().Seq))
	}
	return r
}

// words say what the peer did, "" when it did nothing.
func (p proof) words() string {
	switch {
	case p.kind == proofFork && p.held != nil && p.shown != nil:
		for _, e := range p.shown.entries {
			if i := int(e.Seq - p.held.first().Seq); e.Seq >= p.held.first().Seq && i < len(p.held.entries) && p.held.entries[i] != e {
				return fmt.Sprintf("signed two different entries %d: one that says %s credits in all, and one that says %s",
					e.Seq, p.held.entries[i].Cum, e.Cum)
			}
		}
		return fmt.Sprintf("signed entry %d, which does not follow the entry %d that it signed before",
			p.shown.first().Seq, p.held.last().Seq)
	case p.kind == proofBudget && p.shown != nil:
		if i, over := p.warrant.breach(*p.shown); over {
			e := p.shown.entries[i]
			return fmt.Sprintf("promised or locked %s credits in all in entry %d, and its certificate %d of %s, under which it said that it acts, allows %s",
				e.Cum+e.Held, e.Seq, p.warrant.cert.Serial, p.warrant.entity(), limitOf(p.warrant.cert))
		}
	case p.kind == proofSum && p.shown != nil:
		return fmt.Sprintf("signed a sum that is not the one before and the amount: %s credits in all in entry %d",
			p.shown.last().Cum, p.shown.last().Seq)
	case p.kind == proofPacts:
		return fmt.Sprintf("signed checkpoint %d and checkpoint %d, which cannot both be", p.pacts[0].N, p.pacts[1].N)
	case p.kind == proofPactFork:
		return fmt.Sprintf("signed checkpoint %d of other entries than it signed", p.pacts[0].N)
	}
	return ""
}
