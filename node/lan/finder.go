package lan

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The times.
const (
	askFirst = time.Second     // between the first two questions; it triples
	askLast  = 5 * time.Minute // between later ones

	// answerPause is how long an answer waits, at random, so that not all
	// answer at once; answerRate is between two of them. RFC 6762 §6.
	answerLeast, answerMost = 20 * time.Millisecond, 120 * time.Millisecond
	answerRate              = time.Second

	// lookAgain is how often the machine's interfaces are looked at.
	lookAgain = 15 * time.Second
)

// maxHeard is how many packets wait to be read; others are lost.
const maxHeard = 32

// A wire is the local network: the interfaces that have multicast.
type wire interface {
	// read returns the next packet and where on this network it came from.
	read(b []byte) (n int, from netip.Addr, err error)

	// write sends what build makes, on each interface, for its address. One
	// goroutine at a time calls it.
	write(build func(ip netip.Addr) ([]byte, error)) error

	// changed reports whether the interfaces are others by now.
	changed() bool

	close() error
}

// A Finder finds nodes on the local network, and has them find us.
type Finder struct {
	log  *slog.Logger
	open func() (wire, error)
}

// New returns a Finder that says at debug level what is in its way. A nil log
// is discarded.
func New(log *slog.Logger) *Finder {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Finder{log: log, open: open}
}

// Find looks for nodes of the network until ctx ends, and calls found with each
// that it hears of, again and again: name is drawn by that node at its start,
// url where it can be dialled. Of the URLs in listening it tells others the port
// of the first ws:// one that is not on loopback; when there is none it only
// looks. The error is ctx's.
func (f *Finder) Find(ctx context.Context, network string, listening []string, found func(name, url string)) error {
	var name [nameSize / 2]byte
	rand.Read(name[:])
	me := node{name: hex.EncodeToString(name[:]), tag: tag(network), port: port(listening)}
	for {
		w, err := f.open()
		if err == nil {
			err = f.talk(ctx, w, me, found)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			f.log.Debug("local network not used", "err", err)
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// port is where others on the network can dial, or 0.
func port(listening []string) uint16 {
	for _, l := range listening {
		u, err := url.Parse(l)
		if err != nil || u.Scheme != "ws" {
			continue
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err != nil || ip.IsLoopback() {
			continue
		}
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
			return uint16(n)
		}
		return 80
	}
	return 0
}

// heard is a packet that was read.
type heard struct {
	from netip.Addr
	message
}

// talk asks and answers on w, which it closes, until ctx ends or the machine's
// interfaces change.
func (f *Finder) talk(ctx context.Context, w wire, me node, found func(name, url string)) error {
	in := make(chan heard, maxHeard)
	var reader sync.WaitGroup
	var lost error // why the reader ended, once in is closed
	reader.Go(func() {
		defer close(in)
		lost = f.listen(w, in)
	})
	defer reader.Wait()
	defer w.close()

	say := func(seconds uint32) error {
		if me.port == 0 {
			return nil
		}
		return w.write(func(ip netip.Addr) ([]byte, error) { return answer(me, ip, seconds) })
	}
	ask := time.NewTimer(0)
	defer ask.Stop()
	reply := time.NewTimer(0) // we are here: nobody has to ask
	defer reply.Stop()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	due := true
	var said time.Time
	every := askFirst
	for {
		var err error
		select {
		case <-ask.C:
			err = w.write(func(netip.Addr) ([]byte, error) { return question() })
			ask.Reset(every + mathrand.N(every/10))
			every = min(3*every, askLast)
		case <-reply.C:
			due, said = false, time.Now()
			err = say(ttl)
		case h, ok := <-in:
			if !ok {
				return lost
			}
			if h.asks && !due && !slices.Contains(h.known, me.name) {
				wait := answerLeast + mathrand.N(answerMost-answerLeast)
				reply.Reset(max(wait, time.Until(said.Add(answerRate))))
				due = true
			}
			for _, n := range h.says {
				if n.name != me.name && n.tag == me.tag {
					found(n.name, "ws://"+net.JoinHostPort(h.from.String(), strconv.Itoa(int(n.port))))
				}
			}
		case <-look.C:
			if w.changed() {
				return fmt.Errorf("the machine's interfaces have changed")
			}
		case <-ctx.Done():
			_ = say(0) // goodbye; whoever misses it forgets us by and by
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// listen reads packets until w closes.
func (f *Finder) listen(w wire, in chan<- heard) error {
	b := make([]byte, maxPacket)
	for {
		n, from, err := w.read(b)
		if err != nil {
			return err
		}
		m, err := parse(b[:n])
		if err != nil || !m.asks && len(m.says) == 0 {
			continue // not for us
		}
		select {
		case in <- heard{from, m}:
		default:
		}
	}
}
