package main

import (
	"strings"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger/ledgertest"
)

func certFiles(t testing.TB) []string {
	t.Helper()
	entity, node := ledgertest.Key(t), ledgertest.Key(t)
	c, err := identity.Certificate{Node: node.Entity(), Can: []string{"pay"}, Budget: 5, NotAfter: 9}.Sign(entity)
	if err != nil {
		t.Fatal(err)
	}
	r, err := identity.Revocation{Node: node.Entity(), Serial: 3, Until: 9}.Sign(entity)
	if err != nil {
		t.Fatal(err)
	}
	return []string{statementFile(certificateMark, c), statementFile(revocationMark, r)}
}

// TestCertFile reads files with something wrong.
func TestCertFile(t *testing.T) {
	good := certFiles(t)[0]
	for name, text := range map[string]string{
		"empty": "", "mark": strings.Replace(good, "1", "2", 1), "cut": good[:len(good)-1], "more": good + "\n",
		"upper case": strings.ToUpper(good), "upper hex": certificateMark + "\n" + strings.ToUpper(good[len(certificateMark)+1:]),
		"long": good + strings.Repeat("00", maxCertFile), "no hex": certificateMark + "\nxx\n",
	} {
		if _, _, err := parseStatement(text); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}

func FuzzCertFile(f *testing.F) {
	for _, text := range certFiles(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mark, s, err := parseStatement(text)
		if err == nil && statementFile(mark, s) != text {
			t.Errorf("%q is written again as %q", text, statementFile(mark, s))
		}
	})
}
