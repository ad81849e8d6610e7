package ledger

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain shows that nothing of ours runs when everything is closed.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
