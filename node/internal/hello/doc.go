// Package hello proves who is at the other end of a wire, and seals what goes
// over it.
//
// The handshake is Noise_XX_25519_AESGCM_SHA256 with a prologue that names the
// protocol's version and the network. The payloads of its second and third
// message, which are sealed already, carry each side's contact record: the
// Ed25519 node key's statement that vouches for the X25519 key of this very
// handshake. So a payload that is recorded and sent again, or relayed into
// another handshake, fits nothing.
//
// After it every message is sealed under one key per direction. A wire with two
// lanes uses two halves of the nonce space; in each lane the nonce counts up
// and is not sent, so a message that is lost, repeated, moved or changed does
// not open, and the link ends.
//
// Only this package knows the Noise library.
package hello
