package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/peersea/sea/identity"
)

// A segment is a file that holds a part of the log for good, after it was taken
// out of the live file. Nothing in it is ever changed.
//
//	header    "sea segment\n", u8 1, owner[32], u64 n from 1, u64 first, u64 last, u32 heads,
//	          hash of segment n - 1 [32] (zero for the first), CRC-32C of all that
//	offsets   u32 for each record and one more: where it begins, where the last ends
//	heads     key[45] and value of the bucket head, for each run in it, by key
//	records   the values of the bucket log, first to last, with their checksums
//	hash      SHA-256 of all before it: the segment's own
//
// The segments follow each other without a gap, and none ends inside a run.
type segment struct {
	segmentHead
	heads   []headRecord // by key
	records [][]byte     // values as in the file, with their checksums
}

// segmentHead is what stands in front.
type segmentHead struct {
	owner       identity.Entity
	n           uint64 // from 1
	first, last uint64 // of the log's records in it
	heads       uint32
	prev        identity.Hash
}

// headRecord is one of the bucket head.
type headRecord struct {
	key   [headKeySize]byte
	value [headValueSize]byte
}

const (
	segmentMagic = "sea segment\n"

	headKeySize    = 32 + 1 + 4 + 8
	headValueSize  = 16 + sumSize
	headRecordSize = headKeySize + headValueSize

	segmentHeadSize = len(segmentMagic) + 1 + 32 + 3*8 + 4 + 32 + sumSize

	// MaxSegment is how many records a segment has at most, beside those that end
	// its last run.
	MaxSegment = 1 << 18

	// maxRecord is the length of a value of the log, more than any has.
	maxRecord = 4096

	// maxSegmentSize is more than any segment has: 1.1 GB.
	maxSegmentSize int64 = int64(segmentHeadSize) + (MaxSegment+MaxRun)*(maxRecord+4+headRecordSize) + 64
)

func (h segmentHead) count() uint64 { return h.last - h.first + 1 }

// offsetAt is where the offset of record n stands, headAt where head i does, and
// recordsAt where the first record does.
func (h segmentHead) offsetAt(n uint64) int64 { return int64(segmentHeadSize) + 4*int64(n-h.first) }
func (h segmentHead) headAt(i int) int64      { return h.offsetAt(h.last+2) + int64(i)*headRecordSize }
func (h segmentHead) recordsAt() int64        { return h.headAt(int(h.heads)) }

