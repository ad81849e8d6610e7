package addr

import "strconv"

// OfChannel returns the address of the channel called id:
// Make("sea:chan:1" || id).
func OfChannel(id string) Addr { return MakeString("sea:chan:1" + id) }

// MeetingPlaces returns the addresses near which a channel's members find each
// other, the channel's own first. The other two, Make("sea:salt:1:" || n || ":"
// || id) with n 1 and 2, lie anywhere else, so that no one region of the sea
// can hide a channel.
func MeetingPlaces(id string) [3]Addr {
	places := [3]Addr{OfChannel(id)}
	for n := 1; n < len(places); n++ {
		places[n] = MakeString("sea:salt:1:" + strconv.Itoa(n) + ":" + id)
	}
	return places
}
