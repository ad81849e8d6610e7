package main

import (
	"fmt"
	"math"
	"net/http"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// offerView is what this node sells and what it lends strangers.
type offerView struct {
	market.Policy
	StrangersMicro     int64 `json:"strangers_micro"`
	StrangersUsedMicro int64 `json:"strangers_used_micro"`
}

// offerChange is what "offer set" was told; nil fields stay.
type offerChange struct {
	Selling        *bool          `json:"selling,omitempty"`
	PriceMicro     *int64         `json:"price_micro_per_gfuel,omitempty"`
	GiBMicro       *int64         `json:"price_micro_per_gib,omitempty"`
	FeeMicro       *int64         `json:"fee_micro,omitempty"`
	Slots          *uint32        `json:"slots,omitempty"`
	MemoryPages    *uint32        `json:"memory_pages,omitempty"`
	AllMemory      *uint32        `json:"all_memory_pages,omitempty"`
	FuelCap        *uint64        `json:"fuel,omitempty"`
	WallMillis     *uint64        `json:"wall_ms,omitempty"`
	Slowest        *uint64        `json:"slowest_rate,omitempty"`
	Quantum        *uint64        `json:"quantum,omitempty"`
	StrangersMicro *int64         `json:"strangers_micro,omitempty"`
	Queue          *uint32        `json:"queue,omitempty"`
	PerBuyer       *uint32        `json:"per_buyer,omitempty"`
	Hours          *string        `json:"hours,omitempty"`
	Policy         *string        `json:"policy,omitempty"`
	Share          *uint32        `json:"cpu_percent,omitempty"`
	Resell         *uint32        `json:"resell_percent,omitempty"`
	Labels         *market.Labels `json:"labels,omitempty"`
	NotOnBattery   *bool          `json:"not_on_battery,omitempty"`
	WhenIdle       *bool          `json:"when_idle,omitempty"`

	AllowPeers   *[]identity.Entity `json:"allow_peers,omitempty"`
	DenyPeers    *[]identity.Entity `json:"deny_peers,omitempty"`
	AllowModules *[]identity.Hash   `json:"allow_modules,omitempty"`
	DenyModules  *[]identity.Hash   `json:"deny_modules,omitempty"`
}

// put is *to = *from, if there is one.
func put[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// apply changes p as far as in says.
func (in offerChange) apply(p *market.Policy) {
	if in.Selling != nil {
		p.Selling = *in.Selling
	}
	if in.PriceMicro != nil {
		p.PerGfuel = ledger.Amount(*in.PriceMicro)
	}
	if in.GiBMicro != nil {
		p.PerGiB = ledger.Amount(*in.GiBMicro)
	}
	if in.FeeMicro != nil {
		p.Fee = ledger.Amount(*in.FeeMicro)
	}
	if in.Slots != nil {
		p.Slots = *in.Slots
	}
	if in.MemoryPages != nil {
		p.Caps.MemoryPages = *in.MemoryPages
	}
	if in.FuelCap != nil {
		p.Caps.Fuel = *in.FuelCap
	}
	if in.WallMillis != nil {
		p.Caps.WallMillis = *in.WallMillis
	}
	if in.Slowest != nil {
		p.Slowest = *in.Slowest
	}
	if in.Quantum != nil {
		p.Quantum = *in.Quantum
	}
	put(&p.Memory, in.AllMemory)
	put(&p.Queue, in.Queue)
	put(&p.PerBuyer, in.PerBuyer)
	put(&p.Hours, in.Hours)
	put(&p.Program, in.Policy)
	put(&p.Share, in.Share)
	put(&p.Resell, in.Resell)
	put(&p.Labels, in.Labels)
	put(&p.NotOnBattery, in.NotOnBattery)
	put(&p.WhenIdle, in.WhenIdle)
	put(&p.AllowPeers, in.AllowPeers)
	put(&p.DenyPeers, in.DenyPeers)
	put(&p.AllowModules, in.AllowModules)
	put(&p.DenyModules, in.DenyModules)
}

func newOffer(c *cli) *cobra.Command {
	group := &cobra.Command{
		Use:   "offer",
		Short: "Look at and change what this node sells",
	}
	group.AddCommand(newOfferShow(c), newOfferSet(c))
	return asGroup(group)
}

func newOfferShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show prices, caps, and what strangers may owe",
		Example: "  seaworker offer show",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			var v offerView
			if err := c.read(cmd.Context(), "/offer", &v); err != nil {
				return err
			}
			return c.printOffer(v)
		},
	}
}

