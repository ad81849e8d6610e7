package market

import (
	"context"
	"fmt"

	"github.com/peersea/sea/plugins/market/rest"
)

// mayRest refuses rules that this machine has no answer for.
func (m *Market) mayRest(r rest.Rules) error {
	if _, err := m.watch.Look(context.Background(), r); err != nil {
		return fmt.Errorf("a seller cannot rest by this: %w", err)
	}
	return nil
}

// look asks the machine whether the seller rests now, and holds the guests or
// lets them go on.
func (m *Market) look(ctx context.Context) {
	m.looking.Lock()
	defer m.looking.Unlock()
	now, err := m.watch.Look(ctx, m.Policy().Rules)
	if ctx.Err() != nil {
		return
	}
	m.selling.Lock()
	defer m.selling.Unlock()
	was := m.selling.rest
	m.selling.rest = now
	if now.Why == was.Why {
		return
	}
	if err != nil {
		m.log.Warn("the seller rests: its machine does not tell what it should go by", "err", err)
	}
	m.holdAllLocked()
}

// keepRest looks again and again until ctx ends.
func (m *Market) keepRest(ctx context.Context) { rest.Run(ctx, m.look) }

// restTexts say to buyers why a seller rests, and no more of what its owner does.
var restTexts = map[rest.Why]string{
	rest.Battery: "this node rests while its machine runs on battery; ask again in some minutes",
	rest.InUse:   "this node rests while its machine is in use; ask again in some minutes",
	rest.Unknown: "this node rests; ask again in some minutes",
}

// resting says why nothing is sold now by a node that sells, nil when something
// may be.
func (m *Market) resting(p Policy) *Refused {
	m.selling.Lock()
	defer m.selling.Unlock()
	return m.restingLocked(p)
}

func (m *Market) restingLocked(p Policy) *Refused {
	if no := p.closed(m.clock()); no != nil {
		return no
	}
	if no := m.selling.shift.refuses(); no != nil {
		return no
	}
	if text, rests := restTexts[m.selling.rest.Why]; rests {
		return refuse(NotSelling, "%s", text)
	}
	return nil
}

// NotNow says to this node's owner why nothing is sold at the moment, "" when
// orders are taken or would be if there were any.
func (m *Market) NotNow() string {
	m.selling.Lock()
	defer m.selling.Unlock()
	p := m.selling.policy
	switch no := m.restingLocked(p); {
	case !p.Selling:
		return "this node does not sell"
	case !m.credit.MaySell():
		return "the certificate under which this node acts does not let it sell"
	case no != nil && m.selling.rest.Why != "" && m.selling.shift.Mode == Open && p.closed(m.clock()) == nil:
		return "this node rests: " + m.selling.rest.Text
	case no != nil:
		return no.Text
	case m.selling.opened >= int(p.Slots)+int(p.Queue):
		return fmt.Sprintf("all slots and the queue are full: %d orders run or wait", m.selling.opened)
	}
	return ""
}
