package compute

import (
	"errors"
	"fmt"

	"github.com/peersea/sea/compute/internal/meter"
)

// Admit says from a module's bytes whether it can be what the job runs, without
// compiling or running anything: the error wraps ErrModule. A module that it lets
// through may still be refused by Run when its code is ill-typed. It takes about
// a second for 100 MB, and less than four times the module's size of memory.
func Admit(module []byte, job Job) error {
	info, err := meter.Admit(module, meter.Limits{ModuleBytes: MaxModuleBytes})
	if err != nil {
		return refusal(err)
	}
	if m := info.Memory; m != nil && m.Min > job.Limits.MemoryPages {
		return fmt.Errorf("%w: it begins with %d KiB, the job allows %d KiB", ErrMemory, uint64(m.Min)<<6, uint64(job.Limits.MemoryPages)<<6)
	}
	return checkInfo(info, job)
}

// refusal is the meter's error as an ErrModule.
func refusal(err error) error {
	if errors.Is(err, meter.ErrMemory) {
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return fmt.Errorf("%w: %w", ErrModule, err)
}

// checkInfo refuses what imports something that is not there, or does not export
// what will be called.
func checkInfo(info meter.Info, job Job) error {
	if err := checkImports(info.Imports); err != nil {
		return err
	}
	return checkExports(info.Exports, job.Entry)
}

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
