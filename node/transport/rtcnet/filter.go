package rtcnet

import (
	"encoding/binary"

	"github.com/pion/stun"
)

// The STUN of RFC 8489, as far as the filter needs it.
const (
	stunHeader  = 20
	stunCookie  = 0x2112a442
	stunBinding = 0x0001 // the method, whatever the class
	stunMethod  = 0x3eef // the bits of a message type that are its method

	attrXorPeerAddress    = 0x0012
	attrXorRelayedAddress = 0x0016
	attrXorMappedAddress  = 0x0020
)

// admit reports whether a datagram may reach pion. Of what shares a port under
// RFC 7983, two kinds may: DTLS records and STUN binding messages. RTP, TURN
// and everything else has no use here, so nobody gets to try it.
//
// pion/stun v0.6.1 reads the first two bytes of an XOR address without looking
// how many there are, and panics. Such a message stays outside, and so does any
// whose attributes do not add up. An address is at least 8 bytes: family, port
// and an IPv4 address.
func admit(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	switch {
	case b[0] < 4 || stun.IsMessage(b):
		// pion takes whatever has the cookie for STUN, also what begins as a
		// DTLS record; no record of epoch 0 or 1 has it there.
		return admitSTUN(b)
	case b[0] >= 20 && b[0] < 64:
		return true // DTLS, which authenticates what it reads
	default:
		return false
	}
}

func admitSTUN(b []byte) bool {
	if len(b) < stunHeader || b[0] >= 4 || binary.BigEndian.Uint32(b[4:]) != stunCookie {
		return false
	}
	if binary.BigEndian.Uint16(b)&stunMethod != stunBinding {
		return false
	}
	if int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader {
		return false
	}
	for b = b[stunHeader:]; len(b) > 0; {
		if len(b) < 4 {
			return false
		}
		kind, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		padded := 4 + (size+3)&^3
		if padded > len(b) {
			return false
		}
		switch kind {
		case attrXorMappedAddress, attrXorPeerAddress, attrXorRelayedAddress:
			if size < 8 {
				return false
			}
		}
		b = b[padded:]
	}
	return true
}

// username returns what an ICE request that admit lets through is addressed to.
func username(b []byte) (string, bool) {
	const request, attrUsername = 0x0001, 0x0006
	if len(b) < stunHeader || binary.BigEndian.Uint16(b) != request {
		return "", false
	}
	for b = b[stunHeader:]; len(b) >= 4; {
		kind, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		padded := 4 + (size+3)&^3
		if padded > len(b) {
			break
		}
		if kind == attrUsername {
			return string(b[4 : 4+size]), true
		}
		b = b[padded:]
	}
	return "", false
}
