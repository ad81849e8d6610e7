package gossip

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
)

// The bounds of meeting places.
const (
	// RecordLife is how long a record is kept.
	RecordLife = 90 * time.Second

	// MaxRecords is how many records are kept for a channel.
	MaxRecords = 64

	// MaxAnswer is how many of them one member is told.
	MaxAnswer = 16

	// MaxRooms is how many channels a node keeps records for.
	MaxRooms = 1024

	// MaxRoomsOf is in how many of them one member has a record once half of
	// the rooms are taken: as many as a node is a member of.
	MaxRoomsOf = 64
)

// Places are a node's meeting places: for each channel that others look for
// here, the records of a few members. It is not safe for concurrent use.
type Places struct {
	self  addr.Addr
	rand  *rand.Rand
	rooms map[addr.Addr]*room
	has   map[identity.Entity]int // in how many rooms a member has a record; those in none are not in it
}

// A room is what a node keeps for a channel.
type room struct {
	place   addr.Addr // that it was looked for at
	records []kept

	// Announcements since began and in the RecordLife before.
	began     time.Time
	now, last traffic
}

// traffic is a number of announcements, and the sum of how often their members
// come.
type traffic struct {
	n     int
	every time.Duration
}

type kept struct {
	member    identity.Entity
	every     time.Duration
	statement identity.Statement
	until     time.Time
}

// NewPlaces returns the empty places of the node at self. rand is theirs alone.
func NewPlaces(self addr.Addr, rand *rand.Rand) *Places {
	return &Places{self: self, rand: rand, rooms: make(map[addr.Addr]*room), has: make(map[identity.Entity]int)}
}

// Announce keeps a member's record, verified, for a channel that was looked for
// at place. When there are too many channels one goes whose members have records in
// most rooms, so that a few members do not keep the others out; and of those the one
// that was looked for farthest from the node. That may be this one.
func (p *Places) Announce(now time.Time, place addr.Addr, r Record, s identity.Statement) {
	room := p.room(now, place, r)
	if room == nil {
		return
	}
	p.expire(room, now)
	k := kept{member: r.Member, every: r.Every, statement: s, until: now.Add(RecordLife)}
	if i := slices.IndexFunc(room.records, func(o kept) bool { return o.member == r.Member }); i >= 0 {
		// It counts as often as it says that it comes, however often it does.
		if came := room.records[i].until.Add(-RecordLife); now.Sub(came) >= r.Every/2 {
			room.note(r)
			room.records[i] = k
		}
		return
	}
	room.note(r)
	if len(room.records) < MaxRecords {
		room.records = append(room.records, k)
		p.has[k.member]++
		return
	}
	// Each of those that came lately has the same chance to be among them.
	if i := p.rand.IntN(max(MaxRecords, room.lately(now).n)); i < MaxRecords {
		p.leave(room.records[i].member)
		room.records[i] = k
		p.has[k.member]++
	}
}

// room returns the room that a record belongs to, making it if there is a place.
func (p *Places) room(now time.Time, place addr.Addr, record Record) *room {
	if r := p.rooms[record.Channel]; r != nil {
		return r
	}
	if len(p.rooms) >= MaxRooms/2 && p.has[record.Member] >= MaxRoomsOf {
		return nil
	}
	if len(p.rooms) >= MaxRooms {
		for c, r := range p.rooms {
			if p.expire(r, now); len(r.records) == 0 {
				delete(p.rooms, c)
			}
		}
	}
	if len(p.rooms) >= MaxRooms {
		var worst addr.Addr
		var worstLoad int
		var far *room
		for c, r := range p.rooms {
			load := p.load(r)
			if far == nil || load > worstLoad || load == worstLoad && addr.Closer(p.self, far.place, r.place) {
				worst, worstLoad, far = c, load, r
			}
		}
		load := p.has[record.Member] + 1
		if load > worstLoad || load == worstLoad && !addr.Closer(p.self, place, far.place) {
			return nil
		}
		for _, k := range far.records {
			p.leave(k.member)
		}
		delete(p.rooms, worst)
	}
	r := &room{place: place, began: now}
	p.rooms[record.Channel] = r
	return r
}

// load is in how many rooms the member of a room has a record that has fewest, of the
// first eight.
func (p *Places) load(r *room) int {
	least := MaxRooms
	for _, k := range r.records[:min(len(r.records), 8)] {
		least = min(least, p.has[k.member])
	}
	return least
}

// leave tells that a member has a record less.
func (p *Places) leave(member identity.Entity) {
	if p.has[member]--; p.has[member] == 0 {
		delete(p.has, member)
	}
}

// Members returns the records of at most n members of a channel but one, and how
// many members there seem to be.
func (p *Places) Members(now time.Time, channel addr.Addr, n int, not identity.Entity) (records []identity.Statement, count int) {
	r := p.rooms[channel]
	if r == nil {
		return nil, 0
	}
	if p.expire(r, now); len(r.records) == 0 {
		delete(p.rooms, channel)
		return nil, 0
	}
	for _, i := range p.rand.Perm(len(r.records)) {
		if len(records) < n && r.records[i].member != not {
			records = append(records, r.records[i].statement)
		}
	}
	return records, r.count(now)
}

// Rooms returns how many channels there are records for.
func (p *Places) Rooms() int { return len(p.rooms) }

// note counts an announcement.
func (r *room) note(record Record) {
	r.now.n++
	r.now.every += record.Every
}

// expire forgets the records of a room whose time is over, and turns its counts.
func (p *Places) expire(r *room, now time.Time) {
	r.records = slices.DeleteFunc(r.records, func(k kept) bool {
		over := !now.Before(k.until)
		if over {
			p.leave(k.member)
		}
		return over
	})
	switch age := now.Sub(r.began); {
	case age >= 2*RecordLife:
		r.began, r.last, r.now = now, traffic{}, traffic{}
	case age >= RecordLife:
		r.began, r.last, r.now = r.began.Add(RecordLife), r.now, traffic{}
	}
}

// lately is about what came within the last RecordLife.
func (r *room) lately(now time.Time) traffic {
	rest := 1 - float64(now.Sub(r.began))/float64(RecordLife)
	return traffic{
		n:     r.now.n + int(rest*float64(r.last.n)),
		every: r.now.every + time.Duration(rest*float64(r.last.every)),
	}
}

// count is about how many members there are. A few are all here. Of many each
// announces itself seldom, and says how seldom: whoever comes every ten
// RecordLives stands for ten.
func (r *room) count(now time.Time) int {
	n := len(r.records)
	if n < MaxRecords/2 {
		return n
	}
	return max(n, int(r.lately(now).every/RecordLife))
}
