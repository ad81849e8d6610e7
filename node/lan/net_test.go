package lan_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/peersea/sea/internal/netns"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/lan"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/wsnet"
)

// Two machines on a network without a router, an internet or a name service: the
// nodes on them link, with nothing told to either.
func TestTwoMachines(t *testing.T) {
	if os.Getenv("SEA_LAN_TEST") != "" {
		laptop(t)
		return
	}
	netns.Need(t)
	a, b := netns.New(t, "a"), netns.New(t, "b")
	a.Wire("eth0", "192.168.77.1/24", b, "eth0", "192.168.77.2/24")
	var out [2]*bufio.Scanner
	for i, space := range []*netns.Space{a, b} {
		cmd := space.Command(os.Args[0], "-test.run", "^TestTwoMachines$")
		cmd.Env = append(os.Environ(), "SEA_LAN_TEST=1")
		cmd.Stderr = os.Stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out[i] = bufio.NewScanner(stdout)
		defer func() {
			stdin.Close() // which ends it
			for out[i].Scan() {
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}()
	}
	var own, saw [2]string
	for _, line := range []*[2]string{&own, &saw} {
		for i := range out {
			if !out[i].Scan() {
				t.Fatalf("machine %d says nothing more", i)
			}
			line[i] = out[i].Text()
		}
	}
	if saw[0] != own[1] || saw[1] != own[0] {
		t.Errorf("they are %v and linked to %v", own, saw)
	}
}

// laptop is what runs on each machine: it prints its address, then that of the
// first node that it is linked to, and ends with its standard input.
func laptop(t *testing.T) {
	l := wsnet.NewListener(wsnet.Config{})
	if err := l.Open("0.0.0.0:0"); err != nil {
		t.Fatal(err)
	}
	n := node.New(nodetest.Key(t), node.Config{
		Network: "test", Work: -1, LAN: lan.New(slog.New(slog.NewTextHandler(os.Stderr, nil))),
		Dialers:   map[string]transport.Dialer{"ws": wsnet.NewDialer(wsnet.DialConfig{})},
		Listeners: []transport.Listener{l},
	})
	events := n.Events(t.Context())
	if err := n.Online(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Println(n.Addr())
	for e := range events {
		if e.Kind == node.LinkUp {
			fmt.Println(e.Peer.Addr)
			break
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := n.Offline(); err != nil {
		t.Error(err)
	}
}
