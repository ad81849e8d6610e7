package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/guest"
	"github.com/peersea/sea/plugins/market"
)

// callTime is how long a call that is bought may take, with all that it takes to buy it.
const callTime = time.Minute

// buyCall buys a call of another node's guest: it fetches the module, so that the bill
// can be recomputed, and has the seller run it as a job.
func (d *daemon) buyCall(ctx context.Context, to addr.Addr, scope string, body []byte, most ledger.Amount) (callAnswer, error) {
	name, function, ok := strings.Cut(scope, ":")
	if !ok {
		return callAnswer{}, usagef("write it as NAME:FUNCTION", "%q is no scope of a service", scope)
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	spec, err := d.callSpec(ctx, to, name, function, body, most)
	if err != nil {
		return callAnswer{}, err
	}
	j, err := d.market.Submit(ctx, spec)
	if err != nil {
		return callAnswer{}, err
	}
	if j, err = d.market.Wait(ctx, j.ID); err != nil {
		return callAnswer{}, err
	}
	said, err := d.said(j, market.Stderr)
	if err != nil {
		return callAnswer{}, err
	}
	switch {
	case j.State != market.Done && j.Reason != "":
		return callAnswer{}, &market.Refused{Reason: j.Reason, Text: j.Error}
	case j.End == compute.OutOfFuel:
		return callAnswer{}, failf(exitOutOfFuel, string(market.OutOfFuel), "give more with --max-credit", "%s used up the %s fuel that %s buys", scope, commas(j.Fuel), credits(int64(most)))
	case j.Exit == nil || *j.Exit != 0:
		return callAnswer{}, failf(exitJobFailed, reasonRefused, "see \"seaworker job show "+j.ID.Short()+"\"", "%s: %s", scope, strings.TrimSpace("it ended by "+string(j.End)+" "+j.Trap+" "+string(said)))
	}
	answer, err := d.said(j, market.Stdout)
	if err != nil {
		return callAnswer{}, err
	}
	text, err := toJSON(answer)
	if err != nil {
		return callAnswer{}, failf(exitMismatch, reasonMismatch, "the scope does not speak CBOR", "the answer: %v", err)
	}
	return callAnswer{Body: text, Job: &j}, nil
}

// said is what a job wrote.
func (d *daemon) said(j market.Job, s market.Stream) ([]byte, error) {
	r, err := d.market.Book().Log(j.ID, s)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// callSpec is the job that a call is, with module and body among our blobs.
func (d *daemon) callSpec(ctx context.Context, to addr.Addr, name, function string, body []byte, most ledger.Amount) (market.Spec, error) {
	conn, err := d.node.Connect(ctx, to)
	if err != nil {
		return market.Spec{}, failf(exitUnreachable, reasonUnreachable, "see \"seaworker peer ping\"", "%s: %v", to.Short(), err)
	}
	defer conn.Close()
	about, err := guest.Ask(ctx, d.node, to, name)
	if errors.Is(err, rpc.ErrNotFound) || errors.Is(err, rpc.ErrNoHandler) {
		return market.Spec{}, failf(exitRefused, reasonNotFound, "leave --max-credit away if it is free", "%s sells no %s:%s", to.Short(), name, function)
	}
	if err != nil {
		return market.Spec{}, failf(exitUnreachable, reasonUnreachable, "see \"seaworker peer ping\"", "%s: %v", to.Short(), err)
	}
	offers, err := d.market.Offers(ctx, to)
	if err != nil {
		return market.Spec{}, err
	}
	fuel := about.Covers(most, about.Fuel)
	for _, o := range offers { // the buyer's own check of its cap, before the quote says the price
		fuel = o.Offer.PriceOf(about.MemoryPages).Covers(most, fuel)
	}
	if fuel == 0 {
		return market.Spec{}, failf(exitRefused, string(market.RefusedPrice), "a call costs "+priceText(about.Price), "%s buys nothing of %s:%s", credits(int64(most)), name, function)
	}
	if err := d.storage.Fetch(ctx, to, about.Module, nil); err != nil {
		return market.Spec{}, err
	}
	stdin, err := d.storage.PutBytes(body)
	if err != nil {
		return market.Spec{}, err
	}
	job := about.Job(name, function, stdin, fuel)
	spec := market.Spec{
		Name: name + ":" + function, Module: about.Module, Entry: function, Args: job.Args, Stdin: stdin, Limits: job.Limits,
		MaxCredit: most, Timeout: callTime, To: []addr.Addr{to},
	}
	if len(about.Powers) > 0 {
		rand.Read(spec.Seed[:])
		spec.Start = time.Now().UnixNano()
	}
	return spec, nil
}
