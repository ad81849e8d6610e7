// Package lan finds the nodes of a sea that are on the same local network, by
// multicast DNS service discovery (RFC 6762, RFC 6763; service _sea._tcp.local),
// so that two machines with no internet meet with no address typed.
//
// A Finder tells that a node listens, and hears of others that do. What it
// hears proves nothing: whoever is dialled is proven by the link's handshake.
// And it is never told where to dial, only at which port: the address is the one
// that the packet came from, which must be on this network.
//
// It speaks IPv4, on every interface that has multicast, and looks again for
// interfaces each time it asks. Other programs of the machine may use the
// port beside it.
package lan
