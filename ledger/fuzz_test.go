package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/peersea/sea/identity"
)

// oneSpelling fuzzes a decoder: what it takes, its encoder gives back.
func oneSpelling[T any](f *testing.F, seeds [][]byte, decode func([]byte) (T, error), encode func(T) []byte) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode(b)
		if err != nil {
			return
		}
		if again := encode(v); !bytes.Equal(again, b) {
			t.Errorf("read %x, wrote %x", b, again)
		}
	})
}

// seeds are the vectors of these names.
func seeds(f *testing.F, names ...string) [][]byte {
	g := makeExamples(f)
	var all [][]byte
	for _, name := range names {
		b, ok := g.bytes[name]
		if !ok {
			f.Fatalf("no vector %q", name)
		}
		if len(name) > 5 && name[:5] == "file:" {
			b = b[:len(b)-sumSize]
		}
		all = append(all, b)
	}
	return all
}

func FuzzEntry(f *testing.F) {
	oneSpelling(f, seeds(f, "entry 1", "entry 3"), DecodeEntry, Entry.Encode)
}

func FuzzHead(f *testing.F) {
	oneSpelling(f, seeds(f, "head 3"), DecodeHead, Head.Encode)
}

func FuzzGrant(f *testing.F) {
	oneSpelling(f, seeds(f, "grant"), DecodeGrant, Grant.Encode)
}

func FuzzPosition(f *testing.F) {
	oneSpelling(f, seeds(f, "position", "position of a grant", "position of nothing", "position of claims", "position after a recovery"), decodePosition, position.encode)
}

func FuzzPush(f *testing.F) {
	oneSpelling(f, seeds(f, "push", "push of a grant", "push of a lock's life"), decodePush, push.encode)
}

func FuzzAck(f *testing.F) {
	oneSpelling(f, seeds(f, "ack", "ack of a grant"), decodeAck, ack.encode)
}

func FuzzCheckpoint(f *testing.F) {
	oneSpelling(f, seeds(f, "checkpoint"), DecodeCheckpoint, Checkpoint.Encode)
}

func FuzzPactMessage(f *testing.F) {
	oneSpelling(f, seeds(f, "checkpoint asked for", "checkpoint proposed", "checkpoint agreed"), decodePactMessage, pactMessage.encode)
}

func FuzzPact(f *testing.F) {
	oneSpelling(f, seeds(f, "file: cp"), decodePact, pact.encode)
}

func FuzzRecovery(f *testing.F) {
	oneSpelling(f, seeds(f, "recovery"), DecodeRecovery, Recovery.Encode)
}

func FuzzRecall(f *testing.F) {
	oneSpelling(f, seeds(f, "recall", "recall of all"), decodeRecall, recall.encode)
}

func FuzzRecalled(f *testing.F) {
	oneSpelling(f, seeds(f, "recalled", "recalled and agreed"), decodeRecalled, recalled.encode)
}

func FuzzRecord(f *testing.F) {
	oneSpelling(f, append(seeds(f, "file: log"), makeExamples(f).bytes["record of a fold"]), decodeRecord, record.encode)
}

func FuzzHalf(f *testing.F) {
	oneSpelling(f, seeds(f, "file: line"), decodeHalf, half.encode)
}

func FuzzSpan(f *testing.F) {
	oneSpelling(f, seeds(f, "file: head"), decodeSpan, span.encode)
}

func FuzzUnsent(f *testing.F) {
	oneSpelling(f, seeds(f, "file: out"), decodeUnsent, unsent.encode)
}

func FuzzProof(f *testing.F) {
	oneSpelling(f, seeds(f, "file: proof", "file: proof of two checkpoints", "file: proof of a lost recovery"), decodeProof, proof.encode)
}

func FuzzLockTerms(f *testing.F) {
	oneSpelling(f, seeds(f, "terms of a lock"), DecodeLockTerms, LockTerms.Encode)
}

func FuzzVoucher(f *testing.F) {
	oneSpelling(f, seeds(f, "voucher"), DecodeVoucher, Voucher.Encode)
}

