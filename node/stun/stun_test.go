package stun

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var tx = transaction{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

func TestMessages(t *testing.T) {
	if got, err := readRequest(request(tx)); err != nil || got != tx {
		t.Errorf("request: %v, %v", got, err)
	}
	for _, at := range []string{"192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"} {
		want := netip.MustParseAddrPort(at)
		if got, ap, err := readResponse(response(tx, want)); err != nil || got != tx || ap != want {
			t.Errorf("%s: %v, %v, %v", at, got, ap, err)
		}
	}
	mapped := netip.AddrPortFrom(netip.MustParseAddr("::ffff:192.0.2.1"), 1)
	if _, ap, err := readResponse(response(tx, mapped)); err != nil || ap.String() != "192.0.2.1:1" {
		t.Errorf("%v, %v", ap, err)
	}
	// RFC 5769 §2.2, without its first and last attributes, which are optional.
	rfc := []byte("\x01\x01\x00\x0c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae" +
		"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43")
	if _, ap, err := readResponse(rfc); err != nil || ap.String() != "192.0.2.1:32853" {
		t.Errorf("%v, %v", ap, err)
	}
}

func TestRefused(t *testing.T) {
	attr := func(kind, size int, value ...byte) []byte {
		b := append(request(tx), byte(kind>>8), byte(kind), byte(size>>8), byte(size))
		b = append(b, value...)
		b[3] = byte(len(b) - header)
		return b
	}
	for name, b := range map[string][]byte{
		"empty": {}, "short": request(tx)[:19], "long": append(request(tx), 0),
		"answer": response(tx, netip.MustParseAddrPort("192.0.2.1:1")), "huge": make([]byte, maxMessage+1),
		"a check of ICE": attr(0x0006, 4, 'a', ':', 'b', 'c'), "cut": attr(0x8022, 8, 1, 2, 3, 4),
		"no cookie": append([]byte{0, 1, 0, 0, 9}, request(tx)[5:]...),
	} {
		if _, err := readRequest(b); !errors.Is(err, errMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, size := range []int{0, 1, 4, 7} { // what ends pion
		b := attr(attrMapped, size, make([]byte, (size+3)&^3)...)
		b[0] = 1
		if _, _, err := readResponse(b); !errors.Is(err, errMessage) {
			t.Errorf("an address of %d bytes: %v", size, err)
		}
	}
}

// serve answers at a port of loopback until the test ends.
func serve(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := Serve(ctx, conn); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); serving.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Servers that answer say the same of one socket; a silent one is left out.
func TestAsk(t *testing.T) {
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	servers := []netip.AddrPort{serve(t), serve(t)}
	answers, err := ask(t.Context(), servers, time.Minute)
	if err != nil || len(answers) != 2 || answers[0].Server != servers[0] || answers[1].Server != servers[1] ||
		answers[0].Seen != answers[1].Seen || !answers[0].Seen.Addr().IsLoopback() {
		t.Errorf("answers %+v, %v", answers, err)
	}
	quiet := silent.LocalAddr().(*net.UDPAddr).AddrPort()
	answers, err = ask(t.Context(), append(servers, quiet), again)
	for _, a := range answers {
		if a.Server == quiet {
			t.Errorf("an answer of nobody: %+v, %v", a, err)
		}
	}
	if answers, err := Ask(t.Context(), nil); err != nil || len(answers) != 0 {
		t.Errorf("asked nobody: %+v, %v", answers, err)
	}
}

// Nonsense does not end a server, and is not answered.
func TestServeNonsense(t *testing.T) {
	at := serve(t)
	conn, err := net.Dial("udp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, b := range [][]byte{{1}, bytes.Repeat([]byte{7}, 2000), response(tx, at), request(tx)} {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 100)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := readResponse(b[:n]); err != nil || got != tx {
		t.Errorf("%x, %v", b[:n], err)
	}
}

func TestRate(t *testing.T) {
	var r rate
	now := time.Unix(1e9, 0)
	count := func(ips ...string) (n int) {
		for _, ip := range ips {
			if r.allow(now, netip.MustParseAddr(ip)) {
				n++
			}
		}
		return n
	}
	for range 2 {
		got := 0
		for range 100 {
			got += count("192.0.2.1", "192.0.2.200")
		}
		if got != perSource {
			t.Errorf("one network got %d answers", got)
		}
		for i := range 2 * maxSources {
			got += count(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}).String())
		}
		if got != perSecond || len(r.each) > maxSources {
			t.Errorf("all got %d answers, %d are counted", got, len(r.each))
		}
		now = now.Add(time.Second)
	}
}

// FuzzMessage: any datagram is a question, an answer, or refused.
func FuzzMessage(f *testing.F) {
	f.Add(request(tx))
	f.Add(response(tx, netip.MustParseAddrPort("192.0.2.1:1")))
	f.Add(response(tx, netip.MustParseAddrPort("[2001:db8::1]:1")))
	f.Add(response(tx, netip.MustParseAddrPort("192.0.2.1:1"))[:header])
	f.Add(append(request(tx), 0x80, 0x22, 0, 0)) // an attribute that may be passed over, not counted
	f.Add(append(response(tx, netip.MustParseAddrPort("192.0.2.1:1")), 0, 6, 0xff, 0xff))
	f.Add(bytes.Repeat([]byte{0xff}, maxMessage))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = readRequest(b)
		if got, at, err := readResponse(b); err == nil {
			if _, again, err := readResponse(response(got, at)); err != nil || again != at {
				t.Errorf("%v again: %v, %v", at, again, err)
			}
		}
	})
}
