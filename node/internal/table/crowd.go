package table

import (
	"net/netip"
	"slices"
	"time"
)

// Crowd is the number of links above which a node trusts old ones first: whoever fills its
// table up comes late.
const Crowd = 40

// A Standing is where a link's other end is, and since when it is linked.
type Standing struct {
	Host  netip.Addr // as in Link
	Since time.Time
}

// A Rank says whether a link is put last, whatever its peer says.
type Rank uint8

// The ranks, the best first.
const (
	Trusted Rank = iota
	Late         // of more than Crowd links, not one of the Floor oldest
	Crowded      // one more than SiblingsPerSubnet of a subnet, and Young links or more are elsewhere
)

// Ranks ranks links; those of one subnet that are older come first.
func Ranks(links []Standing) []Rank {
	if len(links) <= Young || len(links) <= Crowd && !slices.ContainsFunc(links, func(l Standing) bool { return l.Host.IsValid() }) {
		return make([]Rank, len(links))
	}
	order := make([]int, len(links))
	subnets := make(map[netip.Prefix]int)
	for i, l := range links {
		order[i] = i
		if l.Host.IsValid() {
			subnets[Subnet(l.Host)]++
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return links[a].Since.Compare(links[b].Since) })
	ranks := make([]Rank, len(links))
	older := make(map[netip.Prefix]int)
	for age, i := range order {
		l := links[i]
		if len(links) > Crowd && age >= Floor && l.Since.After(links[order[Floor-1]].Since) {
			ranks[i] = Late
		}
		if !l.Host.IsValid() {
			continue
		}
		subnet := Subnet(l.Host)
		if older[subnet] >= SiblingsPerSubnet && len(links)-subnets[subnet] >= Young {
			ranks[i] = Crowded
		}
		older[subnet]++
	}
	return ranks
}
