// Package contact reads and writes contact records: what a node says about
// where and how it can be reached, signed by its key. A record also vouches for
// two X25519 keys: the one with which the node proves itself on links, and the
// one that calls to it are sealed to.
package contact

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
)

// Purpose is what contact records are signed for.
const Purpose identity.Purpose = "sea/contact/1"

// The bounds.
const (
	MaxNetwork = 64
	MaxURLs    = 4
	MaxURL     = 256
	MaxCaps    = 16
	MaxCap     = 32

	// MaxLife is how long a record may hold.
	MaxLife = 7 * 24 * time.Hour

	// Slack is by how much clocks may differ when a record's time is checked.
	Slack = 10 * time.Minute
)

// ErrInvalid is returned, wrapped with the reason, when a record cannot be used.
var ErrInvalid = errors.New("contact record")

// A Record is what a node says about itself.
type Record struct {
	// Node is who says it.
	Node identity.Entity

	// Network is the network it takes part in.
	Network string

	// Key is the X25519 public key that it proves on links.
	Key [32]byte

	// Seal is the X25519 public key that calls to it are sealed to. It is not
	// Key, so that neither protocol can be played against the other.
	Seal [32]byte

	// URLs are where others can dial it, at most MaxURLs, the best first.
	URLs []string

	// Caps are words for what it can do, at most MaxCaps, sorted, none twice.
	Caps []string

	// Issued and Expires bound when it holds, to the millisecond.
	Issued, Expires time.Time
}

// Addr is where the node is in the sea.
func (r Record) Addr() addr.Addr { return addr.OfNode(r.Node) }

// ValidAt returns an error unless r holds at t, give or take Slack.
func (r Record) ValidAt(t time.Time) error {
	switch {
	case t.Before(r.Issued.Add(-Slack)):
		return fmt.Errorf("%w: it is dated %s ahead of this clock", ErrInvalid, r.Issued.Sub(t).Round(time.Second))
	case t.After(r.Expires.Add(Slack)):
		return fmt.Errorf("%w: it ended %s ago", ErrInvalid, t.Sub(r.Expires).Round(time.Second))
	}
	return nil
}

const version = 1

// body is the map that is signed.
type body struct {
	Version uint64   `cbor:"v"`
	Network string   `cbor:"net"`
	Key     [32]byte `cbor:"key"`
	URLs    []string `cbor:"urls"`
	Caps    []string `cbor:"caps"`
	Seal    [32]byte `cbor:"seal"`
	Issued  int64    `cbor:"iat"`
	Expires int64    `cbor:"exp"`
}

// Sign makes s's statement of r. r.Node is not looked at: it is the signer.
func (r Record) Sign(s identity.Signer) (identity.Statement, error) {
	r.Node = s.Entity()
	if err := r.check(); err != nil {
		return identity.Statement{}, err
	}
	b, err := cbor.Marshal(body{
		Version: version, Network: r.Network, Key: r.Key, Seal: r.Seal, URLs: r.URLs, Caps: r.Caps,
		Issued: r.Issued.UnixMilli(), Expires: r.Expires.UnixMilli(),
	})
	if err != nil {
		return identity.Statement{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return s.Sign(Purpose, b)
}

// Open verifies s and reads the record in it. It does not look at the clock:
// see ValidAt.
func Open(s identity.Statement) (Record, error) {
	b, err := s.Open(Purpose)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	r, err := decode(b)
	if err != nil {
		return Record{}, err
	}
	r.Node = s.By
	return r, nil
}

func decode(b []byte) (Record, error) {
	if err := cbor.CheckVersion(b, version); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var in body
	if err := cbor.Unmarshal(b, &in); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	r := Record{
		Network: in.Network, Key: in.Key, Seal: in.Seal, URLs: in.URLs, Caps: in.Caps,
		Issued: time.UnixMilli(in.Issued), Expires: time.UnixMilli(in.Expires),
	}
	return r, r.check()
}

func (r Record) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	if n := len(r.Network); n < 1 || n > MaxNetwork {
		return bad("a network name of %d bytes, not 1 to %d", n, MaxNetwork)
	}
	if len(r.URLs) > MaxURLs {
		return bad("%d URLs, above %d", len(r.URLs), MaxURLs)
	}
	for i, u := range r.URLs {
		if !printable(u) || len(u) > MaxURL || len(u) == 0 {
			return bad("URL %d is not 1 to %d printable characters", i+1, MaxURL)
		}
	}
	if len(r.Caps) > MaxCaps {
		return bad("%d capabilities, above %d", len(r.Caps), MaxCaps)
	}
	for i, c := range r.Caps {
		if !printable(c) || len(c) > MaxCap || len(c) == 0 {
			return bad("capability %d is not 1 to %d printable characters", i+1, MaxCap)
		}
	}
	if !slices.IsSorted(r.Caps) || len(slices.Compact(slices.Clone(r.Caps))) != len(r.Caps) {
		return bad("capabilities are not sorted, or one comes twice")
	}
	issued, expires := r.Issued.UnixMilli(), r.Expires.UnixMilli()
	if issued < 0 || expires < issued || expires-issued > MaxLife.Milliseconds() {
		return bad("it holds for no time, or for longer than %s", MaxLife)
	}
	return nil
}

// printable reports whether s is ASCII without spaces and controls.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}
