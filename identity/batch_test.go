package identity

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"filippo.io/edwards25519"
)

// signed makes n good signatures by so many signers.
func signed(t testing.TB, n, signers int) []Signed {
	t.Helper()
	keys := make([]*Key, signers)
	for i := range keys {
		var err error
		if keys[i], err = NewKey(context.Background(), 0); err != nil {
			t.Fatal(err)
		}
	}
	batch := make([]Signed, n)
	for i := range batch {
		body := make([]byte, 200)
		binary.BigEndian.PutUint64(body, uint64(i))
		st, err := keys[i%signers].Sign("sea/batch/1", body)
		if err != nil {
			t.Fatal(err)
		}
		batch[i] = Signed{st.By, "sea/batch/1", body, st.Sig[:]}
	}
	return batch
}

// hold compares a batch's verdict with that of each signature alone.
func hold(t *testing.T, v *Verifier, batch []Signed) {
	t.Helper()
	got := v.Verify(batch)
	bad := 0
	for i, s := range batch {
		want := Verify(s.By, s.Purpose, s.Body, s.Sig)
		var have error
		if got != nil {
			have = got[i]
		}
		if fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("signature %d of %d: the batch says %v, alone it is %v", i, len(batch), have, want)
		}
		if want != nil {
			bad++
		}
	}
	if (got != nil) != (bad > 0) {
		t.Errorf("%d bad of %d, and the batch's answer is nil: %v", bad, len(batch), got == nil)
	}
}

func TestBatch(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 5, 31, 64, 200, 500} {
		for _, signers := range []int{1, 16, max(1, n)} {
			hold(t, NewVerifier(8), signed(t, n, signers))
		}
	}
}

// TestBatchFindsTheBad breaks every single place of a batch, then many at once.
func TestBatchFindsTheBad(t *testing.T) {
	const n = 70
	v := NewVerifier(100)
	good := signed(t, n, 7)
	spoil := func(batch []Signed, i, how int) {
		sig := slices.Clone(batch[i].Sig)
		switch how % 5 {
		case 0:
			batch[i].Body = append(slices.Clone(batch[i].Body), 1)
		case 1:
			sig[33] ^= 1
		case 2:
			sig[3] ^= 1
		case 3:
			batch[i].By = batch[(i+1)%n].By
		case 4:
			sig = sig[:63]
		}
		batch[i].Sig = sig
	}
	for i := range n {
		batch := slices.Clone(good)
		spoil(batch, i, i)
		hold(t, v, batch)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		batch := slices.Clone(good)
		for range random.IntN(n) {
			spoil(batch, random.IntN(n), random.IntN(5))
		}
		hold(t, v, batch)
	}
	batch := slices.Clone(good)
	for i := range batch {
		spoil(batch, i, 0)
	}
	hold(t, v, batch)
}

// TestBatchTorsion mixes the signatures that implementations disagree about into
// good ones: torsion in R, in A, in both, other spellings of R, S too large. In
// a sum that was not multiplied by the cofactor they would cancel or not by
// chance.
func TestBatchTorsion(t *testing.T) {
	var odd []Signed
	for _, f := range forgeries() {
		v := f.make(t)
		odd = append(odd, Signed{Entity(v.Entity), v.Purpose, v.Body, v.Sig})
	}
	if len(odd) < 5 {
		t.Fatalf("%d vectors", len(odd))
	}
	good := signed(t, 90, 3)
	random := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		batch := append(slices.Clone(good[:random.IntN(len(good))]), odd...)
		for range random.IntN(20) {
			batch = append(batch, odd[random.IntN(len(odd))])
		}
		random.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		hold(t, NewVerifier(2), batch)
	}
}

// TestBatchNoCancelling shows that two bad signatures whose errors add up to
// nothing do not pass together.
func TestBatchNoCancelling(t *testing.T) {
	batch := signed(t, 2, 1)
	one, err := new(edwards25519.Scalar).SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		t.Fatal(err)
	}
	for i, add := range []*edwards25519.Scalar{one, new(edwards25519.Scalar).Negate(one)} {
		s, err := new(edwards25519.Scalar).SetCanonicalBytes(batch[i].Sig[32:])
		if err != nil {
			t.Fatal(err)
		}
		batch[i].Sig = append(slices.Clone(batch[i].Sig[:32]), s.Add(s, add).Bytes()...)
	}
	for _, err := range NewVerifier(1).Verify(batch) {
		if !errors.Is(err, ErrBadSignature) {
			t.Errorf("got %v, want both refused", err)
		}
	}
}

func TestVerifierForgets(t *testing.T) {
	v := NewVerifier(5)
	for range 3 {
		if errs := v.Verify(signed(t, 20, 20)); errs != nil {
			t.Fatal(errs)
		}
		if len(v.keys) > 5 {
			t.Fatalf("%d keys are remembered, want at most 5", len(v.keys))
		}
	}
}

