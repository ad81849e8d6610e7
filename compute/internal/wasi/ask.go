package wasi

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/peersea/sea/compute/internal/meter"
)

// HostModule is the name that guests import powers from: functions beyond preview 1
// that their host gives them. Each is of type (i32, i32) -> i32: it takes the
// request's place and length, and returns the length of the answer or a negative
// number. The guest takes the answer with Answer.
const HostModule = "sea"

// Answer is the one function of HostModule that is no power: of type (i32) -> i32, it
// copies the answer that waits to that place and returns its length. The answer is
// gone then.
const Answer = "answer"

// MaxAsk is how many bytes a request or an answer may have.
const MaxAsk = 128 << 10

// AskInvalid is what a power returns for a request that is too long or outside the
// guest's memory, and Answer for a place outside of it.
const AskInvalid = -4

// HostSignature gives the parameters and results of a function of HostModule.
func HostSignature(name string) (params, results string) {
	if name == Answer {
		return "i", "i"
	}
	return "ii", "i"
}

// LinkHost makes the functions of HostModule of the given names available in rt, as
// Link does those of preview 1. Each costs meter.HostCall, and meter.HostByte for each
// byte of the request or of the answer.
func LinkHost(ctx context.Context, rt wazero.Runtime, names []string, current func() *World) error {
	if len(names) == 0 {
		return nil
	}
	b := rt.NewHostModuleBuilder(HostModule)
	for _, name := range names {
		fn := api.GoModuleFunc(func(_ context.Context, mod api.Module, stack []uint64) {
			w := current()
			w.pay(meter.HostCall)
			var m memory
			if mem := mod.ExportedMemory(meter.ExportMemory); mem != nil {
				m, _ = mem.Read(0, mem.Size())
			}
			var n int32
			if name == Answer {
				n = w.takeAnswer(m, u32(stack[0]))
			} else {
				n = w.ask(m, name, u32(stack[0]), u32(stack[1]))
			}
			stack[0] = uint64(uint32(n))
		})
		params, results := HostSignature(name)
		b.NewFunctionBuilder().WithGoModuleFunction(fn, types(params), types(results)).Export(name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("link %s: %w", HostModule, err)
	}
	return nil
}

// ask puts a request to the host. An answer that was not taken is gone.
func (w *World) ask(m memory, name string, at, n uint32) int32 {
	w.answer = nil
	request, e := m.span(at, n)
	if e != ok || n > MaxAsk {
		return AskInvalid
	}
	w.pay(uint64(n) * meter.HostByte)
	answer, code := w.cfg.Ask(name, request)
	w.garbage(len(request) + len(answer))
	if code < 0 {
		return code
	}
	w.answer = answer
	return int32(len(answer))
}

func (w *World) takeAnswer(m memory, at uint32) int32 {
	room, e := m.span(at, uint32(len(w.answer)))
	if e != ok {
		return AskInvalid
	}
	w.pay(uint64(len(room)) * meter.HostByte)
	n := copy(room, w.answer)
	w.answer = nil
	return int32(n)
}
