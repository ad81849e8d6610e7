package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/peersea/sea/identity"
)

// maxBatch is how many operations share one transaction at most, and
// maxBatchBytes how much of peers' messages, with one of which it may end: a few
// milliseconds of work, and some megabytes of log.
const (
	maxBatch      = 4096
	maxBatchBytes = 4 << 20
)

// op is one operation that writes: do checks and then writes; what it returns
// is the operation's own failure, before it has written anything.
type op struct {
	line LineID
	size int // bytes of the message that it carries out
	do   func(*batch) error
	err  error
	done chan struct{} // closed when err is final and what was written is durable

	// later: what it writes may be lost in a crash. It is durable with the next
	// commit that is not.
	later bool
}

// laterStore is a store that can write what is durable with the next update.
type laterStore interface {
	updateLater(f func(setter) error) error
}

// submit has do run in the next transaction and waits until that is on the
// disk. When ctx ends first the operation may still be carried out.
func (l *Ledger) submit(ctx context.Context, line LineID, do func(*batch) error) error {
	return l.queued(ctx, &op{line: line, do: do, done: make(chan struct{})})
}

// submitOf is submit for a message of so many bytes.
func (l *Ledger) submitOf(ctx context.Context, line LineID, size int, do func(*batch) error) error {
	return l.queued(ctx, &op{line: line, size: size, do: do, done: make(chan struct{})})
}

// submitLater is submit for what may be lost in a crash.
func (l *Ledger) submitLater(ctx context.Context, line LineID, do func(*batch) error) error {
	return l.queued(ctx, &op{line: line, do: do, done: make(chan struct{}), later: true})
}

// queued has o carried out.
func (l *Ledger) queued(ctx context.Context, o *op) error {
	if err := l.Writable(); err != nil {
		return err
	}
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
		size := 0
		select {
		case o := <-l.queue:
			ops, size = append(ops, o), o.size
		case <-l.nudge:
		case <-l.quit:
			l.saveLast()
			return
		}
	drain:
		for idle := false; len(ops) < maxBatch && size < maxBatchBytes; {
			select {
			case o := <-l.queue:
				ops, size, idle = append(ops, o), size+o.size, false
			default:
				if idle {
					break drain
				}
				idle = true
				runtime.Gosched() // those whom the last commit woke have their say first
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
	said := l.sayings()
	err := l.Writable()
	update := l.store.update
	if s, ok := l.store.(laterStore); ok && len(said) == 0 && !slices.ContainsFunc(ops, func(o *op) bool { return !o.later }) {
		update = s.updateLater
	}
	if err == nil {
		err = update(func(s setter) error {
			b.pen = newPen(s)
			b.fresh.filters = &l.filters
			if err := b.saySaved(said); err != nil {
				return err
			}
			for _, o := range ops {
				if o.err = o.do(b); errors.Is(o.err, errStore) && !errors.Is(o.err, ErrSegment) {
					return o.err
				}
			}
			if err := errors.Join(b.flush(), b.finish()); err != nil {
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
	if written {
		b.fresh.kept()
	}
	if b.budget != nil {
		l.keptBudget = *b.budget
	}
	l.mu.Lock()
	if written {
		l.heard(said)
		for _, s := range said {
			if s.w.side != SideOf(l.self, s.peer) {
				b.changes = append(b.changes, Change{Peer: s.peer, Promised: true})
			}
		}
	}
	for _, p := range b.arrived {
		for i, e := range p.run.entries {
			l.pays(p.peer, e.Ref, l.news(p.peer, e, p.run.body(i)))
		}
	}
	for _, a := range b.touched {
		l.stand(a, b.states[a.peer])
	}
	l.mu.Unlock()
	for _, o := range ops {
		close(o.done)
	}
	for _, c := range b.changes {
		l.tell(c)
	}
}

// saveLast writes what vouchers came after the last commit, when the ledger closes.
func (l *Ledger) saveLast() {
	said := l.sayings()
	l.mu.Lock()
	broken := l.broken
	l.mu.Unlock()
	if len(said) == 0 || broken != nil {
		return
	}
	if err := l.store.update(func(s setter) error { return newPen(s).saySaved(said) }); err != nil {
		l.log.Error("the last vouchers are not on the disk", "err", err)
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
	locks   int     // that peers have more of than before, in what is not committed yet
	spent   Amount  // what was promised and locked here; once summed, before it too
	summed  bool
}

// arrival is a run of a peer.
type arrival struct {
	peer identity.Entity
	run  run
}

// news is by how much an entry of peer makes our claim higher, beyond what was
// promised before. l.mu is held.
func (l *Ledger) news(peer identity.Entity, e Entry, x body) Amount {
	var of identity.Hash
	switch b := x.(type) {
	case nil:
		return e.Amount
	case Voucher:
		of = b.Lock
	case settlement:
		of = b.lock
	default:
		return 0
	}
	k, ok := l.standing[peer].other.find(of)
	if !ok {
		return e.Amount
	}
	return max(e.Amount-k.due(l.said[of]), 0)
}

// draft is a run that is not signed yet.
type draft struct {
	a     account
	state State
	run   run
	t     tally // after the run
}

// begin returns the run under way for peer with room for n entries more, or a
// new one. add puts it under way.
func (b *batch) begin(peer identity.Entity, n int) (*draft, error) {
	if d := b.draft; d != nil && d.a.peer == peer && len(d.run.entries)+n <= MaxRun {
		return d, nil
	}
	a, state, err := b.open(peer)
	if err != nil {
		return nil, err
	}
	if state == StateFenced {
		return nil, &StateError{Peer: peer, State: state}
	}
	if err := b.checkRoom(a); err != nil {
		return nil, err
	}
	return &draft{a: a, state: state, run: run{entries: b.l.entries[:0]}, t: a.own.tally()}, nil
}

// add writes the next entry of d.
func (b *batch) add(d *draft, kind Kind, amount Amount, ref identity.Hash, x body) (Entry, error) {
	e := Entry{
		Line: d.a.mine.line, Side: d.a.mine.side, Epoch: d.t.epoch, Seq: d.t.seq + 1, Prev: d.t.tip,
		Tick: tickOf(b.l.cfg.Now()), Kind: kind, Amount: amount, Ref: ref,
	}
	if x != nil {
		e.Body = bodyHash(x)
	}
	if kind == KindPay || kind == KindLock {
		if err := b.spend(amount); err != nil {
			return Entry{}, err
		}
	}
	t, err := d.t.move(e, x)
	if err != nil {
		return Entry{}, err
	}
	e.Cum, e.Held = t.cum, t.held
	d.t = t.reach(e, x)
	d.run.add(e, x)
	b.draft = d
	return e, nil
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
	head, err := signHead(b.l.signer, d.run.last())
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
	d.run.sig = head.Sig
	err = b.appendRun(&d.a, d.a.mine, d.run, d.t)
	if err == nil {
		err = b.owe(d.a, acked.seq, acked.grant)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	b.l.entries = d.run.entries
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
