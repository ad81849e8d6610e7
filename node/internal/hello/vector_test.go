package hello

import (
	"encoding/hex"
	"testing"

	"github.com/peersea/sea/internal/golden"
	"github.com/peersea/sea/node/internal/fixed"
	"github.com/peersea/sea/node/internal/frame"
)

// A vector is one handshake with every secret, and what is said after it.
type vector struct {
	About     string      `json:"about"`
	Network   string      `json:"network"`
	Prologue  string      `json:"prologue"`
	Clock     int64       `json:"clock_ms"`
	Initiator vectorParty `json:"initiator"`
	Responder vectorParty `json:"responder"`
	Messages  []string    `json:"messages"`
	Binding   string      `json:"handshake_hash"`
	Sealed    []sealed    `json:"sealed"`
}

type vectorParty struct {
	Ed25519Seed     string `json:"ed25519_seed"`
	Node            string `json:"node"`
	Address         string `json:"address"`
	StaticSecret    string `json:"x25519_static_secret"`
	Static          string `json:"x25519_static_public"`
	EphemeralSecret string `json:"x25519_ephemeral_secret"`
	RecordBody      string `json:"contact_record_body"`
	Record          string `json:"contact_record"`
	Run             string `json:"run"`
	Agent           string `json:"agent"`
	Payload         string `json:"payload"`
}

// A sealed message: its place, what it carries, its bytes on the wire.
type sealed struct {
	By    string `json:"by"`
	Bulk  bool   `json:"bulk_lane"`
	Nonce string `json:"nonce"`
	Plain string `json:"frame"`
	Wire  string `json:"message"`
}

func describeParty(t *testing.T, name string) vectorParty {
	p := newParty(t, name, nil)
	payload, err := p.payload()
	if err != nil {
		t.Fatal(err)
	}
	s, public := fixed.Key(name), p.Static.Public()
	return vectorParty{
		Ed25519Seed: hex.EncodeToString(s.Seed()), Node: s.Entity().String(),
		Address:      Proof{Node: s.Entity()}.Addr().String(),
		StaticSecret: hex.EncodeToString(fixed.Bytes(name + " static")), Static: hex.EncodeToString(public[:]),
		EphemeralSecret: hex.EncodeToString(fixed.Bytes(name + " ephemeral")),
		RecordBody:      hex.EncodeToString(p.Record.Body), Record: hex.EncodeToString(p.Record.Encode()),
		Run: hex.EncodeToString(p.Run[:]), Agent: p.Agent, Payload: hex.EncodeToString(payload),
	}
}

func makeVector(t *testing.T) vector {
	a, b := pipe(t)
	ta, tb := &tap{Conn: a}, &tap{Conn: b}
	ini, res := newParty(t, "initiator", nil), newParty(t, "responder", nil)
	is, ie, rs, re := shake(t, ini, res, ta, tb)
	if ie != nil || re != nil {
		t.Fatal(ie, re)
	}
	v := vector{
		About: "One handshake, Noise_XX_25519_AESGCM_SHA256, with every secret. messages are the bytes on the wire, " +
			"version byte and all; sealed are the frames after it, in the order in which each side sends them on each lane.",
		Network: "vectors", Prologue: hex.EncodeToString(ini.prologue()), Clock: noon.UnixMilli(),
		Initiator: describeParty(t, "initiator"), Responder: describeParty(t, "responder"),
		Binding: hex.EncodeToString(is.Binding[:]),
	}
	for _, msg := range [][]byte{ta.sent[0], tb.sent[0], ta.sent[1]} {
		v.Messages = append(v.Messages, hex.EncodeToString(msg))
	}
	say := func(by string, s *Session, bulk bool, frames ...frame.Frame) {
		seal, _ := s.Lane(bulk)
		for i, f := range frames {
			nonce := [8]byte{7: byte(i)}
			if bulk {
				nonce[0] = 0x80
			}
			plain := frame.Encode(f)
			wire, err := seal.Seal(nil, plain)
			if err != nil {
				t.Fatal(err)
			}
			v.Sealed = append(v.Sealed, sealed{by, bulk, hex.EncodeToString(nonce[:]), hex.EncodeToString(plain), hex.EncodeToString(wire)})
		}
	}
	say("responder", rs, false, &frame.Welcome{Observed: "192.0.2.7:4321"}, &frame.Pong{N: 1})
	say("initiator", is, false, &frame.Ping{N: 1}, &frame.Request{ID: 1, Scope: "sea:ping", Body: []byte{}})
	say("initiator", is, true, &frame.Message{Scope: "chat", Body: []byte("hello")})
	say("responder", rs, true, &frame.Message{Scope: "chat", Body: []byte("hello too")})
	return v
}

// The bytes of a handshake do not change.
func TestVector(t *testing.T) {
	golden.JSON(t, "testdata/handshake.json", makeVector(t))
}

// FuzzPayload demands that what a payload says is either refused or proven.
func FuzzPayload(f *testing.F) {
	p := newParty(f, "responder", nil)
	b, err := newParty(f, "initiator", nil).payload()
	if err != nil {
		f.Fatal(err)
	}
	static := newParty(f, "initiator", nil).Static.Public()
	f.Add(b)
	f.Add(b[:40])
	f.Add([]byte{0x85, 0xf6, 0xf6, 0x00, 0x40, 0x60})
	f.Fuzz(func(t *testing.T, b []byte) {
		proof, err := p.check(b, static[:])
		if err == nil && proof.Node != fixed.Key("initiator").Entity() {
			t.Errorf("proven: %v", proof.Node)
		}
	})
}

// FuzzRespond gives a responder a first message from outside.
func FuzzRespond(f *testing.F) {
	f.Add([]byte{1})
	f.Add(append([]byte{1}, make([]byte, 32)...))
	f.Add(append([]byte{1, 9}, make([]byte, 31)...))
	f.Add([]byte{0, 0x82, 0x07, 0x60})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || len(b) > 1<<10 {
			return
		}
		a, end := pipe(t)
		if err := a.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		a.Close()
		if s, err := newParty(t, "responder", nil).Respond(t.Context(), end); s != nil || err == nil {
			t.Errorf("got a session")
		}
	})
}