func FuzzRelease(f *testing.F) {
	oneSpelling(f, seeds(f, "release"), DecodeRelease, Release.Encode)
}

func FuzzLock(f *testing.F) {
	oneSpelling(f, seeds(f, "file: lock"), decodeLock, lock.encode)
}

func FuzzEvidence(f *testing.F) {
	oneSpelling(f, seeds(f, "file: claim"), decodeEvidence, evidence.encode)
}

// FuzzApply takes a push as a half-chain's beginning and holds what comes of it
// against its parts: held is what is open, a claim is never above what was
// promised and locked, and cum never falls.
func FuzzApply(f *testing.F) {
	for _, s := range seeds(f, "push", "push of a lock's life") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePush(b)
		if err != nil {
			return
		}
		at := tally{epoch: firstEpoch}
		for _, r := range p.runs {
			for i, e := range r.entries {
				next, err := at.apply(e, r.body(i))
				if err != nil {
					return
				}
				var held, all Amount
				for _, k := range next.locks {
					if all += k.rest(); !k.void {
						held += k.rest()
					}
				}
				claim := next.claim(func(identity.Hash) evidence { return evidence{} })
				if next.held != held || next.held != e.Held || next.cum < at.cum || claim != next.cum || next.most() != next.cum+all {
					t.Fatalf("after %+v: %+v", e, next)
				}
				at = next
			}
		}
	})
}

// FuzzSegment demands that what is read as a segment is written as the same
// bytes, and that nothing is found in it that its header does not have.
func FuzzSegment(f *testing.F) {
	for _, s := range seeds(f, "segment") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeSegment(b); err != nil {
			b = summed(b) // what stands behind the checksums is read too
		}
		s, err := decodeSegment(b)
		if err != nil {
			return
		}
		if again := s.encode(); !bytes.Equal(again, b) {
			t.Errorf("read and written again: got %x, want %x", again, b)
		}
		if uint64(len(s.records)) != s.count() || len(s.heads) != int(s.segmentHead.heads) {
			t.Errorf("%d records and %d heads in %+v", len(s.records), len(s.heads), s.segmentHead)
		}
	})
}

// summed is a segment with the checksums and the hash that it should have, as far
// as what they are of has a place in it.
func summed(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < segmentHeadSize+sha256.Size {
		return b
	}
	body := len(b) - sha256.Size
	binary.BigEndian.PutUint32(b[segmentHeadSize-sumSize:], crc32.Checksum(b[:segmentHeadSize-sumSize], castagnoli))
	if h, err := decodeSegmentHead(b); err == nil && h.recordsAt() <= int64(body) {
		for n := h.first; n <= h.last; n++ {
			from, to := offsetIn(b, h, n), offsetIn(b, h, n+1)
			if from >= h.recordsAt() && to >= from+sumSize && to <= int64(body) {
				binary.BigEndian.PutUint32(b[to-sumSize:], sum(bLog, number(n), b[from:to-sumSize]))
			}
		}
		for i := range int(h.heads) {
			one := b[h.headAt(i):][:headRecordSize]
			binary.BigEndian.PutUint32(one[headRecordSize-sumSize:], sum(bHead, one[:headKeySize], one[headKeySize:headRecordSize-sumSize]))
		}
	}
	hash := sha256.Sum256(b[:body])
	copy(b[body:], hash[:])
	return b
}

func FuzzSealedPart(f *testing.F) {
	oneSpelling(f, seeds(f, "file: segment"), func(b []byte) (sealedPart, error) {
		return decodeSealedPart(number(3), b)
	}, sealedPart.encode)
}

func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"0", "12", "0.25", "1.500000", "4611686018427.387903", "007", "-1", "1e3", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAmount(s)
		if err != nil {
			return
		}
		if a < 0 || a > maxAmount {
			t.Errorf("%q is %d", s, a)
		}
		if again, err := ParseAmount(a.String()); err != nil || again != a {
			t.Errorf("%q is %d, %q is %d, %v", s, a, a.String(), again, err)
		}
	})
}
