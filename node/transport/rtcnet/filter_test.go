package rtcnet

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun"
)

// bind is a STUN message of the given type with one attribute that claims to
// be size bytes long and is followed by the padding it needs.
func bind(messageType, attribute uint16, size int) []byte {
	b := make([]byte, stunHeader+4+(size+3)&^3)
	binary.BigEndian.PutUint16(b, messageType)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-stunHeader))
	binary.BigEndian.PutUint32(b[4:], stunCookie)
	binary.BigEndian.PutUint16(b[stunHeader:], attribute)
	binary.BigEndian.PutUint16(b[stunHeader+2:], uint16(size))
	if size > 1 {
		b[stunHeader+5] = 1 // IPv4, where an address begins
	}
	return b
}

const bindingSuccess = 0x0101

// TestPionPanics shows what the filter is for. When it fails, pion has been
// mended, and the filter may be looked at again.
func TestPionPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("pion/stun reads a zero-length XOR address without a panic")
		}
	}()
	m := &stun.Message{Raw: bind(bindingSuccess, attrXorMappedAddress, 0)}
	if err := m.Decode(); err != nil {
		t.Fatal(err)
	}
	var addr stun.XORMappedAddress
	t.Errorf("got %v", addr.GetFrom(m))
}

func TestAdmit(t *testing.T) {
	request, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername("a:b"), stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	response, err := stun.Build(stun.BindingSuccess, stun.TransactionID,
		&stun.XORMappedAddress{IP: net.IPv4(192, 0, 2, 1), Port: 4242}, stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	trailing := append(bind(bindingSuccess, 0x8022, 4), 0)
	cookie := bind(bindingSuccess, 0x8022, 4)
	cookie[4]++
	tooLong := bind(bindingSuccess, 0x8022, 4)
	tooLong[stunHeader+3] = 200
	halfHeader := bind(bindingSuccess, 0x8022, 0)
	halfHeader = halfHeader[:len(halfHeader)-2]
	binary.BigEndian.PutUint16(halfHeader[2:], 2)
	disguised := bind(bindingSuccess, attrXorMappedAddress, 0)
	disguised[0] = 22
	for _, test := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"binding request", request.Raw, true},
		{"binding response", response.Raw, true},
		{"mapped address of 8 bytes", bind(bindingSuccess, attrXorMappedAddress, 8), true},
		{"mapped address of 0", bind(bindingSuccess, attrXorMappedAddress, 0), false},
		{"mapped address of 1", bind(bindingSuccess, attrXorMappedAddress, 1), false},
		{"mapped address of 7", bind(bindingSuccess, attrXorMappedAddress, 7), false},
		{"peer address of 0", bind(bindingSuccess, attrXorPeerAddress, 0), false},
		{"relayed address of 0", bind(bindingSuccess, attrXorRelayedAddress, 0), false},
		{"other attribute of 0", bind(bindingSuccess, 0x0025, 0), true}, // USE-CANDIDATE
		{"allocate request", bind(0x0003, 0x8022, 4), false},
		{"data indication", bind(0x0017, 0x8022, 4), false},
		{"another cookie", cookie, false},
		{"a byte after the message", trailing, false},
		{"an attribute past the end", tooLong, false},
		{"half an attribute", halfHeader, false},
		{"an address of 0 that begins as DTLS", disguised, false},
		{"DTLS handshake", []byte{22, 0xfe, 0xfd}, true},
		{"DTLS data", []byte{23, 0xfe, 0xfd}, true},
		{"TURN channel", []byte{64, 0, 0, 0}, false},
		{"ZRTP", []byte{16, 0, 0, 0}, false},
		{"RTP", []byte{128, 96, 0, 1}, false},
		{"nothing", nil, false},
	} {
		if got := admit(test.b); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// FuzzAdmit gives pion's readers what the filter lets through.
func FuzzAdmit(f *testing.F) {
	for _, kind := range []uint16{attrXorMappedAddress, attrXorPeerAddress, attrXorRelayedAddress, 0x0006, 0x8028} {
		for _, size := range []int{0, 1, 4, 8, 20} {
			f.Add(bind(bindingSuccess, kind, size))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !admit(b) || !stun.IsMessage(b) {
			return
		}
		m := &stun.Message{Raw: b}
		if err := m.Decode(); err != nil {
			t.Fatalf("pion refuses what the filter lets through: %v", err)
		}
		var addr stun.XORMappedAddress
		for _, kind := range []stun.AttrType{attrXorMappedAddress, attrXorPeerAddress, attrXorRelayedAddress} {
			_ = addr.GetFromAs(m, kind)
		}
	})
}

// TestHostileSTUNServer offers with the help of a server that answers with the
// message that panics.
func TestHostileSTUNServer(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 16)
	served := make(chan struct{})
	go func() {
		defer close(served)
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			reply := bind(bindingSuccess, attrXorMappedAddress, 0)
			copy(reply[8:stunHeader], buf[8:min(n, stunHeader)])
			_, _ = server.WriteToUDPAddrPort(reply, from)
			token(asked)
		}
	}()
	n := newNegotiator(t, Config{STUN: []string{server.LocalAddr().String()}})
	start := time.Now()
	o, err := n.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > deadline/4 {
		t.Errorf("a useless STUN server holds the offer up for %v", took)
	}
	<-asked
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	server.Close()
	<-served
}

func TestSocketsNeverSend(t *testing.T) {
	s := newSockets(t.Context(), nil)
	defer s.close()
	sock, err := s.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"169.254.169.254:80", "0.0.0.0:80", "224.0.0.251:5353", "255.255.255.255:9", "100.100.100.200:80"} {
		addr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
		if _, err := sock.WriteTo([]byte("x"), addr); !errors.Is(err, errNever) {
			t.Errorf("write to %s: got %v, want %v", to, err, errNever)
		}
	}
	s.close()
	if _, err := sock.WriteTo([]byte("x"), sock.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after close: got %v, want %v", err, net.ErrClosed)
	}
	if _, err := s.ListenUDP("udp4", nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listen after close: got %v, want %v", err, net.ErrClosed)
	}
}
