package compute

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/peersea/sea/compute/internal/meter"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
)

// Errors of reading jobs, results and receipts.
var (
	// ErrInvalid is returned when something encoded is not as PROTOCOL says, or
	// out of its bounds. The text names what is wrong.
	ErrInvalid = errors.New("compute: invalid")
	// ErrNoBlob is returned when the bytes that a job names are not there.
	ErrNoBlob = errors.New("compute: no such blob")
)

// Tariff1 is the price list of fuel that this version meters by. It is the only
// one so far.
const Tariff1 = 1

// version is that of the encodings of Job, Result and Receipt.
const version = 1

// Job is everything that decides a result. Two jobs with the same Hash have the
// same Result and the same fuel on every honest engine.
type Job struct {
	// Module is the SHA-256 of the submitted bytes, ModuleSize their number, 8
	// to MaxModuleBytes.
	Module     identity.Hash
	ModuleSize uint64
	// Entry is how the module is called. "" runs the command's _start. Otherwise
	// it names an export that takes the bytes of Stdin and returns bytes, which
	// follow on stdout; at most 128 bytes of UTF-8, not one of the meter's names.
	// See doc.go.
	Entry string
	// Args are the arguments; the first is the program's name by convention.
	Args []string
	// Env are entries NAME=VALUE, each name at most once. The guest sees them in
	// this order and no others.
	Env []string
	// Stdin is what the guest reads from descriptor 0. Zero means nothing.
	Stdin Blob
	// Files are the input files, sorted by path in byte order.
	Files  []File
	Limits Limits
	// Seed begins the stream that random_get reads.
	Seed [32]byte
	// Start is what the guest's clock shows at first, in nanoseconds of Unix
	// time; 0 to 2^62.
	Start int64
	// Tariff names the price list of fuel. Tariff1 is the only one.
	Tariff uint64
}

// jobWire is a job's encoding: a map, so that it explains itself.
type jobWire struct {
	V          uint64        `cbor:"v"`
	Module     identity.Hash `cbor:"module"`
	ModuleSize uint64        `cbor:"module_size"`
	Entry      string        `cbor:"entry,omitempty"`
	Args       []string      `cbor:"args"`
	Env        []string      `cbor:"env"`
	Stdin      Blob          `cbor:"stdin"`
	Files      []File        `cbor:"files"`
	Limits     Limits        `cbor:"limits"`
	Seed       [32]byte      `cbor:"seed"`
	Start      uint64        `cbor:"start"`
	Tariff     uint64        `cbor:"tariff"`
}

// Encode gives the job's one encoding, canonical CBOR. That of a job that does
// not pass Check is refused by DecodeJob, and may be nil.
func (j Job) Encode() []byte {
	return encode(jobWire{
		V: version, Module: j.Module, ModuleSize: j.ModuleSize, Entry: j.Entry,
		Args: list(j.Args), Env: list(j.Env), Stdin: j.Stdin.norm(), Files: list(j.Files),
		Limits: j.Limits, Seed: j.Seed, Start: uint64(j.Start), Tariff: j.Tariff,
	})
}

// DecodeJob reads what Encode wrote and nothing else: an error wraps ErrInvalid.
func DecodeJob(b []byte) (Job, error) {
	if len(b) > MaxJobBytes {
		return Job{}, fmt.Errorf("%w job: %d bytes, at most %d are allowed", ErrInvalid, len(b), MaxJobBytes)
	}
	var w jobWire
	if err := decode(b, &w, "job"); err != nil {
		return Job{}, err
	}
	j := Job{
		Module: w.Module, ModuleSize: w.ModuleSize, Entry: w.Entry, Args: w.Args, Env: w.Env, Stdin: w.Stdin,
		Files: w.Files, Limits: w.Limits, Seed: w.Seed, Start: int64(w.Start), Tariff: w.Tariff,
	}
	if w.Stdin == (Blob{}) {
		return Job{}, fmt.Errorf("%w job: stdin has no hash", ErrInvalid)
	}
	if err := j.check(); err != nil { // its one encoding is b, of which the length is known
		return Job{}, fmt.Errorf("%w job: %w", ErrInvalid, err)
	}
	return j, nil
}

// Hash names the job: the SHA-256 of its encoding.
func (j Job) Hash() identity.Hash { return identity.HashOf(j.Encode()) }

// Check says what is out of bounds; the error wraps ErrInvalid.
func (j Job) Check() error {
	_, err := j.encodeChecked()
	return err
}

