package lan

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var sample = node{name: "0123456789abcdef", tag: tag("sea"), port: 4160}

func packet(t testing.TB, seconds uint32) []byte {
	t.Helper()
	b, err := answer(sample, netip.MustParseAddr("192.168.7.5"), seconds)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func asked(t testing.TB) []byte {
	t.Helper()
	b, err := question()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want message
	}{
		{"question", asked(t), message{asks: true}},
		{"answer", packet(t, ttl), message{says: []node{sample}}},
		{"goodbye", packet(t, 0), message{}},
	} {
		if got, err := parse(c.b); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	// Neither the machine's name nor the network's is in what everyone hears.
	if b := packet(t, ttl); len(b) > 300 || bytes.Contains(b, []byte("\x03sea\x00")) {
		t.Errorf("%d bytes: %q", len(b), b)
	}
	// Whoever asks says whom it knows.
	known := dnsmessage.Message{
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("_SEA._tcp.local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}},
		Answers: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(service), Class: dnsmessage.ClassINET, TTL: 100},
			Body:   &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(sample.name + "." + service)},
		}},
	}
	b, err := known.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parse(b); err != nil || !got.asks || !slices.Equal(got.known, []string{sample.name}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestInstance(t *testing.T) {
	for full, want := range map[string]string{
		"0123456789abcdef._sea._tcp.local.":        "0123456789abcdef",
		"0123456789ABCDEF._SEA._tcp.local.":        "0123456789abcdef",
		"0123456789abcde._sea._tcp.local.":         "",
		"0123456789abcdeg._sea._tcp.local.":        "",
		"0123456789abcdef._http._tcp.local.":       "",
		"x.0123456789abcdef._sea._tcp.local.":      "",
		"_sea._tcp.local.":                         "",
		strings.Repeat("0", 63) + "._sea._tcp.loc": "",
	} {
		if got := instance(full); got != want {
			t.Errorf("%s: %q", full, got)
		}
	}
}

func TestPort(t *testing.T) {
	for _, c := range []struct {
		urls []string
		want uint16
	}{
		{nil, 0},
		{[]string{"ws://127.0.0.1:4160", "ws://[::1]:4160"}, 0},
		{[]string{"wss://node.example:4160"}, 0},
		{[]string{"ws://node.example:4160", "ws://192.168.1.2"}, 80},
		{[]string{"ws://127.0.0.1:1", "ws://[2001:db8::1]:4161"}, 4161},
	} {
		if got := port(c.urls); got != c.want {
			t.Errorf("%v: %d, want %d", c.urls, got, c.want)
		}
	}
}

func TestOnLink(t *testing.T) {
	ifaces := []iface{{2, netip.MustParsePrefix("192.168.7.5/24")}, {3, netip.MustParsePrefix("10.1.2.3/30")}}
	for ip, want := range map[string]bool{
		"192.168.7.9": true, "10.1.2.2": true, "10.1.2.9": false, "8.8.8.8": false, "127.0.0.1": false, "fe80::1": false,
	} {
		if got := onLink(ifaces, netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %v", ip, got)
		}
	}
}

// A street is a local network in memory.
type street struct {
	mu    sync.Mutex
	doors map[*door]bool
	count int
}

type door struct {
	s      *street
	at     netip.Addr
	in     chan sent
	closed chan struct{}
	once   sync.Once
	move   bool
}

type sent struct {
	b    []byte
	from netip.Addr
}

func (s *street) open(at string) func() (wire, error) {
	return func() (wire, error) {
		d := &door{s: s, at: netip.MustParseAddr(at), in: make(chan sent, 100), closed: make(chan struct{})}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.doors[d] = true
		return d, nil
	}
}

func (d *door) read(b []byte) (int, netip.Addr, error) {
	select {
	case m := <-d.in:
		return copy(b, m.b), m.from, nil
	case <-d.closed:
		return 0, netip.Addr{}, net.ErrClosed
	}
}

func (d *door) write(build func(netip.Addr) ([]byte, error)) error {
	b, err := build(d.at)
	if err != nil {
		return err
	}
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.s.count++
	for other := range d.s.doors {
		other.in <- sent{b, d.at}
	}
	return nil
}

func (d *door) changed() bool { return d.move }

func (d *door) close() error {
	d.once.Do(func() {
		d.s.mu.Lock()
		delete(d.s.doors, d)
		d.s.mu.Unlock()
		close(d.closed)
	})
	return nil
}

// Nodes of one network hear of each other within a second, whoever came first,
// and not of those of another network; those that do not listen only look. In an
// hour three nodes send some hundred packets.
func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &street{doors: make(map[*door]bool)}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		var mu sync.Mutex
		heard := make(map[string]map[string]bool)
		begin := func(who, at, network string, listening ...string) {
			f := New(nil)
			f.open = s.open(at)
			mu.Lock()
			heard[who] = make(map[string]bool)
			mu.Unlock()
			all.Go(func() {
				err := f.Find(ctx, network, listening, func(name, url string) {
					mu.Lock()
					defer mu.Unlock()
					heard[who][url] = true
					if len(name) != nameSize {
						t.Errorf("name %q", name)
					}
				})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", who, err)
				}
			})
		}
		want := func(who string, urls ...string) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if len(heard[who]) != len(urls) {
				t.Errorf("%s heard of %v, want %v", who, heard[who], urls)
			}
			for _, u := range urls {
				if !heard[who][u] {
					t.Errorf("%s heard of %v, want %v", who, heard[who], urls)
				}
			}
		}
		begin("a", "10.0.0.1", "sea", "ws://10.0.0.1:1001")
		begin("other", "10.0.0.9", "lake", "ws://10.0.0.9:1009")
		time.Sleep(time.Minute)
		begin("b", "10.0.0.2", "sea", "ws://127.0.0.1:1002", "ws://10.9.9.9:1002")
		begin("shy", "10.0.0.3", "sea")
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		want("a", "ws://10.0.0.2:1002") // where it spoke from, not what it calls itself
		want("b", "ws://10.0.0.1:1001")
		want("shy", "ws://10.0.0.1:1001", "ws://10.0.0.2:1002")
		want("other")
		time.Sleep(time.Hour)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.count > 300 {
			t.Errorf("%d packets in an hour", s.count)
		}
	})
}

