package compute

import (
	"os"
	"testing"
)

// TestExamples holds the numbers of the committed examples: what a job costs is
// part of the protocol, and may only change with the tariff.
func TestExamples(t *testing.T) {
	es := engines(t)
	for _, tt := range []struct {
		name, stdin string
		args        []string
		fuel        uint64
		stdout      string
		file, hash  string // in the output folder
	}{
		{name: "primes", args: []string{"100000"}, fuel: 4661787, stdout: "9592\n"},
		{
			name: "wordfreq", stdin: "the sea the sea and the sky\n", fuel: 43684,
			stdout: "      3 the\n      2 sea\n      1 and\n      1 sky\n",
		},
		{
			name: "mandelbrot", args: []string{"64", "48"}, fuel: 11566338, stdout: "out/mandelbrot.png\n",
			file: "mandelbrot.png", hash: "e826cb5b8da055793b92fe9bab532022dca51f53960ce5098f5b2bd6ea3931b5",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			module, err := os.ReadFile("../examples/" + tt.name + "/" + tt.name + ".wasm")
			if err != nil {
				t.Fatal(err)
			}
			k := newTask(module, tt.args...).stdin([]byte(tt.stdin))
			first := k.run(t, es["worker"])
			if first.End != Exit || first.Code != 0 || string(first.Stdout) != tt.stdout || first.Fuel != tt.fuel {
				t.Errorf("got %s %d, fuel %d, %q; want fuel %d, %q", first.End, first.Code, first.Fuel, first.Stdout, tt.fuel, tt.stdout)
			}
			if tt.file != "" && BlobOf(file(t, first, tt.file)).Hash.String() != tt.hash {
				t.Errorf("%s is another", tt.file)
			}
			same(t, k.run(t, es["interpreter"]), first)
			same(t, k.run(t, es["in process"]), first)
		})
	}
}
