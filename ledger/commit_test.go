package ledger

import (
	"errors"
	"testing"

	"github.com/peersea/sea/identity"
)

// TestDiskFails has a commit fail on the disk: nothing more is written, because
// nobody knows what the disk kept, until the file is opened again.
func TestDiskFails(t *testing.T) {
	m := newMachine([2]*identity.Key{keyOf(t, 1), keyOf(t, 2)}, func(int) int { return 0 }, nil)
	defer m.close()
	peer := m.peer(0)
	ref := m.ref(0, 1)
	m.disks[0].crash = 2
	if _, err := m.ls[0].Pay(t.Context(), peer, 5, ref); !errors.Is(err, ErrReadOnly) || !errors.Is(err, errCrash) {
		t.Errorf("got %v, want %v", err, ErrReadOnly)
	}
	m.disks[0].crash = 0
	if _, err := m.ls[0].Pay(t.Context(), peer, 5, m.ref(0, 2)); !errors.Is(err, ErrReadOnly) {
		t.Errorf("afterwards: got %v, want %v", err, ErrReadOnly)
	}
	if _, err := m.ls[0].Hold(peer, 1); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a hold: got %v, want %v", err, ErrReadOnly)
	}
	if _, err := m.ls[0].Position(peer); !errors.Is(err, ErrReadOnly) {
		t.Errorf("what it holds: got %v, want %v, because the disk may hold more", err, ErrReadOnly)
	}
	if err := m.crash(0); err != nil {
		t.Fatal(err)
	}
	if e, found, err := m.ls[0].PaidFor(peer, ref); err != nil || !found || e.Amount != 5 {
		t.Errorf("what the disk kept: got %v, %v, %v", e, found, err)
	}
	if _, err := m.ls[0].Pay(t.Context(), peer, 5, m.ref(0, 2)); err != nil {
		t.Errorf("after opening again: %v", err)
	}
}
