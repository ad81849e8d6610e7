package route

import "time"

// A Bucket holds tokens: Rate a second come in, up to Burst. The zero Bucket is
// full.
type Bucket struct {
	used float64
	at   time.Time
}

// The rate of routed requests, per link and per source.
const (
	Rate  = 50
	Burst = 200
)

// Take takes a token at the time now and reports whether there was one.
func (b *Bucket) Take(now time.Time) bool {
	if passed := now.Sub(b.at); passed > 0 {
		b.used = max(0, b.used-Rate*passed.Seconds())
		b.at = now
	}
	if b.used+1 > Burst {
		return false
	}
	b.used++
	return true
}

// Full reports whether the bucket is as if it had never been used.
func (b *Bucket) Full(now time.Time) bool {
	return b.used <= Rate*now.Sub(b.at).Seconds()
}
