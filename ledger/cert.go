package ledger

import (
	"bytes"
	"errors"
	"time"

	"github.com/peersea/sea/identity"
)

// Several nodes of one entity. Lines are between keys: each node has its own, and
// nobody else writes them. A certificate says for whom a node acts; with the
// node's own word for it, an Act, the two are a warrant. A ledger keeps the
// warrants of its peers, the revocations of those peers' entities, its own word
// for as long as that holds, and what certificates its own key has issued.

var (
	// ErrBudget is returned when a promise would take what this key has promised
	// in all over what a certificate allows under which it acts, or did within
	// the hour.
	ErrBudget = errors.New("certified budget")

	// ErrCertificates is returned when there is no room for one more: a node with
	// too many entities, an entity with too many revocations or nodes.
	ErrCertificates = errors.New("too many certificates")
)

const (
	// actLife is how long a node's word lasts. A raised budget counts, and a
	// revoked node is told nothing new of it, after at most so long.
	actLife = time.Hour

	// forgetActs is how long our own word is kept after it has ended, in seconds:
	// should the clock go back by less, it still binds.
	forgetActs = 24 * 60 * 60

	maxEntities    = 4       // of one node, ever
	maxRevocations = 1 << 14 // of all entities; maxRevoked of one
	maxActs        = 128     // of our own, with those of the last day
	maxIssued      = 4096    // nodes that our key has given a certificate
)

// certs is what is kept in memory of the bucket cert: under 200 bytes for each
// node with a certificate, of which there is a line.
type certs struct {
	self    *identity.Statement // the certificate of our own key
	own     identity.Certificate
	acts    []ownAct
	acting  map[identity.Entity][]acting // by node: maxEntities each, MaxLines nodes
	revoked map[identity.Entity]map[identity.Entity]identity.Revocation
	revs    int

	message []byte // Credentials' answer until renew, nil when it is to be made anew
	renew   int64
	changes int // how often what it is made of has changed
}

// acting is a warrant without its signatures.
type acting struct {
	entity identity.Entity
	cert   identity.Certificate
	act    Act
}

// ownAct is our own word, and what it lets us promise in all.
type ownAct struct {
	act   Act
	limit Amount
}

// Acting says for whom a node acts, as a ledger shows it.
type Acting struct {
	Entity identity.Entity `json:"entity"`
	Serial uint64          `json:"serial"`
	Can    []string        `json:"can"`

	// Budget is what the node may promise to all, and Used what it has promised
	// and locked on the lines that are known here: a peer's on its line with us,
	// our own on all.
	Budget Amount `json:"budget_micro"`
	Used   Amount `json:"used_micro"`

	From  time.Time `json:"from"`
	Until time.Time `json:"until"`

	// Balance is that of all nodes together that act for the entity, and of the
	// entity itself: positive when they owe us. It is set while this one acts for
	// it, and of a peer.
	Balance Amount `json:"entity_balance_micro"`

	// Standing is "holds", "not yet", "ended" or "revoked".
	Standing Standing `json:"standing"`
}

// Standing says whether a certificate counts.
type Standing string

// The standings.
const (
	Holds   Standing = "holds"
	NotYet  Standing = "not yet"
	Ended   Standing = "ended"
	Revoked Standing = "revoked"
)

// The bucket cert holds, under a letter and what follows it:
const (
	certWarrant = 'w' // node, entity → the newest warrant
	certRevoked = 'r' // entity, node → the revocation with the highest serial
	certOwn     = 'o' // hash of the act → our own warrant
	certIssued  = 'i' // node → the newest certificate that our key has given it
)

func certKey(kind byte, names ...[]byte) []byte {
	return append([]byte{kind}, bytes.Join(names, nil)...)
}

func encodeWarrant(w warrant) []byte { return w.append([]byte{version}) }

func decodeWarrant(b []byte) (warrant, error) {
	r := reader{b: b, what: "warrant"}
	r.version()
	w := r.warrant()
	return w, r.end()
}

// keptWarrant is decodeWarrant of a record of ours, whose signatures were verified
// before it was written.
func keptWarrant(b []byte) (warrant, error) {
	r := reader{b: b, what: "warrant"}
	r.version()
	said, word := r.statement("the certificate"), r.statement("the node's word")
	if err := r.end(); err != nil {
		return warrant{}, err
	}
	return readWarrant(said, word)
}

func encodeStatement(s identity.Statement) []byte { return appendStatement([]byte{version}, s) }

func decodeStatement(b []byte) (identity.Statement, error) {
	r := reader{b: b, what: "statement"}
	r.version()
	s := r.statement("a certificate or revocation")
	return s, r.end()
}

// certs calls f for each record of a kind.
func (k book) certs(kind byte, f func(key, payload []byte) error) error {
	return k.scan(bCert, []byte{kind}, func(key, value []byte) (bool, error) {
		if key[0] != kind {
			return false, nil
		}
		payload, err := unseal(k, bCert, key, value)
		if err == nil {
			err = f(key, payload)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			err = damage(k, bCert, key, value, err.Error())
		}
		return err == nil, err
	})
}

