package pages_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/peersea/sea/web/internal/bundle"
)

// What is committed is what its sources give.
func TestCurrent(t *testing.T) {
	scripts, err := bundle.Pages()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range scripts {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what its sources give: run \"go generate ./web/pages\" and commit it", name)
		}
	}
	if err := bundle.CheckMeter("join"); err != nil {
		t.Errorf("%v: run \"go generate ./web/pages\" and commit it", err)
	}
}
