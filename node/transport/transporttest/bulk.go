package transporttest

import (
	"errors"
	"net"
	"testing"

	"github.com/peersea/sea/node/transport"
)

// lanes returns the second lanes of a and b, or false when the wire has none.
// Both ends of a wire have them or neither.
func lanes(t *testing.T, a, b transport.Conn) (bulkA, bulkB transport.Conn, ok bool) {
	t.Helper()
	left, okA := a.(transport.Bulk)
	right, okB := b.(transport.Bulk)
	if okA != okB {
		t.Fatal("only one end has a bulk lane")
	}
	if !okA {
		return nil, nil, false
	}
	if left.Bulk() != left.Bulk() {
		t.Error("Bulk returns another lane at each call")
	}
	return left.Bulk(), right.Bulk(), true
}

func testBulkOrder(t *testing.T, a, b transport.Conn) {
	bulkA, bulkB, ok := lanes(t, a, b)
	if !ok {
		return
	}
	testOrder(t, bulkA, bulkB)
	testOrder(t, bulkB, bulkA)
	testSizes(t, bulkA, bulkB)
	testBackpressure(t, bulkA, bulkB)
	send(t, a, message(1, 8)) // none of which came out at the first lane
	expect(t, b, message(1, 8))
}

// testBulkDoesNotDelay fills the bulk lane; the first lane must not notice.
func testBulkDoesNotDelay(t *testing.T, a, b transport.Conn) {
	bulkA, bulkB, ok := lanes(t, a, b)
	if !ok {
		return
	}
	accepted := fill(t, bulkA)
	promptly(t, "talk beside a full bulk lane", patience/4, func() {
		for i := range 50 {
			send(t, a, message(i, 500))
			expect(t, b, message(i, 500))
		}
	})
	for i := range accepted {
		expect(t, bulkB, message(i, transport.MaxMessage))
	}
}

func testBulkClose(t *testing.T, a, b transport.Conn) {
	bulkA, bulkB, ok := lanes(t, a, b)
	if !ok {
		return
	}
	closeNow(t, bulkA)
	for _, c := range []transport.Conn{a, bulkA, b, bulkB} {
		expectClosed(t, c)
		if err := c.Send(patient(t), message(1, 8)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send: got %v, want %v", err, net.ErrClosed)
		}
		closeNow(t, c)
	}
}
