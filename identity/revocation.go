package identity

import (
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/identity/cbor"
)

// RevocationPurpose is what revocations are signed for.
const RevocationPurpose Purpose = "sea/revoke/1"

// ErrBadRevocation is returned, wrapped with the reason, when a revocation is
// not in the form that Revocation describes.
var ErrBadRevocation = errors.New("bad revocation")

// ErrRevoked is returned for a certificate that its signer has taken back.
var ErrRevoked = errors.New("certificate is revoked")

// Revocation takes back the certificates that the entity which signs it gave to
// a node. Who has not heard of it cannot know: only a certificate's own end
// holds everywhere.
type Revocation struct {
	// Node is the key that may act no longer.
	Node Entity

	// Serial is the highest of the certificates that are void: it and all below.
	Serial uint64

	// At is when it was signed, and Until when the last of those certificates
	// has ended, so that it may be forgotten: Unix time, At ≤ Until, neither
	// negative.
	At, Until int64
}

// Sign makes the entity's statement of r. Errors are ErrBadRevocation and the
// signer's.
func (r Revocation) Sign(s Signer) (Statement, error) {
	if err := r.check(); err != nil {
		return Statement{}, err
	}
	body, err := cbor.Marshal(revocationBody{Version: revocationVersion, Node: r.Node, Serial: r.Serial, At: r.At, Until: r.Until})
	if err != nil {
		return Statement{}, fmt.Errorf("%w: %w", ErrBadRevocation, err)
	}
	return s.Sign(RevocationPurpose, body)
}

// OpenRevocation verifies s and reads the revocation in it, which s.By gave.
func OpenRevocation(s Statement) (Revocation, error) {
	body, err := s.Open(RevocationPurpose)
	if err != nil {
		return Revocation{}, fmt.Errorf("revocation: %w", err)
	}
	return decodeRevocation(body)
}

// ReadRevocation is OpenRevocation of a statement that was verified before.
func ReadRevocation(s Statement) (Revocation, error) { return decodeRevocation(s.Body) }

func decodeRevocation(body []byte) (Revocation, error) {
	if err := cbor.CheckVersion(body, revocationVersion); err != nil {
		return Revocation{}, fmt.Errorf("%w: %w", ErrBadRevocation, err)
	}
	var b revocationBody
	if err := cbor.Unmarshal(body, &b); err != nil {
		return Revocation{}, fmt.Errorf("%w: %w", ErrBadRevocation, err)
	}
	r := Revocation{Node: b.Node, Serial: b.Serial, At: b.At, Until: b.Until}
	return r, r.check()
}

// Voids says whether r takes back c, given that one entity signed both. When r
// was signed, and which of the two was heard of first, makes no difference.
func (r Revocation) Voids(c Certificate) bool { return r.Node == c.Node && c.Serial <= r.Serial }

// Over says that at t all certificates that r takes back have ended anyway.
func (r Revocation) Over(t time.Time) bool { return t.Unix() > r.Until }

func (r Revocation) check() error {
	if err := r.Node.Check(); err != nil {
		return fmt.Errorf("%w: node: %w", ErrBadRevocation, err)
	}
	if r.At < 0 || r.At > r.Until {
		return fmt.Errorf("%w: it was signed after all has ended", ErrBadRevocation)
	}
	return nil
}

const revocationVersion = 1

// revocationBody is the map that is signed.
type revocationBody struct {
	Version uint64 `cbor:"v"`
	Node    Entity `cbor:"node"`
	Serial  uint64 `cbor:"serial"`
	At      int64  `cbor:"at"`
	Until   int64  `cbor:"until"`
}
