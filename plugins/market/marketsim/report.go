package marketsim

import (
	"slices"
	"time"
)

// Report is what came of a market.
type Report struct {
	Jobs     int    // that were done and paid
	Messages uint64 // of all nodes, also those that only carry

	// Lookups, Offers and Asks are the calls that buyers made, Again how often
	// nobody took a job and it was offered again. Notices are those of sellers.
	Lookups, Offers, Asks, Again, Notices int

	// Runs are those of sellers, Own those of buyers, that checked something.
	Runs, Own int

	// Wrong is how many wrong results were accepted.
	Wrong int

	// Sellers is how many there are, Served how many of them ever ran something,
	// Most what one of them ran.
	Sellers, Served, Most int

	// Out is how often a buyer excluded a liar. OutJobs are the jobs that those
	// had done for that buyer until then, OutBelieved the lies among them that
	// were accepted.
	Out, OutJobs, OutBelieved int

	first, later, waits []time.Duration
}

func (r *Report) found(d time.Duration, first bool) {
	if first {
		r.first = append(r.first, d)
	} else {
		r.later = append(r.later, d)
	}
}

func (r *Report) out(d *dealt) {
	r.Out++
	r.OutJobs += d.jobs
	r.OutBelieved += d.believed
}

func (r *Report) count(s *seller) {
	r.Sellers++
	if s.served > 0 {
		r.Served++
	}
	r.Most = max(r.Most, s.served)
}

// First and Later are the time from a job's submission to the moment at which its
// buyer knows that a seller has taken its order, of the buyer's first job and of
// the others: the shortest that the share q of them, 0 to 1, did not exceed.
func (r *Report) First(q float64) time.Duration { return quantile(r.first, q) }

// Later is said at First.
func (r *Report) Later(q float64) time.Duration { return quantile(r.later, q) }

// Wait is how long orders waited at their sellers for a slot, as First.
func (r *Report) Wait(q float64) time.Duration { return quantile(r.waits, q) }

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, int(q*float64(len(all))))]
}
