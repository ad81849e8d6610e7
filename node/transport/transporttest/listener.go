package transporttest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/peersea/sea/node/transport"
)

func dial(t *testing.T, d transport.Dialer, l transport.Listener) transport.Conn {
	t.Helper()
	urls := l.URLs()
	if len(urls) == 0 {
		t.Fatal("the listener has no URL")
	}
	c, err := d.Dial(patient(t), urls[0])
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	closeLater(t, c)
	return c
}

func accept(t *testing.T, l transport.Listener) transport.Conn {
	t.Helper()
	c, err := l.Accept(patient(t))
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	closeLater(t, c)
	return c
}

func testDialAccept(t *testing.T, d transport.Dialer, l transport.Listener) {
	const count = 16
	var dialers, servers sync.WaitGroup
	for i := range count {
		dialers.Go(func() {
			c, err := d.Dial(patient(t), l.URLs()[0])
			if err != nil {
				t.Errorf("Dial: %v", err)
				return
			}
			closeLater(t, c)
			if err := c.Send(patient(t), message(i, 8)); err != nil {
				t.Errorf("Send: %v", err)
			}
			if got, err := c.Recv(patient(t)); err != nil || string(got) != string(message(i+1, 9)) {
				t.Errorf("Recv: got %s, %v", show(got), err)
			}
		})
	}
	for range count {
		c := accept(t, l)
		servers.Go(func() {
			got, err := c.Recv(patient(t))
			if err != nil || len(got) != 8 {
				t.Errorf("Recv: got %s, %v", show(got), err)
				return
			}
			if err := c.Send(patient(t), message(int(got[7])+1, 9)); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
	}
	dialers.Wait()
	servers.Wait()
}

func testURLs(t *testing.T, d transport.Dialer, l transport.Listener) {
	for _, url := range l.URLs() {
		c, err := d.Dial(patient(t), url)
		if err != nil {
			t.Errorf("Dial %s: %v", url, err)
			continue
		}
		closeLater(t, c)
		s := accept(t, l)
		send(t, c, message(3, 10))
		expect(t, s, message(3, 10))
	}
}

func testCancelAccept(t *testing.T, d transport.Dialer, l transport.Listener) {
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := l.Accept(ctx)
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Accept: got %v, want %v", err, context.Canceled)
	}
	c := dial(t, d, l) // and the Listener is as it was
	s := accept(t, l)
	send(t, s, message(1, 8))
	expect(t, c, message(1, 8))
}

func testCancelDial(t *testing.T, d transport.Dialer, l transport.Listener) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Dial(ctx, l.URLs()[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial: got %v, want %v", err, context.Canceled)
	}
}

// testDialContextEnds ends Dial's context once there is a Conn.
func testDialContextEnds(t *testing.T, d transport.Dialer, l transport.Listener) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	c, err := d.Dial(ctx, l.URLs()[0])
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	closeLater(t, c)
	s := accept(t, l)
	cancel()
	for i := range 20 {
		send(t, c, message(i, 100))
		expect(t, s, message(i, 100))
		send(t, s, message(i, 100))
		expect(t, c, message(i, 100))
	}
}

func testDialNobody(t *testing.T, d transport.Dialer, l transport.Listener) {
	url := l.URLs()[0]
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for _, url := range []string{url, "", "nonsense", "://", "gopher://127.0.0.1:70/", url + "\n"} {
		if c, err := d.Dial(patient(t), url); err == nil {
			t.Errorf("Dial %q: want an error", url)
			closeLater(t, c)
		}
	}
}

// testCloseListener closes with one Conn accepted and one waiting.
func testCloseListener(t *testing.T, d transport.Dialer, l transport.Listener) {
	c := dial(t, d, l)
	s := accept(t, l)
	waiting := dial(t, d, l)
	send(t, waiting, message(1, 8))
	for range 3 {
		promptly(t, "Close", closing, func() {
			if err := l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		if _, err := l.Accept(patient(t)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: got %v, want %v", err, net.ErrClosed)
		}
	}
	promptly(t, "the news of Close", patience/2, func() { expectClosed(t, waiting) })
	send(t, c, message(1, 8)) // the accepted one lives on
	expect(t, s, message(1, 8))
}

func testCloseListenerWakes(t *testing.T, d transport.Dialer, l transport.Listener) {
	results := make(chan error)
	for range 3 {
		go func() {
			_, err := l.Accept(context.Background())
			results <- err
		}()
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for range 3 {
		if err := <-results; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: got %v, want %v", err, net.ErrClosed)
		}
	}
}
