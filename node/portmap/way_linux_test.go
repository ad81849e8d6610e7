package portmap

import (
	"strings"
	"testing"
)

// Of the default routes that have a next hop the one of least metric counts.
func TestReadRoutes(t *testing.T) {
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	for name, c := range map[string]struct{ table, want string }{
		"none":       {head, "invalid IP"},
		"garbage":    {"x\ny 0 z 0 0 0 0 0\n\x00\xff", "invalid IP"},
		"one":        {head + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", "192.168.1.1"},
		"tunnel":     {head + "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\neth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", "192.168.1.1"},
		"two":        {head + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\neth1\t00000000\t0201A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", "192.168.1.2"},
		"other nets": {head + "eth0\t0000A8C0\t0101A8C0\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", "invalid IP"},
	} {
		if got, _ := readRoutes(strings.NewReader(c.table)); got.String() != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}
