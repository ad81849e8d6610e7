package pages_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/peersea/sea/web/internal/bundle"
)

// The script that is committed is what its sources give.
func TestCurrent(t *testing.T) {
	got, err := os.ReadFile("dashboard/dashboard.js")
	if err != nil {
		t.Fatal(err)
	}
	want, err := bundle.File("src/main.ts", bundle.Small)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("dashboard/dashboard.js is not what src gives: run \"go generate ./web/pages\"")
	}
}
