package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// creditRows are the rows of "credit list": a peer each, and where nodes act for
// an entity its sum first, and then its nodes, indented.
func creditRows(lines []ledger.Line) []string {
	nodes := map[identity.Entity][]ledger.Line{}
	for _, l := range lines {
		if a := l.Acting; a != nil && a.Standing == ledger.Holds {
			nodes[a.Entity] = append(nodes[a.Entity], l)
		}
	}
	var alone []ledger.Line
	for _, l := range lines {
		switch _, acted := nodes[l.Peer]; {
		case acted:
			nodes[l.Peer] = append(nodes[l.Peer], l)
		case l.Acting == nil || l.Acting.Standing != ledger.Holds:
			alone = append(alone, l)
		}
	}
	var rows []string
	for _, l := range alone {
		rows = append(rows, creditRow("", l))
	}
	entities := make([]identity.Entity, 0, len(nodes))
	for e := range nodes {
		entities = append(entities, e)
	}
	slices.SortFunc(entities, func(a, b identity.Entity) int { return bytes.Compare(a[:], b[:]) })
	for _, e := range entities {
		var sum ledger.Line
		for _, l := range nodes[e] {
			sum.Held = min(sum.Held+l.Held, 1<<62-1)
			if l.Acting != nil && l.Acting.Standing == ledger.Holds {
				sum.Balance = l.Acting.Balance
			}
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t\t\t%s\tentity, by %s", e.Short(), credits(int64(sum.Balance)), credits(int64(sum.Held)),
			count(len(nodes[e]), "key")))
		for _, l := range nodes[e] {
			rows = append(rows, creditRow("  ", l))
		}
	}
	return rows
}

func creditRow(indent string, l ledger.Line) string {
	state := string(l.State)
	if a := l.Acting; a != nil && a.Standing != ledger.Holds && l.State != ledger.StateRevoked {
		state += ", certificate of " + a.Entity.Short() + " " + string(a.Standing)
	}
	return fmt.Sprintf("%s%s\t%s\t%s\t%s\t%s\t%s", indent, l.Peer.Short(), credits(int64(l.Balance)),
		credits(int64(l.TheyMayOwe)), credits(int64(l.IMayOwe)), credits(int64(l.Held)), state)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// actsForText is the line of "credit show" about whom a peer acts for, "" when it
// is nobody.
func actsForText(a *ledger.Acting) string {
	if a == nil {
		return ""
	}
	text := "acts for      " + actingText(*a) + " to us\n"
	if a.Standing == ledger.Holds {
		text += fmt.Sprintf("entity        %s with all its nodes\n", credits(int64(a.Balance)))
	}
	return text
}
