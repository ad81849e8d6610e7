package lan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// The bounds of a packet.
const (
	maxPacket  = 9000 // RFC 6762 §17
	maxRecords = 64   // of each kind that are looked at
)

const (
	service = "_sea._tcp.local."

	// ttl is for how many seconds others may remember what we say.
	ttl = 120

	// nameSize is the length of a name: hex digits, drawn at each start.
	nameSize = 16

	// tagKey is what the text record calls the network's tag.
	tagKey = "n="
)

// tag stands for a network's name: others on the same network meet, and nobody
// reads the name.
func tag(network string) string {
	sum := sha256.Sum256([]byte("sea:lan:1" + network))
	return hex.EncodeToString(sum[:4])
}

// A node is what a packet says of one.
type node struct {
	name string
	tag  string
	port uint16
}

// A message is what matters here of a packet.
type message struct {
	asks  bool     // for the service
	known []string // names that whoever asks knows already
	says  []node
}

// errPacket is returned, wrapped, for a packet that cannot be read.
var errPacket = errors.New("mDNS packet")

// parse reads a packet.
func parse(b []byte) (message, error) {
	var p dnsmessage.Parser
	head, err := p.Start(b)
	if err != nil {
		return message{}, fmt.Errorf("%w: %w", errPacket, err)
	}
	if head.OpCode != 0 || head.RCode != 0 {
		return message{}, fmt.Errorf("%w: operation %d, code %d", errPacket, head.OpCode, head.RCode)
	}
	var m message
	for range maxRecords {
		q, err := p.Question()
		if err != nil {
			break
		}
		name := strings.ToLower(q.Name.String())
		m.asks = m.asks || !head.Response && name == service && (q.Type == dnsmessage.TypePTR || q.Type == dnsmessage.TypeALL)
	}
	if err := p.SkipAllQuestions(); err != nil {
		return message{}, fmt.Errorf("%w: %w", errPacket, err)
	}
	found := make(map[string]*node)
	if err := records(p.AnswerHeader, p.SkipAnswer, func(h dnsmessage.ResourceHeader) error {
		return record(&p, h, head.Response, found, &m)
	}); err != nil {
		return message{}, err
	}
	if !head.Response {
		return m, nil
	}
	if err := p.SkipAllAnswers(); err != nil {
		return message{}, fmt.Errorf("%w: %w", errPacket, err)
	}
	if err := p.SkipAllAuthorities(); err != nil {
		return message{}, fmt.Errorf("%w: %w", errPacket, err)
	}
	if err := records(p.AdditionalHeader, p.SkipAdditional, func(h dnsmessage.ResourceHeader) error {
		return record(&p, h, true, found, &m)
	}); err != nil {
		return message{}, err
	}
	for _, n := range found {
		if n.port != 0 && n.tag != "" {
			m.says = append(m.says, *n)
		}
	}
	return m, nil
}

// records walks the records of a section; read takes one, or leaves it by errSkip.
func records(next func() (dnsmessage.ResourceHeader, error), skip func() error, read func(dnsmessage.ResourceHeader) error) error {
	for range maxRecords {
		h, err := next()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return nil
		}
		if err == nil {
			if err = read(h); errors.Is(err, errSkip) {
				err = skip()
			}
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errPacket, err)
		}
	}
	return nil
}

var errSkip = errors.New("skip")

// record reads a record of the service.
func record(p *dnsmessage.Parser, h dnsmessage.ResourceHeader, response bool, found map[string]*node, m *message) error {
	of := func(full string) *node {
		name := instance(full)
		if name == "" || h.TTL == 0 { // one that says goodbye
			return nil
		}
		if found[name] == nil {
			found[name] = &node{name: name}
		}
		return found[name]
	}
	switch {
	case h.Type == dnsmessage.TypePTR && !response:
		r, err := p.PTRResource()
		if err != nil {
			return err
		}
		if name := instance(r.PTR.String()); name != "" && h.TTL >= ttl/2 { // RFC 6762 §7.1
			m.known = append(m.known, name)
		}
	case h.Type == dnsmessage.TypeSRV && response:
		r, err := p.SRVResource()
		if err != nil {
			return err
		}
		if n := of(h.Name.String()); n != nil {
			n.port = r.Port
		}
	case h.Type == dnsmessage.TypeTXT && response:
		r, err := p.TXTResource()
		if err != nil {
			return err
		}
		if n := of(h.Name.String()); n != nil {
			for _, t := range r.TXT {
				if v, ok := strings.CutPrefix(t, tagKey); ok && len(v) == 8 {
					n.tag = v
				}
			}
		}
	default:
		return errSkip
	}
	return nil
}

// instance returns the name in NAME._sea._tcp.local., or "" when it is none of
// ours.
func instance(full string) string {
	name, ok := strings.CutSuffix(strings.ToLower(full), "."+service)
	if !ok || len(name) != nameSize {
		return ""
	}
	if _, err := hex.DecodeString(name); err != nil {
		return ""
	}
	return name
}

// question asks who is there.
func question() ([]byte, error) {
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName(service), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET,
	}}}
	return m.Pack()
}

// answer says that n is at ip, for so many seconds; 0 says that it was.
func answer(n node, ip netip.Addr, seconds uint32) ([]byte, error) {
	full, err := dnsmessage.NewName(n.name + "." + service)
	if err != nil {
		return nil, err
	}
	host, err := dnsmessage.NewName(n.name + ".local.")
	if err != nil {
		return nil, err
	}
	head := func(name dnsmessage.Name, only bool) dnsmessage.ResourceHeader {
		h := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: seconds}
		if only { // nobody else says anything by this name: RFC 6762 §10.2
			h.Class |= 1 << 15
		}
		return h
	}
	m := dnsmessage.Message{
		Header: dnsmessage.Header{Response: true, Authoritative: true},
		Answers: []dnsmessage.Resource{
			{Header: head(dnsmessage.MustNewName(service), false), Body: &dnsmessage.PTRResource{PTR: full}},
		},
		Additionals: []dnsmessage.Resource{
			{Header: head(full, true), Body: &dnsmessage.SRVResource{Port: n.port, Target: host}},
			{Header: head(full, true), Body: &dnsmessage.TXTResource{TXT: []string{"v=1", tagKey + n.tag}}},
			{Header: head(host, true), Body: &dnsmessage.AResource{A: ip.As4()}},
		},
	}
	return m.Pack()
}
