package rtcnet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/peersea/sea/node/transport"
)

// A sea:// address is all that it takes to dial a node: an IP address with a UDP
// port, and the hash of the certificate that DTLS shows there. There is no offer
// to carry: the dialling side writes the answer itself, out of a name that it
// draws for the connection, and the listening side learns that name from the
// first STUN request.

// Scheme is of the URLs that a Listener has and a Dialer dials.
const Scheme = "sea"

const (
	// direct begins the names (ICE's ufrag) of connections that are dialled so.
	direct = "sea+v1+"

	// anyone makes a password of a name. It keeps nobody out: what ICE's
	// passwords are for, the handshake above does.
	anyone = "+anyone"

	// maxDirect bounds a sea:// URL, in bytes.
	maxDirect = 128
)

// ErrURL is returned, wrapped with the reason, for what is no sea:// URL.
var ErrURL = errors.New("not a sea://IP:PORT/#HASH URL")

// A place is what a sea:// URL names.
type place struct {
	at   netip.AddrPort
	hash [32]byte // SHA-256 of the DTLS certificate
}

// String returns the one spelling.
func (p place) String() string {
	return Scheme + "://" + p.at.String() + "/#" + hex.EncodeToString(p.hash[:])
}

// parsePlace reads a sea:// URL in its one spelling.
func parsePlace(text string) (place, error) {
	bad := func(why string) (place, error) { return place{}, fmt.Errorf("%w: %s", ErrURL, why) }
	if len(text) > maxDirect {
		return bad("it is too long")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != Scheme {
		return bad("it does not begin with sea://")
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil || at.Port() == 0 || at.Addr().Is4In6() || at.Addr().Zone() != "" {
		return bad("its host is no IP address with a port")
	}
	hash, err := hex.DecodeString(u.Fragment)
	if err != nil || len(hash) != 32 {
		return bad("its hash has not 64 hexadecimal digits")
	}
	p := place{at: at, hash: [32]byte(hash)}
	if p.String() != text {
		return bad("it is spelled in another way than " + p.String())
	}
	return p, nil
}

// A Dialer dials sea:// URLs. All methods may be called at once.
type Dialer struct {
	n     *Negotiator
	allow func(netip.Addr) error
}

var _ transport.Dialer = (*Dialer)(nil)

// Dialer returns a Dialer, which ends with n and need not be closed. allow is
// asked for each address before it is dialled; an error refuses it, nil allows
// all. Dials count as offers of n.
func (n *Negotiator) Dialer(allow func(netip.Addr) error) *Dialer { return &Dialer{n, allow} }

// Dial connects to whoever listens at a sea:// URL and shows the certificate
// that it names. Errors wrap ErrURL or the reason; see Config.OpenTime for how
// long it takes at most.
func (d *Dialer) Dial(ctx context.Context, text string) (transport.Conn, error) {
	to, err := parsePlace(text)
	if err == nil && never(to.at.Addr()) {
		err = errNever
	}
	if err == nil && d.allow != nil {
		err = d.allow(to.at.Addr())
	}
	if err != nil {
		return nil, fmt.Errorf("dial %.*q: %w", maxDirect, text, err)
	}
	c, err := d.dial(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", to.at, err)
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, to place) (transport.Conn, error) {
	n := d.n
	local, err := localTo(to.at)
	if err != nil {
		return nil, err
	}
	select {
	case n.offers <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-n.closed:
		return nil, net.ErrClosed
	}
	p, err := n.start(n.offers, func(network) setup {
		return setup{
			policy: policy{loopback: to.at.Addr().IsLoopback(), private: []netip.Prefix{netip.PrefixFrom(to.at.Addr(), to.at.Addr().BitLen())}},
			alone:  true, local: local,
		}
	})
	if err != nil {
		return nil, err
	}
	name := direct + rand.Text()
	err = func() error {
		sdp, err := p.pc.CreateOffer(nil)
		if err != nil {
			return err
		}
		if err := p.pc.SetLocalDescription(sdp); err != nil {
			return err
		}
		return p.hear(description{
			Version: version, Kind: answer, Ufrag: name, Password: name + anyone, Fingerprint: to.hash[:],
			Candidates: []candidate{{Type: hostCandidate, IP: to.at.Addr().AsSlice(), Port: to.at.Port(), Priority: 1}},
			listening:  true,
		})
	}()
	if err != nil {
		p.close()
		return nil, err
	}
	if err := p.wait(ctx, n.cfg.OpenTime); err != nil {
		return nil, err
	}
	return conn{p}, nil
}

// localTo returns the address of this machine that packets to a place have.
func localTo(at netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at)) // sends nothing
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone(""), nil
}

// callers reads the names in an ICE request: of the connection, and of the side
// that dials.
func callers(b []byte) (name, theirs string, ok bool) {
	user, ok := username(b)
	if !ok {
		return "", "", false
	}
	name, theirs, ok = strings.Cut(user, ":")
	ok = ok && strings.HasPrefix(name, direct) && iceChars(name, len(direct)+16) && len(name)+len(anyone) <= 256 && iceChars(theirs, 4)
	return name, theirs, ok
}
