// Command wasmtime runs a module with libwasmtime and understands the flags of
// the command of that name which our tests and benchmarks use, no others:
//
//	wasmtime run [-W fuel=N] [--preload NAME=FILE] [--invoke EXPORT] FILE [ARG...]
//
// It is for machines without the real one: go build, and set WASMTIME to the
// result. It is a module of its own because it needs a C compiler.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/bytecodealliance/wasmtime-go/v37"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("wasmtime 37.0.0 (wasmtime-go)")
		return
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(134) // as the real one after a trap
	}
	os.Exit(code)
}

// flags are what the command line says.
type flags struct {
	fuel    uint64 // 0 does not count
	preload map[string]string
	invoke  string
	args    []string // the module's file first
}

func parse(args []string) (flags, error) {
	f := flags{preload: map[string]string{}}
	if len(args) == 0 || args[0] != "run" {
		return f, errors.New("usage: wasmtime run [-W fuel=N] [--preload NAME=FILE] [--invoke EXPORT] FILE [ARG...]")
	}
	args = args[1:]
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		name, value, _ := strings.Cut(args[1], "=")
		switch args[0] {
		case "-W":
			n, err := strconv.ParseUint(value, 10, 64)
			if name != "fuel" || err != nil {
				return f, fmt.Errorf("-W %s is not known", args[1])
			}
			f.fuel = n
		case "--preload":
			f.preload[name] = value
		case "--invoke":
			f.invoke = args[1]
		default:
			return f, fmt.Errorf("flag %s is not known", args[0])
		}
		args = args[2:]
	}
	if len(args) == 0 {
		return f, errors.New("no module")
	}
	f.args = args
	return f, nil
}

func run(args []string) (int, error) {
	f, err := parse(args)
	if err != nil {
		return 0, err
	}
	config := wasmtime.NewConfig()
	config.SetWasmTailCall(true)
	config.SetConsumeFuel(f.fuel > 0)
	engine := wasmtime.NewEngineWithConfig(config)
	store := wasmtime.NewStore(engine)
	if f.fuel > 0 {
		if err := store.SetFuel(f.fuel); err != nil {
			return 0, err
		}
	}
	wasi := wasmtime.NewWasiConfig()
	wasi.SetArgv(f.args)
	wasi.InheritStdin()
	wasi.InheritStdout()
	wasi.InheritStderr()
	store.SetWasi(wasi)
	linker := wasmtime.NewLinker(engine)
	if err := linker.DefineWasi(); err != nil {
		return 0, err
	}
	for name, file := range f.preload {
		instance, err := load(engine, linker, store, file)
		if err != nil {
			return 0, err
		}
		if err := linker.DefineInstance(store, name, instance); err != nil {
			return 0, err
		}
	}
	instance, err := load(engine, linker, store, f.args[0])
	if err != nil {
		return 0, err
	}
	return f.call(store, instance)
}

func load(engine *wasmtime.Engine, linker *wasmtime.Linker, store *wasmtime.Store, file string) (*wasmtime.Instance, error) {
	module, err := wasmtime.NewModuleFromFile(engine, file)
	if err != nil {
		return nil, err
	}
	return linker.Instantiate(store, module)
}

// call calls the export and prints what it returns, a value a line.
func (f flags) call(store *wasmtime.Store, instance *wasmtime.Instance) (int, error) {
	name := "_start"
	if f.invoke != "" {
		name = f.invoke
	}
	fn := instance.GetFunc(store, name)
	if fn == nil {
		return 0, fmt.Errorf("no function %q", name)
	}
	var params []any
	if f.invoke != "" {
		for i, p := range fn.Type(store).Params() {
			if i+1 >= len(f.args) {
				return 0, fmt.Errorf("%q takes %d arguments", name, len(fn.Type(store).Params()))
			}
			v, err := parameter(p.Kind(), f.args[i+1])
			if err != nil {
				return 0, err
			}
			params = append(params, v)
		}
	}
	result, err := fn.Call(store, params...)
	if err != nil {
		var exit *wasmtime.Error
		if errors.As(err, &exit) {
			if code, ok := exit.ExitStatus(); ok {
				return int(code), nil
			}
		}
		return 0, err
	}
	switch r := result.(type) {
	case nil:
	case []wasmtime.Val:
		for _, v := range r {
			fmt.Println(v.Get())
		}
	default:
		fmt.Println(r)
	}
	return 0, nil
}

// parameter reads an argument of a type.
func parameter(kind wasmtime.ValKind, text string) (any, error) {
	switch kind {
	case wasmtime.KindI32:
		n, err := strconv.ParseInt(text, 0, 64)
		return int32(n), err
	case wasmtime.KindI64:
		return strconv.ParseInt(text, 0, 64)
	case wasmtime.KindF32:
		n, err := strconv.ParseFloat(text, 32)
		return float32(n), err
	case wasmtime.KindF64:
		return strconv.ParseFloat(text, 64)
	}
	return nil, fmt.Errorf("arguments of type %v are not known", kind)
}
