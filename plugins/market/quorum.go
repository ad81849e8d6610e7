package market

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/plugins/market/trust"
)

const (
	// minQuorum and maxQuorum are how many sellers a quorum may want, maxVotes how
	// many answers are bought, the job's own included, before this node decides.
	minQuorum = 2
	maxQuorum = 7
	maxVotes  = 9
)

const quorumPrefix = "quorum="

// VerifyQuorum is the Verify by which k sellers run the job, 2 to 7 of them.
func VerifyQuorum(k int) Verify { return Verify(quorumPrefix + strconv.Itoa(k)) }

// Quorum is how many sellers are to run the job, 0 when that is not the way.
func (v Verify) Quorum() int {
	digits, ok := strings.CutPrefix(string(v), quorumPrefix)
	k, err := strconv.Atoi(digits)
	if !ok || err != nil || VerifyQuorum(k) != v {
		return 0
	}
	return k
}

// vote is a job that was bought to be compared with another one.
type vote struct {
	Job ID              `cbor:"job"`
	By  trust.Candidate `cbor:"by"`
	// Cap is what it may cost, and Counted whether the job that it is for has Spent
	// what it cost.
	Cap     ledger.Amount `cbor:"cap"`
	Counted bool          `cbor:"counted"`
}

// voters are the jobs of the votes.
func (r *jobRecord) voters() (all []ID) {
	for _, v := range r.Votes {
		all = append(all, v.Job)
	}
	return all
}

// share is what each of the answers of a quorum may cost.
func (s Spec) share() ledger.Amount { return s.MaxCredit / ledger.Amount(s.Verify.Quorum()) }

// reserved is what the votes may cost that were bought and have not been counted.
func (r *jobRecord) reserved() (sum ledger.Amount) {
	for _, v := range r.Votes {
		if !v.Counted {
			sum += v.Cap
		}
	}
	return sum
}

// candidate is a seller and whom it acts for, as far as its link tells, or the
// certificate that it showed last.
func (m *Market) candidate(at addr.Addr, key identity.Entity) trust.Candidate {
	c := trust.Candidate{At: at, Key: key, Entity: key}
	for _, l := range m.node.Links() {
		if l.Peer.Node == key {
			c.Entity = l.Peer.Entity
			return c
		}
	}
	if a := m.credit.Line(key).Acting; a != nil {
		c.Entity = a.Entity
	}
	return c
}

// met is candidate of a seller that is linked now, which is what tells whom it acts
// for. ok is false when there is no way to it.
func (m *Market) met(ctx context.Context, at addr.Addr, key identity.Entity) (c trust.Candidate, ok bool) {
	err := m.connect(ctx, at)
	return m.candidate(at, key), err == nil
}

// jurors are want sellers, or as many as there are, that may run a job beside others,
// each for another owner, the best first. Where those that are known are fewer, others
// are waited for.
func (m *Market) jurors(ctx context.Context, s Spec, others []trust.Candidate, avoid []identity.Entity, want int) (all []known) {
	for _, patient := range []bool{false, true} {
		sellers, _ := m.find(ctx, s.To, patient)
		sellers, _ = m.trusted(sellers)
		sellers, _ = s.labelled(sellers)
		m.rank(s, sellers)
		all = nil
		hands := slices.Clone(others)
		for _, k := range sellers {
			if len(all) == want {
				return all
			}
			if slices.Contains(avoid, k.Seller) || slices.ContainsFunc(hands, m.candidate(k.At, k.Seller).Same) {
				continue
			}
			c, ok := m.met(ctx, k.At, k.Seller)
			if !ok || slices.ContainsFunc(hands, c.Same) {
				continue
			}
			hands = append(hands, c)
			all = append(all, k)
		}
	}
	return all
}

