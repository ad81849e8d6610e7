// Package ledgertest opens ledgers for tests and carries their messages without
// a network.
package ledgertest

import (
	"path/filepath"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// Key makes a key without work.
func Key(t testing.TB) *identity.Key {
	t.Helper()
	k, err := identity.NewKey(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// New opens an empty ledger of a new key, in a folder of the test's. When the
// test ends it is closed and its books are checked.
func New(t testing.TB, cfg ledger.Config) *ledger.Ledger {
	t.Helper()
	return Open(t, filepath.Join(t.TempDir(), "ledger.db"), Key(t), cfg)
}

// Open opens the ledger at path. When the test ends it is closed and its books
// are checked; a test may close it before.
func Open(t testing.TB, path string, self identity.Signer, cfg ledger.Config) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(path, self, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close ledger: %v", err)
		}
		if _, err := ledger.Check(path); err != nil {
			t.Errorf("check %s: %v", path, err)
		}
	})
	return l
}

// Meet exchanges positions between a and b and delivers both outboxes.
func Meet(t testing.TB, a, b *ledger.Ledger) {
	t.Helper()
	for _, pair := range [][2]*ledger.Ledger{{a, b}, {b, a}} {
		position, err := pair[0].Position(pair[1].Entity())
		if err != nil {
			t.Fatal(err)
		}
		if err := pair[1].Compare(t.Context(), pair[0].Entity(), position); err != nil {
			t.Fatal(err)
		}
	}
	Deliver(t, a, b)
	Deliver(t, b, a)
}

// Deliver carries all that from has signed for to.
func Deliver(t testing.TB, from, to *ledger.Ledger) {
	t.Helper()
	for {
		message, err := from.Next(to.Entity())
		if err != nil {
			t.Fatal(err)
		}
		if message == nil {
			return
		}
		answer, err := to.Receive(t.Context(), from.Entity(), message)
		if err != nil {
			t.Fatal(err)
		}
		if err := from.Acked(t.Context(), to.Entity(), answer); err != nil {
			t.Fatal(err)
		}
	}
}
