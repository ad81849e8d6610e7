package rtcnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
)

func patient(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(tb.Context(), deadline)
	tb.Cleanup(cancel)
	return ctx
}

func mustOffer(tb testing.TB, n transport.Negotiator) transport.Offer {
	tb.Helper()
	o, err := n.Offer(patient(tb))
	if err != nil {
		tb.Fatalf("offer: %v", err)
	}
	tb.Cleanup(func() {
		if err := o.Close(); err != nil {
			tb.Errorf("close offer: %v", err)
		}
	})
	return o
}

func TestDescribed(t *testing.T) {
	a, b := connect(t, newNegotiator(t, Config{}), newNegotiator(t, Config{}))
	defer a.Close()
	defer b.Close()
	for _, c := range []transport.Conn{a, b, a.(transport.Bulk).Bulk()} {
		d := c.(transport.Described)
		if got := d.Transport(); got != "webrtc" {
			t.Errorf("transport: got %q, want webrtc", got)
		}
		host, port, err := net.SplitHostPort(d.Remote())
		if err != nil || net.ParseIP(host) == nil || port == "0" {
			t.Errorf("remote: got %q, want host:port", d.Remote())
		}
	}
	before := a.(transport.Described).Remote()
	a.Close()
	if got := a.(transport.Described).Remote(); got != before {
		t.Errorf("remote after Close: got %q, want %q", got, before)
	}
}

func TestDescriptionsAreSmall(t *testing.T) {
	n := newNegotiator(t, Config{})
	o := mustOffer(t, n)
	answer, wait, err := newNegotiator(t, Config{}).Answer(patient(t), o.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: got %v, want %v", err, context.Canceled)
	}
	for name, b := range map[string][]byte{"offer": o.Bytes(), "answer": answer} {
		if len(b) > 512 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
	}
	t.Logf("offer %d bytes, answer %d", len(o.Bytes()), len(answer))
}

// TestTwoAtOnce keeps several connections between the same two Negotiators
// open at once, offered from either side: a multiplexer on a shared port would
// mix up their DTLS.
func TestTwoAtOnce(t *testing.T) {
	x, y := newNegotiator(t, Config{}), newNegotiator(t, Config{})
	var pairs [][2]transport.Conn
	for i := range 4 {
		from, to := x, y
		if i%2 == 1 {
			from, to = y, x
		}
		a, b := connect(t, from, to)
		defer a.Close()
		defer b.Close()
		pairs = append(pairs, [2]transport.Conn{a, b})
	}
	var all sync.WaitGroup
	for i, pair := range pairs {
		all.Go(func() {
			for round := range 50 {
				want := fmt.Sprintf("pair %d, round %d", i, round)
				if err := pair[0].Send(patient(t), []byte(want)); err != nil {
					t.Errorf("%s: %v", want, err)
				}
				if got, err := pair[1].Recv(patient(t)); err != nil || string(got) != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
		})
	}
	all.Wait()
}

// TestHalfOpen fills all slots for answers, and for offers, with attempts that
// go nowhere.
func TestHalfOpen(t *testing.T) {
	const most = 3
	theirs := mustOffer(t, newNegotiator(t, Config{}))
	n := newNegotiator(t, Config{HalfOpen: most})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waited := make(chan error, most)
	for range most {
		_, wait, err := n.Answer(ctx, theirs.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := wait(ctx)
			waited <- err
		}()
	}
	if _, _, err := n.Answer(ctx, theirs.Bytes()); !errors.Is(err, ErrBusy) {
		t.Errorf("answer beyond the bound: got %v, want %v", err, ErrBusy)
	}
	// Strangers' offers do not keep us from making our own.
	var offers []transport.Offer
	for range most {
		offers = append(offers, mustOffer(t, n))
	}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := n.Offer(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("offer beyond the bound: got %v, want %v", err, context.DeadlineExceeded)
	}
	// A slot that comes free goes to who waits for it.
	got := make(chan error, 1)
	go func() {
		o, err := n.Offer(patient(t))
		if err == nil {
			err = o.Close()
		}
		got <- err
	}()
	if err := offers[0].Close(); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Errorf("offer after one was closed: %v", err)
	}
	cancel()
	for range most {
		if err := <-waited; !errors.Is(err, context.Canceled) {
			t.Errorf("wait: got %v, want %v", err, context.Canceled)
		}
	}
	_, wait, err := n.Answer(patient(t), theirs.Bytes())
	if err != nil {
		t.Fatalf("answer after the others ended: %v", err)
	}
	if _, err := wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: got %v, want %v", err, context.Canceled)
	}
}

