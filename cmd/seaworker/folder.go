package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// folder is where one entity's node keeps all its state. Two nodes never share
// one.
type folder string

func (f folder) key() string         { return filepath.Join(string(f), "key") }
func (f folder) ledger() string      { return filepath.Join(string(f), "ledger.db") }
func (f folder) certificate() string { return filepath.Join(string(f), "certificate") }
func (f folder) heads() string       { return filepath.Join(string(f), "heads") }
func (f folder) plugins() string     { return filepath.Join(string(f), "plugins") }
func (f folder) cache() string       { return filepath.Join(string(f), "cache") }
func (f folder) known() string       { return filepath.Join(string(f), "known-peers") }
func (f folder) guestCache() string  { return filepath.Join(string(f), "cache-guests") }
func (f folder) acme() string        { return filepath.Join(string(f), "acme") }
func (f folder) direct() string      { return filepath.Join(string(f), "direct.pem") }
func (f folder) socket() string      { return filepath.Join(string(f), "control.sock") }

// make makes the folder, for its owner alone.
func (f folder) make() error {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

// pickFolder is --dir, else SEA_DIR, else the system's place for state (on
// Linux the XDG base directory specification's XDG_STATE_HOME).
func pickFolder(flag string) (folder, error) {
	for _, dir := range []string{flag, os.Getenv("SEA_DIR")} {
		if dir != "" {
			abs, err := filepath.Abs(dir)
			return folder(abs), err
		}
	}
	if runtime.GOOS == "linux" {
		if base := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(base) {
			return folder(filepath.Join(base, "sea")), nil
		}
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usagef("give --dir", "no home folder: %v", err)
		}
		return folder(filepath.Join(home, ".local", "state", "sea")), nil
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return "", usagef("give --dir", "no folder for state: %v", err)
	}
	return folder(filepath.Join(base, "sea")), nil
}
