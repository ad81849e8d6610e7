package frame

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/peersea/sea/internal/golden"
)

// A cutVector is a message that is cut. Byte i of its body is i mod 251.
type cutVector struct {
	Name   string        `json:"name"`
	ID     uint64        `json:"id"`
	Scope  string        `json:"scope"`
	Size   int           `json:"size"` // of the body
	SHA256 string        `json:"sha256"`
	Pieces []pieceVector `json:"pieces"`
}

// A pieceVector is one Part, encoded.
type pieceVector struct {
	Left   uint64 `json:"left"`
	Data   int    `json:"data"` // how many bytes
	SHA256 string `json:"sha256"`
}

// A joinVector is a row of Parts on a fresh lane, of zeros, and whether the last
// of them ends the link. Those before it do not.
type joinVector struct {
	Name    string    `json:"name"`
	Parts   [][3]uint `json:"parts"` // id, left, bytes of data
	Refused bool      `json:"refused"`
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func TestCutVectors(t *testing.T) {
	var all []cutVector
	for _, c := range []cutVector{
		{Name: "the smallest that is cut", ID: 0, Scope: "chat", Size: MaxPiece - 8},
		{Name: "three pieces", ID: 1, Scope: "chat", Size: 40000},
		{Name: "a large id", ID: maxUint, Scope: "chat", Size: 40000},
		{Name: "the largest body", ID: 24, Scope: "market:order", Size: MaxBody},
	} {
		m := &Message{Scope: c.Scope, Body: make([]byte, c.Size)}
		for i := range m.Body {
			m.Body[i] = byte(i % 251)
		}
		c.SHA256 = hash(Encode(m))
		join := Joiner{next: c.ID}
		cut := NewCut(c.ID, Encode(m))
		for last := false; !last; {
			var piece []byte
			piece, last = cut.Next(nil)
			f, err := Decode(piece)
			if err != nil {
				t.Fatal(err)
			}
			p := f.(*Part)
			c.Pieces = append(c.Pieces, pieceVector{p.Left, len(p.Data), hash(piece)})
			whole, err := join.Add(p)
			if err != nil {
				t.Fatal(err)
			}
			if last != (whole != nil) || last && hash(Encode(whole)) != c.SHA256 {
				t.Fatalf("%s: joined %v", c.Name, whole)
			}
		}
		all = append(all, c)
	}
	golden.JSON(t, "testdata/cut.json", all)
}

func TestJoinVectors(t *testing.T) {
	for _, v := range golden.JSON(t, "testdata/join.json", []joinVector{
		{"a first part", [][3]uint{{0, 9, 1}}, false},
		{"ids in turn", [][3]uint{{0, 9, 1}, {1, 9, 1}, {0, 8, 1}, {2, 9, 1}, {3, 9, 1}}, false},
		{"the largest frame", [][3]uint{{0, MaxFrame - 1, 1}}, false},
		{"an id out of turn", [][3]uint{{1, 9, 1}}, true},
		{"an id too early", [][3]uint{{0, 9, 1}, {2, 9, 1}}, true},
		{"a fifth frame", [][3]uint{{0, 9, 1}, {1, 9, 1}, {2, 9, 1}, {3, 9, 1}, {4, 9, 1}}, true},
		{"above the largest frame", [][3]uint{{0, MaxFrame, 1}}, true},
		{"a gap", [][3]uint{{0, 9, 1}, {0, 7, 1}}, true},
		{"an overlap", [][3]uint{{0, 9, 1}, {0, 9, 1}}, true},
		{"more at the end", [][3]uint{{0, 2, 1}, {0, 0, 3}}, true},
		{"joined, and no frame", [][3]uint{{0, 4000, 16000}, {0, 0, 4000}}, true},
	}) {
		var j Joiner
		for i, p := range v.Parts {
			f := &Part{ID: uint64(p[0]), Left: uint64(p[1]), Data: slices.Repeat([]byte{0}, int(p[2]))}
			_, err := j.Add(f)
			if bad := v.Refused && i == len(v.Parts)-1; bad != errors.Is(err, ErrInvalid) {
				t.Errorf("%s: part %d: %v", v.Name, i, err)
			}
		}
	}
}
