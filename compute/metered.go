package compute

import (
	"encoding/binary"
	"os"
	"path/filepath"

	"github.com/peersea/sea/compute/internal/meter"
	"github.com/peersea/sea/compute/internal/wasi"
	"github.com/peersea/sea/identity/cbor"
)

// meteredFile, in a module's folder of the cache, is the metered module: four
// bytes of length, big-endian, a meteredWire, and WebAssembly.
const meteredFile = "metered"

// meteredWire is what a program must know of its module beside the code.
type meteredWire struct {
	Start    string       `cbor:"start"`
	MaxPages uint32       `cbor:"max_pages"`
	Imports  []string     `cbor:"imports"` // names of calls, all of wasi.Module
	Asks     []string     `cbor:"asks"`    // names of powers, all of wasi.HostModule
	Exports  []exportWire `cbor:"exports"`
}

type exportWire struct {
	Name    string `cbor:"name"`
	Kind    uint8  `cbor:"kind"`
	Params  []byte `cbor:"params"`
	Results []byte `cbor:"results"`
}

// metered is a module that was admitted and metered.
type metered struct {
	meteredWire
	wasm []byte
}

func meteredOf(m meter.Module) metered {
	d := metered{meteredWire{Start: m.Start, MaxPages: m.MaxPages}, m.Wasm}
	for _, imp := range m.Info.Imports {
		if imp.Module == wasi.Module {
			d.Imports = append(d.Imports, imp.Name)
		}
	}
	d.Asks = asksOf(m.Info)
	for _, exp := range m.Info.Exports {
		w := exportWire{Name: exp.Name, Kind: uint8(exp.Kind)}
		if exp.Func != nil {
			w.Params, w.Results = bytesOf(exp.Func.Params), bytesOf(exp.Func.Results)
		}
		d.Exports = append(d.Exports, w)
	}
	return d
}

// exports are the guest's own exports, as the meter says them.
func (d metered) exports() []meter.Export {
	list := make([]meter.Export, len(d.Exports))
	for i, w := range d.Exports {
		list[i] = meter.Export{Name: w.Name, Kind: meter.Kind(w.Kind)}
		if list[i].Kind == meter.KindFunc {
			list[i].Func = &meter.FuncType{Params: typesOf(w.Params), Results: typesOf(w.Results)}
		}
	}
	return list
}

func bytesOf(types []meter.ValueType) []byte {
	b := make([]byte, len(types))
	for i, t := range types {
		b[i] = byte(t)
	}
	return b
}

func typesOf(b []byte) []meter.ValueType {
	types := make([]meter.ValueType, len(b))
	for i, t := range b {
		types[i] = meter.ValueType(t)
	}
	return types
}

// store keeps d in the folder.
func (d metered) store(folder string) error {
	head, err := cbor.Marshal(d.meteredWire)
	if err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(head)+len(d.wasm)), uint32(len(head)))
	return os.WriteFile(filepath.Join(folder, meteredFile), append(append(b, head...), d.wasm...), 0o600)
}

// loadMetered gives what store has kept in the folder, which the engine has found
// unchanged.
func loadMetered(folder string) (metered, bool) {
	b, err := os.ReadFile(filepath.Join(folder, meteredFile))
	if err != nil || len(b) < 4 {
		return metered{}, false
	}
	n, b := binary.BigEndian.Uint32(b), b[4:]
	if uint64(n) > uint64(len(b)) {
		return metered{}, false
	}
	d := metered{wasm: b[n:]}
	if err := cbor.Unmarshal(b[:n], &d.meteredWire); err != nil {
		return metered{}, false
	}
	return d, true
}
