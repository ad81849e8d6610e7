package rtcnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
)

// A lossy is the network between two sides: each packet is late by delay, and one
// in twenty is lost. door[i] is where side i seems to be, home[i] where it is.
type lossy struct {
	delay time.Duration
	door  [2]*net.UDPConn
	home  [2]netip.AddrPort
	lost  atomic.Int64
	all   atomic.Int64
}

// place returns the description of side i with its door in place of its addresses.
func (y *lossy) place(t *testing.T, i int, b []byte, k kind) []byte {
	t.Helper()
	d, err := parse(b, k)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Candidates {
		if ap := c.addrPort(); ap.Addr().IsLoopback() {
			y.home[i] = ap
			at := y.door[i].LocalAddr().(*net.UDPAddr).AddrPort()
			c.IP, c.Port = at.Addr().AsSlice(), at.Port()
			d.Candidates = []candidate{c}
			if b, err = d.encode(); err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	t.Fatal("no candidate on loopback")
	return nil
}

// carry brings what knocks at side i's door to its home, as from the other's door.
func (y *lossy) carry(i int) {
	b := make([]byte, 2048)
	for {
		n, _, err := y.door[i].ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		y.all.Add(1)
		if rand.N(20) == 0 {
			y.lost.Add(1)
			continue
		}
		packet := bytes.Clone(b[:n])
		time.AfterFunc(y.delay, func() {
			// After the end there is nobody to bring it to.
			_, _ = y.door[1-i].WriteToUDPAddrPort(packet, y.home[i])
		})
	}
}

// TestLossy: on a path that is 200 ms long each way and loses a packet in twenty a
// connection opens, and all that is sent on both lanes arrives, once and in order.
func TestLossy(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("it takes 10 s, most of them waiting for what was lost: set SEA_TEST_FULL=1")
	}
	y := &lossy{delay: 200 * time.Millisecond}
	var carrying sync.WaitGroup
	for i := range y.door {
		door, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		y.door[i] = door
	}
	cfg := Config{OpenTime: time.Minute, Silence: time.Minute, Expiry: 2 * time.Minute}
	a, b := newNegotiator(t, cfg), newNegotiator(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	o, err := a.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	said, wait, err := b.Answer(ctx, y.place(t, 0, o.Bytes(), offer))
	if err != nil {
		t.Fatal(err)
	}
	theirs := y.place(t, 1, said, answer)
	for i := range y.door {
		carrying.Go(func() { y.carry(i) })
	}
	defer carrying.Wait()
	defer func() { y.door[0].Close(); y.door[1].Close() }()
	var ends [2]transport.Conn
	var errs [2]error
	began := time.Now()
	var opening sync.WaitGroup
	opening.Go(func() { ends[1], errs[1] = wait(ctx) })
	ends[0], errs[0] = o.Accept(ctx, theirs)
	opening.Wait()
	t.Logf("opened after %v", time.Since(began))
	if errs[0] != nil || errs[1] != nil {
		t.Fatal(errs)
	}
	var talking sync.WaitGroup
	for i := range ends {
		defer ends[i].Close()
		for _, lane := range []struct {
			from, to  transport.Conn
			size, num int
		}{
			{ends[i], ends[1-i], 200, 50},
			{ends[i].(transport.Bulk).Bulk(), ends[1-i].(transport.Bulk).Bulk(), 8 << 10, 10},
		} {
			talking.Go(func() {
				for n := range lane.num {
					msg := binary.BigEndian.AppendUint64(nil, uint64(n))
					if err := lane.from.Send(ctx, append(msg, make([]byte, lane.size)...)); err != nil {
						t.Errorf("send %d: %v", n, err)
						return
					}
				}
			})
			talking.Go(func() {
				for n := range lane.num {
					msg, err := lane.to.Recv(ctx)
					if err != nil || len(msg) != 8+lane.size || binary.BigEndian.Uint64(msg) != uint64(n) {
						t.Errorf("message %d: %d bytes, %v", n, len(msg), err)
						return
					}
				}
			})
		}
	}
	talking.Wait()
	t.Logf("%d packets, %d of them lost", y.all.Load(), y.lost.Load())
}
