// Package portmap asks the router of a home network to let others in: a port of
// the router that leads to one of this machine.
//
// A Mapper finds the router, by NAT-PMP and then by UPnP, keeps the ports mapped
// until it is told to stop, and takes the mappings out again. A router that has
// no public address itself is of no use, and says so.
//
// A network may have no router that maps, or one that lies. What it says costs a
// wrong URL at most: only the router is spoken with, every answer has a bound,
// and nothing that it names is fetched from anywhere else.
package portmap
