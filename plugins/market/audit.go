package market

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/plugins/market/trust"
)

// Verify is how a buyer has a result checked.
type Verify string

// The ways. With VerifyAudit the lot decides, after the delivery and before the
// payment, whether somebody else runs the job too. With VerifyQuorum several
// sellers run it, and what more than half of them claim is paid.
const (
	VerifyNone  Verify = "none"
	VerifyAudit Verify = "audit"
)

// Check is what came of the check of a delivery: empty before it, and without
// one.
type Check string

// What comes of a check that lets the delivery be paid.
const (
	NotDrawn Check = "not drawn" // the lot did not fall on it
	Matched  Check = "matched"   // a second run, or the quorum, came to the same
)

// Outvoted is what comes of a check that does not: the quorum came to something
// else.
const Outvoted Check = "outvoted"

func (s Spec) checkVerify() *Refused {
	switch s.Verify {
	case "", VerifyNone:
		if s.OwnAudit {
			return refuse(BadJob, "an auditor is chosen, and nothing is to be audited")
		}
	case VerifyAudit:
	default:
		if k := s.Verify.Quorum(); k < minQuorum || k > maxQuorum {
			return refuse(BadJob, "verify is %q, want none, audit, or quorum=%d to quorum=%d", clip(string(s.Verify)), minQuorum, maxQuorum)
		}
		if s.OwnAudit {
			return refuse(BadJob, "an auditor is chosen, and a quorum has none")
		}
	}
	return nil
}

// audited says whether the lot is drawn for the job.
func (s Spec) audited() bool { return s.Verify == VerifyAudit }

// withheld says whether the job's output is not shown yet, because it may be
// taken back.
func (r *jobRecord) withheld() bool {
	return (r.Spec.audited() || r.Spec.Verify.Quorum() > 0 || r.Vote) && r.Check == ""
}

// mainSpec is the spec to buy the job itself by: what its check may cost is left
// over, as is what was spent on sellers that were found out.
func (r *jobRecord) mainSpec() Spec {
	s := r.Spec
	s.MaxCredit = r.left()
	switch {
	case s.Verify.Quorum() > 0:
		s.MaxCredit = min(r.Spec.share(), r.left()-r.reserved())
	case s.audited() && !s.OwnAudit:
		s.MaxCredit /= 2
	}
	return s
}

// trusted takes those out that have lied to this node.
func (m *Market) trusted(all []known) (sellers []known, out []quotedRefusal) {
	for _, k := range all {
		if m.trust.Of(k.Seller).Excluded() {
			out = append(out, quotedRefusal{quoted{known: k}, refuse(Excluded, "seller %s has lied to this node", k.Seller.Short())})
		} else {
			sellers = append(sellers, k)
		}
	}
	return sellers, out
}

// Trust returns what this node knows of a seller's honesty and the rule that
// makes something of it. It may be called from Init on.
func (m *Market) Trust(seller identity.Entity) (trust.Record, trust.Rule) {
	return m.trust.Of(seller), m.cfg.Audits
}

// TrustBook lists what this node knows of all sellers.
func (m *Market) TrustBook() []trust.Seller { return m.trust.All() }

// Forgive lets a seller that has lied be asked again, and checked from the
// beginning. It returns when that is on disk.
func (m *Market) Forgive(seller identity.Entity) error {
	return m.trust.Update(seller, trust.Record.Forgiven)
}

// drawer is a key that can draw by lot. *identity.Key is one.
type drawer interface {
	Draw(alpha []byte) (identity.DrawProof, identity.Drawn)
}

// checked has a delivery checked before it is paid, if its spec wants that. ok
// says that it may be paid; otherwise its seller has lied, and the job is to be
// bought elsewhere.
func (m *Market) checked(ctx context.Context, j *job) (ok bool, err error) {
	r := j.copy()
	switch {
	case r.Vote:
		return m.awaited(ctx, j)
	case r.Check != "":
		return true, nil
	case r.Spec.Verify.Quorum() > 0:
		return m.voted(ctx, j, r)
	case !r.Spec.audited():
		return true, nil
	}
	a := &audit{m: m, j: j, r: r, seller: r.Quote.By}
	if a.claim, err = compute.OpenReceipt(*r.Receipt); err != nil {
		return false, err
	}
	if a.job, err = r.work(); err != nil {
		return false, err
	}
	return a.run(ctx)
}

