package stun

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

const (
	header       = 20
	cookie       = 0x2112a442
	typeRequest  = 0x0001
	typeSuccess  = 0x0101
	attrMapped   = 0x0020 // XOR-MAPPED-ADDRESS
	attrOptional = 0x8000 // from here on an attribute may be passed over

	// maxMessage is the largest message that is read (RFC 8489 §6.1).
	maxMessage = 548
)

// transaction names a request.
type transaction [12]byte

// errMessage is returned for a message that is not the one that is wanted.
var errMessage = errors.New("not a STUN message that is wanted here")

// request makes a binding request.
func request(tx transaction) []byte {
	b := make([]byte, header)
	binary.BigEndian.PutUint16(b, typeRequest)
	binary.BigEndian.PutUint32(b[4:], cookie)
	copy(b[8:], tx[:])
	return b
}

// open reads the header and calls attribute with each attribute.
func open(b []byte, kind uint16, attribute func(kind uint16, value []byte) error) (transaction, error) {
	if len(b) < header || len(b) > maxMessage ||
		binary.BigEndian.Uint16(b) != kind || binary.BigEndian.Uint32(b[4:]) != cookie ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-header {
		return transaction{}, errMessage
	}
	tx := transaction(b[8:])
	for b = b[header:]; len(b) > 0; {
		if len(b) < 4 {
			return tx, errMessage
		}
		kind, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		padded := 4 + (size+3)&^3
		if padded > len(b) {
			return tx, errMessage
		}
		if err := attribute(kind, b[4:4+size]); err != nil {
			return tx, err
		}
		b = b[padded:]
	}
	return tx, nil
}

// readRequest reads a binding request. One with an attribute that must be
// understood is none of ours: so are the checks of ICE.
func readRequest(b []byte) (transaction, error) {
	return open(b, typeRequest, func(kind uint16, _ []byte) error {
		if kind < attrOptional {
			return errMessage
		}
		return nil
	})
}

// response makes the answer to a request that came from addr.
func response(tx transaction, addr netip.AddrPort) []byte {
	ip := addr.Addr().Unmap().AsSlice()
	b := request(tx)
	binary.BigEndian.PutUint16(b, typeSuccess)
	binary.BigEndian.PutUint16(b[2:], uint16(8+len(ip)))
	b = binary.BigEndian.AppendUint16(b, attrMapped)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(ip)))
	family := byte(1)
	if len(ip) == 16 {
		family = 2
	}
	b = append(b, 0, family)
	b = binary.BigEndian.AppendUint16(b, addr.Port()^cookie>>16)
	return append(b, masked(ip, tx)...)
}

// masked is an address as it travels, or back.
func masked(ip []byte, tx transaction) []byte {
	mask := binary.BigEndian.AppendUint32(nil, cookie)
	mask = append(mask, tx[:]...)
	out := make([]byte, len(ip))
	for i := range ip {
		out[i] = ip[i] ^ mask[i]
	}
	return out
}

// readResponse returns the address in an answer.
func readResponse(b []byte) (transaction, netip.AddrPort, error) {
	var value []byte
	tx, err := open(b, typeSuccess, func(kind uint16, v []byte) error {
		if kind == attrMapped && value == nil {
			value = v
		}
		return nil
	})
	if err != nil {
		return tx, netip.AddrPort{}, err
	}
	size := 4
	switch {
	case len(value) == 8 && value[1] == 1:
	case len(value) == 20 && value[1] == 2:
		size = 16
	default:
		return tx, netip.AddrPort{}, errMessage
	}
	ip, _ := netip.AddrFromSlice(masked(value[4:4+size], tx))
	if ip.Is4In6() {
		return tx, netip.AddrPort{}, errMessage
	}
	return tx, netip.AddrPortFrom(ip, binary.BigEndian.Uint16(value[2:])^cookie>>16), nil
}
