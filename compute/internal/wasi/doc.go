// Package wasi is the world a guest sees: WASI preview 1 for commands, with one
// behaviour that depends on nothing but the job.
//
// [Config] says what is in the world, [New] makes a [World], [Link] gives it to
// an engine as the module "wasi_snapshot_preview1". There is nothing of
// the host behind it: files are bytes in memory, the clock is counted in fuel,
// random bytes come from a seed, and sleeping moves the clock.
//
// docs/WASI.md says every call, errno, price and order of checks, for other
// implementations; testdata/vectors.json holds them to it.
//
// # The tree
//
// One folder is open at the start, descriptor 3, named "/". It holds the input
// files, which cannot be changed, and the folder "out", which can. So
// fopen("in.txt"), open("/in.txt"), "out/x" and "/out/x" all work, with
// wasi-libc as with Go, whose working directory is "/". Entries are listed in
// byte order after "." and "..". Every time is the job's start, every device 1,
// inode numbers count from 1: root, out, the inputs in order, then what the
// guest makes. There are no links. Names are UTF-8.
//
// # Powers
//
// A guest whose host gives it powers imports them from the module "sea", see
// [LinkHost]. What they answer depends on the host: such a guest is not
// deterministic where it asks.
//
// # Prices
//
// Each call costs meter.HostCall, and meter.HostByte for each byte that it
// copies, zeroes or compares as [call] says. A call pays before it has an
// effect; one that cannot pay ends the guest.
//
// # Caveats
//
// A World serves one guest, one call at a time. Between the calls, Tree may be
// read when the guest has ended.
package wasi
