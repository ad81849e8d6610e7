package meter

import "fmt"

// Error says why a module was refused and where.
type Error struct {
	Offset int    // in the module's bytes
	What   string // "function 12: 60000 locals, at most 49991"
	cause  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("module offset %#x: %s: %v", e.Offset, e.What, e.cause)
}

// Unwrap returns ErrMalformed, ErrUnsupported, ErrLimit or ErrReserved.
func (e *Error) Unwrap() error { return e.cause }
