package rtcnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/peersea/sea/node/transport"
)

const (
	// Window is how much one side may have sent on a lane that the other has
	// not yet taken, in bytes; each message counts Overhead more than it has.
	Window = 1 << 20

	// Overhead is what a message costs of the Window besides its bytes, so
	// that a window full of tiny messages is bounded memory too.
	Overhead = 64

	// quantum is how much the reader takes before it says so.
	quantum = Window / 4

	// Sending pauses when more than so many bytes wait in pion, and goes on at
	// half of it. What waits there is unacknowledged, so over a distance it
	// bounds the speed, and what lies in sockets and routers delays the other
	// lane: 1 MiB on a busy machine's loopback by 50 to 100 ms, 256 KiB by 5
	// to 17, at the same throughput. So it follows the round trip.
	leastBuffer = 256 << 10
	mostBuffer  = 1 << 20
	bufferSpeed = 20 << 20 // bytes a second that the buffer must not slow down
)

// bufferFor is how much may wait in pion at a distance of rtt.
func bufferFor(rtt time.Duration) uint64 {
	return min(leastBuffer+uint64(max(rtt, 0).Seconds()*bufferSpeed), mostBuffer)
}

// What a lane carries besides messages, which are binary, is text: how many
// bytes of the window the reader gives back, as decimal digits, or bye, after
// which nothing comes on this lane.
const bye = "bye"

// Why a connection ends when the other side broke the rules of a lane.
var (
	errWindow  = errors.New("peer sent more than the window")
	errSize    = fmt.Errorf("peer sent a message of no or more than %d bytes", transport.MaxMessage)
	errControl = errors.New("peer sent text that is neither credit nor bye")
)

// rawChannel is a detached data channel.
type rawChannel interface {
	ReadDataChannel([]byte) (n int, isText bool, err error)
	WriteDataChannel(b []byte, isText bool) (int, error)
	BufferedAmount() uint64
	SetBufferedAmountLowThreshold(uint64)
	OnBufferedAmountLow(func())
}

// A lane is one data channel as a transport.Conn sees it, but for closing.
type lane struct {
	name   string
	closed <-chan struct{} // this side has called Close
	dead   <-chan struct{} // the connection is over, for whatever reason
	ended  chan struct{}   // nothing more will arrive; closed by pump

	raw  rawChannel    // set before the connection is handed out
	high uint64        // of the bytes that wait in raw; set with it
	turn chan struct{} // holds a token while a Send waits, so that they stay in order

	writable chan struct{} // a token when Send should look again
	readable chan struct{} // a token when messages wait

	mu     sync.Mutex
	credit int      // guarded by mu, as all below: what we may still send
	paused bool     // above high, and not yet down to half of it
	msgs   [][]byte // arrived and not taken
	held   int      // what msgs count
	owed   int      // what was taken and not yet given back
}

func newLane(name string, closed, dead <-chan struct{}) *lane {
	return &lane{
		name:     name,
		closed:   closed,
		dead:     dead,
		ended:    make(chan struct{}),
		turn:     make(chan struct{}, 1),
		writable: make(chan struct{}, 1),
		readable: make(chan struct{}, 1),
		credit:   Window,
	}
}

// use makes raw the lane's channel, in which high bytes may wait.
func (l *lane) use(raw rawChannel, high uint64) {
	raw.SetBufferedAmountLowThreshold(high / 2)
	raw.OnBufferedAmountLow(func() { token(l.writable) })
	l.raw, l.high = raw, high
}

