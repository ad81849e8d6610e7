package gossip

import (
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
)

// A Record is what a node says of its membership in a channel.
type Record struct {
	// Member is who says it.
	Member identity.Entity

	// Network and Channel are where it is a member.
	Network string
	Channel addr.Addr

	// Issued is when it said so, to the millisecond.
	Issued time.Time

	// Every is how often it does, in whole seconds, 1 s to a day.
	Every time.Duration
}

type recordBody struct {
	Version uint64    `cbor:"v"`
	Issued  int64     `cbor:"iat"`
	Network string    `cbor:"net"`
	Channel addr.Addr `cbor:"chan"`
	Every   uint64    `cbor:"every"`
}

// Sign makes s's statement of r. r.Member is not looked at: it is the signer.
func (r Record) Sign(s identity.Signer) (identity.Statement, error) {
	if err := r.check(); err != nil {
		return identity.Statement{}, err
	}
	b, err := cbor.Marshal(recordBody{
		Version: version, Issued: r.Issued.UnixMilli(), Network: r.Network, Channel: r.Channel,
		Every: uint64(r.Every / time.Second),
	})
	if err != nil {
		return identity.Statement{}, fmt.Errorf("%w: record: %w", ErrInvalid, err)
	}
	return s.Sign(MemberPurpose, b)
}

// OpenRecord verifies s and reads the record in it. It does not look at the
// clock: see ValidAt.
func OpenRecord(s identity.Statement) (Record, error) {
	b, err := s.Open(MemberPurpose)
	if err != nil {
		return Record{}, fmt.Errorf("%w: record: %w", ErrInvalid, err)
	}
	r, err := decodeRecord(b)
	r.Member = s.By
	return r, err
}

func decodeRecord(b []byte) (Record, error) {
	if err := cbor.CheckVersion(b, version); err != nil {
		return Record{}, fmt.Errorf("%w: record: %w", ErrInvalid, err)
	}
	var in recordBody
	if err := cbor.Unmarshal(b, &in); err != nil {
		return Record{}, fmt.Errorf("%w: record: %w", ErrInvalid, err)
	}
	if in.Every > uint64(maxAnnounce/time.Second) {
		return Record{}, fmt.Errorf("%w: record: every %d s", ErrInvalid, in.Every)
	}
	r := Record{
		Network: in.Network, Channel: in.Channel, Issued: time.UnixMilli(in.Issued),
		Every: time.Duration(in.Every) * time.Second,
	}
	return r, r.check()
}

func (r Record) check() error {
	switch {
	case r.Every < time.Second || r.Every > maxAnnounce:
		return fmt.Errorf("%w: record: every %s", ErrInvalid, r.Every)
	case r.Issued.UnixMilli() < 0:
		return fmt.Errorf("%w: record: issued before 1970", ErrInvalid)
	}
	return nil
}

// ValidAt returns an error unless r is of about the time t.
func (r Record) ValidAt(t time.Time) error {
	switch {
	case t.Sub(r.Issued) > MaxAge+RecordLife:
		return fmt.Errorf("%w: record: it is %s old", ErrInvalid, t.Sub(r.Issued).Round(time.Second))
	case r.Issued.Sub(t) > MaxAhead:
		return fmt.Errorf("%w: record: it is dated %s ahead", ErrInvalid, r.Issued.Sub(t).Round(time.Second))
	}
	return nil
}
