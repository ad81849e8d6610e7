package rtcnet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/transport"
)

// MaxDescription is the largest offer or answer, in bytes. Ours have some 200.
const MaxDescription = 16 << 10

// maxCandidates is how many candidates an offer or answer may carry.
const maxCandidates = 16

// version is the format of offers and answers that this package speaks.
const version = 1

// ErrDescription is returned, wrapped with what was wrong, for an offer or
// answer that is malformed, too large, of an unknown version, or of the wrong
// kind.
var ErrDescription = errors.New("bad offer or answer")

// kind says what a description is.
type kind uint64

const (
	offer  kind = 1 // the offering side leads ICE and is the DTLS server
	answer kind = 2 // the answering side follows, and is the DTLS client
)

func (k kind) String() string {
	switch k {
	case offer:
		return "offer"
	case answer:
		return "answer"
	}
	return fmt.Sprintf("kind %d", uint64(k))
}

// A description is an offer or an answer: what a session description says,
// without what is the same for every one of ours. On the wire it is the CBOR
// array [version, kind, ufrag, password, fingerprint, candidates].
type description struct {
	_           struct{} `cbor:",toarray"`
	Version     uint64
	Kind        kind
	Ufrag       string      // ICE, 4 to 256 ice-chars (RFC 8839 §5.4)
	Password    string      // ICE, 22 to 256 ice-chars
	Fingerprint []byte      // SHA-256 of the DTLS certificate, 32 bytes
	Candidates  []candidate // at most maxCandidates

	// listening tells that the other side is a Listener: ICE-lite, and the DTLS
	// server. No description on the wire says so.
	listening bool
}

// A candidate is a UDP address at which a side may be reached: the array
// [type, ip, port, priority].
type candidate struct {
	_        struct{} `cbor:",toarray"`
	Type     candidateType
	IP       []byte // 4 or 16 bytes; an IPv4 address has 4
	Port     uint16 // never 0
	Priority uint32 // RFC 8445 §5.1.2, never 0
}

type candidateType uint64

const (
	hostCandidate  candidateType = 1
	srflxCandidate candidateType = 2 // server-reflexive: as a STUN server saw it
)

func (t candidateType) String() string {
	switch t {
	case hostCandidate:
		return "host"
	case srflxCandidate:
		return "srflx"
	}
	return fmt.Sprintf("type %d", uint64(t))
}

// addrPort is the candidate's address; parse has checked that it is one.
func (c candidate) addrPort() netip.AddrPort {
	ip, _ := netip.AddrFromSlice(c.IP)
	return netip.AddrPortFrom(ip, c.Port)
}

// encode returns the one spelling of d.
func (d description) encode() ([]byte, error) { return cbor.Marshal(d) }

// parse reads a description of the kind that is wanted. What it accepts,
// encode spells the same way.
func parse(b []byte, want kind) (description, error) {
	if len(b) > MaxDescription {
		return description{}, fmt.Errorf("%w: %d bytes, more than %d", ErrDescription, len(b), MaxDescription)
	}
	// The version decides about everything after it.
	var fields []cbor.RawMessage
	if err := cbor.Unmarshal(b, &fields); err != nil {
		return description{}, fmt.Errorf("%w: %w", ErrDescription, err)
	}
	var v uint64
	if len(fields) == 0 {
		return description{}, fmt.Errorf("%w: it is empty", ErrDescription)
	}
	if err := cbor.Unmarshal(fields[0], &v); err != nil {
		return description{}, fmt.Errorf("%w: version: %w", ErrDescription, err)
	}
	if v != version {
		return description{}, fmt.Errorf("%w: it is of version %d, and this node speaks version %d", ErrDescription, v, version)
	}
	var d description
	if err := cbor.Unmarshal(b, &d); err != nil {
		return description{}, fmt.Errorf("%w: %w", ErrDescription, err)
	}
	if err := d.check(want); err != nil {
		return description{}, fmt.Errorf("%w: %w", ErrDescription, err)
	}
	return d, nil
}

func (d description) check(want kind) error {
	if d.Kind != want {
		return fmt.Errorf("it is an %v, not an %v", d.Kind, want)
	}
	if !iceChars(d.Ufrag, 4) {
		return errors.New("ufrag is not 4 to 256 ice-chars")
	}
	if !iceChars(d.Password, 22) {
		return errors.New("password is not 22 to 256 ice-chars")
	}
	if len(d.Fingerprint) != 32 {
		return fmt.Errorf("fingerprint has %d bytes, not 32", len(d.Fingerprint))
	}
	if len(d.Candidates) > maxCandidates {
		return fmt.Errorf("%d candidates, more than %d", len(d.Candidates), maxCandidates)
	}
	for i, c := range d.Candidates {
		if err := c.check(); err != nil {
			return fmt.Errorf("candidate %d: %w", i, err)
		}
	}
	return nil
}

func (c candidate) check() error {
	ip, ok := netip.AddrFromSlice(c.IP)
	switch {
	case c.Type != hostCandidate && c.Type != srflxCandidate:
		return fmt.Errorf("unknown type %d", uint64(c.Type))
	case !ok:
		return fmt.Errorf("address has %d bytes, not 4 or 16", len(c.IP))
	case ip.Is4In6():
		return errors.New("an IPv4 address is written as an IPv6 one")
	case c.Port == 0:
		return errors.New("port 0")
	case c.Priority == 0 || c.Priority > 1<<31-1:
		return fmt.Errorf("priority %d, not 1 to 2^31-1", c.Priority)
	}
	return nil
}

func iceChars(s string, least int) bool {
	if len(s) < least || len(s) > 256 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}

// sdp writes d as the session description that stands for it, with the
// candidates that ok lets through; pion and browsers take no other form. It
// returns how many there were.
func (d description) sdp(ok func(netip.AddrPort) bool) (text string, candidates int) {
	setup := "actpass"
	if d.Kind == answer {
		setup = "active"
	}
	if d.listening {
		setup = "passive"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0")
	line("o=- 1 1 IN IP4 0.0.0.0")
	line("s=-")
	line("t=0 0")
	if d.listening {
		line("a=ice-lite")
	}
	line("a=group:BUNDLE 0")
	line("m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
	line("c=IN IP4 0.0.0.0")
	line("a=mid:0")
	line("a=sctp-port:5000")
	line("a=max-message-size:%d", transport.MaxMessage)
	line("a=setup:%s", setup)
	line("a=fingerprint:sha-256 %s", colons(d.Fingerprint))
	line("a=ice-ufrag:%s", d.Ufrag)
	line("a=ice-pwd:%s", d.Password)
	for i, c := range d.Candidates {
		ap := c.addrPort()
		if !ok(ap) {
			continue
		}
		candidates++
		related := ""
		if c.Type == srflxCandidate {
			related = " raddr 0.0.0.0 rport 0"
		}
		line("a=candidate:%d 1 udp %d %s %d typ %s%s", i+1, c.Priority, ap.Addr(), ap.Port(), c.Type, related)
	}
	line("a=end-of-candidates")
	return b.String(), candidates
}

// colons is a fingerprint as SDP spells it: upper-case hex, colons between.
func colons(b []byte) string {
	text := strings.ToUpper(hex.EncodeToString(b))
	parts := make([]string, len(b))
	for i := range parts {
		parts[i] = text[2*i : 2*i+2]
	}
	return strings.Join(parts, ":")
}

// unColons reads a fingerprint as SDP spells it.
func unColons(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err == nil && len(b) != 32 {
		err = fmt.Errorf("%d bytes, not 32", len(b))
	}
	return b, err
}
