package compute

import (
	"errors"
	"testing"
)

// TestAdmit: what the bytes alone tell is refused alike by Admit and by Run.
func TestAdmit(t *testing.T) {
	e := newEngine(t, Config{InProcess: true})
	good := wasmFile(t, "traps.wasm")
	for name, tt := range map[string]struct {
		module []byte
		entry  string
		pages  uint32
		want   error
	}{
		"good":          {good, "", 1, nil},
		"reactor":       {wasmFile(t, "reactor.wasm"), "echo", 1, nil},
		"no module":     {[]byte("#!/bin/sh\nexit 1\n"), "", 1, ErrModule},
		"component":     {[]byte("\x00asm\x0d\x00\x01\x00"), "", 1, ErrModule},
		"cut off":       {good[:len(good)-1], "", 1, ErrModule},
		"import":        {wasmFile(t, "bad_import.wasm"), "", 1, ErrImport},
		"no start":      {wasmFile(t, "no_start.wasm"), "", 1, ErrEntry},
		"no function":   {wasmFile(t, "reactor.wasm"), "other", 1, ErrEntry},
		"memory":        {wasmFile(t, "files.wasm"), "", 1, ErrMemory},
		"enough memory": {wasmFile(t, "files.wasm"), "", 100, nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTask(tt.module)
			k.Entry, k.Limits.MemoryPages = tt.entry, tt.pages
			err := Admit(tt.module, k.Job)
			if tt.want == nil && err != nil || !errors.Is(err, tt.want) || err != nil && !errors.Is(err, ErrModule) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				return
			}
			if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{}); !errors.Is(err, tt.want) {
				t.Errorf("run: got %v, want %v", err, tt.want)
			}
		})
	}
}
