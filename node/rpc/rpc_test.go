package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
)

// The numbers and words of the codes do not change: they are on the wire.
func TestCodesAreStable(t *testing.T) {
	for i, c := range []struct {
		code error
		text string
	}{
		{rpc.OK, "ok"}, {rpc.ErrInternal, "internal error"}, {rpc.ErrNoHandler, "no handler"},
		{rpc.ErrBadRequest, "bad request"}, {rpc.ErrBusy, "busy"}, {rpc.ErrUnreachable, "unreachable"},
		{rpc.ErrTimeout, "timed out"}, {rpc.ErrRefused, "refused"}, {rpc.ErrNotFound, "not found"},
		{rpc.ErrTooLarge, "too large"}, {rpc.ErrExpired, "expired"}, {rpc.ErrReplayed, "replayed"},
		{rpc.ErrUnavailable, "unavailable"}, {rpc.ErrCancelled, "cancelled"},
	} {
		if c.code != rpc.Code(i) || c.code.Error() != c.text {
			t.Errorf("code %d is %v, want %q", i, c.code, c.text)
		}
	}
	if got := rpc.Code(99).Error(); got != "error 99" {
		t.Errorf("a later code is %q", got)
	}
}

// What a handler returns is what its caller can test for.
func TestErrorsCross(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want rpc.Code
		text string
	}{
		{"nil", nil, rpc.OK, ""},
		{"an Error", rpc.Errorf(rpc.Busy, "try in %d s", 5), rpc.Busy, "try in 5 s"},
		{"wrapped", fmt.Errorf("secret: %w", rpc.Errorf(rpc.NotFound, "no job 7")), rpc.NotFound, "no job 7"},
		{"a sentinel", rpc.ErrRefused, rpc.Refused, ""},
		{"a sentinel, wrapped", fmt.Errorf("secret: %w", rpc.ErrExpired), rpc.Expired, ""},
		{"late", fmt.Errorf("x: %w", context.DeadlineExceeded), rpc.Timeout, ""},
		{"given up", context.Canceled, rpc.Cancelled, ""},
		{"any other", io.ErrUnexpectedEOF, rpc.Internal, ""},
		{"OK as an error", rpc.OK, rpc.Internal, ""},
		{"hostile text", &rpc.Error{Code: rpc.Busy, Text: "a\x1b[31m\nb"}, rpc.Busy, "a [31m b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, text := rpc.Outcome(c.err)
			if code != c.want || text != c.text {
				t.Fatalf("got %v %q, want %v %q", code, text, c.want, c.text)
			}
			got := rpc.FromWire(code, text)
			if c.want == rpc.OK {
				if got != nil {
					t.Errorf("got %v", got)
				}
				return
			}
			var e *rpc.Error
			if !errors.Is(got, c.want) || errors.Is(got, rpc.Code(98)) || !errors.As(got, &e) || e.Text != c.text {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestErrorfOK(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an error with code OK")
		}
	}()
	_ = rpc.Errorf(rpc.OK, "fine")
}

func TestCheckScope(t *testing.T) {
	for scope, ok := range map[string]bool{
		"a": true, "market:ask": true, "a-b.c/d_9": true, strings.Repeat("x", 64): true,
		"": false, "A": false, "a b": false, "ä": false, "a\n": false, strings.Repeat("x", 65): false,
	} {
		if err := rpc.CheckScope(scope); (err == nil) != ok {
			t.Errorf("%q: %v", scope, err)
		}
	}
}

// FuzzClean: what is shown has no control characters, fits, and is as it was
// when cleaned again.
func FuzzClean(f *testing.F) {
	f.Add("plain")
	f.Add("a\x1b[2Jb\u202e\u2028c\xff\x00")
	f.Add(strings.Repeat("ä", 200))
	f.Fuzz(func(t *testing.T, s string) {
		c := rpc.Clean(s)
		if len(c) > rpc.MaxText || !utf8.ValidString(c) || strings.ContainsAny(c, "\x00\n\r\x1b\u202e\u2028\u0085") || rpc.Clean(c) != c {
			t.Errorf("%q became %q", s, c)
		}
	})
}

// loop is a Caller and a Registrar without a network.
type loop map[string]rpc.Handler

func (l loop) Call(ctx context.Context, _ addr.Addr, scope string, body []byte) ([]byte, error) {
	h := l[scope]
	if h == nil {
		return nil, rpc.ErrNoHandler
	}
	return h(ctx, rpc.Peer{}, body)
}

func (l loop) Handle(scope string, h rpc.Handler) func() {
	l[scope] = h
	return func() { delete(l, scope) }
}

func TestMethod(t *testing.T) {
	type in struct {
		N int `cbor:"n"`
	}
	type out struct {
		Square int `cbor:"square"`
	}
	square := rpc.Method[in, out]{Scope: "test:square"}
	net := make(loop)
	if _, err := square.Call(t.Context(), net, addr.Addr{}, in{3}); !errors.Is(err, rpc.ErrNoHandler) {
		t.Errorf("before Handle: %v", err)
	}
	remove := square.Handle(net, func(_ context.Context, _ rpc.Peer, i in) (out, error) {
		if i.N < 0 {
			return out{}, rpc.Errorf(rpc.Refused, "negative")
		}
		return out{i.N * i.N}, nil
	})
	if got, err := square.Call(t.Context(), net, addr.Addr{}, in{3}); err != nil || got.Square != 9 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := square.Call(t.Context(), net, addr.Addr{}, in{-3}); !errors.Is(err, rpc.ErrRefused) || !strings.HasPrefix(err.Error(), "test:square: ") {
		t.Errorf("refused: %v", err)
	}
	other := rpc.Method[string, out](square)
	if _, err := other.Call(t.Context(), net, addr.Addr{}, "three"); !errors.Is(err, rpc.ErrBadRequest) {
		t.Errorf("a wrong question: %v", err)
	}
	another := rpc.Method[in, string](square)
	if got, err := another.Call(t.Context(), net, addr.Addr{}, in{3}); !errors.Is(err, rpc.ErrBadRequest) || got != "" {
		t.Errorf("a wrong answer: %q, %v", got, err)
	}
	remove()
	if _, err := square.Call(t.Context(), net, addr.Addr{}, in{3}); !errors.Is(err, rpc.ErrNoHandler) {
		t.Errorf("after remove: %v", err)
	}
}
