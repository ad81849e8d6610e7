// Package golden holds tests to bytes that were committed before: formats that
// other implementations read as we write them. `go test ./FOLDER -update` writes
// the files anew; a diff of them is a change of the format.
package golden

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

// Update says that the golden files are to be written anew.
var Update = flag.Bool("update", false, "write the golden files anew")

// Match demands that file holds got. With -update it writes it.
func Match(t testing.TB, file string, got []byte) {
	t.Helper()
	if *Update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what this code makes; if the format was meant to change, so must its version, and -update writes the file", file)
	}
}

// JSON demands that file holds made as JSON, and returns what it says. With
// -update it writes it.
func JSON[V any](t testing.TB, file string, made V) V {
	t.Helper()
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(made); err != nil {
		t.Fatal(err)
	}
	Match(t, file, text.Bytes())
	return Read[V](t, file)
}

// Read returns what a file of JSON says.
func Read[V any](t testing.TB, file string) (v V) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return v
}
