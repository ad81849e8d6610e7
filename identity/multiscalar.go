package identity

import "filippo.io/edwards25519"

// straus is the number of points up to which the library's own algorithm, one
// table for each point, is the faster one. BenchmarkMultiScalar measures it.
const straus = 64

// multiScalar is Σ scalars[i]·points[i], in time that depends on its arguments:
// for verifying, where nothing is secret.
func multiScalar(scalars []edwards25519.Scalar, points []*edwards25519.Point) *edwards25519.Point {
	if len(points) <= straus {
		refs := make([]*edwards25519.Scalar, len(scalars))
		for i := range scalars {
			refs[i] = &scalars[i]
		}
		return new(edwards25519.Point).VarTimeMultiScalarMult(refs, points)
	}
	return pippenger(scalars, points)
}

// pippenger adds up by buckets: in each window of w bits, all points with the
// same digit d are added into bucket d, and the buckets are weighed by two
// running sums. Digits run from −2^(w−1) to 2^(w−1), which halves the buckets
// (Bernstein, Doumen, Lange, Oosterwijk, "Faster batch forgery identification",
// §4).
func pippenger(scalars []edwards25519.Scalar, points []*edwards25519.Point) *edwards25519.Point {
	w := window(len(points))
	windows := (256 + w - 1) / w // scalars are below 2^253, so the last carry has room
	digits := make([]int16, len(points)*windows)
	for i := range scalars {
		recode(digits[i*windows:(i+1)*windows], scalars[i].Bytes(), w)
	}
	buckets := make([]edwards25519.Point, 1<<(w-1))
	used := make([]bool, len(buckets))
	sum := edwards25519.NewIdentityPoint()
	for at := windows - 1; at >= 0; at-- {
		for range w {
			sum.Double(sum)
		}
		clear(used)
		top := 0
		for i, p := range points {
			d := int(digits[i*windows+at])
			switch {
			case d > 0 && used[d-1]:
				buckets[d-1].Add(&buckets[d-1], p)
			case d > 0:
				buckets[d-1].Set(p)
			case d < 0 && used[-d-1]:
				buckets[-d-1].Subtract(&buckets[-d-1], p)
			case d < 0:
				buckets[-d-1].Negate(p)
			default:
				continue
			}
			d = max(d, -d)
			used[d-1] = true
			top = max(top, d)
		}
		run := edwards25519.NewIdentityPoint()
		for d := top; d > 0; d-- {
			if used[d-1] {
				run.Add(run, &buckets[d-1])
			}
			sum.Add(sum, run)
		}
	}
	return sum
}

// window is the number of bits that costs least for n points: a window costs n
// additions, and two for each of its buckets.
func window(n int) int {
	switch {
	case n < 100:
		return 5
	case n < 400:
		return 6
	case n < 1000:
		return 7
	case n < 3000:
		return 8
	}
	return 10
}

// recode writes a scalar, 32 little-endian bytes, as signed digits of w bits.
func recode(digits []int16, b []byte, w int) {
	var carry, acc, bits int
	for i, next := 0, 0; i < len(digits); i++ {
		for bits < w && next < len(b) {
			acc |= int(b[next]) << bits
			bits += 8
			next++
		}
		d := acc&(1<<w-1) + carry
		acc >>= w
		bits -= w
		carry = 0
		if d > 1<<(w-1) {
			d -= 1 << w
			carry = 1
		}
		digits[i] = int16(d)
	}
}
