// Package identity is who speaks in the sea, and how it is shown.
//
// An [Entity] is an Ed25519 public key. A [Key] is its secret half and the one
// [Signer] of this package. A [Statement] is what a signer said: a [Purpose],
// the exact bytes, a signature. A [Certificate] lets a node act for an entity.
// A [Hash] names bytes, and names a statement by who said what for what.
//
// Three rules keep every node of the same opinion:
//
//   - Keys are looked at first. The fourteen encodings of small order, under
//     which forged signatures verify, and everything that is not the one
//     spelling of a point on the curve are refused by every door: [ParseEntity],
//     [EntityFrom], the decoders, [OpenKey], [Verify] and [Statement.Open].
//   - Verification is ZIP-215: cofactored, so that one signature or a batch of
//     them, here or in a browser, always gives the same answer. crypto/ed25519
//     gives another one for keys and signatures with a torsion component.
//   - Only bytes that came are hashed and verified, never a re-encoding, and
//     only what [Statement.Open] returns is parsed.
//
// Anything here may be used by many goroutines at once unless it says
// otherwise.
package identity
