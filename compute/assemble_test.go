package compute

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/peersea/sea/compute/internal/wasi"
)

// assembly is a small module for a test, in pieces of the binary format. Every
// function it has is of type 0, without parameters and results, and function 0
// is _start.
type assembly struct {
	imports []string // of WASI; they come before the functions in the numbering
	bodies  []string // code without the size, the locals and the end
	locals  []string // of each body: groups, as in the format; default none
	tables  string   // entries of the table section, with their number before
	memory  bool     // of 17 pages, exported
	data    string   // at address 1024
	exports string   // further entries, counted in more
	more    int
	start   bool // function 1 is the start function
}

func leb(n int) string {
	var b []byte
	for ; n > 0x7f; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return string(append(b, byte(n)))
}

// sleb is a signed number, as constants in code are.
func sleb(n int) string {
	var b []byte
	for n < -64 || n > 63 {
		b = append(b, byte(n)&0x7f|0x80)
		n >>= 7
	}
	return string(append(b, byte(n)&0x7f))
}

func pascal(s string) string { return leb(len(s)) + s }

func (a assembly) bytes() []byte {
	var out bytes.Buffer
	out.WriteString("\x00asm\x01\x00\x00\x00")
	section := func(id byte, content string) {
		if content != "" {
			out.WriteString(string(id) + pascal(content))
		}
	}
	n := len(a.imports)
	types, imports := leb(n+1)+"\x60\x00\x00", ""
	for i, name := range a.imports {
		params, results, known := wasi.Signature(name)
		if !known {
			panic("no call " + name)
		}
		types += "\x60" + valueTypes(params) + valueTypes(results)
		imports += pascal(wasi.Module) + pascal(name) + "\x00" + leb(i+1)
	}
	section(1, types)
	if n > 0 {
		section(2, leb(n)+imports)
	}
	section(3, leb(len(a.bodies))+strings.Repeat("\x00", len(a.bodies)))
	section(4, a.tables)
	exports, count := "", 1+a.more
	if a.memory {
		section(5, "\x01\x00\x11")
		exports, count = pascal("memory")+"\x02\x00", count+1
	}
	section(7, leb(count)+exports+pascal("_start")+"\x00"+leb(n)+a.exports)
	if a.start {
		section(8, leb(n+1))
	}
	code := leb(len(a.bodies))
	for i, body := range a.bodies {
		locals := "\x00"
		if i < len(a.locals) {
			locals = a.locals[i]
		}
		code += pascal(locals + body + "\x0b")
	}
	section(10, code)
	if a.data != "" {
		section(11, "\x01\x00\x41"+sleb(1024)+"\x0b"+pascal(a.data))
	}
	return out.Bytes()
}

func valueTypes(letters string) string {
	return leb(len(letters)) + strings.NewReplacer("i", "\x7f", "l", "\x7e").Replace(letters)
}

// call is code that calls import number i with constants.
func (a assembly) call(i int, args ...int) string {
	params, _, _ := wasi.Signature(a.imports[i])
	if len(params) != len(args) {
		panic(fmt.Sprintf("%s takes %d arguments, got %d", a.imports[i], len(params), len(args)))
	}
	var code string
	for j, arg := range args {
		op := "\x41" // i32.const
		if params[j] == 'l' {
			op = "\x42"
		}
		code += op + sleb(arg)
	}
	return code + "\x10" + leb(i)
}

// forever is a loop around code that leaves nothing.
func forever(code string) string { return "\x03\x40" + code + "\x0c\x00\x0b" }
