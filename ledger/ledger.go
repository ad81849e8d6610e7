package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
)

// ErrOwner is returned when a file is the ledger of another key.
var ErrOwner = errors.New("ledger is another key's")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("ledger is closed")

const (
	// DefaultStrangers is what all peers without a grant may owe together.
	DefaultStrangers = 10 * Credit

	// MaxStrangers is the largest such budget: about 4.4 million credits.
	MaxStrangers Amount = 1 << 42

	// DefaultMaxLines and MaxLines are how many lines a ledger has at most.
	DefaultMaxLines = 100_000
	MaxLines        = 1 << 20
)

// Config is wishes; its zero value is good.
type Config struct {
	// Strangers is what all peers without a grant may owe together; see Strangers
	// for how it is shared. 0 is DefaultStrangers, less is none, and MaxStrangers
	// is the most.
	Strangers Amount

	// MaxLines is how many peers the ledger deals with before it refuses new
	// ones; 0 is DefaultMaxLines.
	MaxLines int

	// Timeout is how long to wait for another process to close the file before
	// ErrInUse; 0 is one second.
	Timeout time.Duration

	// Segment is how many records of the log are sealed together, MaxSegment at
	// most; see Seal. 0 is DefaultSegment.
	Segment int

	// Now is the clock; nil is time.Now.
	Now func() time.Time

	// Log may be nil.
	Log *slog.Logger

	// Certificate, when not nil, is that under which this key promises from now
	// on: its budget bounds all lines together, see ErrBudget and Credentials.
	Certificate *identity.Statement

	test bool  // no fsync: for tests that copy the file instead of cutting the power
	wal  int64 // tests make the log smaller; see walSize
}

// Ledger is one key's lines with everybody, in one file. Any number of
// goroutines may use it.
type Ledger struct {
	self identity.Entity
	cfg  Config
	log  *slog.Logger

	store    store
	signer   identity.Signer // nil when read-only
	verifier *identity.Verifier
	crowd    crowd

	queue chan *op
	nudge chan struct{} // there is something in unsaved
	quit  chan struct{} // closed by Close
	done  chan struct{} // closed when the committer has ended
	once  sync.Once

	sealing sync.Mutex // held by Seal

	keptBudget budget     // as it is in the file; the committer's
	entries    []Entry    // room for the run under way: MaxRun; the committer's
	filters    refFilters // of the index of payments; the committer's

	// Every payment reads under mu before it waits for its commit: readers do not
	// queue up in front of the one goroutine that commits.
	mu        sync.RWMutex // guards what follows
	broken    error        // why nothing is written any more
	strangers Amount
	standing  map[identity.Entity]standing // of each line: MaxLines
	owes      [pools]Amount                // by strangers
	budget    budget                       // only the committer changes it
	holds     map[*Hold]struct{}           // maxHolds
	due       map[identity.Hash]*Hold      // those of holds that wait for a payment
	watchers  map[*watcher]struct{}
	met       map[identity.Entity]struct{} // whose checkpoints are known, see Checkpoint: MaxLines
	recalled  map[identity.Entity]uint32   // the epochs that were asked for, see takeRecalled: MaxLines
	said      map[identity.Hash]evidence   // of the locks in standing: maxAllLocks, and our own
	unsaved   map[identity.Hash]unsaved    // those of said that are not on the disk
	locks     int                          // how many are in standing
	certs     certs
}

// Open opens the ledger of self's key at path, or makes it. It returns ErrInUse
// when another process has it, ErrOwner when it is another key's, ErrVersion
// when a newer program made it and ErrDamaged when a page or a checksum in it is
// wrong, which is looked for in files up to 64 MiB; then nothing has been
// changed. Whoever opens it closes it.
func Open(path string, self identity.Signer, cfg Config) (*Ledger, error) {
	me := self.Entity()
	if err := me.Check(); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	cfg, err := cfg.filled()
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		err := create(path, cfg.test, func(s setter) error { return writeMeta(newPen(s), me) })
		if err != nil && !errors.Is(err, fs.ErrExist) { // then another process was faster
			return nil, fmt.Errorf("make ledger: %w", err)
		}
	}
	o, err := openOverlay(path, false, cfg.test, cfg.wal, cfg.Timeout)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	if o.file.torn != nil {
		// After a power cut in a commit this is as it should be: nothing of that
		// commit was sent. If it was, meeting the peer shows it and fences.
		cfg.Log.Error("the ledger file has lost a page or its log, and may be older than it was", "path", path, "err", o.file.torn)
	}
	l, err := start(withSegments(o, path, cfg.test), me, self, o.file.walked, cfg)
	if err == nil {
		l.missSegments()
	}
	return l, err
}

