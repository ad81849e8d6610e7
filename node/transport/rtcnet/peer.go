package rtcnet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peersea/sea/node/transport"
	"github.com/pion/ice/v2"
	"github.com/pion/stun"
	"github.com/pion/webrtc/v3"
)

const (
	// gatherTime is how long an offer or answer waits for candidates
	// (half-trickle): host addresses are there at once, a STUN server that
	// does not answer must not hold up the rest.
	gatherTime = 750 * time.Millisecond

	// receiveBuffer is SCTP's receive window. 8 MiB collapses: pion's ICE and
	// mux buffers below hold 1 MB each and drop the rest.
	receiveBuffer = 1 << 20

	// patience is how long pion may take to close before its sockets are
	// closed under it, and again before it is left behind.
	patience = 2 * time.Second
)

// The lanes' data channels.
const (
	controlID = 0
	bulkID    = 1
	protocol  = "sea"
)

// Why a connection ended, beside the rules in lane.go.
var (
	errClosed  = fmt.Errorf("closed on this side: %w", net.ErrClosed)
	errRemote  = fmt.Errorf("closed by peer: %w", net.ErrClosed)
	errLost    = errors.New("connection lost")
	errSecure  = errors.New("DTLS handshake failed or peer has another certificate")
	errChannel = errors.New("peer opened a channel of its own")
	errExpired = errors.New("attempt given up: nothing followed in time")
)

// A peer is one PeerConnection with its sockets and lanes, from the first
// candidate to the last goroutine.
//
//	gathering ──> half open ──> open
//	     │            │           │
//	     └────────────┴───────────┴──> dead ──> gone
//
// dead begins with fail, from whichever side, and gone is when nothing of it
// runs any more.
type peer struct {
	log     *slog.Logger
	pc      *webrtc.PeerConnection
	sockets *sockets
	policy  policy
	control *lane
	bulk    *lane

	ufrag, password string // ICE's; 40 and 130 bits

	opened   chan struct{}   // both lanes are open
	closed   chan struct{}   // this side has called close
	dead     <-chan struct{} // fail has been called
	cancel   context.CancelFunc
	gone     chan struct{} // everything has ended
	gathered chan struct{} // pion has found all our candidates

	release func()      // gives the half-open slot back; harmless again
	expiry  *time.Timer // ends a half-open peer that everyone forgot

	mu      sync.Mutex
	found   []candidate // guarded by mu, as all below: ours
	theirs  int         // candidates of theirs that the policy let through
	refused int         // and those it did not
	heard   bool        // pion has been given their description
	lanes   int         // open ones
	byes    int         // lanes on which the other side said bye
	failed  bool
	err     error // why, once dead is closed
	remote  string
	pumps   sync.WaitGroup

	gatherOnce, closeOnce sync.Once
}

// A setup is what differs between the peers of a Negotiator.
type setup struct {
	policy policy

	// alone tells that no candidate of ours is sent, so that STUN need not be
	// asked for one.
	alone bool

	// local is the only address of this machine to use; none is all of them.
	local netip.Addr

	// ufrag and password are drawn when empty.
	ufrag, password string

	// port is a Listener's, which makes the peer its ICE-lite side and the DTLS
	// server, with these certificates; nil for all others.
	port         *port
	certificates []webrtc.Certificate
}

