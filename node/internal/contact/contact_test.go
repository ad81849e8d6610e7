package contact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/internal/golden"
	"github.com/peersea/sea/node/internal/fixed"
)

const goldenFile = "testdata/contact.json"

// vector is a record and its statement, signed with the key of SHA-256 of
// "sea test seed contact".
type vector struct {
	Name      string   `json:"name"`
	Node      string   `json:"node"`
	Network   string   `json:"network"`
	Key       string   `json:"x25519"`
	Seal      string   `json:"x25519_seal"`
	URLs      []string `json:"urls"`
	Caps      []string `json:"caps"`
	Issued    int64    `json:"iat_ms"`
	Expires   int64    `json:"exp_ms"`
	Body      string   `json:"body"`
	Statement string   `json:"statement"`
}

var noon = time.UnixMilli(1_700_000_000_000)

func sample() Record {
	return Record{
		Node: fixed.Key("contact").Entity(), Network: "sea", Key: sha256.Sum256([]byte("key")), Seal: sha256.Sum256([]byte("seal")),
		URLs: []string{"wss://node.example:4433/sea"}, Caps: []string{"relay", "rtc"},
		Issued: noon, Expires: noon.Add(24 * time.Hour),
	}
}

func TestGolden(t *testing.T) {
	full, bare := sample(), sample()
	bare.URLs, bare.Caps, bare.Expires = []string{}, []string{}, noon
	var all []vector
	for _, c := range []struct {
		name string
		r    Record
	}{{"with URLs and capabilities", full}, {"without", bare}} {
		s, err := c.r.Sign(fixed.Key("contact"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(s)
		if err != nil || !reflect.DeepEqual(got, c.r) {
			t.Errorf("%s: opened %+v, %v, want %+v", c.name, got, err, c.r)
		}
		all = append(all, vector{
			c.name, c.r.Node.String(), c.r.Network, hex.EncodeToString(c.r.Key[:]), hex.EncodeToString(c.r.Seal[:]), c.r.URLs, c.r.Caps,
			c.r.Issued.UnixMilli(), c.r.Expires.UnixMilli(), hex.EncodeToString(s.Body), hex.EncodeToString(s.Encode()),
		})
	}
	golden.JSON(t, goldenFile, all)
}

func readGolden(t testing.TB) (statements [][]byte) {
	t.Helper()
	for _, g := range golden.Read[[]vector](t, goldenFile) {
		s, err := hex.DecodeString(g.Statement)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, s)
	}
	return statements
}

func TestFlippedBytes(t *testing.T) {
	for _, b := range readGolden(t) {
		for i := range b {
			c := bytes.Clone(b)
			c[i] ^= 1 << (i % 8)
			s, err := identity.DecodeStatement(c)
			if err == nil {
				_, err = Open(s)
			}
			if err == nil || len(err.Error()) < 10 {
				t.Errorf("byte %d: %v", i, err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Record)
		want   string
	}{
		{"no network", func(r *Record) { r.Network = "" }, "0 bytes, not 1 to 64"},
		{"five URLs", func(r *Record) { r.URLs = []string{"a", "b", "c", "d", "e"} }, "5 URLs"},
		{"a URL with a line end", func(r *Record) { r.URLs = []string{"ws://x\n"} }, "URL 1"},
		{"an empty URL", func(r *Record) { r.URLs = []string{""} }, "URL 1"},
		{"a long URL", func(r *Record) { r.URLs = []string{strings.Repeat("x", 257)} }, "URL 1"},
		{"many capabilities", func(r *Record) { r.Caps = make([]string, 17) }, "17 capabilities"},
		{"a long capability", func(r *Record) { r.Caps = []string{strings.Repeat("x", 33)} }, "capability 1"},
		{"unsorted", func(r *Record) { r.Caps = []string{"rtc", "relay"} }, "not sorted"},
		{"twice", func(r *Record) { r.Caps = []string{"rtc", "rtc"} }, "comes twice"},
		{"ends before it begins", func(r *Record) { r.Expires = noon.Add(-1) }, "holds for no time"},
		{"holds too long", func(r *Record) { r.Expires = noon.Add(MaxLife + time.Millisecond) }, "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := sample()
			c.change(&r)
			if _, err := r.Sign(fixed.Key("contact")); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestUnknownVersion(t *testing.T) {
	b, err := cbor.Marshal(map[string]any{"v": 2, "more": true})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := fixed.Key("contact").Sign(Purpose, b)
	if _, err := Open(s); err == nil || !strings.Contains(err.Error(), "version 2 is not known here") {
		t.Errorf("got %v", err)
	}
}

func TestValidAt(t *testing.T) {
	r := sample()
	for _, c := range []struct {
		at time.Time
		ok bool
	}{
		{r.Issued, true}, {r.Issued.Add(-Slack), true}, {r.Issued.Add(-Slack - 1), false},
		{r.Expires.Add(Slack), true}, {r.Expires.Add(Slack + 1), false},
	} {
		if err := r.ValidAt(c.at); (err == nil) != c.ok {
			t.Errorf("at %s: %v", c.at, err)
		}
	}
}

// FuzzDecode: what is accepted is spelled the same again.
func FuzzDecode(f *testing.F) {
	for _, b := range readGolden(f) {
		s, err := identity.DecodeStatement(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil {
			return
		}
		s, err := r.Sign(fixed.Key("contact"))
		if err != nil || !bytes.Equal(s.Body, b) {
			t.Errorf("spelled %x again, %v", s.Body, err)
		}
	})
}
