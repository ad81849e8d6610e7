package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/peersea/sea/identity"
)

// maxBatch is how many operations share one transaction at most: a few
// milliseconds of work, and a megabyte of log.
const maxBatch = 4096

// op is one operation that writes: do checks and then writes; what it returns
// is the operation's own failure, before it has written anything.
type op struct {
	line LineID
	do   func(*batch) error
	err  error
	done chan struct{} // closed when err is final and what was written is durable
}

// submit has do run in the next transaction and waits until that is on the
// disk. When ctx ends first the operation may still be carried out.
func (l *Ledger) submit(ctx context.Context, line LineID, do func(*batch) error) error {
	if err := l.Writable(); err != nil {
		return err
	}
	o := &op{line: line, do: do, done: make(chan struct{})}
	select {
	case l.queue <- o:
	case <-l.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done: // Close came between; o was done before, or never will be
		select {
		case <-o.done:
			return o.err
		default:
			return ErrClosed
		}
	}
}

// commit is the one goroutine that writes. Whatever is waiting when it comes
// round shares one transaction and its fsync: one caller waits for one fsync,
// many do not wait for many.
func (l *Ledger) commit() {
	defer close(l.done)
	for {
		var ops []*op
		select {
		case o := <-l.queue:
			ops = append(ops, o)
		case <-l.quit:
			return
		}
	drain:
		for len(ops) < maxBatch {
			select {
			case o := <-l.queue:
				ops = append(ops, o)
			default:
				break drain
			}
		}
		l.transact(ops)
	}
}

// transact carries out ops in one transaction.
func (l *Ledger) transact(ops []*op) {
	// By line, each line's in the order they came: so runs have no gaps.
	slices.SortStableFunc(ops, func(a, b *op) int { return bytes.Compare(a.line[:], b.line[:]) })

	b := &batch{l: l, touched: map[identity.Entity]account{}, states: map[identity.Entity]State{}}
	written := false
	l.refill()
	err := l.Writable()
	if err == nil {
		err = l.store.update(func(s setter) error {
			b.pen = newPen(s)
			for _, o := range ops {
				if o.err = o.do(b); errors.Is(o.err, errStore) {
					return o.err
				}
			}
			if err := b.flush(); err != nil {
				return err
			}
			if !*b.wrote {
				return errNothing // spares the fsync: what was refused costs little
			}
			if err := b.keepBudget(); err != nil {
				return err
			}
			written = true
			return nil
		})
	}
	if err != nil && !errors.Is(err, errNothing) {
		// A write that failed half way may still be on the disk, and a damaged
		// page will not get better: only opening the file again tells.
		if written || errors.Is(err, ErrDamaged) {
			l.log.Error("the ledger stops writing", "err", err)
			err = fmt.Errorf("%w until it is opened again, the disk failed it: %w", ErrReadOnly, err)
			l.mu.Lock()
			l.broken = err
			l.mu.Unlock()
		}
		for _, o := range ops {
			o.err = err
			close(o.done)
		}
		return
	}
	if b.budget != nil {
		l.keptBudget = *b.budget
	}
	l.mu.Lock()
	for _, a := range b.touched {
		l.stand(a, b.states[a.peer])
	}
	for _, p := range b.arrived {
		l.pays(p.peer, p.entry)
	}
	l.mu.Unlock()
	for _, o := range ops {
		close(o.done)
	}
	for _, c := range b.changes {
		l.tell(c)
	}
}

// errStore marks what no single operation is to blame for: it undoes the whole
// transaction.
var errStore = errors.New("ledger file")

var errNothing = errors.New("nothing to write")

// batch is a transaction that several operations share. The payments that
// follow each other on one line become one run under one signature.
type batch struct {
	pen
	l       *Ledger
	draft   *draft
	touched map[identity.Entity]account
	states  map[identity.Entity]State
	arrived []arrival
	changes []Change
	budget  *budget // as it was written, if it was
}

// arrival is a payment that a peer has made to us.
type arrival struct {
	peer  identity.Entity
	entry Entry
}

// draft is a run that is not signed yet.
type draft struct {
	a       account
	state   State
	entries []Entry
	tip     identity.Hash // of the last of them
}

// open reads the account with peer for an operation other than a payment. The
// run under way is written first, so that what is read is current.
func (b *batch) open(peer identity.Entity) (account, State, error) {
	if err := b.flush(); err != nil {
		return account{}, "", err
	}
	a, err := b.account(b.l.self, peer)
	if err != nil {
		return account{}, "", fmt.Errorf("%w: %w", errStore, err)
	}
	state, _, err := b.state(a.mine.line)
	if err != nil {
		return account{}, "", fmt.Errorf("%w: %w", errStore, err)
	}
	return a, state, nil
}

// keep writes the halves of an account that was changed, as the last thing an
// operation does.
func (b *batch) keep(a account, state State) error {
	if err := b.save(a); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	b.touched[a.peer], b.states[a.peer] = a, state
	return nil
}

// flush signs and writes the run under way.
func (b *batch) flush() error {
	if b.draft == nil {
		return nil
	}
	d := b.draft
	b.draft = nil
	head, err := signHead(b.l.signer, d.entries[len(d.entries)-1])
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	acked, more, err := b.unsentOf(d.a.mine.line)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	if !more {
		acked.seq, acked.grant = d.a.own.seq, d.a.own.grantSeq
	}
	err = b.appendRun(&d.a, d.a.mine, run{entries: d.entries, sig: head.Sig})
	if err == nil {
		err = b.owe(d.a, acked.seq, acked.grant)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	b.changes = append(b.changes, Change{Peer: d.a.peer, Outgoing: true})
	return b.keep(d.a, d.state)
}

// checkRoom refuses a line that would be one too many.
func (b *batch) checkRoom(a account) error {
	b.l.mu.Lock()
	defer b.l.mu.Unlock()
	if _, there := b.l.standing[a.peer]; a.known || there {
		return nil
	}
	if _, there := b.touched[a.peer]; there || len(b.l.standing)+len(b.touched) < b.l.cfg.MaxLines {
		return nil
	}
	return fmt.Errorf("%w: %d", ErrLines, b.l.cfg.MaxLines)
}