// newPeer makes a PeerConnection with its lanes, not yet started.
func newPeer(cfg Config, host network, set setup, release func()) (*peer, error) {
	pol := set.policy
	if set.ufrag == "" {
		set.ufrag, set.password = rand.Text()[:8], rand.Text()
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &peer{
		log:      cfg.Log,
		policy:   pol,
		opened:   make(chan struct{}),
		closed:   make(chan struct{}),
		dead:     ctx.Done(),
		cancel:   cancel,
		gone:     make(chan struct{}),
		gathered: make(chan struct{}),
		release:  release,
		ufrag:    set.ufrag,
		password: set.password,
	}
	addrs := host.addrs
	if host.onLoopback(cfg.Loopback) || pol.loopback && host.loopback.IsValid() {
		addrs = append(addrs[:len(addrs):len(addrs)], host.loopback)
	}
	if set.local.IsValid() {
		addrs = []netip.Prefix{netip.PrefixFrom(set.local, set.local.BitLen())}
	}
	p.sockets = newSockets(ctx, addrs)

	var se webrtc.SettingEngine
	se.LoggerFactory = pionLog{cfg.Log}
	se.DetachDataChannels()
	se.SetNet(p.sockets)
	se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	se.SetIncludeLoopbackCandidate(true) // sockets.Interfaces decides
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	se.DisableActiveTCP(true)
	// Ours, because reading pion's own races with its start of ICE.
	se.SetICECredentials(p.ufrag, p.password)
	// Of the silence that ends a connection pion calls the first third
	// disconnected. Keepalives also hold NATs' mappings.
	se.SetICETimeouts(cfg.Silence/3, cfg.Silence-cfg.Silence/3, cfg.Silence/6)
	// The defaults wait 0.5 to 1 s for a better pair than the one that works.
	se.SetSrflxAcceptanceMinWait(0)
	se.SetPrflxAcceptanceMinWait(0)
	se.SetSCTPMaxReceiveBufferSize(receiveBuffer)
	// Without this a handshake that starts while the transport below is being
	// closed waits for its own 30 s.
	se.SetDTLSConnectContextMaker(func() (context.Context, func()) { return context.WithCancel(ctx) })

	conf := webrtc.Configuration{Certificates: set.certificates}
	if set.port != nil {
		p.sockets.port = set.port
		set.port.owns.Store(p.sockets)
		se.SetICEUDPMux(set.port)
		se.SetLite(true)
		// Pion's lite side wants an answer to a check of its own before it takes
		// a pair, and we have not been told what to sign one with. A lite side
		// takes the pair that it is told to (RFC 8445 §7.3.2).
		var taken atomic.Bool
		se.SetICEBindingRequestHandler(func(m *stun.Message, _, _ ice.Candidate, _ *ice.CandidatePair) bool {
			return m.Contains(stun.AttrUseCandidate) && !taken.Swap(true)
		})
		se.DisableCertificateFingerprintVerification(true)
		if err := se.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
			cancel()
			release()
			return nil, fmt.Errorf("make peer connection: %w", err)
		}
	}
	if !set.alone {
		for _, hostport := range cfg.STUN {
			conf.ICEServers = append(conf.ICEServers, webrtc.ICEServer{URLs: []string{"stun:" + hostport}})
		}
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(se)).NewPeerConnection(conf)
	if err != nil {
		cancel()
		release()
		return nil, fmt.Errorf("make peer connection: %w", err)
	}
	p.pc = pc
	p.control = newLane("control", p.closed, p.dead)
	p.bulk = newLane("bulk", p.closed, p.dead)
	pc.OnICECandidate(p.candidate)
	pc.OnConnectionStateChange(p.state)
	pc.OnDataChannel(func(*webrtc.DataChannel) { p.fail(errChannel) })
	p.expiry = time.AfterFunc(cfg.Expiry, func() { p.fail(errExpired) })
	if err := errors.Join(p.channel(p.control, controlID), p.channel(p.bulk, bulkID)); err != nil {
		p.fail(err)
		<-p.gone
		return nil, err
	}
	return p, nil
}

// channel makes the data channel under l.
func (p *peer) channel(l *lane, id uint16) error {
	yes, sub := true, protocol
	dc, err := p.pc.CreateDataChannel(l.name, &webrtc.DataChannelInit{
		Ordered: &yes, Negotiated: &yes, ID: &id, Protocol: &sub,
	})
	if err != nil {
		return fmt.Errorf("make the %s lane: %w", l.name, err)
	}
	dc.OnOpen(func() {
		raw, err := dc.Detach()
		if err != nil {
			p.fail(fmt.Errorf("open the %s lane: %w", l.name, err))
			return
		}
		p.open(l, raw.(rawChannel))
	})
	return nil
}

