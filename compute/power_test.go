package compute

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
)

// testPowers answer the guest of powers.wat.
func testPowers() Powers {
	return Powers{
		"echo": func(_ context.Context, request []byte) ([]byte, int32) {
			switch string(request) {
			case "absent":
				return nil, PowerAbsent
			case "too much":
				return make([]byte, MaxAsk+1), 0
			}
			return bytes.ToUpper(request), 0
		},
		"wait": func(ctx context.Context, _ []byte) ([]byte, int32) {
			<-ctx.Done()
			return nil, PowerFailed
		},
	}
}

// TestPowers: what a guest asks comes to its host, what the host says comes to the
// guest, for the same fuel on every engine; and each way to ask badly ends in a number.
func TestPowers(t *testing.T) {
	number := func(n int32) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
	module := wasmFile(t, "powers.wasm")
	es := engines(t)
	for name, tt := range map[string]struct {
		entry, input, stdout string
		fuel                 uint64
	}{
		"an answer":          {"relay", "hello", "HELLO", 4044},
		"an empty one":       {"relay", "", "", 3022},
		"absent":             {"relay", "absent", number(PowerAbsent), 3045},
		"an answer too long": {"relay", "too much", number(PowerFailed), 3049},
		"twice":              {"twice", "hello", "hi\nHELLO", 6056},
		"an answer once":     {"again", "hello", number(0), 5045},
		"nothing asked":      {"unasked", "", number(0), 2023},
		"outside the memory": {"outside", "", number(PowerInvalid), 2024},
		"too long":           {"long", "", number(PowerInvalid), 2024},
		"as long as may be":  {"longest", "", number(MaxAsk), 133096},
		"answer put nowhere": {"nowhere", "hello", number(PowerInvalid), 4038},
	} {
		t.Run(name, func(t *testing.T) {
			k := call(module, tt.entry, tt.input)
			for engine, e := range es {
				r, err := e.Run(t.Context(), k.Job, k.blobs, Live{Powers: testPowers()})
				if err != nil {
					t.Fatalf("%s: %v", engine, err)
				}
				if r.End != Exit || string(r.Stdout) != tt.stdout || r.Fuel != tt.fuel {
					t.Errorf("%s: %s, %q, fuel %d; want %q, fuel %d", engine, r.End, r.Stdout, r.Fuel, tt.stdout, tt.fuel)
				}
			}
		})
	}
}

// TestPowersEnd: a guest that waits for an answer, and one that never stops asking, end
// when the job is cancelled and when its fuel is used up; the engine is fit for the next.
func TestPowersEnd(t *testing.T) {
	module := wasmFile(t, "powers.wasm")
	for engine, e := range engines(t) {
		t.Run(engine, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			powers := testPowers()
			wait := powers["wait"]
			powers["wait"] = func(ctx context.Context, b []byte) ([]byte, int32) {
				cancel() // now that it waits
				return wait(ctx, b)
			}
			k := call(module, "wait", "x")
			r, err := e.Run(ctx, k.Job, k.blobs, Live{Powers: powers})
			if err != nil || r.End != Interrupted {
				t.Errorf("cancelled: %s, %v", r.End, err)
			}

			var asked atomic.Int64
			powers["echo"] = func(context.Context, []byte) ([]byte, int32) {
				asked.Add(1)
				return nil, 0
			}
			k = call(module, "forever", "")
			k.Limits.Fuel = 50_000
			r, err = e.Run(t.Context(), k.Job, k.blobs, Live{Powers: powers})
			if err != nil || r.End != OutOfFuel || r.Fuel != 50_000 || asked.Load() != 49 {
				t.Errorf("without end: %s, fuel %d, asked %d, %v", r.End, r.Fuel, asked.Load(), err)
			}

			k = call(module, "relay", "hello")
			r, err = e.Run(t.Context(), k.Job, k.blobs, Live{Powers: testPowers()})
			if err != nil || string(r.Stdout) != "HELLO" {
				t.Errorf("the next: %q, %v", r.Stdout, err)
			}
		})
	}
}

// TestPowersGiven: a guest gets what it is given and nothing else, whoever was given
// more before, and however often its module was refused.
func TestPowersGiven(t *testing.T) {
	module := wasmFile(t, "powers.wasm")
	k := call(module, "relay", "hello")
	some := testPowers()
	delete(some, "wait")
	for engine, e := range engines(t) {
		for range 2 {
			for name, powers := range map[string]Powers{"none": nil, "no more": {}, "some": some} {
				_, err := e.Run(t.Context(), k.Job, k.blobs, Live{Powers: powers})
				if !errors.Is(err, ErrImport) || !strings.Contains(err.Error(), `of module "sea", which is not there`) {
					t.Errorf("%s: %s: %v", engine, name, err)
				}
			}
			r, err := e.Run(t.Context(), k.Job, k.blobs, Live{Powers: testPowers()})
			if err != nil || string(r.Stdout) != "HELLO" {
				t.Errorf("%s: all: %q, %v", engine, r.Stdout, err)
			}
		}
	}

	asks, err := Asks(module)
	if err != nil || !reflect.DeepEqual(asks, []string{"echo", "wait"}) {
		t.Errorf("it asks %v, %v", asks, err)
	}
	if err := Admit(module, k.Job); !errors.Is(err, ErrImport) {
		t.Errorf("admitted without powers: %v", err)
	}
	if err := Admit(module, k.Job, asks...); err != nil {
		t.Errorf("with them: %v", err)
	}
	if _, err := Asks([]byte("no module")); !errors.Is(err, ErrModule) {
		t.Errorf("asks of no module: %v", err)
	}
}

// TestPowersCached: a module that was admitted with powers is refused from the cache
// without them.
func TestPowersCached(t *testing.T) {
	k := call(wasmFile(t, "powers.wasm"), "relay", "hello")
	dir := t.TempDir()
	for _, powers := range []Powers{testPowers(), nil, testPowers()} {
		e := newEngine(t, Config{CacheDir: dir, Workers: 1})
		r, err := e.Run(t.Context(), k.Job, k.blobs, Live{Powers: powers})
		if powers == nil && !errors.Is(err, ErrImport) || powers != nil && (err != nil || string(r.Stdout) != "HELLO") {
			t.Errorf("with %d powers: %q, %v", len(powers), r.Stdout, err)
		}
	}
}

// TestPowersLie: a worker that asks what its guest was not given, or out of turn, is
// an engine that failed.
func TestPowersLie(t *testing.T) {
	for name, ask := range map[string]askWire{
		"not given": {"echo", nil},
		"too long":  {"given", make([]byte, MaxAsk+1)},
	} {
		said := frames(t, func(w *frameWriter) error {
			return errors.Join(w.put(frameTaken, nil), w.number(frameBegun, 1), w.value(frameAsk, ask))
		})
		job := Job{Limits: DefaultLimits()}
		live := Live{Powers: Powers{"given": func(context.Context, []byte) ([]byte, int32) {
			t.Errorf("%s: answered", name)
			return nil, 0
		}}}
		s := newSession(&Engine{}, job, nil, live, newSink(job, live), deaf(said))
		s.room = &room{}
		if err := s.read(); !errors.Is(err, ErrEngine) || !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
