package cbor

import "fmt"

// CheckVersion reads the version "v" of a text-keyed map and refuses every one
// but known. Call it before Unmarshal, which would complain about a newer
// version's unknown fields instead of its number. It allocates nothing unless it
// refuses.
func CheckVersion(b []byte, known uint64) error {
	if err := Check(b); err != nil {
		return err
	}
	c := checker{b: b}
	major, pairs, err := c.head()
	if err != nil {
		return err
	}
	if major != majorMap {
		return c.fail(0, "a body with a version is a map, this is none")
	}
	for range pairs {
		_, size, err := c.head()
		if err != nil {
			return err
		}
		key, err := c.take(c.at, size)
		if err != nil {
			return err
		}
		at := c.at
		if string(key) != "v" {
			if err := c.value(1); err != nil {
				return err
			}
			continue
		}
		switch major, got, err := c.head(); {
		case err != nil:
			return err
		case major != majorUint:
			return c.fail(at, "the version is not a number")
		case got != known:
			return fmt.Errorf("%w: version %d is not known here, this program speaks version %d", ErrInvalid, got, known)
		}
		return nil
	}
	return c.fail(0, "the version is missing")
}
