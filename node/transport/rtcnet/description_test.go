package rtcnet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// A vector is an offer or answer in both of its forms.
type vector struct {
	Name  string `json:"name"`
	Bytes string `json:"bytes"` // hex
	Kind  string `json:"kind"`
	SDP   string `json:"sdp"` // with all of its candidates
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	text, err := os.ReadFile("testdata/description.json")
	if err != nil {
		tb.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(text, &vs); err != nil {
		tb.Fatal(err)
	}
	if len(vs) == 0 {
		tb.Fatal("no vectors")
	}
	return vs
}

func (v vector) parts(tb testing.TB) ([]byte, kind) {
	tb.Helper()
	b, err := hex.DecodeString(v.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	if v.Kind == "offer" {
		return b, offer
	}
	return b, answer
}

func everything(netip.AddrPort) bool { return true }

func TestDescriptionVectors(t *testing.T) {
	for _, v := range vectors(t) {
		b, k := v.parts(t)
		d, err := parse(b, k)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		again, err := d.encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: got %x, %v, want %x", v.Name, again, err, b)
		}
		sdp, n := d.sdp(everything)
		if sdp != v.SDP || n != len(d.Candidates) {
			t.Errorf("%s: got %d candidates in\n%s\nwant\n%s", v.Name, n, sdp, v.SDP)
		}
	}
}

// TestDescriptionFlips changes each byte of each vector. An offer carries no
// signature, the call that brings it does; so what is not refused must at least
// say something else, and say it in its one spelling.
func TestDescriptionFlips(t *testing.T) {
	for _, v := range vectors(t) {
		b, k := v.parts(t)
		whole, err := parse(b, k)
		if err != nil {
			t.Fatal(err)
		}
		was, _ := whole.sdp(everything)
		for i := range b {
			for _, mask := range []byte{0x01, 0x20, 0x80, 0xff} {
				bad := bytes.Clone(b)
				bad[i] ^= mask
				d, err := parse(bad, k)
				if err != nil {
					if !errors.Is(err, ErrDescription) || err.Error() == ErrDescription.Error() {
						t.Errorf("%s, byte %d ^ %#x: the error says nothing: %v", v.Name, i, mask, err)
					}
					continue
				}
				if again, err := d.encode(); err != nil || !bytes.Equal(again, bad) {
					t.Errorf("%s, byte %d ^ %#x: a second spelling", v.Name, i, mask)
				}
				if is, _ := d.sdp(everything); is == was {
					t.Errorf("%s, byte %d ^ %#x: it says the same", v.Name, i, mask)
				}
			}
		}
	}
}

func TestDescriptionRefused(t *testing.T) {
	good := func() description {
		return description{
			Version: 1, Kind: offer, Ufrag: "abcd", Password: strings.Repeat("p", 22),
			Fingerprint: make([]byte, 32),
			Candidates:  []candidate{{Type: hostCandidate, IP: []byte{192, 0, 2, 1}, Port: 9, Priority: 1}},
		}
	}
	for _, test := range []struct {
		name string
		edit func(*description)
		says string
	}{
		{"future version", func(d *description) { d.Version = 2 }, "version 2, and this node speaks version 1"},
		{"wrong kind", func(d *description) { d.Kind = answer }, "it is an answer, not an offer"},
		{"unknown kind", func(d *description) { d.Kind = 7 }, "kind 7"},
		{"short ufrag", func(d *description) { d.Ufrag = "abc" }, "ufrag"},
		{"long ufrag", func(d *description) { d.Ufrag = strings.Repeat("a", 257) }, "ufrag"},
		{"a line in the ufrag", func(d *description) { d.Ufrag = "abcd\r\na=candidate:1 1 udp 1 127.0.0.1 22 typ host" }, "ufrag"},
		{"a line in the password", func(d *description) { d.Password += "\n" }, "password"},
		{"short password", func(d *description) { d.Password = d.Password[1:] }, "password"},
		{"short fingerprint", func(d *description) { d.Fingerprint = d.Fingerprint[1:] }, "fingerprint"},
		{"candidate of three bytes", func(d *description) { d.Candidates[0].IP = []byte{1, 2, 3} }, "address"},
		{"IPv4 inside IPv6", func(d *description) { d.Candidates[0].IP = netip.MustParseAddr("::ffff:127.0.0.1").AsSlice() }, "IPv4"},
		{"port 0", func(d *description) { d.Candidates[0].Port = 0 }, "port 0"},
		{"priority 0", func(d *description) { d.Candidates[0].Priority = 0 }, "priority 0"},
		{"priority 2^31", func(d *description) { d.Candidates[0].Priority = 1 << 31 }, "priority"},
		{"relay candidate", func(d *description) { d.Candidates[0].Type = 4 }, "type 4"},
		{"17 candidates", func(d *description) {
			for len(d.Candidates) < 17 {
				d.Candidates = append(d.Candidates, d.Candidates[0])
			}
		}, "17 candidates, more than 16"},
	} {
		d := good()
		test.edit(&d)
		b, err := d.encode()
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if _, err := parse(b, offer); !errors.Is(err, ErrDescription) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want an error that says %q", test.name, err, test.says)
		}
	}
	for name, b := range map[string][]byte{
		"nothing":     {},
		"empty array": {0x80},
		"a map":       {0xa0},
		"text":        []byte("v=0\r\n"),
		"too large":   make([]byte, MaxDescription+1),
	} {
		if _, err := parse(b, offer); !errors.Is(err, ErrDescription) {
			t.Errorf("%s: got %v, want %v", name, err, ErrDescription)
		}
	}
}

func FuzzParseDescription(f *testing.F) {
	for _, v := range vectors(f) {
		b, _ := v.parts(f)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, k := range []kind{offer, answer} {
			d, err := parse(b, k)
			if err != nil {
				continue
			}
			if again, err := d.encode(); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("two spellings: %x and %x, %v", b, again, err)
			}
			// Each line that comes out is one that we wrote.
			sdp, n := d.sdp(everything)
			if got := strings.Count(sdp, "a=candidate:"); got != n || strings.Count(sdp, "\n") != 15+n {
				t.Fatalf("%d candidates became %d, in\n%s", n, got, sdp)
			}
		}
	})
}

func FuzzParseCredit(f *testing.F) {
	for _, s := range []string{"1", "262144", "1048576", "1048577", "007", "", "bye", "-1", "+1", "9999999", "99999999"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseCredit(b)
		if err != nil {
			return
		}
		if n < 1 || n > Window || credit(n) != string(b) {
			t.Fatalf("%q is %d", b, n)
		}
	})
}
