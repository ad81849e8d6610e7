package guest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// TestSpeaks: a guest knows its caller, writes to the log, calls and publishes, and not
// in the name of the plugins that hold its node's credit and blobs.
func TestSpeaks(t *testing.T) {
	sea := nodetest.New(t, 3)
	here, there := sea.Nodes[0], sea.Nodes[1].Addr()
	var disk kept
	gs, stop := disk.serve(t, sea.Nodes[1], nil)
	enable(t, gs, "puppet", puppet(t), all(), Terms{})
	for _, scope := range []string{"clock:now", "credit:push", "market:ask"} {
		defer sea.Nodes[2].Handle(scope, func(_ context.Context, from rpc.Peer, body []byte) ([]byte, error) {
			if from.Addr != there {
				t.Errorf("%s was called by %v", scope, from.Addr)
			}
			return append([]byte("at "), body...), nil
		})()
	}

	if code, who := ask(t, here, there, "caller", ""); code != int32(len(who)) || who != here.Addr().String()+"\n"+here.Key().String() {
		t.Errorf("its caller: %d, %q", code, who)
	}
	third := sea.Nodes[2].Addr().String()
	for request, want := range map[string]string{
		third + "\nclock:now\nnoon\nor so": "at noon\nor so",
		third + "\nclock:now\n":            "at ",
	} {
		if code, answer := ask(t, here, there, "call", request); code != int32(len(want)) || answer != want {
			t.Errorf("call %q: %d, %q", request, code, answer)
		}
	}
	for request, want := range map[string]int32{
		third + "\nclock:then\n":                         compute.PowerAbsent,
		third + "\ncredit:push\nx":                       compute.PowerDenied,
		third + "\nmarket:ask\nx":                        compute.PowerDenied,
		third + "\nstorage:get\nx":                       compute.PowerDenied,
		third + "\nsea:relay\nx":                         compute.PowerDenied,
		there.String() + "\npuppet:log\nme":              compute.PowerDenied,
		third + "\nclock:now":                            compute.PowerInvalid,
		third + "\nNo Scope\n":                           compute.PowerInvalid,
		"nowhere\nclock:now\n":                           compute.PowerInvalid,
		"":                                               compute.PowerInvalid,
		strings.ToUpper(third) + "\nclock:now\nx":        compute.PowerInvalid,
		third + "\n" + strings.Repeat("s", 65) + "\nx":   compute.PowerInvalid,
		third + "\nclock:now\n" + strings.Repeat("x", 1): 4,
	} {
		if code, _ := ask(t, here, there, "call", request); code != want {
			t.Errorf("call %q: %d, want %d", request, code, want)
		}
	}

	ch, err := here.Join(t.Context(), "news")
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	if code, _ := ask(t, here, there, "publish", "news\ntide\nis in\nnow"); code != 0 {
		t.Errorf("publish: %d", code)
	}
	p, err := ch.Recv(t.Context())
	if err != nil || p.At != there || p.Scope != "tide" || string(p.Body) != "is in\nnow" {
		t.Errorf("published %+v, %v", p, err)
	}
	for _, request := range []string{"", "news", "news\ntide", "news\nNo Scope\nx", "\ntide\nx"} {
		if code, _ := ask(t, here, there, "publish", request); code != compute.PowerInvalid {
			t.Errorf("publish %q: %d", request, code)
		}
	}

	if code, _ := ask(t, here, there, "log", "it is\x1b[2J\nlate"); code != 0 {
		t.Errorf("log: %d", code)
	}
	stop() // nothing writes to the log any more
	if text := disk.log.String(); !strings.Contains(text, `guest=puppet text="it is [2J late"`) || strings.Contains(text, "\x1b") {
		t.Errorf("the log says %q", text)
	}
}

// TestSpeaksSoMuch: each power that reaches others may be used so often in a call.
func TestSpeaksSoMuch(t *testing.T) {
	sea := nodetest.New(t, 1)
	var disk kept
	gs, _ := disk.serve(t, sea.Nodes[0], nil)
	enable(t, gs, "puppet", puppet(t), all(), Terms{})
	powers := gs.guests["puppet"].powers(rpc.Peer{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, most := range map[string]int{"call": maxMade, "publish": maxPublished, "log": maxLogged, "kv_put": maxStored} {
		for i := range most + 1 {
			if _, code := powers[name](ctx, []byte("")); (code == compute.PowerDenied) != (i == most) {
				t.Errorf("%s: use %d of %d: %d", name, i+1, most, code)
			}
		}
	}
}

// TestPublishesInFew: of the channels that a guest speaks in, a node stays in the last
// few, and in none when the guest is gone.
func TestPublishesInFew(t *testing.T) {
	sea := nodetest.New(t, 2)
	var channels []*node.Channel
	var v voices
	for i := range maxVoices + 2 {
		id := fmt.Sprint("c", i)
		ch, err := sea.Nodes[1].Join(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		mine, err := v.join(t.Context(), sea.Nodes[0], id)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := v.join(t.Context(), sea.Nodes[0], id); again != mine || err != nil {
			t.Errorf("%s is joined twice, %v", id, err)
		}
		channels = append(channels, mine)
	}
	closed := func() (n int) {
		for _, ch := range channels {
			select {
			case <-ch.Done():
				n++
			default:
			}
		}
		return n
	}
	if n := closed(); n != 2 {
		t.Errorf("%d of %d are left, want 2", n, len(channels))
	}
	_ = channels[5].Close()
	if fresh, err := v.join(t.Context(), sea.Nodes[0], "c5"); err != nil || fresh == channels[5] {
		t.Errorf("one that has ended is used again, %v", err)
	}
	v.close()
	if n := closed(); n != len(channels) || len(v.list) != 0 {
		t.Errorf("%d of %d are left at the end", n, len(channels))
	}
}

// FuzzAsk: whatever a guest asks is answered within the bounds.
func FuzzAsk(f *testing.F) {
	for i, request := range []string{
		"", "key", "key\nvalue", "\n", "a\x00b", strings.Repeat("0", 56) + "\nclock:now\nx", "news\ntide\nbody", strings.Repeat("k", 300),
	} {
		f.Add(i, []byte(request))
	}
	sea := nodetest.New(f, 1)
	var disk kept
	gs, _ := disk.serve(f, sea.Nodes[0], nil)
	enable(f, gs, "puppet", puppet(f), all(), Terms{StoreBytes: 1 << 16})
	ctx, cancel := context.WithCancel(f.Context())
	cancel() // so that no channel is waited for
	f.Fuzz(func(t *testing.T, which int, request []byte) {
		g := gs.guests["puppet"]
		powers := g.powers(rpc.Peer{})
		names, _ := powersOf(all())
		answer, code := powers[names[uint(which)%uint(len(names))]](ctx, request)
		if code > 0 || code < compute.PowerInvalid || code < 0 && len(answer) > 0 || len(answer) > compute.MaxAsk {
			t.Errorf("%d with %d bytes", code, len(answer))
		}
		if used := g.store.bytes(); used < 0 || used > 1<<16 {
			t.Errorf("%d bytes are used", used)
		}
	})
}
