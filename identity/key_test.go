package identity

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity/cbor"
)

func TestNewKeyWorks(t *testing.T) {
	for _, work := range []int{-1, 0, 1, 8} {
		k, err := NewKey(context.Background(), work)
		if err != nil {
			t.Fatal(err)
		}
		if got := Work(k.Entity()); got < work {
			t.Errorf("work %d, want %d", got, work)
		}
		s, err := k.Sign("sea/test/1", []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open("sea/test/1"); err != nil {
			t.Error(err)
		}
	}
}

func TestNewKeyStops(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if _, err := NewKey(ctx, MaxWork); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want context.DeadlineExceeded", err)
	}
	if _, err := NewKey(context.Background(), MaxWork+1); err == nil {
		t.Error("more than MaxWork is accepted")
	}
}

// TestWorkByHand checks Work bit by bit.
func TestWorkByHand(t *testing.T) {
	for n := range 2000 {
		e := Entity(testSeed(n)) // Work does not ask for a good key
		once := HashOf(append([]byte("sea:pow:1"), e[:]...))
		twice := HashOf(once[:])
		digits := strings.NewReplacer("[", "", "]", "", " ", "").Replace(fmt.Sprintf("%08b", twice[:]))
		if want := len(digits) - len(strings.TrimLeft(digits, "0")); Work(e) != want {
			t.Fatalf("%v: %d, want %d", e, Work(e), want)
		}
	}
}

// TestKeyNeverShows prints, logs and encodes a key in every way we can think of,
// bare and inside other values.
func TestKeyNeverShows(t *testing.T) {
	k := newKey(t)
	type inner struct{ k Key }
	type outer struct {
		Value   Key
		Pointer *Key
		inner
		hidden  *Key
		Any     any
		Signer  Signer
		Slice   []Key
		Map     map[string]*Key
		Private struct{ private func() ed25519.PrivateKey }
	}
	values := map[string]any{
		"pointer": k, "value": *k, "slice": []Key{*k}, "pointers": []*Key{k}, "array": [1]Key{*k},
		"map": map[string]Key{"k": *k}, "inner": inner{*k}, "pointer to inner": &inner{*k},
		"outer": outer{Value: *k, Pointer: k, inner: inner{*k}, hidden: k, Any: *k, Signer: k, Slice: []Key{*k},
			Map: map[string]*Key{"k": k}, Private: struct{ private func() ed25519.PrivateKey }{k.secret}},
		"error": fmt.Errorf("with %v: %w", *k, errors.New("x")),
	}
	for name, v := range values {
		var out bytes.Buffer
		for _, verb := range strings.Fields("v +v #v s q x X #x +x #X d o b c U T t e g p w 100v -5.3v") {
			fmt.Fprintf(&out, "%"+verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		log.New(&out, "", 0).Print(v)
		for _, h := range []slog.Handler{
			slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}), slog.NewJSONHandler(&out, nil),
		} {
			slog.New(h).With("with", v).Error("x", "key", v, slog.Group("g", "key", v))
		}
		// Some of these refuse such values; what matters is what they write.
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		if b, err := xml.Marshal(v); err == nil {
			out.Write(b)
		}
		if b, err := cbor.Marshal(v); err == nil {
			out.Write(b)
		}
		if err := gob.NewEncoder(&out).Encode(v); err != nil {
			fmt.Fprintln(&out, err)
		}
		if shows(k, out.Bytes()) {
			t.Errorf("%s shows the secret:\n%s", name, out.Bytes())
		}
	}
}

// TestKeyShowsEntity says what is printed instead.
func TestKeyShowsEntity(t *testing.T) {
	k := testKey(0)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, k); got != "key of 84b671c8dc" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", k)
	if !strings.Contains(out.String(), "key="+k.Entity().String()) {
		t.Errorf("%s", out.String())
	}
	if got := fmt.Sprint((*Key)(nil)); got != "<nil>" {
		t.Errorf("a nil key: %s", got)
	}
}

// TestShows makes sure that the test above can fail.
func TestShows(t *testing.T) {
	k := newKey(t)
	seed := [32]byte(k.secret().Seed())
	for _, s := range []string{
		fmt.Sprintf("%v", seed), fmt.Sprintf("%x", seed), fmt.Sprintf("%X", seed), fmt.Sprintf("% x", seed), fmt.Sprintf("%#v", seed),
		string(seed[:]), fmt.Sprintf("%v", k.secret()), base64.StdEncoding.EncodeToString(seed[:]), k.format(),
		fmt.Sprintf("%#x", k.secret()), fmt.Sprintf("%o", seed), fmt.Sprintf("%b", seed),
	} {
		if !shows(k, []byte(s)) {
			t.Errorf("not seen in %q", s)
		}
	}
}

// shows looks for eight bytes of the secret in a row, in many spellings.
func shows(k *Key, in []byte) bool {
	part := k.secret()[4:12]
	var spellings []string
	for _, format := range []string{"%v", "%d", "%x", "%X", "% x", "% X", "%o", "%b", "%#v"} {
		var s string
		if format == "%x" || format == "%X" || format == "% x" || format == "% X" {
			s = fmt.Sprintf(format, part)
		} else {
			s = fmt.Sprintf(format, [8]byte(part))
		}
		s = strings.Trim(strings.TrimPrefix(s, "[8]uint8"), "[]{}")
		spellings = append(spellings, s)
	}
	for shift := range 3 { // base64 has three phases
		s := base64.StdEncoding.EncodeToString(k.secret()[shift:30])
		spellings = append(spellings, s[4:12])
	}
	spellings = append(spellings, string(part), hex.EncodeToString(part))
	for _, s := range spellings {
		if bytes.Contains(in, []byte(s)) {
			return true
		}
	}
	return false
}
