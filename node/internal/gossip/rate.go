package gossip

import (
	"time"

	"github.com/peersea/sea/identity"
)

// The rates, in pieces or bytes a second, and how much may come at once.
const (
	// AuthorRate and AuthorBytes are what an author may say. A member holds
	// itself to half the bursts, since what it sent evenly may bunch up on the
	// way.
	AuthorRate       = 20
	AuthorBurst      = 40
	AuthorBytes      = 64 << 10
	AuthorBytesBurst = 256 << 10

	// linkRate is how many new messages may come over one link.
	linkRate  = 1000
	linkBurst = 2000

	// excessRate is how many messages above its own rate an author may send
	// over a link of its own before the link is no partner any more.
	excessRate  = 10
	excessBurst = 200

	// walkRate is how many walks and shuffles may come over one link.
	walkRate  = 4
	walkBurst = 32

	// askRate is how many Neighbours may come over one link.
	askRate  = 1
	askBurst = 16

	// giftRate is how many bytes of messages one link may ask for: at once all
	// that is kept, twice.
	giftRate  = 256 << 10
	giftBurst = 2 * maxStoredBytes

	// maxAuthors is how many authors' rates are kept.
	maxAuthors = 4096
)

// A bucket holds tokens. The zero bucket is full.
type bucket struct {
	used float64
	at   time.Time
}

// fits reports whether so many tokens are there.
func (b *bucket) fits(now time.Time, n, rate, burst float64) bool {
	if passed := now.Sub(b.at); passed > 0 {
		b.used = max(0, b.used-rate*passed.Seconds())
		b.at = now
	}
	return b.used+n <= burst
}

// take takes so many tokens if they are there.
func (b *bucket) take(now time.Time, n, rate, burst float64) bool {
	if !b.fits(now, n, rate, burst) {
		return false
	}
	b.used += n
	return true
}

// A Rate is what one author has said of late. The zero Rate has said nothing.
type Rate struct{ messages, bytes bucket }

// fits reports whether a message of size bytes is within the rate.
func (r *Rate) fits(now time.Time, size int, burst float64) bool {
	return r.messages.fits(now, 1, AuthorRate, AuthorBurst*burst) &&
		r.bytes.fits(now, float64(size), AuthorBytes, AuthorBytesBurst*burst)
}

func (r *Rate) take(size int) {
	r.messages.used++
	r.bytes.used += float64(size)
}

// Allow takes a message of size signed bytes, of a member's own, out of its
// rate, or reports false.
func (r *Rate) Allow(now time.Time, size int) bool {
	if !r.fits(now, size, 0.5) {
		return false
	}
	r.take(size)
	return true
}

// idle reports whether the rate is as if nothing had been said.
func (r *Rate) idle(now time.Time) bool {
	r.fits(now, 0, 1)
	return r.messages.used == 0 && r.bytes.used == 0
}

// authors are the rates of a channel's authors.
type authors map[identity.Entity]*Rate

// fits reports whether a message of an author is within its rate.
func (a authors) fits(now time.Time, who identity.Entity, size int) bool {
	r := a[who]
	return r == nil || r.fits(now, size, 1)
}

// take counts a message whose signature holds. It reports false when there are
// too many authors.
func (a authors) take(now time.Time, who identity.Entity, size int) bool {
	r := a[who]
	if r == nil {
		if len(a) >= maxAuthors {
			for e, other := range a {
				if other.idle(now) {
					delete(a, e)
				}
			}
		}
		if len(a) >= maxAuthors {
			return false
		}
		r = &Rate{messages: bucket{at: now}, bytes: bucket{at: now}}
		a[who] = r
	}
	r.take(size)
	return true
}
