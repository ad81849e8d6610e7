package compute

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/peersea/sea/compute/internal/meter"
	"github.com/peersea/sea/compute/internal/wasi"
)

// Admit says from a module's bytes whether it can be what the job runs, without
// compiling or running anything: the error wraps ErrModule. A module that it lets
// through may still be refused by Run when its code is ill-typed. It may import the
// powers of these names. It takes about a second for 100 MB, and less than four times
// the module's size of memory.
func Admit(module []byte, job Job, powers ...string) error {
	info, err := meter.Admit(module, meter.Limits{ModuleBytes: MaxModuleBytes})
	if err != nil {
		return refusal(err)
	}
	if m := info.Memory; m != nil && m.Min > job.Limits.MemoryPages {
		return fmt.Errorf("%w: it begins with %d KiB, the job allows %d KiB", ErrMemory, uint64(m.Min)<<6, uint64(job.Limits.MemoryPages)<<6)
	}
	if err := checkImports(info.Imports); err != nil {
		return err
	}
	if err := checkAsks(asksOf(info), powers); err != nil {
		return err
	}
	return checkExports(info.Exports, job.Entry)
}

// Asks gives the names of the powers that a module imports, sorted; the error wraps
// ErrModule.
func Asks(module []byte) ([]string, error) {
	info, err := meter.Admit(module, meter.Limits{ModuleBytes: MaxModuleBytes})
	if err != nil {
		return nil, refusal(err)
	}
	return slices.DeleteFunc(asksOf(info), func(name string) bool { return name == wasi.Answer }), nil
}

// Entries gives the names of the functions of a reactor that a job may call, those of
// type (i32, i32) -> i64, in the module's order; the error wraps ErrModule.
func Entries(module []byte) (names []string, err error) {
	info, err := meter.Admit(module, meter.Limits{ModuleBytes: MaxModuleBytes})
	if err != nil {
		return nil, refusal(err)
	}
	for _, e := range info.Exports {
		if e.Kind == meter.KindFunc && letters(e.Func.Params) == "ii" && letters(e.Func.Results) == "l" {
			names = append(names, e.Name)
		}
	}
	return names, nil
}

// asksOf gives what a module imports of wasi.HostModule, sorted.
func asksOf(info meter.Info) (names []string) {
	for _, imp := range info.Imports {
		if imp.Module == wasi.HostModule {
			names = append(names, imp.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checkAsks refuses a power that is not given.
func checkAsks(asks, powers []string) error {
	for _, name := range asks {
		if name == wasi.Answer && len(powers) > 0 {
			continue
		}
		if !slices.Contains(powers, name) {
			return fmt.Errorf("%w of func %q of module %q, which is not there: guests get %s and nothing else",
				ErrImport, name, wasi.HostModule, strings.Join(append([]string{wasi.Module}, powers...), ", "))
		}
	}
	return nil
}

// refusal is the meter's error as an ErrModule.
func refusal(err error) error {
	if errors.Is(err, meter.ErrMemory) {
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return fmt.Errorf("%w: %w", ErrModule, err)
}

// checkImports refuses what imports something that no guest gets.
func checkImports(imports []meter.Import) error {
	for _, imp := range imports {
		if err := checkImport(imp); err != nil {
			return fmt.Errorf("%w %w", ErrImport, err)
		}
	}
	return nil
}

func checkExports(exports []meter.Export, entry string) error {
	if err := checkEntry(exports, entry); err != nil {
		return fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return nil
}
