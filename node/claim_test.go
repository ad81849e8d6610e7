package node

import (
	"net/netip"
	"net/url"
	"testing"
)

// A claim is dialled at the address that it comes from, or at a name.
func FuzzClaim(f *testing.F) {
	for _, s := range []string{"ws://:4160", "wss://sea.example:443/path", "ws://192.0.2.1", "ws://[2001:db8::1]:1/", "sea://192.0.2.1:9", "ws:4160", "ws://192.0.2.1%00:1"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	f.Fuzz(func(t *testing.T, text string, old bool) {
		only := six
		if old {
			only = four
		}
		to, err := readClaim(text, only)
		if err != nil {
			return
		}
		u, err := url.Parse(to)
		if err != nil {
			t.Fatalf("%q is read as %q, which is no URL: %v", text, to, err)
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.Unmap() != only {
			t.Errorf("%q would be dialled at %v, not %v", text, ip, only)
		}
	})
}
