package frame

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// cut returns all parts of f.
func cut(t *testing.T, id uint64, f Frame) []*Part {
	t.Helper()
	c := NewCut(id, Encode(f))
	var parts []*Part
	for {
		piece, last := c.Next(nil)
		if len(piece) > MaxPiece {
			t.Fatalf("a piece of %d bytes", len(piece))
		}
		got, err := Decode(piece)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, got.(*Part))
		if last {
			return parts
		}
	}
}

func TestCutAndJoin(t *testing.T) {
	var j Joiner
	for id, size := range []int{MaxPiece, MaxPiece + 1, 100000, MaxBody} {
		body := bytes.Repeat([]byte{byte(size)}, size)
		parts := cut(t, uint64(id), &Message{Scope: "x", Body: body})
		for i, p := range parts {
			f, err := j.Add(p)
			if err != nil || (f != nil) != (i == len(parts)-1) {
				t.Fatalf("%d bytes, part %d of %d: %v, %v", size, i, len(parts), f, err)
			}
			if f != nil && !bytes.Equal(f.(*Message).Body, body) {
				t.Fatalf("%d bytes: changed", size)
			}
		}
	}
	if len(j.open) != 0 || j.Held() != 0 {
		t.Errorf("%d frames and %d bytes are left", len(j.open), j.Held())
	}
}

func TestJoinInterleaved(t *testing.T) {
	var j Joiner
	var all [MaxOpen][]*Part
	for id := range all {
		all[id] = cut(t, uint64(id), &Request{ID: uint64(id), Scope: "x", Body: make([]byte, 100000)})
	}
	joined := 0
	for i := range all[0] {
		for id := range all {
			f, err := j.Add(all[id][i])
			if err != nil {
				t.Fatal(err)
			}
			if f != nil {
				joined++
			}
		}
	}
	if joined != MaxOpen {
		t.Errorf("%d joined, want %d", joined, MaxOpen)
	}
}

func TestJoinRefuses(t *testing.T) {
	part := func(id, left uint64, n int) *Part { return &Part{ID: id, Left: left, Data: make([]byte, n)} }
	begin := func(f Frame) []*Part {
		b := Encode(f)
		return []*Part{{ID: 0, Left: uint64(len(b) - 1), Data: b[:1]}, {ID: 0, Data: b[1:]}}
	}
	for _, c := range []struct {
		name  string
		parts []*Part
		want  string
	}{
		{"an id out of turn", []*Part{part(1, 9, 1)}, "id 1, but the next"},
		{"an id again", append(cut(t, 0, &Message{Scope: "x", Body: make([]byte, 20000)}), part(0, 9, 1)), "id 0, but the next"},
		{"too large", []*Part{part(0, MaxFrame, 1)}, "above"},
		{"too many", []*Part{part(0, 9, 1), part(1, 9, 1), part(2, 9, 1), part(3, 9, 1), part(4, 9, 1)}, "more than 4"},
		{"a gap", []*Part{part(0, 9, 1), part(0, 7, 1)}, "9 were left"},
		{"an overlap", []*Part{part(0, 9, 1), part(0, 9, 1)}, "9 were left"},
		{"a frame that fits uncut", begin(&Message{Scope: "x", Body: make([]byte, 100)}), "need not be cut"},
		{"a frame that is none", []*Part{part(0, 20000, 1), part(0, 4000, 16000), part(0, 0, 4000)}, "type 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var j Joiner
			var err error
			for _, p := range c.parts {
				if _, err = j.Add(p); err != nil {
					break
				}
			}
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// FuzzJoin gives a Joiner parts that the input describes, and demands that it
// stays in its bounds.
func FuzzJoin(f *testing.F) {
	f.Add([]byte{0, 3, 1, 0, 2, 1, 1, 3, 1})
	f.Add([]byte{0, 3, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0})          // one frame, byte by byte
	f.Add([]byte{0, 9, 0, 1, 9, 0, 2, 9, 0, 3, 9, 0, 4, 9, 0}) // one too many
	f.Add([]byte{0, 3, 0, 0, 3, 0})                            // does not follow
	f.Add([]byte{1, 3, 0})                                     // begins with another id
	f.Fuzz(func(t *testing.T, b []byte) {
		var j Joiner
		for len(b) >= 3 {
			p := &Part{ID: uint64(b[0] % 8), Left: uint64(b[1]), Data: b[2:min(len(b), 3+int(b[2]))]}
			b = b[3:]
			if _, err := j.Add(p); err != nil {
				return
			}
			held := 0
			for _, o := range j.open {
				held += len(o.b)
			}
			if len(j.open) > MaxOpen || held != j.Held() {
				t.Fatalf("%d frames under way, %d bytes, %d counted", len(j.open), held, j.Held())
			}
		}
	})
}

// A message in two pieces is cut into the same Parts as in one, also when the
// body is given back half-way.
func TestSplit(t *testing.T) {
	for _, size := range []int{MaxPiece, 3*MaxPiece + 7, MaxBody} {
		m := &Message{Scope: "a-scope", Body: bytes.Repeat([]byte{1, 2, 3}, size)[:size]}
		head, body := m.Split()
		if !bytes.Equal(slices.Concat(head, body), Encode(m)) {
			t.Fatalf("%d bytes are encoded in another way", size)
		}
		whole, split := NewCut(7, Encode(m)), NewCutOf(7, head, slices.Clone(body))
		var join Joiner
		join.next = 7
		for n := 0; ; n++ {
			_, done := whole.Next(nil)
			piece, last := split.Next(nil)
			if last != done {
				t.Fatalf("piece %d is the last: %v, want %v", n, last, done)
			}
			if len(piece) > MaxPiece {
				t.Fatalf("piece %d has %d bytes", n, len(piece))
			}
			p, err := Decode(piece)
			if err != nil {
				t.Fatal(err)
			}
			f, err := join.Add(p.(*Part))
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				before := split.rest
				split.Own()
				clear(before)
			}
			if last {
				if got := f.(*Message); got.Scope != m.Scope || !bytes.Equal(got.Body, m.Body) {
					t.Errorf("%d bytes came out otherwise", size)
				}
				break
			}
		}
	}
}