func (h segmentHead) encode() []byte {
	b := append(make([]byte, 0, segmentHeadSize), segmentMagic...)
	b = append(b, version)
	b = append(b, h.owner[:]...)
	b = binary.BigEndian.AppendUint64(b, h.n)
	b = binary.BigEndian.AppendUint64(b, h.first)
	b = binary.BigEndian.AppendUint64(b, h.last)
	b = binary.BigEndian.AppendUint32(b, h.heads)
	b = append(b, h.prev[:]...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeSegmentHead reads the header at the front of b.
func decodeSegmentHead(b []byte) (segmentHead, error) {
	r := reader{b: b[:min(len(b), segmentHeadSize)], what: "segment"}
	if string(r.take(len(segmentMagic))) != segmentMagic {
		r.fail(ErrFormat, "it does not begin as a segment")
	}
	r.version()
	h := segmentHead{owner: identity.Entity(r.hash()), n: r.u64(), first: r.u64(), last: r.u64(), heads: r.u32(), prev: r.hash()}
	sum := r.u32()
	switch {
	case r.err != nil:
	case sum != crc32.Checksum(b[:segmentHeadSize-sumSize], castagnoli):
		r.fail(ErrFormat, "the checksum of its header does not fit")
	case h.n == 0 || h.first == 0 || h.last < h.first || h.last-h.first >= MaxSegment+MaxRun || h.last > maxSeq:
		r.fail(ErrFormat, "it is segment %d with records %d to %d", h.n, h.first, h.last)
	case (h.n == 1) != (h.first == 1) || (h.n == 1) != (h.prev == identity.Hash{}):
		r.fail(ErrFormat, "the first segment begins with record 1 and names none before it, and no other")
	case uint64(h.heads) > h.count():
		r.fail(ErrFormat, "it has %d heads of %d records", h.heads, h.count())
	}
	return h, r.end()
}

// encode returns the file. Segments of the same records are the same bytes.
func (s segment) encode() []byte {
	s.segmentHead.heads = uint32(len(s.heads))
	size := s.recordsAt() + sha256.Size
	for _, v := range s.records {
		size += int64(len(v))
	}
	b := append(make([]byte, 0, size), s.segmentHead.encode()...)
	at := uint32(s.recordsAt())
	for _, v := range s.records {
		b = binary.BigEndian.AppendUint32(b, at)
		at += uint32(len(v))
	}
	b = binary.BigEndian.AppendUint32(b, at)
	for _, h := range s.heads {
		b = append(b, h.key[:]...)
		b = append(b, h.value[:]...)
	}
	for _, v := range s.records {
		b = append(b, v...)
	}
	h := sha256.Sum256(b)
	return append(b, h[:]...)
}

// decodeSegment reads what encode wrote, all of it: the error names the first
// byte that is not as it was written where that can be told. What the records
// say is for the checker. The segment's records are parts of b.
func decodeSegment(b []byte) (segment, error) {
	var n uint64
	bad := func(at int64, format string, args ...any) (segment, error) {
		return segment{}, &DamageError{Number: n, Offset: at, Why: fmt.Sprintf(format, args...)}
	}
	h, err := decodeSegmentHead(b)
	if err != nil {
		return bad(0, "%v", err)
	}
	if int64(len(b)) < h.recordsAt()+sha256.Size {
		return bad(int64(len(b)), "it ends in the middle")
	}
	s := segment{segmentHead: h}
	body, trailer := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	at := h.recordsAt()
	for n = h.first; n <= h.last; n++ {
		from, to := offsetIn(b, h, n), offsetIn(b, h, n+1)
		if from != at || to <= from || to-from > maxRecord || to > int64(len(body)) {
			return bad(h.offsetAt(n), "it has no place in the file")
		}
		value := body[from:to:to]
		if len(value) < sumSize || binary.BigEndian.Uint32(value[len(value)-sumSize:]) != sum(bLog, number(n), value[:len(value)-sumSize]) {
			return bad(from, "its checksum does not fit")
		}
		s.records = append(s.records, value)
		at = to
	}
	n = 0
	if at != int64(len(body)) {
		return bad(at, "there is more after the last record")
	}
	for i := range int(h.heads) {
		one := headIn(b[h.headAt(i):])
		if v := one.value[:]; binary.BigEndian.Uint32(v[headValueSize-sumSize:]) != sum(bHead, one.key[:], v[:headValueSize-sumSize]) {
			return bad(h.headAt(i), "the checksum of head %d of the segment does not fit", i+1)
		}
		if i > 0 && bytes.Compare(s.heads[i-1].key[:], one.key[:]) >= 0 {
			return bad(h.headAt(i), "the heads of the segment are not in order")
		}
		s.heads = append(s.heads, one)
	}
	if sha256.Sum256(body) != [32]byte(trailer) {
		return bad(int64(len(body)), "the hash of the segment does not fit")
	}
	return s, nil
}

func offsetIn(b []byte, h segmentHead, n uint64) int64 {
	return int64(binary.BigEndian.Uint32(b[h.offsetAt(n):]))
}

func headIn(b []byte) headRecord {
	return headRecord{[headKeySize]byte(b), [headValueSize]byte(b[headKeySize:])}
}

// head returns the span that s has under key.
func (s segment) head(key []byte) (span, bool) {
	i, ok := slices.BinarySearchFunc(s.heads, key, func(h headRecord, key []byte) int { return bytes.Compare(h.key[:], key) })
	if !ok {
		return span{}, false
	}
	at, err := decodeSpan(s.heads[i].value[:headValueSize-sumSize])
	return at, err == nil
}

// sealedPart is what the live file says of a segment, under the number of its
// last record.
type sealedPart struct {
	n, first, last uint64
	size           int64
	hash           identity.Hash
}

func (p sealedPart) encode() []byte {
	b := append(make([]byte, 0, 1+3*8+32+sumSize), version)
	b = binary.BigEndian.AppendUint64(b, p.n)
	b = binary.BigEndian.AppendUint64(b, p.first)
	b = binary.BigEndian.AppendUint64(b, uint64(p.size))
	return append(b, p.hash[:]...)
}

func decodeSealedPart(key, b []byte) (sealedPart, error) {
	r := reader{b: b, what: "segment record"}
	r.version()
	p := sealedPart{n: r.u64(), first: r.u64(), size: int64(r.u64()), hash: r.hash()}
	if len(key) == 8 {
		p.last = binary.BigEndian.Uint64(key)
	}
	if r.err == nil && (p.n == 0 || p.first == 0 || p.last < p.first || p.last-p.first >= MaxSegment+MaxRun || p.last > maxSeq || p.size <= 0 || p.size > maxSegmentSize) {
		r.fail(ErrFormat, "segment %d of records %d to %d has %d bytes", p.n, p.first, p.last, p.size)
	}
	return p, r.end()
}

// name is the file's: the hash is in it, so a segment of a ledger that was put
// back and went another way is another file.
func (p sealedPart) name() string { return fmt.Sprintf("%08d-%x.seg", p.n, p.hash[:6]) }