// quorumSpec is what the job of a quorum is bought by when it may have as much
// fuel as the cap covers: what each of the quorum's sellers gives for its share,
// as all must run the very same job.
func (m *Market) quorumSpec(ctx context.Context, s Spec, avoid []identity.Entity) (Spec, *Refused) {
	k := s.Verify.Quorum()
	if k == 0 || s.Limits.Fuel != 0 {
		return s, nil
	}
	all := m.jurors(ctx, s, nil, avoid, k)
	if len(all) < k {
		return s, refuse(NoSeller, "a quorum of %d wants as many sellers of different owners, and %d are within reach", k, len(all))
	}
	fuel := uint64(compute.MaxFuel)
	for _, seller := range all {
		o := seller.Offer
		fuel = min(fuel, o.Caps.Fuel, s.priceOf(o).Covers(min(s.MaxCredit, o.Room), fuel))
	}
	if fuel == 0 {
		return s, refuse(RefusedCredit, "not each of %d sellers lends us what its part of the job may cost, %s credits", k, s.MaxCredit)
	}
	s.Limits.Fuel = fuel
	return s, nil
}

// quorum is the comparison of one delivery with those of others.
type quorum struct {
	audit
	k int
}

// voted has a delivery compared with those of other sellers before it is paid. ok
// says that it may be; otherwise its seller has lied, and the job is to be bought
// elsewhere.
func (m *Market) voted(ctx context.Context, j *job, r *jobRecord) (ok bool, err error) {
	q := &quorum{audit: audit{m: m, j: j, r: r, seller: r.Quote.By}, k: r.Spec.Verify.Quorum()}
	if q.claim, err = compute.OpenReceipt(*r.Receipt); err != nil {
		return false, err
	}
	if q.job, err = r.work(); err != nil {
		return false, err
	}
	if !trust.Comparable(q.claim) {
		for _, v := range r.Votes {
			if err := m.Cancel(ctx, v.Job); err != nil && !errors.Is(err, ErrFinal) && !errors.Is(err, ErrNoJob) {
				return false, err
			}
		}
		return true, q.accept(NotDrawn, "not compared: it was stopped from outside")
	}
	for want := q.k - 1; ; want++ {
		answers, err := q.gather(ctx, want)
		if err != nil {
			return false, err
		}
		if over(j.stop) {
			return true, q.accept(NotDrawn, "not compared: it was cancelled")
		}
		if len(answers) < want || want+1 > maxVotes {
			return q.decide(ctx, answers)
		}
		if claim, agreed := q.agreed(answers); agreed {
			return q.conclude(ctx, claim, answers, fmt.Sprintf("a quorum of %d", len(answers)+1))
		}
		q.note("the sellers contradict each other: asking one more", Mismatch)
	}
}

// assemble has the other sellers of a quorum begin while the first one runs.
func (m *Market) assemble(ctx context.Context, j *job, r *jobRecord) {
	q := &quorum{audit: audit{m: m, j: j, r: r, seller: r.Quote.By}, k: r.Spec.Verify.Quorum()}
	var err error
	if q.job, err = r.work(); err == nil {
		j.gathering.Lock()
		defer j.gathering.Unlock()
		if lack := q.k - 1 - len(j.copy().Votes); lack > 0 && !over(j.stop) {
			_, err = q.buy(ctx, lack)
		}
	}
	if err != nil && ctx.Err() == nil { // the comparison tries again
		m.log.Warn("cannot have others run a job", "job", r.ID.Short(), "err", err)
	}
}

// answer is what a vote came to.
type answer struct {
	vote
	receipt identity.Statement
	claim   compute.Receipt
}

// note adds a line to the history.
func (q *quorum) note(text string, why Reason) {
	q.j.update(func(r *jobRecord) { r.event(eventRecord{Text: clip(text), Reason: why}) })
}

// gather returns the answers of want other sellers, or of as many as there are. It
// buys those that there are not yet.
func (q *quorum) gather(ctx context.Context, want int) ([]answer, error) {
	q.j.gathering.Lock()
	defer q.j.gathering.Unlock()
	for ctx.Err() == nil {
		var answers []answer
		var open []vote
		for _, v := range q.j.copy().Votes {
			a, pending, err := q.read(v)
			switch {
			case err != nil:
				return nil, err
			case pending:
				open = append(open, v)
			case a != nil:
				answers = append(answers, *a)
			}
		}
		if len(answers) >= want || over(q.j.stop) && len(open) == 0 {
			return answers, nil
		}
		if lack := want - len(answers) - len(open); lack > 0 && !over(q.j.stop) {
			begun, err := q.buy(ctx, lack)
			if err != nil {
				return nil, err
			}
			if begun > 0 {
				continue
			}
		}
		if len(open) == 0 {
			return answers, nil
		}
		if err := q.m.waitVote(ctx, q.j, open[0].Job); err != nil {
			return nil, err
		}
	}
	return nil, ctx.Err()
}