// candidate is called by pion with each of our candidates, and with nil after
// the last.
func (p *peer) candidate(c *webrtc.ICECandidate) {
	if c == nil {
		p.gatherOnce.Do(func() { close(p.gathered) })
		return
	}
	out, err := fromPion(c)
	if err != nil {
		p.log.Debug("candidate not used", "err", err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.found) < maxCandidates {
		p.found = append(p.found, out)
	}
}

// state is called by pion when ICE or DTLS changes.
func (p *peer) state(s webrtc.PeerConnectionState) {
	if s != webrtc.PeerConnectionStateFailed {
		return
	}
	if p.pc.ICEConnectionState() == webrtc.ICEConnectionStateFailed {
		p.fail(errLost)
		return
	}
	p.fail(errSecure)
}

// open is called by pion when a lane's channel is open.
func (p *peer) open(l *lane, raw rawChannel) {
	l.use(raw, bufferFor(p.rtt()))
	remote := p.selected()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lanes++; p.failed || p.lanes < 2 {
		return
	}
	p.remote = remote
	p.pumps.Add(2)
	go p.pump(p.control)
	go p.pump(p.bulk)
	p.expiry.Stop()
	p.release()
	close(p.opened)
}

// pump runs l's pump and ends the peer after it.
func (p *peer) pump(l *lane) {
	defer p.pumps.Done()
	err := l.pump()
	switch {
	case errors.Is(err, errSize), errors.Is(err, errWindow), errors.Is(err, errControl):
		p.fail(fmt.Errorf("%s lane: %w", l.name, err))
	case err != nil:
		p.fail(errRemote) // it closed without bye, or ICE has failed
	default:
		p.mu.Lock()
		p.byes++
		last := p.byes == 2
		p.mu.Unlock()
		if last {
			p.fail(errRemote)
			return
		}
		// The other lane's bye is under way; it may be lost with the peer.
		late := time.NewTimer(transport.CloseWait)
		defer late.Stop()
		select {
		case <-late.C:
			p.fail(errRemote)
		case <-p.dead:
		}
	}
}

// describe waits for candidates and returns our offer or answer.
func (p *peer) describe(ctx context.Context, k kind) ([]byte, error) {
	late := time.NewTimer(gatherTime)
	defer late.Stop()
	select {
	case <-p.gathered:
	case <-late.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.dead:
		return nil, p.why()
	}
	certificate, err := p.pc.SCTP().Transport().GetLocalParameters()
	if err != nil {
		return nil, fmt.Errorf("read DTLS parameters: %w", err)
	}
	d := description{Version: version, Kind: k, Ufrag: p.ufrag, Password: p.password}
	for _, f := range certificate.Fingerprints {
		if f.Algorithm == "sha-256" {
			if d.Fingerprint, err = unColons(f.Value); err != nil {
				return nil, fmt.Errorf("read certificate's fingerprint: %w", err)
			}
		}
	}
	p.mu.Lock()
	d.Candidates = append(d.Candidates, p.found...)
	p.mu.Unlock()
	if err := d.check(k); err != nil {
		return nil, fmt.Errorf("make the %v: %w", k, err)
	}
	return d.encode()
}

// hear gives pion the other side's description. pion starts to connect when it
// has both.
func (p *peer) hear(d description) error {
	text, n := d.sdp(p.policy.allows)
	p.mu.Lock()
	p.theirs, p.refused = n, len(d.Candidates)-n
	p.heard = true
	p.mu.Unlock()
	kind := webrtc.SDPTypeOffer
	if d.Kind == answer {
		kind = webrtc.SDPTypeAnswer
	}
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: text}); err != nil {
		return fmt.Errorf("%w: %w", ErrDescription, err)
	}
	return nil
}