// missSegments says in the log which segments cannot be read.
func (l *Ledger) missSegments() {
	lost, err := l.LostSegments()
	if err != nil {
		l.log.Error("the list of the ledger's segments cannot be read", "err", err)
	}
	for _, err := range lost {
		l.log.Error("a part of the ledger's history cannot be read; balances and payments do not need it", "err", err)
	}
}

// LostSegments returns a *SegmentError for each sealed segment whose file is
// missing or has another size or header. Check reads all of each.
func (l *Ledger) LostSegments() ([]error, error) {
	a, ok := l.store.(*archive)
	if !ok {
		return nil, nil
	}
	return a.lost()
}

// OpenReadOnly opens the ledger that is at path without changing anything, for
// programs that only show it. Everything that would write is ErrReadOnly.
// Errors are as in Open, and fs.ErrNotExist.
func OpenReadOnly(path string, self identity.Entity, cfg Config) (*Ledger, error) {
	cfg, err := cfg.filled()
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	o, err := openOverlay(path, true, false, 0, cfg.Timeout)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return start(withSegments(o, path, false), self, nil, false, cfg)
}

func (c Config) filled() (Config, error) {
	switch {
	case c.Strangers == 0:
		c.Strangers = DefaultStrangers
	case c.Strangers < 0:
		c.Strangers = 0
	case c.Strangers > MaxStrangers:
		return c, fmt.Errorf("%w: strangers may owe %s credits at most", ErrAmount, MaxStrangers)
	}
	if c.MaxLines <= 0 {
		c.MaxLines = DefaultMaxLines
	}
	c.MaxLines = min(c.MaxLines, MaxLines)
	if c.Segment <= 0 {
		c.Segment = DefaultSegment
	}
	c.Segment = min(c.Segment, MaxSegment)
	if c.Timeout <= 0 {
		c.Timeout = time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// start reads what is kept in memory and begins to commit; sums has every
// record's checksum looked at first. It closes s when it fails.
func start(s store, self identity.Entity, signer identity.Signer, sums bool, cfg Config) (*Ledger, error) {
	l := &Ledger{
		self: self, cfg: cfg, log: cfg.Log, store: s, signer: signer,
		queue: make(chan *op, maxBatch), nudge: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		verifier: identity.NewVerifier(knownKeys), strangers: cfg.Strangers, standing: map[identity.Entity]standing{},
		holds: map[*Hold]struct{}{}, due: map[identity.Hash]*Hold{}, watchers: map[*watcher]struct{}{},
		met: map[identity.Entity]struct{}{}, recalled: map[identity.Entity]uint32{},
		said: map[identity.Hash]evidence{}, unsaved: map[identity.Hash]unsaved{},
	}
	l.crowd.by = l.verifier
	old := false
	if said := cfg.Certificate; said != nil {
		c, err := identity.OpenCertificate(*said)
		if err == nil && (c.Node != self || said.By == self) {
			err = fmt.Errorf("%w: it names another node", ErrOwner)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open ledger: %w", err), s.close())
		}
		l.certs.self, l.certs.own = said, c
	}
	err := s.view(func(g getter) error {
		k := book{g}
		if err := checkMeta(k, self); err != nil {
			return err
		}
		old = k.schema() == firstSchema
		if sums {
			if err := k.sums(); err != nil {
				return err
			}
		}
		if err := errors.Join(l.readBudget(k), l.certs.read(k)); err != nil {
			return err
		}
		return k.accounts(self, func(a account) error {
			state, _, err := k.state(a.mine.line)
			if err != nil {
				return err
			}
			for w, h := range map[writer]half{a.mine: a.own, a.theirs: a.other} {
				for _, one := range h.locks {
					e, err := k.evidence(w, one.id)
					if err != nil {
						return err
					}
					if e != (evidence{}) {
						l.said[one.id] = e
					}
				}
			}
			l.stand(a, state) // nobody else knows l yet
			return nil
		})
	})
	if err == nil && signer != nil && old {
		err = upgrade(s)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger: %w", err), s.close())
	}
	if signer == nil {
		l.broken = ErrReadOnly
		close(l.done)
		return l, nil
	}
	go l.commit()
	return l, nil
}

// Close waits for what is being written and closes the file. What comes later
// is ErrClosed. Holds are gone with the process.
func (l *Ledger) Close() error {
	var err error
	l.once.Do(func() {
		close(l.quit)
		<-l.done // nobody writes any more
		err = l.store.close()
	})
	return err
}

// Entity is the key whose ledger this is.
func (l *Ledger) Entity() identity.Entity { return l.self }

// Writable returns nil while promises can be signed, and else why not:
// ErrReadOnly or ErrClosed. After the disk has failed once it is ErrReadOnly
// until the ledger is opened again, because only a fresh look at the file tells
// what the disk kept.
func (l *Ledger) Writable() error {
	select {
	case <-l.quit:
		return ErrClosed
	default:
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.broken
}

// Snapshot writes a consistent image of the file to a new file at path, mode
// 0600, while the ledger goes on; for Check and for backups. Its segments are in
// the folder path + ".segments": the same files under a second name where the
// disk has those. A backup that is put back later is fenced, see StateFenced.
func (l *Ledger) Snapshot(path string) error {
	if err := l.store.copyTo(path); err != nil {
		return fmt.Errorf("copy ledger: %w", err)
	}
	return nil
}

// Line returns what is known of the account with peer: all zeros and open when
// there is none.
func (l *Ledger) Line(peer identity.Entity) Line {
	var out Line
	err := l.store.view(func(g getter) error {
		a, err := book{g}.account(l.self, peer)
		if err != nil {
			return err
		}
		out, err = l.show(book{g}, a, l.setAside())
		return err
	})
	if err != nil {
		return Line{Peer: peer, State: StateDamaged, Reason: err.Error()}
	}
	if out.Acting.holds() {
		out.Acting.Balance = l.entityBalance(out.Acting.Entity)
	}
	return out
}

// Lines returns all lines, in no order that means anything but always the same.
// One that cannot be read is among them as damaged, the last.
func (l *Ledger) Lines() []Line {
	var all []Line
	aside := l.setAside()
	err := l.store.view(func(g getter) error {
		k := book{g}
		return k.accounts(l.self, func(a account) error {
			line, err := l.show(k, a, aside)
			all = append(all, line)
			return err
		})
	})
	if err != nil {
		all = append(all, Line{State: StateDamaged, Reason: err.Error()})
	}
	return withSums(all)
}

// accounts calls f for each line of self.
func (k book) accounts(self identity.Entity, f func(account) error) error {
	return k.scan(bLine, nil, func(key, value []byte) (bool, error) {
		payload, err := unseal(k, bLine, key, value)
		if err != nil {
			return false, err
		}
		h, err := decodeHalf(payload)
		if err != nil {
			return false, damage(k, bLine, key, value, err.Error())
		}
		if len(key) != 33 || !bytes.Equal(key[:32], accountOf(self, h.peer).mine.line.bytes()) {
			return false, damage(k, bLine, key, value, "its key is not the line with its peer")
		}
		if Side(key[32]) != Low {
			return true, nil // seen with the low side
		}
		a, err := k.account(self, h.peer)
		if err != nil {
			return false, err
		}
		return true, f(a)
	})
}

func (id LineID) bytes() []byte { return id[:] }

// setAside sums the open holds by peer.
func (l *Ledger) setAside() map[identity.Entity]aside {
	l.mu.Lock()
	defer l.mu.Unlock()
	sums := map[identity.Entity]aside{}
	for h := range l.holds {
		sum := sums[h.peer]
		if h.debtor {
			sum.reserved = min(sum.reserved+h.most, maxAmount) // each is at most that, so nothing wraps
		} else {
			sum.holding = min(sum.holding+h.most, maxAmount)
		}
		sums[h.peer] = sum
	}
	return sums
}

type aside struct{ holding, reserved Amount }

// show makes the public view of a.
func (l *Ledger) show(k book, a account, held map[identity.Entity]aside) (Line, error) {
	state, why, err := k.state(a.mine.line)
	if err != nil {
		return Line{Peer: a.peer, State: StateDamaged, Reason: err.Error()}, err
	}
	acked, undelivered, err := k.unsentOf(a.mine.line)
	if err != nil {
		return Line{Peer: a.peer, State: StateDamaged, Reason: err.Error()}, err
	}
	now := l.cfg.Now()
	out := Line{
		Peer: a.peer, Balance: a.balance(), State: state, Reason: why, Undelivered: undelivered,
		Stranger: a.own.grantSeq == 0,
		Signed:   Mark{a.own.seq, a.own.grantSeq},
		Acked:    Mark{acked.seq, acked.grant},
		IMayOwe:  a.other.limitAt(now), TheyMayOwe: a.own.limitAt(now),
		TheyMayUntil: expiryOf(a.own.grantExpiry), IMayUntil: expiryOf(a.other.grantExpiry),
		Repaid: a.repaid(),
		Mine:   l.showHalf(a.own.tally()),
		Theirs: l.showHalf(a.other.tally()),
	}
	out.Claim = out.Theirs.Claim - out.Mine.Claim
	if !undelivered {
		out.Acked = out.Signed
	}
	p, err := k.pact(a.mine.line, a.peer)
	if err != nil {
		return Line{Peer: a.peer, State: StateDamaged, Reason: err.Error()}, err
	}
	if c := p.agreed; c != nil {
		half := func(s Reach) Half { return Half{Seq: s.Seq, Cum: s.Cum, Tip: s.Tip, Claim: s.Cum} }
		out.Agreed = Agreed{N: c.N, Tick: c.Tick, Hash: c.Hash(), Mine: half(c.Sides[a.mine.side]), Theirs: half(c.Sides[a.theirs.side])}
	}
	if out.Stranger {
		l.mu.Lock()
		out.TheyMayOwe = l.standing[a.peer].pool().limit(l.strangers)
		l.mu.Unlock()
	}
	out.Holding, out.Reserved = held[a.peer].holding, held[a.peer].reserved
	out.Held = min(out.Holding+out.Reserved, maxAmount)
	if out.Growth, err = k.grown(a); err != nil {
		return Line{Peer: a.peer, State: StateDamaged, Reason: err.Error()}, err
	}
	out.Acting = l.acting(a.peer, a.other.tally().most())
	if out.State == StateOpen && out.Acting != nil && out.Acting.Standing == Revoked {
		out.State, out.Reason = StateRevoked, revokedWhy(out.Acting.Entity)
	}
	out.Warning = out.warnings(now)
	return out, nil
}

func (l *Ledger) showHalf(t tally) Half {
	l.mu.Lock()
	defer l.mu.Unlock()
	claim := t.claim(func(lock identity.Hash) evidence { return l.said[lock] })
	return Half{t.seq, t.cum, t.tip, claim, t.held}
}

// limitAt is what h's grant allows at t, zero without one.
func (h half) limitAt(t time.Time) Amount {
	return Grant{Limit: h.grantLimit, Expiry: h.grantExpiry}.limitAt(t)
}

// writeMeta says what the file is.
func writeMeta(p pen, self identity.Entity) error {
	if err := p.put(bMeta, []byte("schema"), []byte{0, 0, 0, schema}); err != nil {
		return err
	}
	return p.put(bMeta, []byte("self"), append(self[:], Unit...))
}

// checkMeta returns ErrVersion or ErrOwner when the file is not one of ours.
func checkMeta(k book, self identity.Entity) error {
	owner, err := readMeta(k)
	if err != nil {
		return err
	}
	if owner != self {
		return fmt.Errorf("%w: it belongs to %s, not to %s", ErrOwner, owner, self)
	}
	return nil
}

// readMeta returns whose file it is.
func readMeta(k book) (identity.Entity, error) {
	if n := k.schema(); n < firstSchema || n > loggedSchema {
		return identity.Entity{}, fmt.Errorf("%w: the file is of version %d, this program reads version %d", ErrVersion, n, sealedSchema)
	}
	for _, key := range []string{"schema", "self"} {
		if v, err := k.value(bMeta, []byte(key)); err != nil {
			return identity.Entity{}, err
		} else if v == nil {
			return identity.Entity{}, damage(k, bMeta, []byte(key), nil, "it is missing")
		}
	}
	v, err := k.value(bMeta, []byte("self"))
	if err != nil {
		return identity.Entity{}, err
	}
	if len(v) < 32 || string(v[32:]) != Unit {
		return identity.Entity{}, damage(k, bMeta, []byte("self"), nil, "it is not a key and the unit "+Unit)
	}
	return identity.Entity(v[:32]), nil
}

// schema is the file's: its number stands first whatever a later version does
// after it. A record that is too short for one is this version's, and damaged.
func (k book) schema() uint32 {
	raw := k.get(bMeta, []byte("schema"))
	if len(raw) < 4 {
		return schema
	}
	return binary.BigEndian.Uint32(raw)
}

// upgrade makes a file of the first schema one of this.
func upgrade(s store) error {
	return s.update(func(t setter) error {
		p := newPen(t)
		if err := p.upgradeRefs(); err != nil {
			return err
		}
		return p.put(bMeta, []byte("schema"), binary.BigEndian.AppendUint32(nil, schema))
	})
}
