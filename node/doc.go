// Package node is a peer in the sea: online, linked to others, called and
// calling, found by its address.
//
// A Node is made from a key and a Config, and does nothing until Online. Its
// links are proven connections to neighbours over any wire of package
// transport: every link begins with the handshake that shows who is there, and
// everything after it is sealed. Call asks a node for an answer, over the link
// to it when there is one and from neighbour to neighbour otherwise. Connect
// makes a link to a node, by WebSocket where it has a public URL and by WebRTC
// through a common neighbour where it has not, over a relay where neither works,
// and returns a Conn for messages by scope. Handle serves a scope.
//
// A routed call is signed by its source and answered under the destination's
// signature, and both are sealed, so that the nodes on the way read neither; a
// direct one is as good as the link. Handlers see the difference in
// rpc.Peer.Direct.
//
// Join makes the node a member of a channel: what one member says, all hear.
//
// Scopes that begin with "sea:" are the node's own: sea:nearest, sea:contact,
// sea:members, sea:ping, sea:rtc, sea:relays, sea:relay and sea:relayed.
//
// Caveats. The overlay is as good as its links: this package joins and keeps
// its bootstraps, it does not yet fill every bucket. The nodes that carry a routed
// call see who asks whom, when, and how many bytes.
package node
