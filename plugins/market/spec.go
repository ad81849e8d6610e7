package market

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

// What a Spec's zero fields stand for.
const (
	DefaultMaxCredit = 10 * ledger.Credit
	DefaultTimeout   = 10 * time.Minute
)

// A Spec is what a buyer wants run, on which terms. Module, stdin and files are
// named by their bytes, which storage.Put has put into this node's storage
// before. Every zero field but Module has a default.
type Spec struct {
	// Name is what the buyer calls the program, at most 256 bytes. It is not
	// sent to anyone.
	Name string `cbor:"name" json:"name"`
	// Module is the program.
	Module compute.Blob `cbor:"module" json:"module"`
	// Entry is the reactor's function to call, "" for a command; see compute.Job.
	Entry string `cbor:"entry,omitempty" json:"entry,omitempty"`
	// Args are all arguments, the program's name first. Env are NAME=VALUE.
	Args []string `cbor:"args" json:"args"`
	Env  []string `cbor:"env" json:"env"`
	// Stdin and Files are the input; files are sorted by path.
	Stdin compute.Blob   `cbor:"stdin" json:"stdin"`
	Files []compute.File `cbor:"files" json:"files"`
	// Limits are the job's. A zero field is that of compute.DefaultLimits; zero
	// Fuel is as much as MaxCredit covers at the seller's price, or less if the
	// seller lends less; zero WallMillis is Timeout.
	Limits compute.Limits `cbor:"limits" json:"limits"`
	// Seed begins the guest's randomness and Start its clock, in nanoseconds of
	// Unix time. When RandomSeed is set and Seed is zero, Submit draws one.
	Seed       [32]byte `cbor:"seed" json:"seed"`
	RandomSeed bool     `cbor:"-" json:"random_seed"`
	Start      int64    `cbor:"start" json:"start"`
	// MaxCredit is the most that the job may cost: 0 is DefaultMaxCredit.
	MaxCredit ledger.Amount `cbor:"max_credit" json:"max_credit_micro"`
	// MaxPrice is the most that a Gfuel may cost: 0 is any price.
	MaxPrice ledger.Amount `cbor:"max_price" json:"max_price_micro"`
	// Timeout is how long the whole job may take: 0 is DefaultTimeout.
	Timeout time.Duration `cbor:"timeout" json:"timeout_ns"`
	// To are the only nodes to ask, at most 16: none is all that can be found.
	To []addr.Addr `cbor:"to" json:"to"`
	// Labels are what a seller's offer must all have; none is any seller.
	Labels Labels `cbor:"labels,omitempty" json:"labels,omitempty"`
	// Verify is how the result is checked before it is accepted and paid: empty is
	// VerifyNone. OwnAudit has this node's own engine do it; otherwise that is the
	// last resort.
	Verify   Verify `cbor:"verify,omitempty" json:"verify,omitempty"`
	OwnAudit bool   `cbor:"own_audit,omitempty" json:"own_audit,omitempty"`
	// Fresh is whether the job is to be run: a result that a seller holds from
	// before will not do. What is bought to check or to compare always is.
	Fresh bool `cbor:"fresh,omitempty" json:"fresh,omitempty"`
}

const (
	maxSpecName = 256
	maxTo       = 16
)

// withDefaults fills in the zero fields, all but Limits.Fuel.
func (s Spec) withDefaults() Spec {
	d := compute.DefaultLimits()
	if s.MaxCredit == 0 {
		s.MaxCredit = DefaultMaxCredit
	}
	if s.Timeout == 0 {
		s.Timeout = DefaultTimeout
	}
	if s.Limits.MemoryPages == 0 {
		s.Limits.MemoryPages = d.MemoryPages
	}
	if s.Limits.OutputBytes == 0 {
		s.Limits.OutputBytes = d.OutputBytes
	}
	if s.Limits.Files == 0 {
		s.Limits.Files = d.Files
	}
	if s.Limits.Depth == 0 {
		s.Limits.Depth = d.Depth
	}
	if s.Limits.WallMillis == 0 {
		s.Limits.WallMillis = uint64(max(1, s.Timeout.Milliseconds()))
	}
	if s.RandomSeed && s.Seed == [32]byte{} {
		rand.Read(s.Seed[:])
	}
	return s
}

// check says what is wrong with a spec that has its defaults.
func (s Spec) check() *Refused {
	switch {
	case len(s.Name) > maxSpecName:
		return refuse(BadJob, "the name has %d bytes, at most %d are allowed", len(s.Name), maxSpecName)
	case s.Module.Size > compute.MaxModuleBytes:
		return refuse(ModuleSize, "the module has %d bytes, at most %d are allowed", s.Module.Size, compute.MaxModuleBytes)
	case s.MaxCredit < 0 || s.MaxCredit >= maxAmount || s.MaxPrice < 0 || s.MaxPrice >= maxAmount:
		return refuse(BadJob, "max_credit and max_price are %d and %d micro-credits, want 0 to 2^62", s.MaxCredit, s.MaxPrice)
	case s.Timeout < 0:
		return refuse(BadJob, "the timeout is %v", s.Timeout)
	case len(s.To) > maxTo:
		return refuse(BadJob, "%d sellers are named, at most %d are allowed", len(s.To), maxTo)
	case s.Module.Size < 8:
		return refuse(ModuleInvalid, "the module has %d bytes", s.Module.Size)
	}
	if err := s.Labels.Check(); err != nil {
		return refuse(BadJob, "%v", err)
	}
	if no := s.checkVerify(); no != nil {
		return no
	}
	fuel := s.Limits.Fuel
	if fuel == 0 {
		fuel = 1
	}
	if err := s.job(fuel).Check(); err != nil {
		return refuse(BadJob, "%v", err)
	}
	return nil
}

// job is what is run when it may have that much fuel.
func (s Spec) job(fuel uint64) compute.Job {
	limits := s.Limits
	limits.Fuel = fuel
	return compute.Job{
		Module: s.Module.Hash, ModuleSize: s.Module.Size, Entry: s.Entry,
		Args: s.Args, Env: s.Env, Stdin: s.Stdin, Files: s.Files,
		Limits: limits, Seed: s.Seed, Start: s.Start, Tariff: compute.Tariff1,
	}
}

// blobs are what the seller fetches, each once, without the empty one.
func jobBlobs(j compute.Job) []compute.Blob {
	all := []compute.Blob{{Hash: j.Module, Size: j.ModuleSize}}
	seen := map[identity.Hash]bool{j.Module: true}
	add := func(b compute.Blob) {
		if b.Size > 0 && !seen[b.Hash] {
			seen[b.Hash] = true
			all = append(all, b)
		}
	}
	add(j.Stdin)
	for _, f := range j.Files {
		add(f.Blob())
	}
	return all
}

// String names the spec in a log line.
func (s Spec) String() string {
	if s.Name != "" {
		return s.Name
	}
	return fmt.Sprintf("module %s", s.Module.Hash.Short())
}