func TestPippenger(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 65, 150, 500, 1100, 3100} {
		scalars, points := someTerms(random, n)
		refs := make([]*edwards25519.Scalar, n)
		for i := range refs {
			refs[i] = &scalars[i]
		}
		want := new(edwards25519.Point).VarTimeMultiScalarMult(refs, points)
		if pippenger(scalars, points).Equal(want) != 1 {
			t.Errorf("%d points: another sum than the library's", n)
		}
	}
}

// someTerms has edge cases among random scalars: 0, 1, the order less 1.
func someTerms(random *rand.Rand, n int) ([]edwards25519.Scalar, []*edwards25519.Point) {
	scalars, points := make([]edwards25519.Scalar, n), make([]*edwards25519.Point, n)
	for i := range scalars {
		var b [64]byte
		for j := range b {
			b[j] = byte(random.Uint32())
		}
		if _, err := scalars[i].SetUniformBytes(b[:]); err != nil {
			panic(err)
		}
		points[i] = new(edwards25519.Point).ScalarBaseMult(&scalars[i])
		switch i % 16 {
		case 3:
			scalars[i] = edwards25519.Scalar{}
		case 5:
			if _, err := scalars[i].SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...)); err != nil {
				panic(err)
			}
		case 7:
			scalars[i].Negate(&scalars[i-2])
		case 9:
			points[i] = torsion(i)
		}
	}
	return scalars, points
}

// FuzzBatch holds the verdict of a batch to that of each alone. Its input is a
// list of signatures: of a pool of good ones and of those that implementations
// disagree about, each with a byte of its signature, key or body changed or not;
// or 96 bytes as they are, a signature and a key.
func FuzzBatch(f *testing.F) {
	var pool []Signed
	for i := range 6 {
		body := []byte{byte(i)}
		st, err := testKey(i%3).Sign("sea/batch/1", body)
		if err != nil {
			f.Fatal(err)
		}
		pool = append(pool, Signed{st.By, "sea/batch/1", body, st.Sig[:]})
	}
	for _, forged := range forgeries() {
		v := forged.make(f)
		pool = append(pool, Signed{Entity(v.Entity), v.Purpose, v.Body, v.Sig})
	}
	var all []byte
	for i, s := range pool {
		all = append(all, byte(i), 0, 0)
		f.Add([]byte{0, 0, 0, byte(i), 0, 0, 1, 0, 0, byte(i), 63, 0x10})
		f.Add(append(append([]byte{2, 0, 0, 255}, s.Sig...), s.By[:]...))
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, in []byte) {
		var batch []Signed
		for len(in) >= 3 && len(batch) < 140 {
			if in[0] == 255 && len(in) >= 97 {
				batch = append(batch, Signed{Entity(in[65:97]), "sea/batch/1", []byte{1}, in[1:65]})
				in = in[97:]
				continue
			}
			s := pool[int(in[0])%len(pool)]
			s.Sig, s.Body = slices.Clone(s.Sig), slices.Clone(s.Body)
			switch at := int(in[1]) % 97; {
			case at < 64:
				s.Sig[at] ^= in[2]
			case at < 96:
				s.By[at-64] ^= in[2]
			case len(s.Body) > 0:
				s.Body[0] ^= in[2]
			}
			batch, in = append(batch, s), in[3:]
		}
		hold(t, NewVerifier(3), batch)
	})
}

// BenchmarkVerifier reports the time of one signature, and how much faster that
// is than the standard library in the same run.
func BenchmarkVerifier(b *testing.B) {
	for _, n := range []int{1, 2, 8, 64, 256, 1024} {
		for _, signers := range []int{1, 16, n} {
			b.Run(fmt.Sprintf("batch=%d/signers=%d", n, min(n, signers)), func(b *testing.B) {
				batch := signed(b, n, min(n, signers))
				inputs := make([][]byte, n)
				for i, s := range batch {
					inputs[i] = s.Purpose.input(s.Body)
				}
				v := NewVerifier(2048)
				var ours, library time.Duration
				for b.Loop() {
					start := time.Now()
					if v.Verify(batch) != nil {
						b.Fatal("refused")
					}
					middle := time.Now()
					for i, s := range batch {
						if !ed25519.Verify(s.By[:], inputs[i], s.Sig) {
							b.Fatal("refused")
						}
					}
					ours += middle.Sub(start)
					library += time.Since(middle)
				}
				b.ReportMetric(float64(ours.Microseconds())/float64(b.N*n), "µs/sig")
				b.ReportMetric(library.Seconds()/ours.Seconds(), "×library")
			})
		}
	}
}

func BenchmarkMultiScalar(b *testing.B) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{16, 32, 64, 96, 128, 192, 256, 512, 1024} {
		scalars, points := someTerms(random, n)
		refs := make([]*edwards25519.Scalar, n)
		for i := range refs {
			refs[i] = &scalars[i]
		}
		b.Run(fmt.Sprintf("straus/%d", n), func(b *testing.B) {
			for b.Loop() {
				new(edwards25519.Point).VarTimeMultiScalarMult(refs, points)
			}
		})
		b.Run(fmt.Sprintf("pippenger/%d", n), func(b *testing.B) {
			for b.Loop() {
				pippenger(scalars, points)
			}
		})
	}
}
