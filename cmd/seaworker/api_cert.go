package main

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// certRoutes are about certificates.
func (a *api) certRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/certs", route(a.getCerts))
	mux.HandleFunc("POST /v1/certs", route(a.postCert))
	mux.HandleFunc("POST /v1/certs/revoke", route(a.postRevoke))
	mux.HandleFunc("POST /v1/certs/revocations", route(a.postRevocation))
}

func (a *api) getCerts(*http.Request, none) (certsView, error) {
	all, err := a.d.ledger.Issued()
	if all == nil {
		all = []ledger.Issued{}
	}
	return certsView{ActsFor: a.d.ledger.Acting(), Issued: all}, err
}

func (a *api) postCert(r *http.Request, in certRequest) (certView, error) {
	node, err := a.findCertified(in.Node)
	if err != nil {
		return certView{}, err
	}
	now := time.Now()
	if in.Until.Before(now) {
		return certView{}, usagef("give --until a later time", "the certificate would have ended")
	}
	if in.Budget < 0 {
		return certView{}, usagef("", "the budget is below zero")
	}
	s, err := a.d.ledger.Issue(r.Context(), identity.Certificate{
		Node: node, Can: sortedWords(in.Can), Budget: uint64(in.Budget), NotBefore: now.Unix(), NotAfter: in.Until.Unix(),
	})
	switch {
	case errors.Is(err, identity.ErrBadCertificate), errors.Is(err, ledger.ErrSelf):
		return certView{}, usagef("see \"seaworker cert issue --help\"", "%v", err)
	case errors.Is(err, ledger.ErrActing):
		return certView{}, usagef("issue it on that entity's own machine", "%v", err)
	case errors.Is(err, identity.ErrRevoked):
		return certView{}, usagef("give the node a new key: \"seaworker id new\" in another folder", "%v", err)
	case err != nil:
		return certView{}, err
	}
	cert, err := identity.OpenCertificate(s)
	return certOf(s, cert, a.d.ledger), err
}

func (a *api) postRevoke(r *http.Request, in revokeRequest) (certView, error) {
	node, err := a.findCertified(in.Node)
	if err != nil {
		return certView{}, err
	}
	s, err := a.d.ledger.Revoke(r.Context(), node, in.All)
	if errors.Is(err, ledger.ErrNoCertificate) {
		return certView{}, failf(exitUsage, reasonNotFound, "see \"seaworker cert list\"; --all takes back what was given from another folder too", "%v", err)
	}
	if err != nil {
		return certView{}, err
	}
	return a.revoked(r, s)
}

func (a *api) postRevocation(r *http.Request, in certView) (certView, error) {
	_, s, err := parseStatement(in.File)
	if err == nil {
		err = a.d.ledger.TakeRevocation(r.Context(), s)
	}
	if err != nil {
		return certView{}, failf(exitMismatch, reasonMismatch, "believe nobody who shows it", "%v", err)
	}
	return a.revoked(r, s)
}

// revoked hands a revocation on and shows it.
func (a *api) revoked(r *http.Request, s identity.Statement) (certView, error) {
	rev, err := identity.OpenRevocation(s)
	if err != nil {
		return certView{}, err
	}
	a.d.credit.Show(r.Context())
	return revocationOf(s, rev), nil
}

// findCertified reads a node's public key, or the first digits of one that has a
// certificate of ours or that findPeer finds.
func (a *api) findCertified(text string) (identity.Entity, error) {
	all, err := a.d.ledger.Issued()
	if err != nil {
		return identity.Entity{}, err
	}
	known := map[identity.Entity]bool{}
	for _, i := range all {
		known[i.Node] = true
	}
	if node, err := uniquePrefix(known, text); err == nil {
		return node, nil
	}
	return a.findPeer(text)
}

// sortedWords are the words of a certificate as they stand in it.
func sortedWords(words []string) []string {
	out := slices.Clone(words)
	slices.Sort(out)
	return slices.Compact(out)
}