func token(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func cost(size int) int { return size + Overhead }

// send is transport.Conn's Send.
func (l *lane) send(ctx context.Context, msg []byte) error {
	if err := transport.CheckSize(msg); err != nil {
		return err
	}
	select {
	case <-l.dead:
		return net.ErrClosed
	case <-l.closed:
		return net.ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return net.ErrClosed
	case <-l.dead:
		return net.ErrClosed
	}
	defer func() { <-l.turn }()
	for !l.spend(cost(len(msg))) {
		select {
		case <-l.writable:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.closed:
			return net.ErrClosed
		case <-l.dead:
			return net.ErrClosed
		}
	}
	if _, err := l.raw.WriteDataChannel(msg, false); err != nil {
		// It refuses only what is too long, which this is not, or a channel
		// that is going away.
		return net.ErrClosed
	}
	return nil
}

// spend takes n from the credit if a message that costs it may go now.
func (l *lane) spend(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.credit < n {
		return false
	}
	limit := l.high
	if l.paused {
		limit /= 2
	}
	if l.paused = l.raw.BufferedAmount() > limit; l.paused {
		return false
	}
	l.credit -= n
	return true
}

// recv is transport.Conn's Recv.
func (l *lane) recv(ctx context.Context) ([]byte, error) {
	for {
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		default:
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if msg, ok := l.take(); ok {
			return msg, nil
		}
		select {
		case <-l.readable:
		case <-ctx.Done():
		case <-l.closed:
		case <-l.ended:
			if msg, ok := l.take(); ok {
				return msg, nil
			}
			return nil, net.ErrClosed
		}
	}
}

// take returns the oldest message, and gives its room back to the sender when
// enough has come together.
func (l *lane) take() ([]byte, bool) {
	l.mu.Lock()
	if len(l.msgs) == 0 {
		l.mu.Unlock()
		return nil, false
	}
	msg := l.msgs[0]
	l.msgs[0] = nil
	if l.msgs = l.msgs[1:]; len(l.msgs) > 0 {
		token(l.readable) // for another Recv that waits
	} else {
		l.msgs = nil
	}
	l.held -= cost(len(msg))
	l.owed += cost(len(msg))
	give := 0
	if l.owed >= quantum {
		give, l.owed = l.owed, 0
	}
	l.mu.Unlock()
	if give > 0 {
		l.say(credit(give))
	}
	return msg, true
}

// say sends text. A channel that is going away needs none.
func (l *lane) say(text string) { _, _ = l.raw.WriteDataChannel([]byte(text), true) }

// pump moves what arrives into the lane until the channel ends, which is nil
// after bye, or the other side breaks a rule. It never waits for the reader:
// the window is what bounds it, so that the SCTP association, which both lanes
// share, always has room.
func (l *lane) pump() error {
	defer close(l.ended)
	buf := make([]byte, transport.MaxMessage+1)
	for {
		n, isText, err := l.raw.ReadDataChannel(buf)
		switch {
		case errors.Is(err, io.ErrShortBuffer):
			return errSize
		case err != nil:
			return err
		case isText && string(buf[:n]) == bye:
			return nil
		case isText:
			err = l.repay(buf[:n])
		default:
			err = l.push(buf[:n])
		}
		if err != nil {
			return err
		}
	}
}

// push keeps a message until it is taken.
func (l *lane) push(msg []byte) error {
	if len(msg) == 0 || len(msg) > transport.MaxMessage {
		return errSize
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held+l.owed+cost(len(msg)) > Window {
		return errWindow
	}
	l.held += cost(len(msg))
	l.msgs = append(l.msgs, transport.Keep(msg))
	token(l.readable)
	return nil
}

// repay adds what the other side gives back to the credit.
func (l *lane) repay(text []byte) error {
	n, err := parseCredit(text)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.credit+n > Window {
		return errControl // it gives back what we never sent
	}
	l.credit += n
	token(l.writable)
	return nil
}

// credit is the text that gives n bytes back.
func credit(n int) string { return strconv.Itoa(n) }

// parseCredit reads 1 to Window in its one spelling.
func parseCredit(text []byte) (int, error) {
	if len(text) == 0 || len(text) > 7 || text[0] == '0' {
		return 0, errControl
	}
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, errControl
		}
		n = n*10 + int(c-'0')
	}
	if n > Window {
		return 0, errControl
	}
	return n, nil
}
