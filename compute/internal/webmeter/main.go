// Webmeter is the rewriter of package meter as a program for browsers, compiled to
// WebAssembly:
//
//	GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags="-s -w" -o meter.wasm ./compute/internal/webmeter
//	webmeter PAGES < module > metered
//
// PAGES is the job's limit of memory. It meters for a host that is asked at
// checks (meter.Options.Hold). What it writes is CBOR, an array of three: the
// guest's imports, each [module, name, type], its exports, each [name, type], and
// the metered module. A type is the parameters' letters, ">", and the results', i
// for i32, l for i64 and ? for all others; of what is no function it is the kind,
// such as "memory".
//
// A module that is refused ends it with code 1 and the reason on standard error.
package main

import (
	"bufio"
	"io"
	"os"
	"strconv"

	"github.com/peersea/sea/compute/internal/meter"
)

func main() {
	if err := run(); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

func run() error {
	pages, err := strconv.ParseUint(os.Args[1], 10, 32)
	if err != nil {
		return err
	}
	module, err := io.ReadAll(bufio.NewReaderSize(os.Stdin, 1<<20))
	if err != nil {
		return err
	}
	m, err := meter.Rewrite(module, meter.Options{MemoryPages: uint32(pages), Hold: true})
	if err != nil {
		return err
	}
	if _, err := os.Stdout.Write(head(describe(m.Info), cborBytes, len(m.Wasm))); err != nil {
		return err
	}
	_, err = os.Stdout.Write(m.Wasm)
	return err
}

// The major types of CBOR that are used here.
const (
	cborBytes = 2
	cborText  = 3
	cborArray = 4
)

// describe writes all but the module: what the host looks at before it runs it.
func describe(info meter.Info) []byte {
	b := head(nil, cborArray, 3)
	b = head(b, cborArray, len(info.Imports))
	for _, imp := range info.Imports {
		b = texts(b, imp.Module, imp.Name, typeOf(imp.Kind, imp.Func))
	}
	b = head(b, cborArray, len(info.Exports))
	for _, exp := range info.Exports {
		b = texts(b, exp.Name, typeOf(exp.Kind, exp.Func))
	}
	return b
}

func typeOf(kind meter.Kind, f *meter.FuncType) string {
	if f == nil {
		return kind.String()
	}
	return letters(f.Params) + ">" + letters(f.Results)
}

func letters(types []meter.ValueType) string {
	b := make([]byte, len(types))
	for i, t := range types {
		switch t {
		case meter.I32:
			b[i] = 'i'
		case meter.I64:
			b[i] = 'l'
		default:
			b[i] = '?'
		}
	}
	return string(b)
}

// texts writes an array of texts.
func texts(b []byte, list ...string) []byte {
	b = head(b, cborArray, len(list))
	for _, s := range list {
		b = append(head(b, cborText, len(s)), s...)
	}
	return b
}

// head writes the beginning of a value in the shortest way.
func head(b []byte, major byte, n int) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return append(b, major|25, byte(n>>8), byte(n))
	}
	return append(b, major|26, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
