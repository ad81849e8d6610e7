package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/peersea/sea"

// listed is what "go list -json" tells of one package.
type listed struct {
	Dir, ImportPath, Name     string
	GoFiles                   []string
	Imports                   []string
	TestImports, XTestImports []string
}

func (p listed) rel() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=Dir,ImportPath,Name,GoFiles,Imports,TestImports,XTestImports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages, want the whole house", len(all))
	}
	return all
}

// mayImport says which rooms of the house a room may look into, by first match:
// docs/ARCHITECTURE.md draws the same arrows. Everyone may also import packages
// below itself, identity/cbor, internal/failpoint, internal/golden and, in
// tests, internal/netns.
var mayImport = []struct {
	room  string
	rooms []string
}{
	{"internal", nil},
	{"identity", nil},
	{"node", []string{"identity"}},
	{"ledger", []string{"identity"}},
	{"compute", []string{"identity"}},
	{"examples", nil},
	{"web/pages", []string{"examples"}},
	{"web", nil},
	{"plugins/", []string{"identity", "node", "ledger", "compute", "plugins"}},
	{"plugins", []string{"identity", "node"}},
	{"cmd/seaworker", []string{"identity", "node", "ledger", "compute", "plugins", "examples", "web/pages"}},
}

// walled says for each library behind a wall the only rooms that may import it.
var walled = map[string][]string{
	"github.com/pion/":                 {"node/transport/rtcnet"},
	"github.com/coder/websocket":       {"node/transport/wsnet", "web/internal/browsertest"}, // browsertest: a browser is driven over it
	"github.com/huin/goupnp":           {"node/portmap"},
	"github.com/jackpal/go-nat-pmp":    {"node/portmap"},
	"github.com/tetratelabs/wazero":    {"compute"},
	"github.com/landlock-lsm/":         {"compute"},
	"github.com/elastic/":              {"compute", "ledger"}, // the ledger: in tests, to make writes fail
	"kernel.org/":                      {"compute"},
	"go.etcd.io/bbolt":                 {"ledger", "plugins/state"},
	"github.com/tidwall/btree":         {"ledger"},
	"github.com/fxamacker/cbor":        {"identity/cbor"},
	"github.com/flynn/noise":           {"node/internal/hello"},
	"filippo.io/edwards25519":          {"identity"},
	"filippo.io/age":                   {"identity"},
	"github.com/spf13/cobra":           {"cmd/seaworker"},
	"github.com/BurntSushi/toml":       {"cmd/seaworker"},
	"golang.org/x/crypto/acme":         {"node/transport/wsnet"},
	"github.com/letsencrypt/pebble/v2": {"node/transport/wsnet"},
	"github.com/evanw/esbuild":         {"web/internal/bundle"},
	"github.com/chromedp/":             {"web"},
}

func within(rel, room string) bool {
	if strings.HasSuffix(room, "/") {
		return strings.HasPrefix(rel, room)
	}
	return rel == room || strings.HasPrefix(rel, room+"/")
}

// TestArrows holds the house's import arrows, for tests as for the code.
func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		rel := p.rel()
		i := slices.IndexFunc(mayImport, func(r struct {
			room  string
			rooms []string
		}) bool {
			return within(rel, r.room)
		})
		if i < 0 {
			t.Errorf("%s: not a room of the house; give it a line in mayImport", p.ImportPath)
			continue
		}
		own := strings.TrimSuffix(mayImport[i].room, "/")
		allowed := append([]string{own, "identity/cbor", "internal/failpoint", "internal/golden", "internal/netns"}, mayImport[i].rooms...)

		check := func(imported string, isTest bool) {
			if target, ours := strings.CutPrefix(imported, module); ours {
				target = strings.TrimPrefix(target, "/")
				if isTest && (target == "examples" || target == "internal/npmtest") {
					return // programs for anyone to try
				}
				if within(rel, "web") && (isTest || strings.HasSuffix(rel, "test")) {
					return // the browser's half is held against all of Go's
				}
				if !slices.ContainsFunc(allowed, func(room string) bool { return within(target, room) }) {
					t.Errorf("%s imports %s: %s may look only into %v", rel, target, own, allowed)
				}
				if !isTest && (strings.HasSuffix(path.Base(target), "test") || strings.HasSuffix(path.Dir(target), "test")) && !strings.HasSuffix(rel, "test") && !strings.HasSuffix(rel, "sim") {
					t.Errorf("%s imports the test kit %s outside of a test", rel, target)
				}
				return
			}
			for library, rooms := range walled {
				if !strings.HasPrefix(imported, library) {
					continue
				}
				if !slices.ContainsFunc(rooms, func(room string) bool { return within(rel, room) }) {
					t.Errorf("%s imports %s: only %v may", rel, imported, rooms)
				}
			}
		}
		for _, imported := range p.Imports {
			check(imported, false)
		}
		for _, imported := range append(p.TestImports, p.XTestImports...) {
			if imported != p.ImportPath {
				check(imported, true)
			}
		}
	}
}

// TestWalls shows that no exported signature mentions a type of a walled
// library, so that each can be replaced without its users noticing.
func TestWalls(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			foreign := map[string]string{}
			for _, imp := range file.Imports {
				target, _ := strconv.Unquote(imp.Path.Value)
				for library := range walled {
					if strings.HasPrefix(target, library) {
						seen++
						foreign[localName(imp, target)] = target
					}
				}
			}
			if len(foreign) == 0 || strings.Contains(p.ImportPath, "/internal/") || p.Name == "main" {
				continue // promised to nobody outside
			}
			for _, node := range promised(file) {
				ast.Inspect(node, func(n ast.Node) bool {
					sel, ok := n.(*ast.SelectorExpr)
					if !ok {
						return true
					}
					if pkg, ok := sel.X.(*ast.Ident); ok && foreign[pkg.Name] != "" {
						t.Errorf("%s: an exported declaration mentions %s.%s", set.Position(sel.Pos()), foreign[pkg.Name], sel.Sel.Name)
					}
					return true
				})
			}
		}
	}
	if seen == 0 {
		t.Fatal("no file imports any walled library: the list is stale")
	}
}

// localName is the name by which a file knows an import.
func localName(imp *ast.ImportSpec, target string) string {
	if imp.Name != nil {
		return imp.Name.Name
	}
	base := path.Base(target)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(target))
	}
	return base
}

// promised returns the parts of a file that its package's users can see: the
// signatures of exported functions and methods, exported fields, and the types
// of exported variables and constants.
func promised(file *ast.File) []ast.Node {
	var nodes []ast.Node
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || receiverExported(d.Recv)) {
				nodes = append(nodes, d.Type)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					if slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) && s.Type != nil {
						nodes = append(nodes, s.Type)
					}
				case *ast.TypeSpec:
					if !s.Name.IsExported() {
						continue
					}
					structure, ok := s.Type.(*ast.StructType)
					if !ok {
						nodes = append(nodes, s.Type)
						continue
					}
					for _, field := range structure.Fields.List {
						if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
							nodes = append(nodes, field.Type)
						}
					}
				}
			}
		}
	}
	return nodes
}

func receiverExported(recv *ast.FieldList) bool {
	exported := false
	ast.Inspect(recv, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && len(recv.List) == 1 && !slices.Contains(recv.List[0].Names, id) {
			exported = exported || id.IsExported()
		}
		return true
	})
	return exported
}

// TestPackageDocs shows that every package says what it is for, exactly once.
func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		var docs []string
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil {
				docs = append(docs, name)
			}
		}
		if len(docs) != 1 {
			t.Errorf("%s: package docs in %v, want exactly one", p.rel(), docs)
		}
	}
}