// audit is the check of one delivery.
type audit struct {
	m      *Market
	j      *job
	r      *jobRecord // as it was delivered
	seller identity.Entity
	job    compute.Job
	claim  compute.Receipt // the seller's
}

func (a *audit) run(ctx context.Context) (ok bool, err error) {
	key, can := a.m.key.(drawer)
	if !can {
		return false, errors.New("this node's key cannot draw by lot")
	}
	proof, lot := trust.Draw(key, a.r.Order.Hash(OrderPurpose), a.r.Receipt.Hash(compute.ReceiptPurpose))
	rec := a.m.trust.Of(a.seller)
	n := a.m.cfg.Audits.OneIn(rec.Straight)
	falls := lot.Falls(n) || a.r.Auditor != ID{} // it did, before a restart
	a.j.update(func(r *jobRecord) { r.Draw = proof[:] })
	if !falls {
		if err := a.m.trust.Update(a.seller, trust.Record.Accepted); err != nil {
			return false, err
		}
		return true, a.accept(NotDrawn, fmt.Sprintf("not checked: the lot falls on one job in %d", n))
	}
	other, err := a.second(ctx, lot)
	if err != nil {
		return false, err
	}
	if other != nil {
		theirs, err := compute.OpenReceipt(*other)
		if err != nil {
			return false, err
		}
		if trust.Same(a.claim, theirs) {
			return true, a.matched(fmt.Sprintf("checked: seller %s came to the same", other.By.Short()))
		}
		a.j.update(func(r *jobRecord) {
			r.event(eventRecord{Text: fmt.Sprintf("sellers %s and %s contradict each other; running it here", a.seller.Short(), other.By.Short()), Reason: Mismatch, Seller: a.seller})
		})
	}
	return a.settle(ctx, other)
}

// settle runs the job here, which says who lied.
func (a *audit) settle(ctx context.Context, other *identity.Statement) (ok bool, err error) {
	v, own, err := Recheck(ctx, *a.r.Receipt, a.job, a.m.blobs, a.m.engine)
	if err != nil {
		if errors.Is(err, compute.ErrImport) {
			return false, refuse(BadJob, "it asks its host for what only its seller has, so nobody can check it")
		}
		return false, fmt.Errorf("check a job here: %w", err)
	}
	if other == nil {
		st, err := own.Sign(a.m.key)
		if err != nil {
			return false, err
		}
		other = &st
	} else if theirs, err := compute.OpenReceipt(*other); err != nil || !trust.Same(theirs, own) {
		if err := a.m.lied(other.By); err != nil {
			return false, err
		}
	}
	if e, contradicts := contradiction(a.job, *a.r.Receipt, *other); contradicts {
		raw, err := e.Encode()
		if err != nil {
			return false, err
		}
		a.j.update(func(r *jobRecord) { r.Proof = raw })
	}
	if v.Match {
		return true, a.matched("checked: this node came to the same")
	}
	if err := a.m.lied(a.seller); err != nil {
		return false, err
	}
	return false, a.reject(fmt.Sprintf("seller %s signed %d fuel and result %s, this node's own run has %d and %s: not accepted, not paid",
		a.seller.Short(), a.claim.Fuel, a.claim.Result.Short(), own.Fuel, own.Result.Short()))
}

// lied takes in that a seller signed what is wrong.
func (m *Market) lied(seller identity.Entity) error {
	m.log.Warn("a seller signed what is wrong", "peer", seller.Short())
	return m.trust.Update(seller, func(r trust.Record) trust.Record { return r.Differed(true) })
}

func (a *audit) matched(text string) error {
	if err := a.m.trust.Update(a.seller, trust.Record.Matched); err != nil {
		return err
	}
	return a.accept(Matched, text)
}

// accept writes down that the delivery may be paid.
func (a *audit) accept(c Check, text string) error {
	a.j.update(func(r *jobRecord) {
		r.Check = c
		r.event(eventRecord{Text: text, Seller: a.seller})
	})
	return a.m.book.save(a.j)
}

// reject forgets the delivery, so that the job is bought from somebody else.
func (a *audit) reject(text string) error {
	a.m.sellers.Forget(a.r.At)
	if err := errors.Join(a.j.out.Reset(), a.j.err.Reset()); err != nil {
		return err
	}
	a.m.did(a.r, false)
	owed := a.m.owed(a.r, a.j.seen().vouched)
	tried := 0
	a.j.update(func(r *jobRecord) {
		r.State, r.Reason, r.Error = Asking, Mismatch, clip(text)
		r.Tried = append(r.Tried, attempt{r.At, r.Ask, r.Quote, r.Order, r.Lock, owed, r.Reason, r.Error})
		r.Avoid = append(r.Avoid, a.seller)
		r.event(eventRecord{Text: r.Error, Reason: Mismatch, Seller: a.seller})
		a.j.drop(owed)
		tried = len(r.Tried)
	})
	if tried >= maxTried {
		return &Refused{Reason: Mismatch, Text: clip(text)}
	}
	return a.m.book.save(a.j)
}