// encodeChecked gives the encoding of a job that passes Check.
func (j Job) encodeChecked() ([]byte, error) {
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("%w job: %w", ErrInvalid, err)
	}
	b := j.Encode()
	if len(b) > MaxJobBytes {
		return nil, fmt.Errorf("%w job: its description has %d bytes, at most %d are allowed", ErrInvalid, len(b), MaxJobBytes)
	}
	return b, nil
}

func (j Job) check() error {
	if j.Tariff != Tariff1 {
		return fmt.Errorf("tariff is %d, only %d is known", j.Tariff, Tariff1)
	}
	if j.ModuleSize < 8 || j.ModuleSize > MaxModuleBytes {
		return fmt.Errorf("module has %d bytes, want 8 to %d", j.ModuleSize, MaxModuleBytes)
	}
	if len(j.Entry) > maxEntry || !utf8.ValidString(j.Entry) || strings.HasPrefix(j.Entry, meter.Prefix) {
		return fmt.Errorf("entry has %d bytes, want at most %d of UTF-8 that do not begin with %q", len(j.Entry), maxEntry, meter.Prefix)
	}
	if j.Start < 0 || j.Start > maxStart {
		return fmt.Errorf("start is %d, want 0 to %d", j.Start, int64(maxStart))
	}
	if err := j.Limits.Check(); err != nil {
		return err
	}
	if err := checkStrings(j.Args, j.Env); err != nil {
		return err
	}
	if err := j.Stdin.norm().check(); err != nil {
		return fmt.Errorf("stdin: %w", err)
	}
	return j.checkFiles()
}

func (j Job) checkFiles() error {
	if len(j.Files) > maxInputs {
		return fmt.Errorf("%d input files, at most %d are allowed", len(j.Files), maxInputs)
	}
	total := j.Stdin.Size
	nodes := make(map[string]bool)
	paths := make([]string, len(j.Files))
	for i, f := range j.Files {
		if err := checkInputPath(f.Path); err != nil {
			return fmt.Errorf("input file: %w", err)
		}
		if err := f.Blob().check(); err != nil {
			return fmt.Errorf("input file %q: %w", f.Path, err)
		}
		total += f.Size
		paths[i] = f.Path
		nodes[f.Path] = true
		for k := range len(f.Path) {
			if f.Path[k] == '/' {
				nodes[f.Path[:k]] = true
			}
		}
	}
	if total > MaxInputBytes {
		return fmt.Errorf("inputs have %d bytes, at most %d are allowed", total, MaxInputBytes)
	}
	if err := checkTree(paths); err != nil {
		return fmt.Errorf("input files: %w", err)
	}
	if len(nodes) > int(j.Limits.Files) {
		return fmt.Errorf("limit files is %d, the inputs alone are %d files and folders", j.Limits.Files, len(nodes))
	}
	return nil
}

func checkStrings(args, env []string) error {
	total := 0
	for _, l := range []struct {
		name string
		list []string
	}{{"arguments", args}, {"environment entries", env}} {
		if len(l.list) > maxArgs {
			return fmt.Errorf("%d %s, at most %d are allowed", len(l.list), l.name, maxArgs)
		}
		for i, s := range l.list {
			if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
				return fmt.Errorf("%s: the one at %d contains NUL or is not UTF-8", l.name, i)
			}
			total += len(s) + 1
		}
	}
	if total > maxArgBytes {
		return fmt.Errorf("arguments and environment have %d bytes, at most %d are allowed", total, maxArgBytes)
	}
	names := make(map[string]bool, len(env))
	for i, s := range env {
		name, _, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return fmt.Errorf("environment entry %d is not NAME=VALUE", i)
		}
		if names[name] {
			return fmt.Errorf("environment has %q twice", name)
		}
		names[name] = true
	}
	return nil
}

// list makes nil the empty list, which has one encoding.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// encode marshals one of our own wire structs. It gives nil for what has no
// encoding at all, text that is not UTF-8; nil is decoded as nothing.
func encode(v any) []byte {
	b, err := cbor.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// decode reads one of our wire structs. Its version is looked at first, so that
// a newer one is refused as such and not for its new fields.
func decode(b []byte, w any, what string) error {
	if err := cbor.CheckVersion(b, version); err != nil {
		return fmt.Errorf("%w %s: %w", ErrInvalid, what, err)
	}
	if err := cbor.Unmarshal(b, w); err != nil {
		return fmt.Errorf("%w %s: %w", ErrInvalid, what, err)
	}
	return nil
}
