package node_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/contact"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/internal/upkeep"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/transport"
)

// located is a wire whose other ends seem to be where the test says.
type located struct {
	transport.Listener
	at func(i int) string
	n  int
}

func (l *located) Accept(ctx context.Context) (transport.Conn, error) {
	c, err := l.Listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	l.n++
	return locatedConn{c, l.at(l.n - 1)}, nil
}

type locatedConn struct {
	transport.Conn
	at string
}

func (c locatedConn) Transport() string { return "mem" }
func (c locatedConn) Remote() string    { return c.at }

// knock does a whole handshake with a new key and reports whether it is welcome.
func knock(t *testing.T, w nodetest.Wire, url string) bool {
	t.Helper()
	scheme, _, _ := strings.Cut(url, "://")
	conn, err := w.Dialers[scheme].Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	static, err := hello.NewStatic(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	record, err := contact.Record{Network: "test", Key: static.Public(), Issued: now, Expires: now.Add(time.Hour)}.Sign(nodetest.Key(t))
	if err != nil {
		t.Fatal(err)
	}
	party := &hello.Party{Network: "test", Static: static, Record: record, Now: time.Now}
	session, err := party.Initiate(t.Context(), conn, nil)
	if err != nil {
		return false // closed without a word: too many at once
	}
	_, open := session.Lane(false)
	msg, err := conn.Recv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := open.Open(msg)
	if err != nil {
		t.Fatal(err)
	}
	f, err := frame.Decode(plain)
	if err != nil {
		t.Fatal(err)
	}
	switch f := f.(type) {
	case *frame.Welcome:
		return true
	case *frame.Close:
		if f.Reason != frame.ReasonFull {
			t.Errorf("refused with reason %d, %q", f.Reason, f.Text)
		}
	default:
		t.Errorf("a %T", f)
	}
	return false
}

// A thousand identities from one address get eight links; one /56 of IPv6 is one
// address, and who is on a network of our own, or elsewhere, is not held back.
func TestCrowdOfOneHost(t *testing.T) {
	many := 100
	if os.Getenv("SEA_TEST_FULL") == "1" {
		many = 1000
	}
	for name, tt := range map[string]struct {
		at          func(i int) string
		bound, want int
	}{
		"one IPv4 address":          {func(i int) string { return fmt.Sprint("203.0.113.7:", 1000+i) }, 0, node.DefaultMaxPerHost},
		"the same, written as IPv6": {func(i int) string { return fmt.Sprint("[::ffff:203.0.113.7]:", 1000+i) }, 0, node.DefaultMaxPerHost},
		"one IPv6 /56":              {func(i int) string { return fmt.Sprintf("[2001:db8:1:1%02x::%d]:4160", i%256, i) }, 0, node.DefaultMaxPerHost},
		"another bound":             {func(i int) string { return "203.0.113.7:1" }, 3, 3},
		"no bound":                  {func(i int) string { return "203.0.113.7:1" }, -1, many},
		"many addresses":            {func(i int) string { return fmt.Sprintf("203.%d.%d.7:1", i/250, i%250) }, 0, many},
		"loopback":                  {func(i int) string { return "127.0.0.1:1" }, 0, many},
		"behind a carrier's NAT":    {func(i int) string { return "100.64.0.9:1" }, 0, many},
		"a private network":         {func(i int) string { return "192.168.1.2:1" }, 0, many},
	} {
		t.Run(name, func(t *testing.T) {
			sea := nodetest.Loose(t, 0)
			n := sea.Add(func(c *node.Config) {
				c.MaxLinks, c.MaxPerHost = many+1, tt.bound
				c.Listeners[0] = &located{Listener: c.Listeners[0], at: tt.at}
			})
			welcome := 0
			for range many {
				if knock(t, sea.Wire, sea.URLs[0]) {
					welcome++
				}
			}
			if got := len(n.Links()); welcome != tt.want || got != tt.want {
				t.Errorf("%d of %d are welcome, %d are linked, want %d", welcome, many, got, tt.want)
			}
		})
	}
}

// A household whose eight links have died unnoticed is let in again: the ninth makes the
// node look.
func TestCrowdOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 0)
		n := sea.Add(func(c *node.Config) {
			c.Listeners[0] = &located{Listener: c.Listeners[0], at: func(int) string { return "203.0.113.7:1" }}
		})
		for range node.DefaultMaxPerHost {
			if !knock(t, sea.Wire, sea.URLs[0]) {
				t.Fatal("not welcome")
			}
		}
		time.Sleep(upkeep.RumorAfter + time.Second)
		if knock(t, sea.Wire, sea.URLs[0]) {
			t.Error("one too many is welcome")
		}
		time.Sleep(upkeep.DoubtFor + time.Second)
		synctest.Wait()
		if !knock(t, sea.Wire, sea.URLs[0]) || len(n.Links()) != 1 {
			t.Errorf("they are dead, and %d links are left", len(n.Links()))
		}
	})
}