// second has the auditor that the lot names run the job. The receipt is nil when
// this node is to do it: by the buyer's wish, when the run was cut off from
// outside, when there is no such seller, or when it came to nothing.
func (a *audit) second(ctx context.Context, lot trust.Lot) (*identity.Statement, error) {
	id := a.r.Auditor
	if id == (ID{}) {
		at, ok := a.auditor(ctx, lot)
		if !ok {
			return nil, ctx.Err()
		}
		s := a.part()
		s.To = []addr.Addr{at}
		if s.MaxCredit <= 0 {
			return nil, nil
		}
		part := jobRecord{ID: NewID(), CheckOf: a.r.ID, Spec: s, mapped: a.r.mapped}
		a.j.update(func(r *jobRecord) {
			r.Auditor = part.ID
			r.event(eventRecord{Text: fmt.Sprintf("checking it at node %s, job %s", at.Short(), part.ID.Short())})
		})
		// The part is written after the job that knows it: one that is not there
		// after a crash was never ordered.
		if err := a.m.book.save(a.j); err != nil {
			return nil, err
		}
		if _, err := a.m.submit(part); err != nil {
			return nil, err
		}
		id = part.ID
	}
	got, err := a.m.waitPart(ctx, a.j, id)
	if errors.Is(err, ErrNoJob) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	a.j.update(func(r *jobRecord) { r.Spent += max(got.Cost, got.Vouched) })
	st, receipt, err := a.m.book.Receipt(id)
	if err != nil || !got.Paid || !trust.Comparable(receipt) {
		a.j.update(func(r *jobRecord) {
			r.event(eventRecord{Text: clip("the auditor came to nothing: " + got.Error), Reason: got.Reason, Seller: got.Seller})
		})
		return nil, ctx.Err()
	}
	return &st, nil
}

// part is the very same job, to be run by somebody else for what is left.
func (a *audit) part() Spec {
	s := a.r.Spec
	s.Verify, s.OwnAudit, s.Fresh, s.To, s.Labels = "", false, true, nil, nil
	s.Limits = a.job.Limits
	s.MaxCredit = a.r.left()
	if d, err := readDelivery(a.r.Delivery.Body); err == nil {
		s.MaxCredit -= max(d.Cost, a.r.Vouched)
	}
	return s
}

// auditor is the seller nearest to the lot's address that may audit and is
// another entity.
func (a *audit) auditor(ctx context.Context, lot trust.Lot) (addr.Addr, bool) {
	if a.r.Spec.OwnAudit || !trust.Comparable(a.claim) {
		return addr.Addr{}, false
	}
	sellers, _ := a.m.find(ctx, nil, true)
	var able []trust.Candidate
	for _, k := range sellers {
		if a.m.cfg.Audits.Audits(a.m.trust.Of(k.Seller)) && !slices.Contains(a.r.Avoid, k.Seller) {
			able = append(able, a.m.candidate(k.At, k.Seller))
		}
	}
	seller := a.m.candidate(a.r.At, a.seller)
	for {
		best, ok := lot.Auditor(able, seller)
		if !ok {
			return addr.Addr{}, false
		}
		if c, met := a.m.met(ctx, best.At, best.Key); met && !c.Same(seller) {
			return best.At, true
		}
		able = slices.DeleteFunc(able, func(c trust.Candidate) bool { return c.Key == best.Key })
	}
}

// waitPart waits for a job that was bought to check j. When j is to stop, so is
// it.
func (m *Market) waitPart(ctx context.Context, j *job, id ID) (Job, error) {
	done := make(chan struct{})
	defer func() { <-done }()
	waitCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(done)
		select {
		case <-j.stop:
			if err := m.Cancel(waitCtx, id); err != nil && !errors.Is(err, ErrFinal) {
				m.log.Warn("cannot cancel a check", "job", id.Short(), "err", err)
			}
		case <-waitCtx.Done():
		}
	}()
	return m.Wait(waitCtx, id)
}
