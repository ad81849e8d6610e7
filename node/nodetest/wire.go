package nodetest

import (
	"testing"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/node/transport/wsnet"
)

// A Wire is what the nodes of a Sea talk over.
type Wire struct {
	// Name is the wire's, as a link shows it.
	Name string

	// Dialers are by URL scheme; Listen opens a listener, which the node
	// owns.
	Dialers map[string]transport.Dialer
	Listen  func() (transport.Listener, error)

	// Negotiator makes one for a node; nil for wires that are dialled. A Sea
	// on such a wire has a hub, node 0, to which all others are linked by
	// WebSocket, and which alone listens.
	Negotiator func() transport.Negotiator
}

// Mem is a fresh memnet. It alone works inside a testing/synctest bubble.
func Mem() Wire {
	var net memnet.Net
	return Wire{
		Name:    "mem",
		Dialers: map[string]transport.Dialer{"mem": &net},
		Listen:  func() (transport.Listener, error) { return net.Listen("") },
	}
}

// WS is WebSockets on loopback.
func WS() Wire {
	return Wire{
		Name:    "ws",
		Dialers: map[string]transport.Dialer{"ws": wsnet.NewDialer(wsnet.DialConfig{})},
		Listen: func() (transport.Listener, error) {
			l := wsnet.NewListener(wsnet.Config{})
			return l, l.Open("127.0.0.1:0")
		},
	}
}

// RTC is WebRTC between all nodes but the hub.
func RTC() Wire {
	w := WS()
	w.Name = "webrtc"
	w.Negotiator = func() transport.Negotiator { return rtcnet.New(rtcnet.Config{Loopback: true}) }
	return w
}

// Everywhere runs body on every wire: on memnet in a testing/synctest bubble,
// on WebSockets and on WebRTC in real time.
func Everywhere(t *testing.T, body func(t *testing.T, w Wire)) {
	t.Run("mem", func(t *testing.T) { Bubble(t, func(t *testing.T) { body(t, Mem()) }) })
	t.Run("ws", func(t *testing.T) { body(t, WS()) })
	t.Run("webrtc", func(t *testing.T) { body(t, RTC()) })
}