// TestForgotten makes offers and answers that nobody comes back to.
func TestForgotten(t *testing.T) {
	n := newNegotiator(t, Config{Expiry: 100 * time.Millisecond, HalfOpen: 1})
	o, err := n.Offer(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	// The only slot comes free without Close.
	again := mustOffer(t, n)
	if _, _, err := n.Answer(patient(t), again.Bytes()); err != nil {
		t.Fatal(err)
	}
	<-o.(*half).p.gone
	if _, err := o.Accept(patient(t), nil); err == nil {
		t.Error("accept after expiry: want an error")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.halfOpen) > 2 {
		t.Errorf("%d attempts are remembered", len(n.halfOpen))
	}
}

func TestOpenTime(t *testing.T) {
	n := newNegotiator(t, Config{OpenTime: 200 * time.Millisecond})
	o := mustOffer(t, n)
	_, wait, err := n.Answer(patient(t), o.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	_, err = wait(patient(t)) // the answer never reaches the other side
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no way found in 200ms between") {
		t.Errorf("wait: got %v, want an error that counts addresses", err)
	}
}

func TestClosedNegotiator(t *testing.T) {
	n := New(Config{})
	o, err := n.Offer(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	answer, wait, err := n.Answer(patient(t), o.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := wait(patient(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("wait: got %v, want %v", err, net.ErrClosed)
	}
	if _, err := o.Accept(patient(t), answer); err == nil {
		t.Error("accept: want an error")
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if _, err := n.Offer(patient(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("offer: got %v, want %v", err, net.ErrClosed)
	}
	if _, _, err := n.Answer(patient(t), o.Bytes()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("answer: got %v, want %v", err, net.ErrClosed)
	}
}

// TestConnOutlivesNegotiator closes both Negotiators under a connection.
func TestConnOutlivesNegotiator(t *testing.T) {
	x, y := newNegotiator(t, Config{}), newNegotiator(t, Config{})
	a, b := connect(t, x, y)
	defer a.Close()
	defer b.Close()
	x.Close()
	y.Close()
	if err := a.Send(patient(t), []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Recv(patient(t)); err != nil || string(got) != "still here" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestMalformed(t *testing.T) {
	n := newNegotiator(t, Config{})
	o := mustOffer(t, n)
	if _, _, err := n.Answer(patient(t), []byte("v=0\r\n")); !errors.Is(err, ErrDescription) {
		t.Errorf("answer: got %v, want %v", err, ErrDescription)
	}
	if _, err := o.Accept(patient(t), o.Bytes()); !errors.Is(err, ErrDescription) {
		t.Errorf("accept of an offer: got %v, want %v", err, ErrDescription)
	}
	if _, err := o.Accept(patient(t), o.Bytes()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept again: got %v, want %v", err, net.ErrClosed)
	}
}

// TestOtherCertificate gives the offering side an answer in which somebody has
// exchanged the certificate's fingerprint.
func TestOtherCertificate(t *testing.T) {
	x, y := newNegotiator(t, Config{}), newNegotiator(t, Config{})
	o := mustOffer(t, x)
	b, wait, err := y.Answer(patient(t), o.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse(b, answer)
	if err != nil {
		t.Fatal(err)
	}
	d.Fingerprint[0] ^= 1
	if b, err = d.encode(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(patient(t))
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		if c, err := wait(ctx); err == nil {
			c.Close()
		}
	}()
	start := time.Now()
	if _, err := o.Accept(ctx, b); !errors.Is(err, errSecure) {
		t.Errorf("accept: got %v, want %v", err, errSecure)
	}
	if took := time.Since(start); took > deadline/4 {
		t.Errorf("it took %v", took)
	}
	cancel()
	<-waited
}

// TestCancelAnywhere ends the context at moments spread over the whole of
// connecting. Whatever stage that hits, everything ends.
func TestCancelAnywhere(t *testing.T) {
	x, y := newNegotiator(t, Config{}), newNegotiator(t, Config{})
	start := time.Now()
	a, b := connect(t, x, y)
	whole := time.Since(start)
	a.Close()
	b.Close()
	opened := 0
	for i := range time.Duration(60) {
		ctx, cancel := context.WithTimeout(t.Context(), i*whole/40)
		o, err := x.Offer(ctx)
		if err != nil {
			cancel()
			continue
		}
		b, wait, err := y.Answer(ctx, o.Bytes())
		if err != nil {
			o.Close()
			cancel()
			continue
		}
		waited := make(chan transport.Conn, 1)
		go func() {
			c, _ := wait(ctx)
			waited <- c
		}()
		c, err := o.Accept(ctx, b)
		if err == nil {
			opened++
			c.Close()
		}
		if c := <-waited; c != nil {
			c.Close()
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		cancel()
	}
	t.Logf("%d of 60 opened", opened)
	for _, n := range []*Negotiator{x, y} {
		n.mu.Lock()
		if len(n.halfOpen)+len(n.offers)+len(n.answers) > 0 {
			t.Errorf("left: %d half open, %d offers, %d answers", len(n.halfOpen), len(n.offers), len(n.answers))
		}
		n.mu.Unlock()
	}
}

// TestRounds connects and closes a hundred times, from either side, with and
// without traffic under way. goleak in TestMain sees what stays running.
func TestRounds(t *testing.T) {
	x, y := newNegotiator(t, Config{}), newNegotiator(t, Config{})
	before := runtime.NumGoroutine()
	rounds := 100
	if os.Getenv("SEA_TEST_FULL") == "1" {
		rounds = 1000
	}
	for i := range rounds {
		a, b := connect(t, x, y)
		if i%3 == 0 {
			for range 20 {
				if err := a.Send(t.Context(), make([]byte, 4000)); err != nil {
					t.Fatal(err)
				}
			}
		}
		first, second := a, b
		if i%2 == 0 {
			first, second = b, a
		}
		first.Close()
		second.Close()
		for _, c := range []transport.Conn{a, b} {
			p := c.(conn).p
			p.sockets.mu.Lock()
			if p.sockets.open != nil {
				t.Error("sockets are open")
			}
			p.sockets.mu.Unlock()
		}
	}
	// Some of pion's goroutines notice the end a moment after GracefulClose.
	late := time.Now().Add(deadline)
	for runtime.NumGoroutine() > before && time.Now().Before(late) {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines more than before", after-before)
	}
}

// TestVanished cuts one side off without a word: its process was killed, or
// the cable pulled.
func TestVanished(t *testing.T) {
	a, b := connect(t, newNegotiator(t, Config{Silence: time.Second}), newNegotiator(t, Config{Silence: time.Second}))
	b.(conn).p.sockets.close()
	start := time.Now()
	if _, err := a.Recv(patient(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("recv: got %v, want %v", err, net.ErrClosed)
	}
	if took := time.Since(start); took > deadline/2 {
		t.Errorf("the end was noticed after %v", took)
	}
	if err := a.(conn).p.why(); !errors.Is(err, errLost) {
		t.Errorf("cause: got %v, want %v", err, errLost)
	}
	a.Close()
	b.Close()
}
