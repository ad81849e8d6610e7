//go:build unix

package program

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// written is a shell script in a file of its own.
func written(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAsk runs real scripts: those that answer are heard, all others refuse.
func TestAsk(t *testing.T) {
	t.Setenv("SEA_PASSPHRASE", "secret")
	r := NewRunner(time.Minute) // a script has its time on any machine
	for _, test := range []struct{ name, body, answer, failure string }{
		{"accepts", `cat >/dev/null; echo '{"accept": true}'`, `{"accept":true}`, ""},
		{"does not read", `echo '{"accept": true}'`, `{"accept":true}`, ""},
		{"refuses", `echo '{"refuse": "not on mondays"}'`, `{"refuse":"not on mondays"}`, ""},
		{"prices", `echo '{"price": {"fee_micro": 5, "micro_per_gfuel": 7}}'`, `{"price":{"fee_micro":5,"micro_per_gfuel":7}}`, ""},
		{"reads the question", `read q; case "$q" in *'"fuel":12345,'*) echo '{"accept": true}';; esac`, `{"accept":true}`, ""},
		{"sees no secret", `test "$(env | grep -vc -e ^PATH= -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=)" = 0 && echo '{"accept": true}'`, `{"accept":true}`, ""},
		{"fails", `echo '{"accept": true}'; echo oops >&2; exit 3`, "", `exit status 3: "oops\n"`},
		{"is killed", `echo '{"accept": true}'; kill -9 $$`, "", "killed"},
		{"says nothing", `exit 0`, "", "no answer"},
		{"says no JSON", `echo yes`, "", "the answer"},
		{"says too much", `yes '{"accept": true}'`, "", "more than 4096"},
		{"says two things", `echo '{"accept": true, "refuse": "no"}'`, "", "not one of"},
		{"says it twice", `echo '{"accept": true} {"accept": true}'`, "", "behind"},
		{"gives money away", `echo '{"price": {"fee_micro": -1}}'`, "", "below 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := r.Ask(t.Context(), written(t, test.body), Question{V: 1, Fuel: 12345, Buyer: identity.Entity{1}})
			if test.failure != "" {
				if err == nil || !strings.Contains(err.Error(), test.failure) {
					t.Fatalf("%+v, %v; want a failure with %q", a, err, test.failure)
				}
				return
			}
			got, _ := json.Marshal(a)
			if err != nil || string(got) != test.answer {
				t.Errorf("%s, %v; want %s", got, err, test.answer)
			}
		})
	}
	if _, err := r.Ask(t.Context(), filepath.Join(t.TempDir(), "none"), Question{}); err == nil {
		t.Error("a program that is not there answered")
	}
}

// TestSlow ends a script that does not answer, with all that it started.
func TestSlow(t *testing.T) {
	r := NewRunner(200 * time.Millisecond)
	_, err := r.Ask(t.Context(), written(t, "sleep 1000 & sleep 1000"), Question{})
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("%v, want that it took too long", err)
	}
}

// TestBounds: of one buyer 8 questions are open at once, of all 64, and 4 programs
// run. All others are refused at once.
func TestBounds(t *testing.T) {
	r := NewRunner(time.Minute)
	for range MaxRunning { // all slots are taken
		r.slots <- struct{}{}
	}
	path := written(t, `echo '{"accept": true}'`)
	var asked sync.WaitGroup
	ask := func(buyer byte) {
		before := r.asking()
		asked.Go(func() {
			if _, err := r.Ask(t.Context(), path, Question{Buyer: identity.Entity{buyer}}); err != nil {
				t.Errorf("a question of buyer %d: %v", buyer, err)
			}
		})
		for r.asking() == before {
			time.Sleep(time.Millisecond)
		}
	}
	busy := func(buyer byte) {
		t.Helper()
		if _, err := r.Ask(t.Context(), path, Question{Buyer: identity.Entity{buyer}}); !errors.Is(err, ErrBusy) {
			t.Errorf("one more question of buyer %d: %v, want %v", buyer, err, ErrBusy)
		}
	}
	for buyer := range byte(maxAsking / maxAskingOf) {
		for range maxAskingOf {
			ask(buyer)
		}
		busy(buyer)
	}
	busy(200)
	for range MaxRunning {
		<-r.slots
	}
	asked.Wait()
	if r.asking() != 0 || len(r.open) != 0 {
		t.Errorf("%d questions of %d buyers are open after all", r.asking(), len(r.open))
	}
}

func (r *Runner) asking() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}
