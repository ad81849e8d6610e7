package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/peersea/sea/identity"
)

// issued is the newest certificate that our key has given a node, and when the
// last of all that it gave it ends.
type issued struct {
	said  identity.Statement
	until int64
}

func (i issued) encode() []byte {
	b := binary.BigEndian.AppendUint64([]byte{version}, uint64(i.until))
	return appendStatement(b, i.said)
}

func decodeIssued(b []byte) (issued, error) {
	r := reader{b: b, what: "issued certificate"}
	r.version()
	i := issued{until: int64(r.u64())}
	i.said = r.statement("the certificate")
	return i, r.end()
}

// Issue signs a certificate by which c.Node acts for this ledger's key, with the
// next serial for that node, and keeps it. Errors are identity's for what is
// wrong with c, ErrSelf, ErrActing, ErrCertificates, ErrReadOnly and ErrClosed.
func (l *Ledger) Issue(ctx context.Context, c identity.Certificate) (identity.Statement, error) {
	fail := func(err error) (identity.Statement, error) {
		return identity.Statement{}, fmt.Errorf("certify %s: %w", c.Node.Short(), err)
	}
	if c.Node == l.self {
		return fail(ErrSelf)
	}
	if is := l.Acting(); is.holds() {
		return fail(fmt.Errorf("%w: %s", ErrActing, is.Entity))
	}
	var out identity.Statement
	err := l.submit(ctx, LineID{}, func(b *batch) error {
		key := certKey(certIssued, c.Node[:])
		last, found, err := read(b.book, bCert, key, decodeIssued)
		if err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		c.Serial = 1
		if found {
			old, err := identity.OpenCertificate(last.said)
			if err != nil {
				return err
			}
			c.Serial = old.Serial + 1
		} else {
			nodes := 0
			err := b.certs(certIssued, func(_, _ []byte) error { nodes++; return nil })
			if err != nil {
				return fmt.Errorf("%w: %w", errStore, err)
			}
			if nodes >= maxIssued {
				return fmt.Errorf("%w: %d nodes", ErrCertificates, maxIssued)
			}
		}
		if l.Revoked(l.self, c) {
			return fmt.Errorf("%w: all that this entity ever gave the node are", identity.ErrRevoked)
		}
		if out, err = c.Sign(l.signer); err != nil {
			return err
		}
		if err := b.put(bCert, key, issued{out, max(last.until, c.NotAfter)}.encode()); err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		return nil
	})
	if err != nil {
		return fail(err)
	}
	return out, nil
}

// Revoke takes back all certificates that this ledger's key has given node, and
// returns the statement of it. With all it takes back every certificate for node
// that it ever gave and will give, also such as this file does not know of: a
// node that was revoked like that stays so. Errors are ErrCertificates when there
// is nothing to take back, or no room, ErrReadOnly and ErrClosed.
func (l *Ledger) Revoke(ctx context.Context, node identity.Entity, all bool) (identity.Statement, error) {
	fail := func(err error) (identity.Statement, error) {
		return identity.Statement{}, fmt.Errorf("revoke %s: %w", node.Short(), err)
	}
	var last issued
	var found bool
	err := l.store.view(func(g getter) (err error) {
		last, found, err = read(book{g}, bCert, certKey(certIssued, node[:]), decodeIssued)
		return err
	})
	now := l.cfg.Now().Unix()
	r := identity.Revocation{Node: node, Serial: math.MaxUint64, At: now, Until: maxExpiry}
	switch {
	case err != nil:
		return fail(err)
	case !found && !all:
		return fail(fmt.Errorf("%w: none is known that this entity gave it", ErrNoCertificate))
	case !all:
		c, err := identity.OpenCertificate(last.said)
		if err != nil {
			return fail(err)
		}
		r.Serial, r.Until = c.Serial, max(last.until, now)
	}
	if l.signer == nil {
		return fail(ErrReadOnly)
	}
	out, err := r.Sign(l.signer)
	if err == nil {
		err = l.TakeRevocation(ctx, out)
	}
	if err != nil {
		return fail(err)
	}
	return out, nil
}

// ErrActing is returned when a node that acts for an entity would have others act
// for itself: what it revoked its peers would not take, who hear the entity's.
var ErrActing = errors.New("this node acts for another entity")

