package portmap

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// defaultGateway is the next hop of the default route.
func defaultGateway() (netip.Addr, bool) {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return netip.Addr{}, false
	}
	defer f.Close()
	return readRoutes(f)
}

// readRoutes finds the default route of the least metric in the kernel's table: a
// line of headings, then interface, destination, gateway, flags, references, uses,
// metric, mask; addresses as the machine keeps 32 bits.
func readRoutes(table io.Reader) (best netip.Addr, ok bool) {
	least := uint64(1 << 32)
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 || strings.Trim(f[1], "0") != "" || strings.Trim(f[7], "0") != "" {
			continue
		}
		hop, err := strconv.ParseUint(f[2], 16, 32)
		if err != nil || hop == 0 {
			continue
		}
		metric, err := strconv.ParseUint(f[6], 10, 32)
		if err != nil || metric >= least {
			continue
		}
		var ip [4]byte
		binary.NativeEndian.PutUint32(ip[:], uint32(hop))
		best, ok, least = netip.AddrFrom4(ip), true, metric
	}
	return best, ok
}
