package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// store is what the ledger needs of a disk: ordered keys in a few buckets, and
// a group of changes that is there whole, and after a power cut too, once
// update has returned nil. overlay is the one in use.
type store interface {
	view(f func(getter) error) error
	update(f func(setter) error) error // one at a time; an error of f undoes it
	copyTo(path string) error          // a consistent image in a new file, 0600
	close() error
}

// getter reads. Slices are valid until f returns and are not to be changed.
type getter interface {
	get(b bucket, key []byte) []byte // nil when there is none
	last(b bucket) (key []byte)      // the highest, nil when the bucket is empty

	// scan calls f for each key from the first that is not below from.
	scan(b bucket, from []byte, f func(key, value []byte) (more bool, err error)) error

	where(value []byte) int64 // its offset in the file, for people; -1 when unknown
}

type setter interface {
	getter
	put(b bucket, key, value []byte) error // values are new slices
	remove(b bucket, key []byte) error
}

// bucket is one of a fixed few; none is made per peer.
type bucket string

const (
	bMeta  bucket = "meta"  // "schema" → version; "self" → entity and unit
	bLog   bucket = "log"   // number → entry or grant, of both sides, append only
	bLine  bucket = "line"  // line, side → half: where a half-chain stands
	bHead  bucket = "head"  // line, side, epoch, seq → numbers of the run that ends there
	bRef   bucket = "ref"   // which payments were for a reference: see refs.go
	bOut   bucket = "out"   // line → how far the peer has acknowledged, if not everything
	bProof bucket = "proof" // line, number → what shows why the line is not open

	bCheckpoint bucket = "cp"      // line → its newest checkpoint, and the one proposed
	bRecovery   bucket = "recover" // line, side, epoch → what began it
	bGrowth     bucket = "growth"  // line → how far our grant on it has grown by itself

	bLock  bucket = "lock"  // line, side, lock → a lock that is not closed
	bClaim bucket = "claim" // line, side, lock → what was promised of it beside the half-chain

	bCert bucket = "cert" // certificates, the words given for them, and revocations: see cert.go

	bSegment bucket = "segment" // last number → the file that has this part of the log: see segment.go
)

var buckets = []bucket{bMeta, bLog, bLine, bHead, bRef, bOut, bProof, bCheckpoint, bGrowth, bRecovery, bLock, bClaim, bSegment, bCert}

// added are those of buckets that a file made by an earlier program lacks, and
// gets when it is opened for writing; opened for reading they are empty.
var added = []bucket{bCheckpoint, bGrowth, bRecovery, bLock, bClaim, bSegment, bCert}

// schema is the version of the file as a whole. The first, which had another
// index of references, is read, and made this one when it is opened for writing.
// A file is of the third once a part of its log is in segments, and of the last
// while it has a log in front of it: a program which knows of neither must not
// take the file alone for all there is.
const (
	firstSchema  = 1
	schema       = 2
	sealedSchema = 3
	loggedSchema = 4
)

// ErrDamaged is returned, in a *DamageError, when the file does not hold what
// was written to it.
var ErrDamaged = errors.New("ledger file is damaged")

// DamageError names a record that is not as it was written. It is ErrDamaged.
type DamageError struct {
	Bucket string // "" when the file's own structure is meant
	Key    []byte
	Number uint64 // of a log record, else 0
	File   string // the path of the segment that is meant, "" for the live file
	Offset int64  // of the value in the file, -1 when it is not known
	Why    string
}

func (e *DamageError) Error() string {
	where := ""
	switch {
	case e.Number != 0:
		where = fmt.Sprintf(": log record %d", e.Number)
	case e.Bucket != "":
		where = fmt.Sprintf(": %s record %x", e.Bucket, e.Key)
	}
	if e.Offset >= 0 {
		where += fmt.Sprintf(" at byte %d", e.Offset)
	}
	if e.File != "" {
		where += " of the sealed segment " + e.File
	}
	return fmt.Sprintf("%s%s: %s", ErrDamaged, where, e.Why)
}

// Is says that e is ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Every value ends in the CRC-32C of its bucket, its key and what is before it,
// so a flipped bit and a value under a wrong key are seen wherever it is read.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sumSize = 4

// nameSums are the CRCs of the names alone: there is one for each value.
var nameSums = func() map[bucket]uint32 {
	all := map[bucket]uint32{}
	for _, b := range buckets {
		all[b] = crc32.Checksum([]byte(b), castagnoli)
	}
	return all
}()

func sum(b bucket, key, payload []byte) uint32 {
	c, ok := nameSums[b]
	if !ok {
		c = crc32.Checksum([]byte(b), castagnoli)
	}
	return crc32.Update(crc32.Update(c, castagnoli, key), castagnoli, payload)
}

func seal(b bucket, key, payload []byte) []byte {
	return binary.BigEndian.AppendUint32(payload, sum(b, key, payload))
}

// unseal returns the payload of a value that seal made, or a *DamageError.
func unseal(g getter, b bucket, key, value []byte) ([]byte, error) {
	if len(value) < sumSize {
		return nil, damage(g, b, key, value, "too short to be a record")
	}
	payload, check := value[:len(value)-sumSize], value[len(value)-sumSize:]
	if binary.BigEndian.Uint32(check) != sum(b, key, payload) {
		return nil, damage(g, b, key, value, "its checksum does not fit")
	}
	return payload, nil
}

func damage(g getter, b bucket, key, value []byte, why string) *DamageError {
	e := &DamageError{Bucket: string(b), Key: append([]byte(nil), key...), Offset: -1, Why: why}
	if len(value) > 0 {
		e.Offset = g.where(value)
	}
	if b == bLog && len(key) == 8 {
		e.Number = binary.BigEndian.Uint64(key)
		if k, ok := g.(interface{ locate(*DamageError) }); ok && e.Offset < 0 {
			k.locate(e)
		}
	}
	return e
}
