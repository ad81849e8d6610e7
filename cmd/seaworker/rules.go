package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/market"
	"github.com/peersea/sea/plugins/market/hours"
	"github.com/spf13/pflag"
)

// ruleFlags are those of "offer set" that say when, for whom and with what this
// node works.
type ruleFlags struct {
	hours, policy, cpu        string
	resell                    string
	onBattery                 string
	whenIdle                  bool
	labels                    []string
	allowPeers, denyPeers     []string
	allowModules, denyModules []string
}

func (r *ruleFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&r.hours, "hours", "", "take orders at these `TIMES` of this machine's clock: 22:00-07:00,sat-sun@00:00-24:00; \"\" for always")
	flags.StringVar(&r.policy, "policy", "", "ask the `PROGRAM` about each job, see docs/SELLING.md; \"\" for none")
	flags.StringVar(&r.cpu, "cpu", "", "give each job `N` percent of a core; 100 for all of it")
	flags.StringVar(&r.resell, "resell", "", "sell results again that this node holds, at `N` percent of the price; 0 for never")
	flags.StringVar(&r.onBattery, "on-battery", "", "`WHEN` to work on battery: never or always")
	flags.BoolVar(&r.whenIdle, "when-idle", false, "work only while nobody else uses this machine")
	flags.StringSliceVar(&r.labels, "label", nil, "say of this node `NAME=VALUE`: gpu=no,region=eu; \"\" for nothing")
	flags.StringSliceVar(&r.allowPeers, "allow-peer", nil, "sell to these `ENTITIES` only, nodes or whom they act for; \"\" for all")
	flags.StringSliceVar(&r.denyPeers, "deny-peer", nil, "do not sell to these `ENTITIES`; \"\" for none")
	flags.StringSliceVar(&r.allowModules, "allow-module", nil, "run these `MODULES` only, files or hashes; \"\" for all")
	flags.StringSliceVar(&r.denyModules, "deny-module", nil, "do not run these `MODULES`; \"\" for none")
}

// change takes the flags that were told into c.
func (r *ruleFlags) change(flags *pflag.FlagSet, c *offerChange) error {
	if flags.Changed("hours") {
		if _, err := hours.Parse(r.hours); err != nil {
			return usagef("write them as 22:00-07:00 or mon-fri@18:00-08:00, with commas between", "--hours: %v", err)
		}
		c.Hours = &r.hours
	}
	if flags.Changed("policy") {
		path, err := programPath(r.policy)
		if err != nil {
			return err
		}
		c.Policy = &path
	}
	if flags.Changed("cpu") {
		n, err := strconv.ParseUint(strings.TrimSuffix(r.cpu, "%"), 10, 32)
		if err != nil || n < 1 || n > 100 {
			return usagef("write it as 30 or 30%", "--cpu %q", r.cpu)
		}
		percent := uint32(n)
		c.Share = &percent
	}
	if flags.Changed("resell") {
		n, err := strconv.ParseUint(strings.TrimSuffix(r.resell, "%"), 10, 32)
		if err != nil || n > 100 {
			return usagef("write it as 20 or 20%; 0 for never", "--resell %q", r.resell)
		}
		percent := uint32(n)
		c.Resell = &percent
	}
	if flags.Changed("on-battery") {
		if r.onBattery != "never" && r.onBattery != "always" {
			return usagef("write never or always", "--on-battery %q", r.onBattery)
		}
		never := r.onBattery == "never"
		c.NotOnBattery = &never
	}
	if flags.Changed("when-idle") {
		c.WhenIdle = &r.whenIdle
	}
	if flags.Changed("label") {
		labels, err := parseLabels(r.labels)
		if err != nil {
			return err
		}
		c.Labels = &labels
	}
	for _, l := range []struct {
		name string
		text []string
		to   **[]identity.Entity
	}{{"allow-peer", r.allowPeers, &c.AllowPeers}, {"deny-peer", r.denyPeers, &c.DenyPeers}} {
		if flags.Changed(l.name) {
			all, err := parseAll(l.text, identity.ParseEntity)
			if err != nil {
				return usagef("give all 64 digits, as \"peer list --json\" shows them", "--%s: %v", l.name, err)
			}
			*l.to = &all
		}
	}
	for _, l := range []struct {
		name string
		text []string
		to   **[]identity.Hash
	}{{"allow-module", r.allowModules, &c.AllowModules}, {"deny-module", r.denyModules, &c.DenyModules}} {
		if flags.Changed(l.name) {
			all, err := parseAll(l.text, moduleHash)
			if err != nil {
				return usagef("give the module's file, or the 64 digits of its hash", "--%s: %v", l.name, err)
			}
			*l.to = &all
		}
	}
	return nil
}

// parseLabels reads labels in any order; one empty word is none.
func parseLabels(words []string) (market.Labels, error) {
	labels := market.Labels{} // not nil, which would leave those there are
	if len(words) != 1 || words[0] != "" {
		labels = append(labels, market.Labels(words).Sorted()...)
	}
	if err := labels.Check(); err != nil {
		return nil, usagef("write them as gpu=no,region=eu", "--label: %v", err)
	}
	return labels, nil
}

// parseAll reads a list; one empty word is an empty list.
func parseAll[T any](words []string, parse func(string) (T, error)) ([]T, error) {
	all := []T{}
	for _, w := range words {
		if w == "" && len(words) == 1 {
			break
		}
		x, err := parse(w)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// moduleHash names a module by its hash, or by the file that has it.
func moduleHash(text string) (identity.Hash, error) {
	if h, err := identity.ParseHash(text); err == nil {
		return h, nil
	}
	b, err := os.ReadFile(text)
	return identity.Hash(sha256.Sum256(b)), err
}

// programPath is where a policy program is, for the daemon; "" stays.
func programPath(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err == nil && (info.IsDir() || info.Mode()&0o111 == 0 && filepath.Ext(path) != ".exe") {
		err = &fs.PathError{Op: "run", Path: path, Err: fs.ErrPermission}
	}
	if err != nil {
		return "", usagef("give the path of one program that may be executed (chmod +x)", "--policy: %v", err)
	}
	return path, nil
}

// rulesText tells what a policy has beside prices and caps, for people.
func rulesText(p market.Policy) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(&b, "%-9s  %s\n", name, fmt.Sprintf(format, args...))
	}
	if p.Hours != "" {
		line("hours", "%s by this machine's clock", p.Hours)
	}
	if p.Share != 0 && p.Share != 100 {
		line("cpu", "%d %% of a core for each job", p.Share)
	}
	if p.Resell != 0 {
		line("resells", "results that it holds, at %d %% of the price", p.Resell)
	}
	if len(p.Labels) > 0 {
		line("labels", "%s", strings.Join(p.Labels, ","))
	}
	if p.NotOnBattery {
		line("battery", "never works on it")
	}
	if p.WhenIdle {
		line("idle", "works only while nobody else uses this machine")
	}
	if p.Program != "" {
		line("policy", "%s is asked about each job", p.Program)
	}
	for _, l := range []struct {
		name, what string
		all        []string
	}{
		{"only for", "", texts(p.AllowPeers)}, {"not for", "", texts(p.DenyPeers)},
		{"runs", "only ", texts(p.AllowModules)}, {"runs not", "", texts(p.DenyModules)},
	} {
		if len(l.all) > 0 {
			line(l.name, "%s%s", l.what, strings.Join(l.all, " "))
		}
	}
	return b.String()
}

// texts are the short forms of keys or hashes.
func texts[T interface{ Short() string }](all []T) []string {
	var out []string
	for _, x := range all {
		out = append(out, x.Short())
	}
	return out
}
