package program

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"accept": true}`, `{"refuse": "no"}`, `{"price": {"fee_micro": 0, "micro_per_gfuel": 1}}`, `{"accept": false}`, `{}`, `null`, `[]`,
		`{"price": {"fee_micro": 4611686018427387904}}`, `{"price": null}`, `{"accept": true}}`, `{"price": {"fee_micro": 1e3}}`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Parse(b)
		if err != nil {
			if a != (Answer{}) {
				t.Errorf("%q: an error with an answer: %+v", b, a)
			}
			return
		}
		if len(a.Refuse) > MaxReason || a.Accept && (a.Refuse != "" || a.Price != nil) {
			t.Errorf("%q was read as %+v", b, a)
		}
		again, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > MaxAnswer {
			return
		}
		if back, err := Parse(again); err != nil || !reflect.DeepEqual(back, a) {
			t.Errorf("%q: %+v is written as %s and read as %+v, %v", b, a, again, back, err)
		}
	})
}

// TestLong refuses an answer and a reason above their bounds, and takes both at
// them.
func TestLong(t *testing.T) {
	answer := func(n int) []byte { return []byte(`{"refuse": "` + strings.Repeat("x", n) + `"}`) }
	if _, err := Parse(answer(MaxReason)); err != nil {
		t.Error(err)
	}
	if _, err := Parse(answer(MaxReason + 1)); err == nil {
		t.Error("a reason above the bound was taken")
	}
	space := strings.Repeat(" ", MaxAnswer-len(answer(1)))
	if _, err := Parse(append(answer(1), space...)); err != nil {
		t.Error(err)
	}
	if _, err := Parse(append(answer(1), space+" "...)); err == nil {
		t.Error("an answer above the bound was taken")
	}
}
