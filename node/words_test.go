package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/contact"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// words are 40 texts that would do something to a terminal or a log.
func words() []string {
	all := []string{
		"\x1b[2J\x1b[H", "\x1b]0;title\a", "\x1b]52;c;aGk=\a", "\x1b[31mred", "\x1bP$q\x1b\\", "a\x1b", "\r\nlevel=ERROR msg=made-up",
		"\x9b2J", "\u009b2J", "\u0085next", "\u202eevil", "\u2066a\u2069", "\u200fb", "\u2028", "\u2029", "\ufeff", "\u00ad", "\U000e0041",
	}
	for c := range rune(0x20) {
		if len(all) < 39 {
			all = append(all, "a"+string(c)+"b")
		}
	}
	return append(all, strings.Repeat("\x1b[5m\n", 30))
}

// Whatever a peer says in words is one line of printable text when it is shown.
func TestHostileWords(t *testing.T) {
	texts := words()
	if len(texts) != 40 {
		t.Fatalf("%d texts", len(texts))
	}
	for i, text := range texts {
		synctest.Test(t, func(t *testing.T) { sayWords(t, i, text) })
	}
}

func sayWords(t *testing.T, i int, text string) {
	show := func(where, s string) {
		if s == "" || !utf8.ValidString(s) || len(s) > 2*rpc.MaxText || strings.ContainsFunc(s, func(r rune) bool {
			return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029'
		}) {
			t.Errorf("text %d, %s: shown %q", i, where, s)
		}
	}
	// On a wire as in a frame text is valid UTF-8; what is not ends the link.
	wired := strings.ToValidUTF8(text, "\x1b")
	wire := new(memnet.Net)
	n := newNode(t, wire, "", nil)
	if err := n.Online(t.Context()); err != nil {
		t.Fatal(err)
	}
	boot, err := wire.Listen("loud")
	if err != nil {
		t.Fatal(err)
	}
	defer boot.Close()
	// dial has the node dial a peer that does what then says.
	dial := func(agent string, then func(transport.Conn, *hello.Session, func(frame.Frame))) (node.Link, error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			conn, err := boot.Accept(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			static, err := hello.NewStatic(nil)
			if err != nil {
				t.Error(err)
				return
			}
			now := time.Now()
			record, err := contact.Record{Network: "test", Key: static.Public(), Issued: now, Expires: now.Add(time.Hour)}.Sign(nodetest.Key(t))
			if err != nil {
				t.Error(err)
				return
			}
			party := &hello.Party{Network: "test", Static: static, Record: record, Agent: agent, Now: time.Now}
			hs, err := party.Respond(t.Context(), conn)
			if err != nil {
				t.Error(err)
				return
			}
			seal, _ := hs.Lane(false)
			then(conn, hs, func(f frame.Frame) {
				b, err := seal.Seal(nil, frame.Encode(f))
				if err != nil {
					t.Error(err)
				}
				_ = conn.Send(t.Context(), b)
			})
		}()
		l, err := n.Dial(t.Context(), "mem://loud")
		<-done
		return l, err
	}
	_, err = dial("", func(_ transport.Conn, _ *hello.Session, say func(frame.Frame)) {
		say(&frame.Close{Reason: frame.ReasonRefused, Text: wired})
	})
	show("refused", fmt.Sprint(err))
	ctx, cancel := context.WithCancel(t.Context())
	events := n.Events(ctx)
	var end func(frame.Frame)
	l, err := dial(wired[:min(len(wired), 60)], func(_ transport.Conn, _ *hello.Session, say func(frame.Frame)) {
		say(&frame.Welcome{Observed: wired})
		end = say
	})
	if err != nil {
		t.Fatal(err)
	}
	show("agent", l.Agent)
	show("observed", l.Observed)
	answered := make(chan error, 1)
	go func() {
		_, err := n.Call(t.Context(), l.Peer.Addr, "test:call", nil)
		answered <- err
	}()
	synctest.Wait()
	end(&frame.Reply{ID: 1, Code: rpc.Refused, Text: wired})
	show("answer", (<-answered).Error())
	end(&frame.Close{Reason: frame.ReasonProtocol, Text: wired})
	for e := range events {
		if e.Kind == node.LinkDown {
			show("end", e.Err.Error())
			break
		}
	}
	cancel()
	if err := n.Offline(); err != nil && !errors.Is(err, node.ErrOffline) {
		t.Error(err)
	}
}
