package table

import (
	"net/netip"
	"slices"
	"time"
)

// A Standing is where a link's other end is, and since when it is linked.
type Standing struct {
	Host  netip.Addr // as in Link
	Since time.Time
}

// Crowded tells which links are put last, whatever their peers say: those beyond the
// SiblingsPerSubnet oldest of one subnet, where Young links or more are elsewhere. So
// whoever has many addresses of one subnet gets between no node and the others.
func Crowded(links []Standing) []bool {
	crowded := make([]bool, len(links))
	subnets := make(map[netip.Prefix]int)
	most := 0
	for _, l := range links {
		if l.Host.IsValid() {
			subnet := Subnet(l.Host)
			subnets[subnet]++
			most = max(most, subnets[subnet])
		}
	}
	if most <= SiblingsPerSubnet {
		return crowded
	}
	order := make([]int, len(links))
	for i := range links {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return links[a].Since.Compare(links[b].Since) })
	older := make(map[netip.Prefix]int)
	for _, i := range order {
		if !links[i].Host.IsValid() {
			continue
		}
		subnet := Subnet(links[i].Host)
		crowded[i] = older[subnet] >= SiblingsPerSubnet && len(links)-subnets[subnet] >= Young
		older[subnet]++
	}
	return crowded
}
