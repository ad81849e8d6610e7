package rtcnet

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/transporttest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is the longest any step of a test may take.
const deadline = 20 * time.Second

// newNegotiator returns one that works on any machine, with or without network.
func newNegotiator(tb testing.TB, cfg Config) *Negotiator {
	tb.Helper()
	cfg.Loopback = true
	cfg.Log = slog.New(complaints{slog.DiscardHandler, tb})
	n := New(cfg)
	tb.Cleanup(func() {
		if err := n.Close(); err != nil {
			tb.Errorf("close negotiator: %v", err)
		}
	})
	return n
}

// complaints fails a test when a Negotiator warns: that pion kept it waiting,
// or did not close.
type complaints struct {
	slog.Handler
	tb testing.TB
}

func (c complaints) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (c complaints) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		c.tb.Errorf("%s: %v", r.Message, a)
		return true
	})
	return nil
}

// connect makes a connection between two Negotiators.
func connect(tb testing.TB, a, b transport.Negotiator) (offerer, answerer transport.Conn) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), deadline)
	defer cancel()
	offer, err := a.Offer(ctx)
	if err != nil {
		tb.Fatalf("offer: %v", err)
	}
	defer offer.Close()
	answer, wait, err := b.Answer(ctx, offer.Bytes())
	if err != nil {
		tb.Fatalf("answer: %v", err)
	}
	type result struct {
		conn transport.Conn
		err  error
	}
	waited := make(chan result, 1)
	go func() {
		conn, err := wait(ctx)
		waited <- result{conn, err}
	}()
	offerer, err = offer.Accept(ctx, answer)
	r := <-waited
	if err != nil || r.err != nil {
		tb.Fatalf("accept: %v; wait: %v", err, r.err)
	}
	return offerer, r.conn
}

func TestSuite(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) (a, b transport.Conn) {
		return connect(t, newNegotiator(t, Config{}), newNegotiator(t, Config{}))
	})
}

// TestSuiteBulk runs the suite once more over the second lane.
func TestSuiteBulk(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) (a, b transport.Conn) {
		a, b = connect(t, newNegotiator(t, Config{}), newNegotiator(t, Config{}))
		return a.(transport.Bulk).Bulk(), b.(transport.Bulk).Bulk()
	})
}