// read says what has come of a vote: an answer, nothing, or that it is pending.
func (q *quorum) read(v vote) (a *answer, pending bool, err error) {
	r, err := q.m.book.record(v.Job)
	if errors.Is(err, ErrNoJob) { // it was never ordered
		return nil, false, q.count(v, 0)
	} else if err != nil {
		return nil, false, err
	}
	switch {
	case r.Check == Outvoted:
		return nil, false, nil
	case r.Receipt != nil && r.Delivery != nil:
		claim, err := compute.OpenReceipt(*r.Receipt)
		if err != nil || !trust.Comparable(claim) {
			return nil, false, q.count(v, q.m.outlay(r))
		}
		d, err := readDelivery(r.Delivery.Body)
		if err == nil {
			q.j.update(func(head *jobRecord) { // it will not cost more
				i := slices.IndexFunc(head.Votes, func(o vote) bool { return o.Job == v.Job })
				head.Votes[i].Cap = min(v.Cap, max(d.Cost, q.m.outlay(r)))
			})
		}
		return &answer{v, *r.Receipt, claim}, false, err
	case r.State.Final():
		if !v.Counted {
			q.note(fmt.Sprintf("seller %s came to nothing: %s", v.By.Key.Short(), r.Error), r.Reason)
		}
		return nil, false, q.count(v, q.m.outlay(r))
	}
	return nil, true, nil
}

// count takes in, once, what a vote has cost.
func (q *quorum) count(v vote, cost ledger.Amount) error {
	if v.Counted {
		return nil
	}
	q.j.update(func(r *jobRecord) {
		i := slices.IndexFunc(r.Votes, func(o vote) bool { return o.Job == v.Job })
		r.Votes[i].Counted = true
		r.Spent += cost
	})
	return q.m.book.save(q.j)
}

// buy has that many sellers more run the very same job, each of another owner, and
// says how many could be found.
func (q *quorum) buy(ctx context.Context, many int) (begun int, err error) {
	r := q.j.copy()
	others := []trust.Candidate{q.m.candidate(r.At, q.seller)}
	for _, v := range r.Votes {
		others = append(others, v.By)
	}
	s := r.Spec
	s.Verify, s.OwnAudit, s.Fresh, s.Limits = "", false, true, q.job.Limits
	sellers := q.m.jurors(ctx, s, others, r.Avoid, many)
	for _, k := range sellers {
		r := q.j.copy()
		cost, err := q.bill()
		if err != nil {
			return begun, err
		}
		s.MaxCredit = min(r.Spec.share(), r.left()-r.reserved()-cost)
		if len(r.Votes) >= 2*maxVotes || s.MaxCredit <= 0 {
			break
		}
		s.To = []addr.Addr{k.At}
		part := jobRecord{ID: NewID(), CheckOf: r.ID, Vote: true, Spec: s, mapped: r.mapped}
		q.j.update(func(r *jobRecord) {
			r.Spec.Limits.Fuel = q.job.Limits.Fuel // all run the very same job from now on
			r.Votes = append(r.Votes, vote{Job: part.ID, By: q.m.candidate(k.At, k.Seller), Cap: s.MaxCredit})
			r.event(eventRecord{Text: fmt.Sprintf("seller %s runs it too, job %s", k.Seller.Short(), part.ID.Short())})
		})
		// The part is written after the job that knows it: one that is not there
		// after a crash was never ordered.
		if err := q.m.book.save(q.j); err != nil {
			return begun, err
		}
		if _, err := q.m.submit(part); err != nil {
			return begun, err
		}
		begun++
	}
	return begun, nil
}

