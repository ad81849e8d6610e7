package ledger

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
)

// certificates verifies every record of the bucket cert.
func (c *checker) certificates() error {
	return c.scan(bCert, nil, func(key, value []byte) (bool, error) {
		payload, err := unseal(c, bCert, key, value)
		if err != nil {
			return false, err
		}
		want, err := c.certName(key, payload)
		if err == nil && !bytes.Equal(key, want) {
			err = errors.New("its key is not what it holds")
		}
		if err != nil {
			return false, damage(c, bCert, key, value, err.Error())
		}
		c.rep.Certificates++
		return true, nil
	})
}

// certName verifies a record and returns the key that it should have.
func (c *checker) certName(key, payload []byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, errors.New("it has no key")
	}
	switch kind := key[0]; kind {
	case certWarrant, certOwn:
		w, err := decodeWarrant(payload)
		switch {
		case err != nil:
			return nil, err
		case kind == certWarrant:
			entity := w.entity()
			return certKey(kind, w.cert.Node[:], entity[:]), nil
		case w.cert.Node != c.self:
			return nil, errors.New("the word is another node's")
		}
		id := identity.HashOf(w.act.Encode())
		return certKey(kind, id[:]), nil
	case certIssued:
		i, err := decodeIssued(payload)
		if err != nil {
			return nil, err
		}
		cert, err := identity.OpenCertificate(i.said)
		if err == nil && (i.said.By != c.self || i.until < cert.NotAfter) {
			err = errors.New("it is not this key's, or ends later than it says")
		}
		return certKey(kind, cert.Node[:]), err
	case certRevoked:
		s, err := decodeStatement(payload)
		if err != nil {
			return nil, err
		}
		r, err := identity.OpenRevocation(s)
		return certKey(kind, s.By[:], r.Node[:]), err
	}
	return nil, fmt.Errorf("nobody makes a record of the kind %q", key[0])
}
