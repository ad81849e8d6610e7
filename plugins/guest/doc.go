// Package guest serves scopes from WebAssembly: a plugin that an operator adds to a
// running node as a file, without trusting it.
//
// [Guests] is the plugin. Enable takes a module; each of its functions that takes and
// returns bytes becomes the scope NAME:FUNCTION of this node, and each call of it a job
// of compute: in a worker's walls, metered, with a limit of fuel. The bytes are the
// call's body as it came, by convention CBOR.
//
// # Powers
//
// A guest that imports nothing but WASI is a pure function: the same body gives the
// same answer for the same fuel, on any node. One that needs more imports functions
// from the module "sea" and must be granted them by name:
//
//	store    kv_get, kv_put, kv_delete, kv_list: keys and values of its own, with a quota
//	call     call: other nodes' scopes, in this node's name, but for those that speak
//	         for its credit and its blobs
//	publish  publish: messages in channels
//	caller   caller: who calls
//	log      log: a line in this node's log
//
// docs/PROTOCOL.md has the form of each request; [compute.Power] how it is asked.
//
// # Selling
//
// A guest with a price is not called but bought: a call of it is a job of the market, at
// its own price, of a module that anyone may fetch to run it again. [Guests.Service]
// tells the market which jobs those are.
//
// # Bounds
//
// 32 guests; 4 calls of one at once, of which one entity may have half; per call the
// limits of its [Limits] and of powers.go; per guest the quota of its store.
//
// # Caveats
//
// Calls of a guest without a price are free: whoever reaches the node may call, as any
// other scope of a plugin. A call that was sold runs again from its start when the node
// ends meanwhile: what it asked for may then happen twice.
package guest
