package node_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The table of bounds in docs/PROTOCOL.md says what the constants say.
func TestBoundsTable(t *testing.T) {
	text, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| ([^|]+) \\| ([^|]+) \\| [^|]+ \\| `(node/[a-z/]+\\.go)` `([A-Za-z]+)` \\|")
	rows := row.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 100 {
		t.Errorf("%d rows", len(rows))
	}
	for _, r := range rows {
		want, err := readBound(r[2])
		if err != nil {
			t.Errorf("%s: %v", r[1], err)
			continue
		}
		path := filepath.Join("..", filepath.FromSlash(r[3]))
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", r[1], err)
			continue
		}
		got, err := readConstant(filepath.Dir(path), r[4])
		if err != nil {
			t.Errorf("%s: %v", r[1], err)
		} else if got != want {
			t.Errorf("%s: the table says %s, %s is %v", r[1], r[2], r[4], got)
		}
	}
}

// Every constant of these packages that is called max or Max is in the table.
func TestBoundsComplete(t *testing.T) {
	text, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^[mM]ax[A-Z]`)
	told := map[string]bool{
		"../node/internal/frame maxUint": true, // no bound: the greatest number
		// Other names for what is there.
		"../node MaxPublished": true, "../node MaxPast": true, "../node/internal/hello MaxSealed": true,
		"../node/internal/route MaxBody": true,
		// A wire for tests.
		"../node/transport/memnet maxName": true,
	}
	for _, m := range regexp.MustCompile("`(node/[a-z/]+\\.go)` `([A-Za-z]+)`").FindAllStringSubmatch(string(text), -1) {
		told["../"+filepath.ToSlash(filepath.Dir(m[1]))+" "+m[2]] = true
	}
	err = filepath.WalkDir("../node", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "simtest" || d.Name() == "nodetest" || d.Name() == "transporttest" || d.Name() == "testdata" || d.Name() == "sim") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, d := range parsed.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, s := range group.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					if key := filepath.ToSlash(filepath.Dir(path)) + " " + n.Name; name.MatchString(n.Name) && !told[key] {
						t.Errorf("%s: %s is not in the table", path, n.Name)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readBound reads a number, perhaps with commas and a unit: bytes, or a time in
// nanoseconds.
func readBound(text string) (float64, error) {
	digits, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseFloat(strings.ReplaceAll(digits, ",", ""), 64)
	if err != nil {
		return 0, err
	}
	of, ok := map[string]float64{
		"": 1, "KiB": 1 << 10, "MiB": 1 << 20,
		"ms": float64(time.Millisecond), "s": float64(time.Second), "min": float64(time.Minute), "h": float64(time.Hour),
	}[unit]
	if !ok {
		return 0, fmt.Errorf("unit %q", unit)
	}
	return n * of, nil
}

// readConstant returns the value of a constant of the package in a folder.
func readConstant(folder, name string) (float64, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return 0, err
		}
		for _, d := range parsed.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, s := range group.Specs {
				spec := s.(*ast.ValueSpec)
				for i, n := range spec.Names {
					if n.Name != name || i >= len(spec.Values) {
						continue
					}
					v, err := evaluate(folder, parsed, spec.Values[i])
					if err != nil {
						return 0, fmt.Errorf("%s in %s: %w", name, file, err)
					}
					f, _ := constant.Float64Val(constant.ToFloat(v))
					return f, nil
				}
			}
		}
	}
	return math.NaN(), fmt.Errorf("no constant %s in %s", name, folder)
}

// evaluate works the expression of a constant out: numbers, times, operators,
// and other constants, of the tree's own packages too.
func evaluate(folder string, in *ast.File, e ast.Expr) (constant.Value, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), nil
	case *ast.ParenExpr:
		return evaluate(folder, in, e.X)
	case *ast.Ident:
		v, err := readConstant(folder, e.Name)
		return constant.MakeInt64(int64(v)), err
	case *ast.SelectorExpr:
		from := e.X.(*ast.Ident).Name
		if from == "time" {
			unit, ok := map[string]time.Duration{
				"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
			}[e.Sel.Name]
			if !ok {
				return nil, fmt.Errorf("time.%s", e.Sel.Name)
			}
			return constant.MakeInt64(int64(unit)), nil
		}
		for _, i := range in.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if own, ok := strings.CutPrefix(path, "github.com/peersea/sea/node/"); ok && strings.HasSuffix(own, from) {
				v, err := readConstant(filepath.FromSlash(own), e.Sel.Name)
				return constant.MakeInt64(int64(v)), err
			}
		}
		return nil, fmt.Errorf("no package %s", from)
	case *ast.BinaryExpr:
		x, err := evaluate(folder, in, e.X)
		if err != nil {
			return nil, err
		}
		y, err := evaluate(folder, in, e.Y)
		if err != nil {
			return nil, err
		}
		if e.Op == token.SHL || e.Op == token.SHR {
			by, _ := constant.Uint64Val(y)
			return constant.Shift(x, e.Op, uint(by)), nil
		}
		return constant.BinaryOp(x, e.Op, y), nil
	}
	return nil, fmt.Errorf("an expression of type %T", e)
}