func (c *cli) printOffer(v offerView) error {
	if c.json {
		return c.printJSON(v)
	}
	selling := "no (start with up --sell, or offer set --sell)"
	if v.Selling {
		selling = "yes"
	}
	slowest := "any pace"
	if v.Slowest > 0 {
		slowest = "stopped, and billed to that point, below " + commas(v.Slowest) + " fuel a second of processor time"
	}
	quantum := "as they run, in steps that suit this machine and what the buyer may owe"
	if v.Quantum > 0 {
		quantum = "as they run, every " + commas(v.Quantum) + " fuel"
	}
	memory := ""
	if v.PerGiB > 0 {
		memory = ", " + credits(int64(v.PerGiB)) + " more per Gfuel for each GiB of memory that a job may have"
	}
	together := ""
	if v.Memory > 0 {
		together = fmt.Sprintf(" with %d MiB of memory together", v.Memory/16)
	}
	_, err := fmt.Fprintf(c.stdout, `selling    %s
price      %s per Gfuel, %s per job%s
a job      at most %s fuel, %d MiB of memory, %d MiB of output, %d s
slow jobs  %s
long jobs  paid %s
jobs       %d at a time%s, %d waiting, %d of one buyer
strangers  may owe %s all together, and owe or hold %s of it
%s`,
		selling, credits(int64(v.PerGfuel)), credits(int64(v.Fee)), memory,
		commas(v.Caps.Fuel), v.Caps.MemoryPages/16, v.Caps.OutputBytes>>20, v.Caps.WallMillis/1000, slowest, quantum,
		v.Slots, together, v.Queue, v.PerBuyer,
		credits(v.StrangersMicro), credits(v.StrangersUsedMicro), rulesText(v.Policy))
	return err
}

func newOfferSet(c *cli) *cobra.Command {
	var sell bool
	var price, gib, fee, strangers, memory, allMemory, fuel, slowest, quantum string
	var slots, queue, perBuyer uint32
	var rules ruleFlags
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Change what this node sells, at once",
		Long: `Change what this node sells. Orders that were taken keep their quote's terms.
Prices and caps are kept; whether it sells, and what strangers may owe, is for
the daemon's run: its flags and config.toml say it at each start.`,
		Example: "  seaworker offer set --price 0.8 --max-jobs 2\n  seaworker offer set --hours 22:00-07:00,sat-sun@00:00-24:00 --cpu 30\n  seaworker offer set --policy ./policy.sh",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			var change offerChange
			flags := cmd.Flags()
			if flags.Changed("sell") {
				change.Selling = &sell
			}
			for _, f := range []struct {
				name, text string
				to         **int64
			}{{"price", price, &change.PriceMicro}, {"price-gib", gib, &change.GiBMicro}, {"fee", fee, &change.FeeMicro}, {"strangers", strangers, &change.StrangersMicro}} {
				if !flags.Changed(f.name) {
					continue
				}
				micro, err := parseCredits(f.text)
				if err != nil {
					return err
				}
				*f.to = &micro
			}
			if flags.Changed("max-jobs") {
				change.Slots = &slots
			}
			if flags.Changed("memory") {
				n, err := parseBytes(memory)
				if err != nil || n>>16 > 1<<16-1 {
					return usagef("write it as 512MiB", "--memory %q", memory)
				}
				pages := uint32(n >> 16)
				change.MemoryPages = &pages
			}
			if flags.Changed("all-memory") {
				n, err := parseBytes(allMemory)
				if err != nil || n>>16 > math.MaxUint32 {
					return usagef("write it as 4GiB; 0 for no bound", "--all-memory %q", allMemory)
				}
				pages := uint32(n >> 16)
				change.AllMemory = &pages
			}
			if flags.Changed("fuel") {
				n, err := parseCount(fuel)
				if err != nil {
					return usagef("write it as 500G", "--fuel: %v", err)
				}
				change.FuelCap = &n
			}
			if flags.Changed("slowest-rate") {
				n, err := parseCount(slowest)
				if err != nil {
					return usagef("write it as 500M; 0 takes any pace", "--slowest-rate: %v", err)
				}
				change.Slowest = &n
			}
			if flags.Changed("quantum") {
				n, err := parseCount(quantum)
				if err != nil {
					return usagef("write it as 500M; 0 suits this machine", "--quantum: %v", err)
				}
				change.Quantum = &n
			}
			if flags.Changed("queue") {
				change.Queue = &queue
			}
			if flags.Changed("per-buyer") {
				change.PerBuyer = &perBuyer
			}
			if err := rules.change(flags, &change); err != nil {
				return err
			}
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var v offerView
			if err := api.do(cmd.Context(), http.MethodPut, "/offer", change, &v); err != nil {
				return err
			}
			return c.printOffer(v)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&sell, "sell", true, "answer asks with quotes")
	flags.StringVar(&price, "price", "", "`CREDITS` per Gfuel")
	flags.StringVar(&gib, "price-gib", "", "`CREDITS` more per Gfuel for each GiB of memory that a job may have")
	flags.StringVar(&fee, "fee", "", "`CREDITS` per job")
	flags.StringVar(&strangers, "strangers", "", "`CREDITS` that all strangers together may owe")
	flags.Uint32Var(&slots, "max-jobs", 0, "run at most `N` jobs at a time")
	flags.Uint32Var(&queue, "queue", 0, "have at most `N` more orders wait")
	flags.Uint32Var(&perBuyer, "per-buyer", 0, "have at most `N` orders of one buyer run or wait")
	flags.StringVar(&memory, "memory", "", "let a job have at most `N` bytes of memory")
	flags.StringVar(&allMemory, "all-memory", "", "let all jobs that run have at most `N` bytes of memory together; 0 for no bound")
	flags.StringVar(&fuel, "fuel", "", "let a job use at most `N` fuel")
	flags.StringVar(&slowest, "slowest-rate", "", "stop and bill a job that does fewer than `N` fuel a second of processor time; 0 for none")
	flags.StringVar(&quantum, "quantum", "", "have a long job paid every `N` fuel as it runs; 0 suits this machine")
	rules.add(flags)
	return cmd
}
