package rtcnet

import (
	"context"
	"errors"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
	"github.com/pion/webrtc/v3"
)

// rude is the other side of a connection, made of bare pion and of session
// descriptions as a browser would write them, so that it can break our rules.
type rude struct {
	tb            testing.TB
	pc            *webrtc.PeerConnection
	control, bulk rawChannel
}

// meetRude connects a Negotiator of ours with one, which answers our offer.
func meetRude(tb testing.TB) (transport.Conn, *rude) {
	tb.Helper()
	o := mustOffer(tb, newNegotiator(tb, Config{}))
	d, err := parse(o.Bytes(), offer)
	if err != nil {
		tb.Fatal(err)
	}
	var se webrtc.SettingEngine
	se.SetIncludeLoopbackCandidate(true)
	se.DetachDataChannels()
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(se)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { pc.GracefulClose() })
	r := &rude{tb: tb, pc: pc}
	opened := make(chan struct{}, 2)
	r.control = r.open(controlID, opened)
	r.bulk = r.open(bulkID, opened)

	text, _ := d.sdp(everything)
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}); err != nil {
		tb.Fatal(err)
	}
	sdp, err := pc.CreateAnswer(nil)
	if err != nil {
		tb.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(sdp); err != nil {
		tb.Fatal(err)
	}
	<-gathered
	b, err := fromSDP(pc.LocalDescription().SDP).encode()
	if err != nil {
		tb.Fatal(err)
	}
	c, err := o.Accept(patient(tb), b)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	<-opened
	<-opened
	return c, r
}

// channel is a rawChannel that appears when it is open.
type channel struct{ rawChannel }

func (r *rude) open(id uint16, opened chan<- struct{}) rawChannel {
	yes := true
	dc, err := r.pc.CreateDataChannel("any label", &webrtc.DataChannelInit{Negotiated: &yes, ID: &id})
	if err != nil {
		r.tb.Fatal(err)
	}
	var c channel
	dc.OnOpen(func() {
		raw, err := dc.Detach()
		if err != nil {
			r.tb.Error(err)
		} else {
			c.rawChannel = raw.(rawChannel)
		}
		opened <- struct{}{}
	})
	return &c
}

// fromSDP is the answer that a session description makes, as another
// implementation would build it.
func fromSDP(sdp string) description {
	find := func(pattern string) []string { return regexp.MustCompile(pattern).FindStringSubmatch(sdp) }
	d := description{
		Version:  version,
		Kind:     answer,
		Ufrag:    find(`a=ice-ufrag:(\S+)`)[1],
		Password: find(`a=ice-pwd:(\S+)`)[1],
	}
	d.Fingerprint, _ = unColons(find(`a=fingerprint:sha-256 (\S+)`)[1])
	for _, m := range regexp.MustCompile(`a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host`).FindAllStringSubmatch(sdp, -1) {
		ap, err := net.ResolveUDPAddr("udp", net.JoinHostPort(m[1], m[2]))
		if err != nil {
			continue
		}
		ip := ap.AddrPort().Addr().Unmap()
		if never(ip) || len(d.Candidates) == maxCandidates {
			continue
		}
		d.Candidates = append(d.Candidates, candidate{Type: hostCandidate, IP: ip.AsSlice(), Port: uint16(ap.Port), Priority: 1 << 20})
	}
	return d
}

func (r *rude) say(raw rawChannel, b []byte, text bool) {
	r.tb.Helper()
	if _, err := raw.WriteDataChannel(b, text); err != nil {
		r.tb.Fatal(err)
	}
}

// TestPolite shows that the rude peer can be polite: what a browser has to do.
func TestPolite(t *testing.T) {
	c, r := meetRude(t)
	r.say(r.control, []byte("hello"), false)
	if got, err := c.Recv(patient(t)); err != nil || string(got) != "hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := c.Send(patient(t), []byte("good day")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, transport.MaxMessage)
	if n, text, err := r.control.ReadDataChannel(buf); err != nil || text || string(buf[:n]) != "good day" {
		t.Fatalf("got %q, %v, %v", buf[:n], text, err)
	}
	r.say(r.control, []byte(bye), true)
	r.say(r.bulk, []byte(bye), true)
	if _, err := c.Recv(patient(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("recv: got %v, want %v", err, net.ErrClosed)
	}
	<-c.(conn).p.dead
	if why := c.(conn).p.why(); !errors.Is(why, errRemote) {
		t.Errorf("cause: got %v, want %v", why, errRemote)
	}
}

func TestRude(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*rude)
		want error
	}{
		{"a message too long", func(r *rude) { r.say(r.control, make([]byte, transport.MaxMessage+1), false) }, errSize},
		{"a message much too long", func(r *rude) { r.say(r.bulk, make([]byte, 60_000), false) }, errSize},
		{"an empty message", func(r *rude) { r.say(r.control, nil, false) }, errSize},
		{"text", func(r *rude) { r.say(r.control, []byte("hello"), true) }, errControl},
		{"empty text", func(r *rude) { r.say(r.bulk, nil, true) }, errControl},
		{"credit never spent", func(r *rude) { r.say(r.control, []byte("1"), true) }, errControl},
		{"credit beyond all", func(r *rude) { r.say(r.bulk, []byte("9999999"), true) }, errControl},
		{"long text", func(r *rude) { r.say(r.bulk, []byte(strings.Repeat("1", 5000)), true) }, errControl},
		{"no regard for the window", func(r *rude) {
			for range Window/cost(transport.MaxMessage) + 1 {
				r.say(r.bulk, make([]byte, transport.MaxMessage), false)
			}
		}, errWindow},
		{"bye on one lane only", func(r *rude) { r.say(r.bulk, []byte(bye), true) }, errRemote},
		{"a channel of its own", func(r *rude) {
			if _, err := r.pc.CreateDataChannel("more", nil); err != nil {
				r.tb.Fatal(err)
			}
		}, errChannel},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, r := meetRude(t)
			test.do(r)
			<-c.(conn).p.dead
			if why := c.(conn).p.why(); !errors.Is(why, test.want) {
				t.Errorf("cause: got %v, want %v", why, test.want)
			}
			if err := c.Send(patient(t), []byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("send: got %v, want %v", err, net.ErrClosed)
			}
		})
	}
}

// TestTinyFlood fills a lane that nobody reads with the smallest messages.
func TestTinyFlood(t *testing.T) {
	var never chan struct{}
	l := newLane("control", never, never)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sent := 0
	for l.push([]byte{1}) == nil {
		sent++
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d messages of a byte: %d KiB", sent, grown>>10)
	if sent != Window/cost(1) {
		t.Errorf("the lane took %d messages, want %d", sent, Window/cost(1))
	}
	if grown > 2*Window {
		t.Errorf("%d messages of a byte take %d bytes of memory", sent, grown)
	}
	runtime.KeepAlive(l)
}

// TestDeafPeer sends to a peer that takes nothing: neither messages nor credit.
func TestDeafPeer(t *testing.T) {
	c, _ := meetRude(t)
	for _, lane := range []transport.Conn{c, c.(transport.Bulk).Bulk()} {
		sent := 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			err := lane.Send(ctx, make([]byte, transport.MaxMessage))
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			sent += transport.MaxMessage
		}
		// The first lane gets the other's SCTP buffer, the second only ours.
		if sent > Window || sent < leastBuffer/2 {
			t.Errorf("Send took %d bytes, of a window of %d", sent, Window)
		}
	}
}
