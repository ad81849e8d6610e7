package pick

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/golden"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

// A ranking is a table of sellers, and in which order they are asked when chance
// leaves them where they are.
type ranking struct {
	Sellers []ranked `json:"sellers"`
	// Newcomer is whether it is a newcomer's turn.
	Newcomer bool  `json:"newcomer"`
	Now      int64 `json:"now_ms"`
	Order    []int `json:"order"`
}

type ranked struct {
	Cost  int64     `json:"cost"`
	Free  int       `json:"free"`
	Dealt *Dealings `json:"dealt"` // null of a newcomer
}

// A memorised is what a buyer remembers after some jobs.
type memorised struct {
	Jobs     []dealt  `json:"jobs"`
	Newcomer bool     `json:"newcomer"` // whether it is a newcomer's turn then
	Best     []string `json:"best"`     // entities, an hour later
}

type dealt struct {
	Seller string `json:"seller"`
	Well   bool   `json:"well"`
	At     int64  `json:"at_ms"`
}

// TestGolden holds the rule to the vectors that the browser's half reads.
func TestGolden(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	start := newHand().now
	var rankings []ranking
	for i := range 24 {
		r := ranking{Newcomer: rnd.IntN(2) == 0, Now: start.UnixMilli()}
		all := make([]Known[ledger.Amount], 1+i%20)
		for i := range all {
			k := seller(byte(i), ledger.Amount(1+rnd.IntN(6)), rnd.IntN(3))
			row := ranked{Cost: int64(k.Offer), Free: k.Slots}
			if rnd.IntN(2) == 0 {
				k.Dealt = Dealings{Done: uint64(rnd.IntN(9)), Failed: uint64(rnd.IntN(3)), Missed: start.Add(-time.Duration(rnd.IntN(120)) * time.Minute).UnixMilli()}
				k.Dealt.Row = uint64(rnd.IntN(int(k.Dealt.Done) + 1))
				if k.Dealt.Failed == 0 {
					k.Dealt.Done++
					k.Dealt.Row, k.Dealt.Missed = k.Dealt.Done, 0
				}
				row.Dealt = &k.Dealt
			}
			all[i] = k
			r.Sellers = append(r.Sellers, row)
		}
		Rank(all, price, r.Newcomer, start, func(int, func(i, j int)) {})
		for _, k := range all {
			r.Order = append(r.Order, int(k.At[0]))
		}
		rankings = append(rankings, r)
	}
	golden.JSON(t, "testdata/rank.json", rankings)

	var memories []memorised
	for _, n := range []int{0, 7, 40, 600} {
		m, of := Memory{}, memorised{Best: []string{}}
		at := start
		for range n {
			e := identity.Entity{byte(rnd.IntN(3)), byte(rnd.IntN(max(1, n/6)))}
			at = at.Add(time.Duration(rnd.IntN(60_000)) * time.Minute / 10)
			well := rnd.IntN(4) > 0
			m.Did(e, addr.OfNode(e), well, at)
			of.Jobs = append(of.Jobs, dealt{hex.EncodeToString(e[:]), well, at.UnixMilli()})
		}
		of.Newcomer = m.Newcomer()
		for _, w := range m.Best(at.Add(time.Hour)) {
			of.Best = append(of.Best, hex.EncodeToString(w.Seller[:]))
		}
		memories = append(memories, of)
	}
	golden.JSON(t, "testdata/memory.json", memories)
}
