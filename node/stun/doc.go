// Package stun answers and asks the one question of STUN (RFC 8489) that the sea
// needs: from which address do my packets come? Nodes that listen answer it on
// the UDP port of the same number; nodes behind a NAT ask them, and put the
// answer into their WebRTC offers.
//
// What a server says proves nothing: a lie makes an offer carry a useless
// address, and no more.
package stun
