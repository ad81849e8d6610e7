// Package frame is what two nodes say to each other once their link is proven:
// the frames, their bytes, and every bound on them.
//
// A frame is a CBOR array that begins with its integer tag, in the one spelling
// of identity/cbor. Decode accepts nothing else, so what it accepts Encode
// gives back byte for byte. A frame that does not fit one message of the wire is
// cut into Parts (Cut) and joined again on the other side (Joiner).
//
// The package keeps its own small reader beside identity/cbor because frames
// are the hot path: a body of 1 MiB is read without a copy. A test holds the
// two against each other.
package frame
