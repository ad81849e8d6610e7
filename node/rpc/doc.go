// Package rpc is how one node asks another: named methods with typed
// arguments, and errors that mean the same on both sides.
//
// A Method declares a scope once, with the types that go in and come out; the
// side that serves calls Handle, the side that asks calls Call. An Error is a
// stable Code and a text for people. Codes cross the wire as numbers, so
// errors.Is(err, rpc.ErrBusy) holds here when it held there.
//
// The package carries nothing itself. A Caller and a Registrar do, in practice
// a *node.Node.
package rpc
