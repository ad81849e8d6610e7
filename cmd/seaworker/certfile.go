package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/peersea/sea/identity"
)

// A certificate or a revocation is a file of two lines: what it is, and the
// statement in hex. It holds no secret.
const (
	certificateMark = "sea certificate 1"
	revocationMark  = "sea revocation 1"

	maxCertFile = 8 << 10
)

func statementFile(mark string, s identity.Statement) string {
	return mark + "\n" + hex.EncodeToString(s.Encode()) + "\n"
}

// readStatement reads a file that statementFile made, and which of the two it is.
// Nothing in it is verified.
func readStatement(name string) (mark string, s identity.Statement, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", s, usagef("name a file that \"cert issue\" or \"cert revoke\" wrote", "%v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCertFile+1))
	if err != nil {
		return "", s, fmt.Errorf("read %s: %w", name, err)
	}
	mark, s, err = parseStatement(string(b))
	if err != nil {
		return "", s, usagef("name a file that \"cert issue\" or \"cert revoke\" wrote", "%s: %v", name, err)
	}
	return mark, s, nil
}

func parseStatement(text string) (mark string, s identity.Statement, err error) {
	mark, rest, _ := strings.Cut(text, "\n")
	switch {
	case len(text) > maxCertFile:
		return "", s, fmt.Errorf("it has more than %d bytes", maxCertFile)
	case mark != certificateMark && mark != revocationMark:
		return "", s, fmt.Errorf("it does not begin with %q or %q", certificateMark, revocationMark)
	}
	encoded, ok := strings.CutSuffix(rest, "\n")
	b, err := hex.DecodeString(encoded)
	if err != nil || !ok || encoded != strings.ToLower(encoded) {
		return "", s, errors.New("its second line is not lower-case hex, and the last")
	}
	s, err = identity.DecodeStatement(b)
	return mark, s, err
}

// openCertificate reads the folder's certificate for the node self; none is nil.
// One that has ended is one: the node then acts for itself.
func (f folder) openCertificate(self identity.Entity) (*identity.Statement, error) {
	if _, err := os.Lstat(f.certificate()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	mark, s, err := readStatement(f.certificate())
	if err != nil {
		return nil, err
	}
	if _, err := checkCertificate(mark, s, self); err != nil {
		return nil, usagef("remove it, or put the right one there with \"seaworker cert add\"", "%s: %v", f.certificate(), err)
	}
	return &s, nil
}

// checkCertificate reads a certificate that is for self, by another key.
func checkCertificate(mark string, s identity.Statement, self identity.Entity) (identity.Certificate, error) {
	if mark != certificateMark {
		return identity.Certificate{}, errors.New("it is no certificate")
	}
	c, err := identity.OpenCertificate(s)
	switch {
	case err != nil:
		return c, err
	case c.Node != self:
		return c, fmt.Errorf("it is for the node %s, and this is %s", c.Node.Short(), self.Short())
	case s.By == self:
		return c, errors.New("the node signed it itself")
	}
	return c, nil
}