// Whoever asks all the time gets an answer a second.
func TestFloodOfQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &street{doors: make(map[*door]bool)}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		f := New(nil)
		f.open = s.open("10.0.0.1")
		all.Go(func() { _ = f.Find(ctx, "sea", []string{"ws://10.0.0.1:1"}, func(string, string) {}) })
		synctest.Wait()
		w, err := s.open("10.0.0.2")()
		if err != nil {
			t.Fatal(err)
		}
		d := w.(*door)
		defer d.close()
		answers := 0
		for range 1000 {
			if err := d.write(func(netip.Addr) ([]byte, error) { return question() }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			for more := true; more; {
				select {
				case m := <-d.in:
					if got, err := parse(m.b); err == nil && len(got.says) > 0 {
						answers++
					}
				default:
					more = false
				}
			}
		}
		if answers < 8 || answers > 11 {
			t.Errorf("%d answers in 10 s", answers)
		}
	})
}

// FuzzParse: whatever is on the network, what is read of it is a name, a port
// and a tag of ours.
func FuzzParse(f *testing.F) {
	f.Add(asked(f))
	f.Add(packet(f, ttl))
	f.Add(packet(f, 0))
	f.Add(packet(f, ttl)[:40])
	f.Add(append(packet(f, ttl), 0))
	f.Add([]byte{0, 0, 0x84, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc0, 12}) // a name that names itself
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xc0}, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(b)
		if err != nil {
			return
		}
		for _, n := range m.says {
			if len(n.name) != nameSize || n.port == 0 || len(n.tag) != 8 {
				t.Errorf("%+v", n)
			}
		}
		if len(m.says) > 2*maxRecords || len(m.known) > maxRecords {
			t.Errorf("%d nodes, %d known", len(m.says), len(m.known))
		}
	})
}
