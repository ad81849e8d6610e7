// Package rtcnet makes transport.Conns of WebRTC data channels, by pion.
//
// A Negotiator makes an offer, or an answer to one; the node carries both to
// the other side. Each connection has two lanes, negotiated data channels with
// fixed numbers: control, which is the Conn itself, and bulk, which its Bulk
// method returns. Both are ordered and reliable, and each has a window of its
// own: what one side has sent and the other has not yet taken is at most
// Window bytes a lane. So a reader that stops stops its sender, holds a known
// amount of memory, and does not stop the other lane.
//
// What pion may touch is decided here. It gets no sockets but those of this
// package, which hand it only ICE's own STUN messages and DTLS records, no
// TURN, no TCP and no multicast DNS; and it is told of remote candidates only
// where the policy allows them. DTLS carries the packets; who is at the other
// end is proven above, by the node's handshake.
//
// A Listener takes connections in on one UDP port with no offer and answer: a
// Dialer needs its sea:// URL only, which has the hash of its DTLS certificate.
//
// Every other connection has its own sockets, one for each address of the machine. A
// shared port would need a multiplexer that tells DTLS packets apart by the
// remote address alone, so that a second connection between the same two
// machines corrupts the first (pion/ice#507, pion/webrtc#2701).
// A Listener's port is shared by our own rule: an address on the other side has
// one connection, or none.
package rtcnet