// read fills c from the file.
func (c *certs) read(k book) error {
	c.acting, c.revoked = map[identity.Entity][]acting{}, map[identity.Entity]map[identity.Entity]identity.Revocation{}
	err := k.certs(certWarrant, func(_, payload []byte) error {
		w, err := keptWarrant(payload)
		if err == nil {
			c.hold(w)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = k.certs(certOwn, func(_, payload []byte) error {
		w, err := keptWarrant(payload)
		if err == nil {
			c.acts = append(c.acts, ownAct{w.act, limitOf(w.cert)})
		}
		return err
	})
	if err != nil {
		return err
	}
	return k.certs(certRevoked, func(_, payload []byte) error {
		s, err := decodeStatement(payload)
		if err != nil {
			return err
		}
		r, err := identity.ReadRevocation(s)
		if err == nil {
			c.void(s.By, r)
		}
		return err
	})
}

// hold puts w in the place of the node's warrant of that entity.
func (c *certs) hold(w warrant) {
	is := acting{w.entity(), w.cert, w.act}
	all := c.acting[w.cert.Node]
	for i := range all {
		if all[i].entity == is.entity {
			all[i] = is
			return
		}
	}
	c.acting[w.cert.Node] = append(all, is)
}

func (c *certs) void(entity identity.Entity, r identity.Revocation) {
	c.stale()
	if c.revoked[entity] == nil {
		c.revoked[entity] = map[identity.Entity]identity.Revocation{}
	}
	if _, there := c.revoked[entity][r.Node]; !there {
		c.revs++
	}
	c.revoked[entity][r.Node] = r
}

// stale has the message made anew.
func (c *certs) stale() { c.message, c.changes = nil, c.changes+1 }

// isRevoked says whether entity took c back, which counts until all that it gave
// the node has ended: what may be forgotten then decides nothing any more.
func (c *certs) isRevoked(entity identity.Entity, of identity.Certificate, now time.Time) bool {
	r, ok := c.revoked[entity][of.Node]
	return ok && r.Voids(of) && !r.Over(now)
}

// of returns for whom node acts: by its newest word, or, if any entity has taken
// back what it gave it, by that one.
func (c *certs) of(node identity.Entity, now time.Time) (is acting, revoked, found bool) {
	for _, a := range c.acting[node] {
		void := c.isRevoked(a.entity, a.cert, now)
		switch {
		case !found, void && !revoked:
		case !void && revoked, bytes.Compare(actOrder(a), actOrder(is)) < 0:
			continue
		}
		is, revoked, found = a, void, true
	}
	return is, revoked, found
}

// actOrder is what the newest word is told by: no two entities have the same.
func actOrder(a acting) []byte { return append(a.act.Encode()[1+32:], a.entity[:]...) }

func (a acting) show(revoked bool, used Amount, now time.Time) Acting {
	out := Acting{
		Entity: a.entity, Serial: a.cert.Serial, Can: a.cert.Can, Budget: limitOf(a.cert), Used: used,
		From: time.Unix(a.cert.NotBefore, 0), Until: time.Unix(a.cert.NotAfter, 0), Standing: Holds,
	}
	switch {
	case revoked:
		out.Standing = Revoked
	case now.Unix() < a.cert.NotBefore:
		out.Standing = NotYet
	case now.Unix() > a.cert.NotAfter:
		out.Standing = Ended
	}
	return out
}

// acting shows for whom peer acts; nil is for itself, or not known.
func (l *Ledger) acting(peer identity.Entity, used Amount) *Acting {
	now := l.cfg.Now()
	l.mu.Lock()
	is, revoked, found := l.certs.of(peer, now)
	l.mu.Unlock()
	if !found {
		return nil
	}
	out := is.show(revoked, used, now)
	return &out
}

// Acting shows under which certificate this ledger's own key promises; nil is
// under none.
func (l *Ledger) Acting() *Acting {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.certs
	if c.self == nil {
		return nil
	}
	now := l.cfg.Now()
	a := acting{entity: c.self.By, cert: c.own}
	out := a.show(c.isRevoked(c.self.By, c.own, now), l.promised(), now)
	return &out
}

// Revoked says whether entity is known to have taken back c.
func (l *Ledger) Revoked(entity identity.Entity, c identity.Certificate) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.certs.isRevoked(entity, c, l.cfg.Now())
}

// Ours says whether entity is the one that this ledger's key acts for, or is.
func (l *Ledger) Ours(entity identity.Entity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return entity == l.entity()
}

// Disowns says whether that one has taken back what it gave node.
func (l *Ledger) Disowns(node identity.Entity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, gone := l.certs.revoked[l.entity()][node]
	return gone
}

// Disowned is a number that changes when more is heard of what it has revoked.
func (l *Ledger) Disowned() (sum uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.certs.revoked[l.entity()] {
		sum += r.Serial + 1
	}
	return sum
}

// entity is whom our key acts for by its certificate, whether or not that holds.
// l.mu need not be held: it is set once.
func (l *Ledger) entity() identity.Entity {
	if l.certs.self != nil {
		return l.certs.self.By
	}
	return l.self
}

// disowned returns why nothing is lent to peer: an entity has taken back what it
// gave it. l.mu is held.
func (l *Ledger) disowned(peer identity.Entity) error {
	is, revoked, _ := l.certs.of(peer, l.cfg.Now())
	if !revoked {
		return nil
	}
	return &StateError{Peer: peer, State: StateRevoked, Why: revokedWhy(is.entity)}
}

func revokedWhy(entity identity.Entity) string {
	return "entity " + entity.Short() + " has revoked the node's certificate"
}

// ShowCertificate shows what a certificate of entity says at t.
func ShowCertificate(entity identity.Entity, c identity.Certificate, revoked bool, t time.Time) Acting {
	return acting{entity: entity, cert: c}.show(revoked, 0, t)
}
