package compute

import (
	"errors"
	"slices"
	"testing"
	"unicode/utf8"
)

// FuzzHello: what is taken for a worker's hello tells of every wall, and says
// the same when it is told again.
func FuzzHello(f *testing.F) {
	var list []standing
	for i, w := range wallTable {
		list = append(list, standing{w.Name, i%2 == 0, "how"})
	}
	good, err := hello(list)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:1])
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, said []byte) {
		walls, err := readHello(said)
		if err != nil {
			if !errors.Is(err, errFrame) || walls != nil {
				t.Errorf("got %v, %v", walls, err)
			}
			return
		}
		var list []standing
		for i, w := range walls {
			if w.Name != wallTable[i].Name || w.Hint != wallTable[i].Hint || len(w.Detail) > 300 || !utf8.ValidString(w.Detail) {
				t.Errorf("wall %d is %+v", i, w)
			}
			list = append(list, standing{w.Name, w.Stands, w.Detail})
		}
		again, err := hello(list)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := readHello(again); err != nil || !slices.Equal(same, walls) {
			t.Errorf("told again: %v, %v", same, err)
		}
	})
}
