package meter

import "testing"

// rewriteNaive meters the plain way: every instruction pays for itself before
// it runs, and every float operation makes its result canonical. Calls that end
// without a trap must cost and give the same either way. It
// shares the decoder with Rewrite, and what is reachable, but neither the runs
// nor the table of prices.
func rewriteNaive(t testing.TB, wasm []byte, opt Options) Module {
	t.Helper()
	m, err := decode(wasm, opt.Limits)
	if err != nil {
		t.Fatal(err)
	}
	w := rewriter{m: m, pages: m.lim.MemoryPages}
	w.indices()
	b := body{m: m, record: true}
	s := m.sections[secCode]
	b.reader = reader{b: m.raw, pos: s.at, end: s.end}
	if s.at > 0 {
		b.u32()
	}
	out := w.writer
	for i := m.imported; i < len(m.functions); i++ {
		outer := b.end
		b.begin(i)
		var steps []int // where reachable instructions stand that cost something
		for len(b.frames) > 0 && b.err == nil {
			if b.live && !freeAtTariff1[b.b[b.pos]] {
				steps = append(steps, b.pos)
			}
			b.instruction()
		}
		if b.err != nil {
			t.Fatal(b.err)
		}
		b.end = outer
		w.references = b.references
		b.payEach(steps)
		b.settleNaNs()
		for i := range b.nans {
			b.nans[i].fix = b.nans[i].web < 0 // at every float operation
		}
		w.emit(&b, &out)
	}
	w.code = out.out
	w.appendHelpers()
	w.assemble()
	naive := Module{Wasm: w.out, Info: m.info()}
	if m.start >= 0 {
		naive.Start = ExportStart
	}
	return naive
}

var freeAtTariff1 = map[byte]bool{0x00: true, 0x01: true, 0x02: true, 0x03: true, 0x05: true, 0x0b: true, 0x0f: true, 0x1a: true}

// payEach replaces the runs of the function just read by one for each step. The
// checks stay where they are, but pay nothing.
func (b *body) payEach(steps []int) {
	edits := b.edits
	runs := b.runs
	b.edits = nil
	b.runs = []run{{cost: 1}}
	pay := func(at int) {
		b.edits = append(b.edits, edit{at: at, kind: editPay, arg: len(b.runs)})
		b.runs = append(b.runs, run{cost: 1, fresh: true})
	}
	for _, e := range edits {
		// What stands between instructions comes before the next one pays,
		// what replaces or precedes an instruction after.
		between := e.kind == editNaN || e.kind == editPay
		for len(steps) > 0 && (steps[0] < e.at || steps[0] == e.at && !between) {
			pay(steps[0])
			steps = steps[1:]
		}
		if e.kind == editPay {
			r := runs[e.arg]
			if r.void || !r.check {
				continue
			}
			e.arg = len(b.runs)
			b.runs = append(b.runs, run{check: true, fresh: true})
		}
		b.edits = append(b.edits, e)
	}
	for _, at := range steps {
		pay(at)
	}
}

// rewritePlain meters as Rewrite does, but nothing is left out or put off: each
// run reads the counter, adds its cost and writes it back where it begins.
func rewritePlain(t testing.TB, wasm []byte, opt Options) Module {
	return rewriteWith(t, wasm, opt, func(b *body) {
		for i := range b.runs {
			b.runs[i].fresh = true
		}
	})
}

// rewriteBare meters without the rule for NaNs.
func rewriteBare(t testing.TB, wasm []byte) Module {
	return rewriteWith(t, wasm, Options{}, func(b *body) {
		for i := range b.nans {
			b.nans[i].fix = false
		}
	})
}

// rewriteWith meters as Rewrite does, with a change to each function that was
// read.
func rewriteWith(t testing.TB, wasm []byte, opt Options, change func(*body)) Module {
	t.Helper()
	m, err := decode(wasm, opt.Limits)
	if err != nil {
		t.Fatal(err)
	}
	w := rewriter{m: m, pages: m.lim.MemoryPages}
	if opt.MemoryPages != 0 {
		w.pages = int(opt.MemoryPages)
	}
	w.indices()
	b := body{m: m, record: true}
	s := m.sections[secCode]
	b.reader = reader{b: m.raw, pos: s.at, end: s.end}
	if s.at > 0 {
		b.u32()
	}
	out := w.writer
	for i := m.imported; i < len(m.functions) && b.err == nil; i++ {
		b.function(i)
		change(&b)
		w.emit(&b, &out)
	}
	if b.err != nil {
		t.Fatal(b.err)
	}
	w.code, w.references = out.out, b.references
	w.appendHelpers()
	w.assemble()
	metered := Module{Wasm: w.out, Info: m.info()}
	if m.start >= 0 {
		metered.Start = ExportStart
	}
	return metered
}