// ErrNoCertificate is returned when there is nothing to revoke.
var ErrNoCertificate = errors.New("no certificate")

// Issued is a certificate that a ledger's key has given a node.
type Issued struct {
	Node identity.Entity `json:"node"`
	Acting
}

// Issued lists the newest certificate of each node, as they stand.
func (l *Ledger) Issued() ([]Issued, error) {
	var all []Issued
	now := l.cfg.Now()
	err := l.store.view(func(g getter) error {
		return book{g}.certs(certIssued, func(_, payload []byte) error {
			i, err := decodeIssued(payload)
			if err != nil {
				return err
			}
			c, err := identity.ReadCertificate(i.said)
			if err != nil {
				return err
			}
			a := acting{entity: i.said.By, cert: c}
			all = append(all, Issued{c.Node, a.show(l.Revoked(i.said.By, c), 0, now)})
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	return all, nil
}

// TakeRevocation keeps what an entity has taken back, whoever brings it. Errors
// are identity's, ErrCertificates, ErrReadOnly and ErrClosed.
func (l *Ledger) TakeRevocation(ctx context.Context, s identity.Statement) error {
	r, err := identity.OpenRevocation(s)
	if err == nil {
		err = l.submit(ctx, LineID{}, func(b *batch) error { return b.revoke(s, r) })
	}
	if err != nil {
		return fmt.Errorf("take revocation: %w", err)
	}
	return nil
}

// revoke writes r, which is verified, unless what is held says as much. Of two
// with one serial the one that is kept longer stays.
func (b *batch) revoke(s identity.Statement, r identity.Revocation) error {
	l := b.l
	if r.Over(l.cfg.Now()) {
		return nil
	}
	l.mu.Lock()
	old, held := l.certs.revoked[s.By][r.Node]
	full := l.certs.full(s.By, r.Node, l.entity())
	l.mu.Unlock()
	if held && (old.Serial > r.Serial || old.Serial == r.Serial && (old.Until > r.Until || old.Until == r.Until && old.At >= r.At)) {
		return nil
	}
	if !held && full {
		if err := b.forgetRevocations(); err != nil {
			return err
		}
		l.mu.Lock()
		full = l.certs.full(s.By, r.Node, l.entity())
		l.mu.Unlock()
		if full {
			return fmt.Errorf("%w: %d revocations of one entity, %d of all", ErrCertificates, maxRevoked, maxRevocations)
		}
	}
	if err := b.put(bCert, certKey(certRevoked, s.By[:], r.Node[:]), encodeStatement(s)); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.certs.void(s.By, r)
	return nil
}

// full says whether there is no room for one more of entity's revocations. For one
// of a node that has acted here for the entity there is, and for those of ours:
// otherwise whoever makes up enough entities would have nobody be revoked.
func (c *certs) full(entity, node, ours identity.Entity) bool {
	known := entity == ours
	for _, a := range c.acting[node] {
		known = known || a.entity == entity
	}
	return len(c.revoked[entity]) >= maxRevoked || !known && c.revs >= maxRevocations
}

// forgetRevocations removes those whose certificates have all ended.
func (b *batch) forgetRevocations() error {
	now := b.l.cfg.Now()
	for _, r := range b.l.certs.over(b.l, now) {
		if err := b.remove(bCert, certKey(certRevoked, r.entity[:], r.node[:])); err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
	}
	return nil
}

type revoking struct{ entity, node identity.Entity }

// over takes out of c, and returns, what need not be kept at t.
func (c *certs) over(l *Ledger, t time.Time) (all []revoking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for entity, nodes := range c.revoked {
		for node, r := range nodes {
			if r.Over(t) {
				all = append(all, revoking{entity, node})
				delete(nodes, node)
				c.revs--
				c.stale()
			}
		}
		if len(nodes) == 0 {
			delete(c.revoked, entity)
		}
	}
	return all
}

// TakeCredentials takes in a peer's Credentials: for whom it acts, and what its
// entity has revoked. They are taken from peers with which there is a line, and
// from nodes of our own entity; from others it is ErrUnmet. Errors besides are
// ErrFormat, ErrVersion, ErrWarrant, ErrStranger for what another signed,
// identity's for revocations, ErrCertificates, ErrContradiction when the peer has
// promised more than its certificate allows, ErrReadOnly and ErrClosed.
func (l *Ledger) TakeCredentials(ctx context.Context, peer identity.Entity, message []byte) error {
	fail := func(err error) error { return fmt.Errorf("credentials of %s: %w", peer.Short(), err) }
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	c, err := decodeCredentials(message)
	if err != nil {
		return fail(err)
	}
	entity := peer
	if c.warrant != nil {
		if c.warrant.cert.Node != peer {
			return fail(fmt.Errorf("%w: the certificate is another node's", ErrStranger))
		}
		entity = c.warrant.entity()
	}
	l.mu.Lock()
	_, met := l.standing[peer]
	l.mu.Unlock()
	if !met && entity != l.entity() {
		return fail(ErrUnmet) // before 64 signatures are verified
	}
	revocations := make([]identity.Revocation, len(c.revoked))
	for i, s := range c.revoked {
		if s.By != entity {
			return fail(fmt.Errorf("%w: a revocation is another entity's", ErrStranger))
		}
		if revocations[i], err = identity.OpenRevocation(s); err != nil {
			return fail(err)
		}
	}
	var refused error
	err = l.submit(ctx, LineOf(l.self, peer), func(b *batch) (err error) {
		if c.warrant != nil {
			if refused, err = b.take(peer, *c.warrant, met); err != nil {
				return err
			}
		}
		for i, s := range c.revoked {
			// One for which there is no room must not hide those for which there is.
			err := b.revoke(s, revocations[i])
			if err != nil && !errors.Is(err, ErrCertificates) {
				return err
			}
			if refused == nil {
				refused = err
			}
		}
		return nil
	})
	if err == nil {
		err = refused // after what shows it is on the disk
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// ErrUnmet is returned for the credentials of a peer with which there is no line.
var ErrUnmet = errors.New("there is no line with this peer yet")

// take writes the warrant of a peer, unless a newer one is held. When what the
// peer has promised already breaks it, that is kept as a proof and refused.
func (b *batch) take(peer identity.Entity, w warrant, met bool) (refused, err error) {
	l := b.l
	if !met {
		return nil, nil // a node of ours: whom it acts for, its links show
	}
	entity := w.entity()
	key := certKey(certWarrant, peer[:], entity[:])
	old, found, err := read(b.book, bCert, key, keptWarrant)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	if found && old.compare(w) >= 0 {
		return nil, nil
	}
	l.mu.Lock()
	entities := len(l.certs.acting[peer])
	l.mu.Unlock()
	if !found && entities >= maxEntities {
		return nil, fmt.Errorf("%w: the node has acted for %d entities", ErrCertificates, maxEntities)
	}
	a, state, err := b.open(peer)
	if err != nil {
		return nil, err
	}
	if err := b.put(bCert, key, encodeWarrant(w)); err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	l.mu.Lock()
	l.certs.hold(w)
	l.mu.Unlock()
	if a.other.seq == 0 || state == StateDisputed {
		return nil, nil
	}
	_, last, err := b.entryAt(a.theirs, a.other.epoch, a.other.seq)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	if _, over := w.breach(last); !over {
		return nil, nil
	}
	bad := proof{kind: proofBudget, peer: peer, tick: tickOf(l.cfg.Now()), shown: &last, warrant: &w}
	if err := b.addProof(a.mine.line, bad); err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	if state == StateOpen {
		state = StateDisputed
	}
	b.touched[peer], b.states[peer] = a, state
	return bad.why(), nil
}

// overBudget finds what of the peer's new entries its warrants do not allow.
func (b *batch) overBudget(peer identity.Entity, fresh []run) (*proof, error) {
	l := b.l
	l.mu.Lock()
	all := l.certs.acting[peer]
	l.mu.Unlock()
	for _, is := range all { // none, nearly always
		for i := range fresh {
			w := warrant{cert: is.cert, act: is.act}
			if _, over := w.breach(fresh[i]); !over {
				continue
			}
			key := certKey(certWarrant, peer[:], is.entity[:])
			held, found, err := read(b.book, bCert, key, keptWarrant)
			if err != nil || !found {
				return nil, err
			}
			return &proof{kind: proofBudget, shown: &fresh[i], warrant: &held}, nil
		}
	}
	return nil, nil
}
