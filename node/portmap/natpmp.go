package portmap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
)

// natPMP is a router that speaks NAT-PMP, RFC 6886.
type natPMP struct{ c *natpmp.Client }

func newNatPMP(w way, patience time.Duration) natPMP {
	return natPMP{natpmp.NewClientWithLocalAndTimeout(w.gateway.AsSlice(), w.local.AsSlice(), patience)}
}

func (natPMP) name() string { return "nat-pmp" }

func (r natPMP) outside(ctx context.Context) (netip.Addr, error) {
	if ctx.Err() != nil {
		return netip.Addr{}, ctx.Err()
	}
	got, err := r.c.GetExternalAddress()
	if err != nil {
		return netip.Addr{}, plain(err)
	}
	return netip.AddrFrom4(got.ExternalIPAddress), nil
}

func (r natPMP) add(ctx context.Context, p Port, want uint16) (uint16, time.Duration, error) {
	if ctx.Err() != nil {
		return 0, 0, ctx.Err()
	}
	got, err := r.c.AddPortMapping(p.Protocol, int(p.Number), int(want), int(lease/time.Second))
	switch {
	case err != nil:
		return 0, 0, plain(err)
	case got.InternalPort != p.Number:
		return 0, 0, fmt.Errorf("the router answers for port %d", got.InternalPort)
	case got.PortMappingLifetimeInSeconds == 0:
		return 0, 0, fmt.Errorf("the router keeps the mapping for no time")
	}
	return got.MappedExternalPort, time.Duration(got.PortMappingLifetimeInSeconds) * time.Second, nil
}

func (r natPMP) remove(ctx context.Context, p Port, _ uint16) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := r.c.AddPortMapping(p.Protocol, int(p.Number), 0, 0)
	return plain(err)
}

// plain is errSilent for all that the library says of a router that says nothing.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) || err != nil && strings.HasPrefix(err.Error(), "Timed out") {
		return errSilent
	}
	return err
}
