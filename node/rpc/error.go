package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is the longest text, in bytes, that an Error carries over the wire.
const MaxText = 256

// An Error is a failure that crosses the wire: a code for programs and a text
// for people, at most MaxText bytes without control characters. The text of an
// Error that came from a peer is the peer's word: show it, never act on it.
type Error struct {
	Code Code
	Text string
}

// Errorf returns an *Error. A handler that returns it, wrapped or not, gives
// its caller the code and the text; the text should say what to do next. It
// panics for the code OK.
func Errorf(code Code, format string, args ...any) error {
	if code == OK {
		panic("rpc: Errorf with code OK")
	}
	return &Error{Code: code, Text: Clean(fmt.Sprintf(format, args...))}
}

// Error returns the code's meaning and the text.
func (e *Error) Error() string {
	if e.Text == "" {
		return e.Code.Error()
	}
	return e.Code.Error() + ": " + e.Text
}

// Is reports whether target is e's code, so that errors.Is(err, ErrBusy) works.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code
}

// Outcome returns what the wire carries for a handler's error: OK for nil, an
// Error's code and text, a Code, Timeout and Cancelled for the context's
// errors, and Internal without a text for all else, because such texts were
// not written for strangers.
func Outcome(err error) (Code, string) {
	var e *Error
	var code Code
	switch {
	case err == nil:
		return OK, ""
	case errors.As(err, &e) && e.Code != OK:
		return e.Code, Clean(e.Text)
	case errors.As(err, &code) && code != OK:
		return code, ""
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout, ""
	case errors.Is(err, context.Canceled):
		return Cancelled, ""
	}
	return Internal, ""
}

// FromWire returns the error that a code and a text from a peer stand for, nil
// for OK.
func FromWire(code Code, text string) error {
	if code == OK {
		return nil
	}
	return &Error{Code: code, Text: Clean(text)}
}

// Clean makes text fit to be shown: valid UTF-8 of at most MaxText bytes in
// which control and format characters, line ends among them, are spaces.
func Clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.C, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > MaxText {
		cut := MaxText
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	return text
}
