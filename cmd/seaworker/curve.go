package main

import (
	"iter"
	"net/http"
	"time"

	"github.com/peersea/sea/ledger"
)

// maxCurve is how many points a curve has at most; half of them at least, when
// there are as many postings.
const maxCurve = 512

// curvePoint is a stretch of postings: when the last of them was, the balance
// after it, and the least and the most that the balance was in between.
type curvePoint struct {
	At      time.Time     `json:"at"`
	Balance ledger.Amount `json:"balance_micro"`
	Low     ledger.Amount `json:"low_micro"`
	High    ledger.Amount `json:"high_micro"`
}

// curve draws a balance over time with a bounded number of points: when there are
// too many, two and two become one.
type curve struct {
	points []curvePoint
	each   int // postings to a point
	last   int // postings in the last point
}

func (c *curve) add(at time.Time, balance ledger.Amount) {
	if c.each == 0 {
		c.each = 1
	}
	if len(c.points) == maxCurve && c.last == c.each {
		c.halve()
	}
	if len(c.points) == 0 || c.last == c.each {
		c.points = append(c.points, curvePoint{At: at, Balance: balance, Low: balance, High: balance})
		c.last = 1
		return
	}
	p := &c.points[len(c.points)-1]
	p.At, p.Balance, p.Low, p.High = at, balance, min(p.Low, balance), max(p.High, balance)
	c.last++
}

// halve makes one point of each two. Their number is even.
func (c *curve) halve() {
	for i := range len(c.points) / 2 {
		a, b := c.points[2*i], c.points[2*i+1]
		c.points[i] = curvePoint{At: b.At, Balance: b.Balance, Low: min(a.Low, b.Low), High: max(a.High, b.High)}
	}
	c.points = c.points[:len(c.points)/2]
	c.each *= 2
	c.last = c.each
}

// draw makes the curve of the sum of all postings, at the time of now. A posting's
// time is its writer's word: one before the last or after now counts as of the
// last.
func draw(postings iter.Seq2[ledger.Posting, error], now time.Time) ([]curvePoint, error) {
	c := curve{points: make([]curvePoint, 0, maxCurve)}
	var sum ledger.Amount
	var last time.Time
	for p, err := range postings {
		if err != nil {
			return nil, err
		}
		switch {
		case p.Time.After(last) && !p.Time.After(now):
			last = p.Time
		case last.IsZero():
			last = now
		}
		sum += p.Amount
		c.add(last, sum)
	}
	return c.points, nil
}

// getCurve answers GET /v1/credit/curve.
func (a *api) getCurve(r *http.Request, _ none) ([]curvePoint, error) {
	var of ledger.Filter
	if text := r.URL.Query().Get("peer"); text != "" {
		peer, err := a.findPeer(text)
		if err != nil {
			return nil, err
		}
		of.Peer = peer
	}
	return draw(a.d.ledger.History(of), time.Now())
}