// bill is what the delivery costs that is compared, or may cost while there is
// none.
func (q *quorum) bill() (ledger.Amount, error) {
	if q.r.Delivery == nil {
		quote, err := readQuote(q.r.Quote.Body)
		return quote.Ceiling, err
	}
	d, err := readDelivery(q.r.Delivery.Body)
	return max(d.Cost, q.r.Vouched), err
}

// waitVote waits until a job that was bought to be compared with j has a delivery,
// or has ended. When j is to stop, so is it.
func (m *Market) waitVote(ctx context.Context, j *job, id ID) error {
	stop := j.stop
	for {
		m.book.mu.Lock()
		live := m.book.live[id]
		m.book.mu.Unlock()
		if live == nil {
			return nil
		}
		live.mu.Lock()
		changed, ready, stopped := live.changed, live.rec.Delivery != nil || live.rec.State.Final(), live.stopped
		live.mu.Unlock()
		switch {
		case ready:
			return nil
		case stopped:
			return ErrStopped
		}
		select {
		case <-changed:
		case <-stop:
			stop = nil
			if err := m.Cancel(ctx, id); err != nil && !errors.Is(err, ErrFinal) {
				m.log.Warn("cannot cancel a vote", "job", id.Short(), "err", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// agreed is what more than half of the answers claim, this delivery's included.
func (q *quorum) agreed(answers []answer) (compute.Receipt, bool) {
	claims := []compute.Receipt{q.claim}
	for _, a := range answers {
		claims = append(claims, a.claim)
	}
	for _, c := range claims {
		group := 0
		for _, other := range claims {
			if trust.Same(c, other) {
				group++
			}
		}
		if trust.Agreed(uint64(group), uint64(len(claims)), trust.DefaultTrust) {
			return c, true
		}
	}
	return compute.Receipt{}, false
}

// decide runs the job here: the sellers are too few, or do not agree.
func (q *quorum) decide(ctx context.Context, answers []answer) (ok bool, err error) {
	q.note(fmt.Sprintf("%d of the %d answers that are wanted do not decide it: running it here", len(answers)+1, q.k), "")
	_, own, err := Recheck(ctx, *q.r.Receipt, q.job, q.m.blobs, q.m.engine)
	if errors.Is(err, compute.ErrImport) {
		return false, refuse(BadJob, "it asks its host for what only its seller has, so nobody can check it")
	} else if err != nil {
		return false, fmt.Errorf("check a job here: %w", err)
	}
	return q.conclude(ctx, own, answers, "this node's own run")
}

// conclude pays those who claim the same as truth, and nobody else.
func (q *quorum) conclude(ctx context.Context, truth compute.Receipt, answers []answer, who string) (ok bool, err error) {
	right := trust.Same(q.claim, truth)
	var liars []string
	var better *answer // whose delivery is taken in place of this one
	for i, a := range answers {
		verdict := Matched
		switch {
		case !trust.Same(a.claim, truth):
			verdict = Outvoted
			liars = append(liars, a.By.Key.Short())
		case !right && better == nil:
			better = &answers[i]
		}
		if err := q.told(a, verdict, better == nil || better.Job != a.Job); err != nil {
			return false, err
		}
		if trust.Same(a.claim, q.claim) {
			continue
		}
		if e, contradicts := contradiction(q.job, *q.r.Receipt, a.receipt); contradicts {
			raw, err := e.Encode()
			if err != nil {
				return false, err
			}
			q.j.update(func(r *jobRecord) { r.Proof = raw })
		}
	}
	text := fmt.Sprintf("%s came to %d fuel and result %s", who, truth.Fuel, truth.Result.Short())
	if len(liars) > 0 {
		text += fmt.Sprintf("; not so, and not paid: seller %s", strings.Join(liars, ", "))
	}
	if right {
		return true, q.matched(text)
	}
	if err := q.m.lied(q.seller); err != nil {
		return false, err
	}
	text = fmt.Sprintf("%s; seller %s signed %d fuel and result %s: not accepted, not paid", text, q.seller.Short(), q.claim.Fuel, q.claim.Result.Short())
	if better == nil {
		return false, q.reject(text)
	}
	return false, q.adopt(ctx, better.Job, text)
}

// adopt takes the delivery of a vote, once it is paid, for that of the job.
func (q *quorum) adopt(ctx context.Context, id ID, text string) error {
	if _, err := q.m.Wait(ctx, id); err != nil {
		return err
	}
	v, err := q.m.book.waitRecord(ctx, id)
	if err != nil {
		return err
	}
	q.m.sellers.Forget(q.r.At)
	q.m.did(q.r, false)
	owed := q.m.owed(q.r, q.j.seen().vouched)
	if err := errors.Join(q.j.out.Reset(), q.j.err.Reset(), q.m.refill(q.j, v)); err != nil {
		return err
	}
	q.j.update(func(r *jobRecord) {
		r.Tried = append(r.Tried, attempt{r.At, r.Ask, r.Quote, r.Order, r.Lock, owed, Mismatch, clip(text)})
		r.Avoid = append(r.Avoid, q.seller)
		r.event(eventRecord{Text: clip(text), Reason: Mismatch, Seller: q.seller})
		q.j.drop(owed)
		r.At, r.Ask, r.Quote, r.Order, r.Lock, r.Vouched, r.Release = v.At, v.Ask, v.Quote, v.Order, v.Lock, v.Vouched, v.Release
		r.Receipt, r.Delivery, r.Outcome, r.Out, r.Err = v.Receipt, v.Delivery, v.Outcome, v.Out, v.Err
		r.Check = Matched
		r.event(eventRecord{Text: fmt.Sprintf("the delivery of job %s is taken in its place", id.Short()), Seller: v.Quote.By})
	})
	return q.m.book.save(q.j)
}

// told tells a vote whether it is paid, once. counts is whether what it costs is
// beside the job's own bill.
func (q *quorum) told(a answer, verdict Check, counts bool) error {
	r, err := q.m.book.record(a.Job)
	if err != nil || r.Check != "" {
		return err
	}
	cost := q.m.outlay(r)
	if verdict == Matched {
		d, err := readDelivery(r.Delivery.Body)
		if err != nil {
			return err
		}
		cost = max(cost, d.Cost)
		err = q.m.trust.Update(a.By.Key, trust.Record.Matched)
		if err != nil {
			return err
		}
	} else if err := q.m.lied(a.By.Key); err != nil {
		return err
	}
	if !counts {
		cost = 0
	}
	if err := q.count(a.vote, cost); err != nil {
		return err
	}
	q.m.book.mu.Lock()
	live := q.m.book.live[a.Job]
	q.m.book.mu.Unlock()
	if live == nil {
		return nil
	}
	live.update(func(r *jobRecord) { r.Check = verdict })
	return q.m.book.save(live)
}

// awaited waits for what the job says that this one is compared with. ok says that
// it may be paid.
func (m *Market) awaited(ctx context.Context, j *job) (ok bool, err error) {
	for {
		j.mu.Lock()
		changed, check, of := j.changed, j.rec.Check, j.rec.CheckOf
		j.mu.Unlock()
		m.book.mu.Lock()
		head := m.book.live[of]
		m.book.mu.Unlock()
		var ended <-chan struct{}
		if head != nil {
			head.mu.Lock()
			ended = head.changed
			head.mu.Unlock()
		}
		r := j.copy()
		claim, err := compute.OpenReceipt(*r.Receipt)
		switch {
		case err != nil:
			return false, err
		case check == Outvoted:
			return false, refuse(Mismatch, "seller %s signed %d fuel and result %s, and others something else: not accepted, not paid", r.Quote.By.Short(), claim.Fuel, claim.Result.Short())
		case check != "":
			return true, nil
		case head == nil || !trust.Comparable(claim): // nothing is compared: what ran is paid
			j.update(func(r *jobRecord) { r.Check = NotDrawn })
			return true, m.book.save(j)
		}
		select {
		case <-changed:
		case <-ended:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
