package identity

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/peersea/sea/identity/cbor"
)

// CertificatePurpose is what certificates are signed for.
const CertificatePurpose Purpose = "sea/cert/1"

// ErrBadCertificate is returned, wrapped with the reason, when a certificate is
// not in the form that Certificate describes.
var ErrBadCertificate = errors.New("bad certificate")

// ErrExpired is returned when a certificate is not valid at the time asked for.
var ErrExpired = errors.New("certificate is not valid at this time")

// maxBudget is the largest amount of the ledger, in micro-credits.
const maxBudget = 1 << 62

// Certificate lets a node act for the entity that signs it.
type Certificate struct {
	// Node is the key that may act.
	Node Entity

	// Can lists what it may do ("sell", "pay"), at most 16 words, sorted, none
	// twice; a word is 1 to 32 of a-z, 0-9, : and -.
	Can []string

	// Budget is how much it may promise in the entity's name in all, in
	// micro-credits, below 2^62.
	Budget uint64

	// NotBefore and NotAfter are the first and the last second at which it
	// holds, Unix time, NotBefore ≤ NotAfter, neither negative.
	NotBefore, NotAfter int64

	// Serial counts the entity's certificates for this node: of two that hold,
	// the higher one counts.
	Serial uint64
}

// Sign makes the entity's statement of c. Errors are ErrBadCertificate and the
// signer's.
func (c Certificate) Sign(s Signer) (Statement, error) {
	if err := c.check(); err != nil {
		return Statement{}, err
	}
	body, err := cbor.Marshal(certificateBody{
		Version: certificateVersion, Node: c.Node, Can: c.Can, Budget: c.Budget,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Serial: c.Serial,
	})
	if err != nil {
		return Statement{}, fmt.Errorf("%w: %w", ErrBadCertificate, err)
	}
	return s.Sign(CertificatePurpose, body)
}

// OpenCertificate verifies s and reads the certificate in it, which s.By gave.
// It does not look at the clock: see ValidAt.
func OpenCertificate(s Statement) (Certificate, error) {
	body, err := s.Open(CertificatePurpose)
	if err != nil {
		return Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	return decodeCertificate(body)
}

// ReadCertificate is OpenCertificate of a statement that was verified before, as
// one that was kept in a file of one's own.
func ReadCertificate(s Statement) (Certificate, error) { return decodeCertificate(s.Body) }

func decodeCertificate(body []byte) (Certificate, error) {
	if err := cbor.CheckVersion(body, certificateVersion); err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrBadCertificate, err)
	}
	var b certificateBody
	if err := cbor.Unmarshal(body, &b); err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrBadCertificate, err)
	}
	c := Certificate{
		Node: b.Node, Can: b.Can, Budget: b.Budget,
		NotBefore: b.NotBefore, NotAfter: b.NotAfter, Serial: b.Serial,
	}
	return c, c.check()
}

// ValidAt returns ErrExpired unless c holds at t.
func (c Certificate) ValidAt(t time.Time) error {
	if s := t.Unix(); s < c.NotBefore || s > c.NotAfter {
		return fmt.Errorf("%w: it holds from %s to %s", ErrExpired,
			time.Unix(c.NotBefore, 0).UTC().Format(time.RFC3339),
			time.Unix(c.NotAfter, 0).UTC().Format(time.RFC3339))
	}
	return nil
}

// Allows says whether what is among the things the node may do.
func (c Certificate) Allows(what string) bool {
	_, found := slices.BinarySearch(c.Can, what)
	return found
}

func (c Certificate) check() error {
	bad := func(why string) error { return fmt.Errorf("%w: %s", ErrBadCertificate, why) }
	if err := c.Node.Check(); err != nil {
		return fmt.Errorf("%w: node: %w", ErrBadCertificate, err)
	}
	if len(c.Can) > 16 {
		return bad("more than 16 words")
	}
	for i, word := range c.Can {
		if !isWord(word) {
			return bad(fmt.Sprintf("word %d is not 1 to 32 of a-z, 0-9, : and -", i+1))
		}
		if i > 0 && word <= c.Can[i-1] {
			return bad("words are not sorted, or one comes twice")
		}
	}
	if c.Budget >= maxBudget {
		return bad("budget is 2^62 or more")
	}
	if c.NotBefore < 0 || c.NotBefore > c.NotAfter {
		return bad("it holds at no time")
	}
	return nil
}

func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != ':' && c != '-' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 32
}

const certificateVersion = 1

// certificateBody is the map that is signed.
type certificateBody struct {
	Version   uint64   `cbor:"v"`
	Node      Entity   `cbor:"node"`
	Can       []string `cbor:"can"`
	Budget    uint64   `cbor:"budget"`
	NotBefore int64    `cbor:"from"`
	NotAfter  int64    `cbor:"until"`
	Serial    uint64   `cbor:"serial"`
}
