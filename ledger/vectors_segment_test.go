package ledger

import "github.com/peersea/sea/identity"

// segment adds the vectors of a sealed segment: the two runs of c as the payee's
// log has them.
func (g *examples) segment(c *chain, add func(string, string, []byte, bool, map[string]any), stored func(bucket, []byte, []byte)) {
	from := g.payer.Entity()
	s := segment{segmentHead: segmentHead{owner: g.payee.Entity(), n: 1, first: 1, last: 3, heads: 2}}
	at := span{first: 1}
	for _, r := range c.runs {
		for i, e := range r.entries {
			at.last = uint64(len(s.records) + 1)
			rec := record{peer: from, back: at.last - 1, entry: &e, signed: i == len(r.entries)-1, sig: r.sig}
			s.records = append(s.records, seal(bLog, number(at.last), rec.encode()))
			if rec.signed {
				s.heads = append(s.heads, rec.headRecord(at))
				at.first = at.last + 1
			}
		}
	}
	b := s.encode()
	hash := identity.Hash(b[len(b)-32:])
	add("segment", "the payee's first sealed segment, with the payer's three entries", b, false,
		map[string]any{"n": 1, "first": 1, "last": 3, "heads": 2, "hash": hash})
	part := sealedPart{n: 1, first: 1, last: 3, size: int64(len(b)), hash: hash}
	stored(bSegment, number(3), part.encode())
}