// wait returns once the peer is open. When ctx or the deadline ends first the
// peer is closed and gone.
func (p *peer) wait(ctx context.Context, deadline time.Duration) error {
	late := time.NewTimer(deadline)
	defer late.Stop()
	var err error
	select {
	case <-p.opened:
		return nil
	case <-p.dead:
		err = p.why()
	case <-ctx.Done():
		err = ctx.Err()
	case <-late.C:
		p.mu.Lock()
		err = fmt.Errorf("no way found in %v between %d addresses here and %d there (%d more not allowed): %w",
			deadline, len(p.found), p.theirs, p.refused, context.DeadlineExceeded)
		p.mu.Unlock()
	}
	p.fail(err)
	<-p.gone
	return fmt.Errorf("open webrtc connection: %w", err)
}

// selected is the remote address in use, host:port, or the last one.
func (p *peer) selected() string {
	if pair, err := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair(); err == nil && pair != nil {
		return net.JoinHostPort(pair.Remote.Address, fmt.Sprint(pair.Remote.Port))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.remote
}

// rtt is the round trip of the last STUN message, or 0.
func (p *peer) rtt() time.Duration {
	stats, ok := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePairStats()
	if !ok {
		return 0
	}
	return time.Duration(stats.CurrentRoundTripTime * float64(time.Second))
}

// why is the reason that fail was called with.
func (p *peer) why() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// close ends the peer from this side. Of an open one, what Send has accepted
// leaves first: bye follows it on both lanes, and the other side closes when it
// has both, all within transport.CloseWait.
func (p *peer) close() {
	p.closeOnce.Do(func() {
		close(p.closed)
		select {
		case <-p.opened:
		default:
			return
		}
		p.control.say(bye)
		p.bulk.say(bye)
		late := time.NewTimer(transport.CloseWait)
		defer late.Stop()
		select {
		case <-p.dead:
		case <-late.C:
		}
	})
	p.fail(errClosed)
	<-p.gone
}

// fail ends the peer because of err. It returns at once and may be called by
// pion; the first reason stays.
func (p *peer) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed {
		return
	}
	p.failed, p.err = true, err
	p.cancel()
	go p.teardown()
}

// teardown closes pion, then what pion left open, then waits for the pumps.
func (p *peer) teardown() {
	defer close(p.gone)
	p.expiry.Stop()
	p.settle()
	shut := make(chan struct{})
	go func() {
		defer close(shut)
		// What it reports is how far each layer had come.
		_ = p.pc.GracefulClose()
	}()
	if !done(shut, patience) {
		// Something in pion waits for a packet that will not come. The
		// sockets' end is the end of all of its reads.
		p.sockets.close()
		if !done(shut, patience) {
			p.log.Warn("webrtc connection did not close, its goroutines are left behind", "cause", p.why())
		}
	}
	p.sockets.close()
	p.pumps.Wait()
	p.release()
	p.log.Debug("webrtc connection ended", "cause", p.why())
}

// settle waits until pion is not just now starting ICE. Its ICETransport reads
// the field mux without its lock when it stops, so that a stop at the moment
// when a pair connects is a nil dereference (v3.3.6, icetransport.go, stop; the
// state that should prevent it is overwritten by the agent's own). So: the
// start has begun, no further packet can complete it, and if one has, it is
// over. None of this takes longer than the scheduler does.
func (p *peer) settle() {
	p.mu.Lock()
	heard, opened := p.heard, p.lanes > 0
	p.mu.Unlock()
	if !heard || opened {
		return
	}
	dtls := p.pc.SCTP().Transport()
	below := dtls.ICETransport()
	quiet := until(func() bool { return below.Role() != webrtc.ICERole(0) }) && until(p.sockets.quiet)
	if !quiet {
		p.log.Warn("webrtc connection closes while pion is busy", "cause", p.why())
		return
	}
	if pair, err := below.GetSelectedCandidatePair(); err == nil && pair != nil {
		until(func() bool { return dtls.State() != webrtc.DTLSTransportStateNew })
	}
}

// until waits for cond, at most for patience, and reports whether it came true.
func until(cond func() bool) bool {
	tick := time.NewTicker(50 * time.Microsecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(late) {
			return false
		}
	}
	return true
}

// done reports whether ch is closed within d.
func done(ch <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ch:
		return true
	case <-t.C:
		return false
	}
}
