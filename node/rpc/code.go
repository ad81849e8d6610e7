package rpc

import "fmt"

// A Code says what went wrong in a way that programs on both sides understand.
// It is itself an error, so that the sentinels below may be compared with
// errors.Is. Codes are stable: they are appended, never renumbered or reused.
type Code uint32

// The codes. Zero, success, is not an error and never in an Error.
const (
	OK          Code = 0
	Internal    Code = 1
	NoHandler   Code = 2
	BadRequest  Code = 3
	Busy        Code = 4
	Unreachable Code = 5
	Timeout     Code = 6
	Refused     Code = 7
	NotFound    Code = 8
	TooLarge    Code = 9
	Expired     Code = 10
	Replayed    Code = 11
	Unavailable Code = 12
	Cancelled   Code = 13
)

// The sentinels, one for each code. Test for them with errors.Is.
var (
	// ErrInternal is returned when the other side's handler failed in a way
	// that is nobody else's business; its own log says more.
	ErrInternal error = Internal

	// ErrNoHandler is returned when the other side does not serve the scope.
	ErrNoHandler error = NoHandler

	// ErrBadRequest is returned when the body, or a part of it, is not what
	// the scope takes. Asking again will not help.
	ErrBadRequest error = BadRequest

	// ErrBusy is returned when a limit on calls or bytes under way is reached.
	// Asking again later may help.
	ErrBusy error = Busy

	// ErrUnreachable is returned when no path leads to the address, or the
	// link to it ended before the answer came.
	ErrUnreachable error = Unreachable

	// ErrTimeout is returned when no answer came in time. The call may have
	// been carried out.
	ErrTimeout error = Timeout

	// ErrRefused is returned when the other side understood and will not.
	ErrRefused error = Refused

	// ErrNotFound is returned when what was asked for is not there.
	ErrNotFound error = NotFound

	// ErrTooLarge is returned when a body or an answer is larger than the way
	// it would have to go can carry.
	ErrTooLarge error = TooLarge

	// ErrExpired is returned when a request is out of its time: too old, dated
	// in the future, or from before the other side started.
	ErrExpired error = Expired

	// ErrReplayed is returned when the other side has carried this very
	// request out already and no longer has the answer.
	ErrReplayed error = Replayed

	// ErrUnavailable is returned when the other side cannot serve the scope at
	// present, for instance because it is going offline.
	ErrUnavailable error = Unavailable

	// ErrCancelled is returned when the asking side gave up.
	ErrCancelled error = Cancelled
)

var codeText = [...]string{
	OK:          "ok",
	Internal:    "internal error",
	NoHandler:   "no handler",
	BadRequest:  "bad request",
	Busy:        "busy",
	Unreachable: "unreachable",
	Timeout:     "timed out",
	Refused:     "refused",
	NotFound:    "not found",
	TooLarge:    "too large",
	Expired:     "expired",
	Replayed:    "replayed",
	Unavailable: "unavailable",
	Cancelled:   "cancelled",
}

// Error returns the code's meaning in a word or two. A code of a later version
// shows as its number.
func (c Code) Error() string {
	if int(c) < len(codeText) {
		return codeText[c]
	}
	return fmt.Sprintf("error %d", uint32(c))
}
