package portmap

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/peersea/sea/internal/netns"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/node/transport/wsnet"
)

// roleEnv says what this test's process is in a host of its own.
const roleEnv = "SEA_PORTMAP_ROLE"

// A household behind a router that no hole can be punched through: its node has
// both ports mapped, by multicast and SOAP or by NAT-PMP, and a node on the
// internet dials it, by WebSocket and by sea://. When the node stops, nobody
// comes through any more.
func TestHousehold(t *testing.T) {
	if role := os.Getenv(roleEnv); role != "" {
		play(t, role)
		return
	}
	netns.Need(t)
	for _, by := range []string{"upnp", "nat-pmp"} {
		t.Run(by, func(t *testing.T) {
			away, router, home := netns.New(t, "away"), netns.New(t, "router"), netns.New(t, "home")
			away.Wire("net", "20.0.1.1/24", router, "wan", "20.0.1.2/24")
			router.Wire("lan", "192.168.1.1/24", home, "eth0", "192.168.1.2/24")
			router.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
			home.Run("ip", "route", "add", "default", "via", "192.168.1.1")
			router.NFT(`
				table ip sea {
					chain out { type nat hook postrouting priority srcnat; oifname "wan" masquerade fully-random; }
					chain to { type nat hook prerouting priority dstnat; }
					chain in { type filter hook input priority filter; iifname "wan" reject; }
				}`)
			start(t, router, "router "+by).ask("ready?")
			inside, outside := start(t, home, "home"), start(t, away, "away")
			address := inside.ask("address")
			words := strings.Fields(inside.ask("mapped"))
			if len(words) != 3 || words[0] != by || !strings.HasPrefix(words[1], "ws://20.0.1.2:4160") || !strings.HasPrefix(words[2], "sea://20.0.1.2:4160/#") {
				t.Fatalf("mapped %q", words)
			}
			for _, url := range words[1:] {
				if got := outside.ask("dial " + url); got != address {
					t.Errorf("%s leads to %s, not %s", url, got, address)
				}
			}
			if got := inside.ask("stop"); got != "stopped" {
				t.Fatal(got)
			}
			if got := outside.ask("dial " + words[1]); !strings.HasPrefix(got, "error") {
				t.Errorf("after the end %s leads to %s", words[1], got)
			}
		})
	}
}

// An actor is a process in a host: it answers each line with one.
type actor struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, host *netns.Space, role string) *actor {
	t.Helper()
	cmd := host.Command(os.Args[0], "-test.run", "^TestHousehold$")
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a := &actor{t: t, out: bufio.NewScanner(out)}
	if a.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.in.Close() // which ends it
		for a.out.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *actor) ask(line string) string {
	a.t.Helper()
	fmt.Fprintln(a.in, line)
	if !a.out.Scan() {
		a.t.Fatalf("no answer to %q", line)
	}
	return a.out.Text()
}

// play is what runs in a host.
func play(t *testing.T, role string) {
	act := func(string) string { return "ready" }
	switch role, by, _ := strings.Cut(role, " "); role {
	case "router":
		routes(t, by)
	case "home":
		act = lives(t)
	case "away":
		act = func(line string) string {
			n, leave := online(t, node.Config{})
			defer leave()
			_, url, _ := strings.Cut(line, " ")
			l, err := n.Dial(t.Context(), url)
			if err != nil {
				return "error " + strings.ReplaceAll(err.Error(), "\n", "; ")
			}
			return l.Peer.Addr.String()
		}
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(act(lines.Text()))
	}
}

// routes makes this host's router map ports, by its packet filter.
func routes(t *testing.T, by string) {
	at := way{gateway: netip.MustParseAddr("192.168.1.1")}
	apply := func(entries map[string]string) {
		rules := "flush chain ip sea to\n"
		for outside, inside := range entries {
			protocol, port, _ := strings.Cut(outside, " ")
			rules += fmt.Sprintf("add rule ip sea to iifname wan %s dport %s dnat to %s\n", protocol, port, inside)
		}
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("nft: %v: %s", err, out)
		}
	}
	if by == "nat-pmp" {
		r := pmp(t, at)
		r.change(func(r *pmpRouter) { r.apply, r.outside = apply, [4]byte{20, 0, 1, 2} })
		return
	}
	r := upnpRouter(t, at)
	r.mu.Lock()
	r.apply, r.outside = apply, "20.0.1.2"
	r.mu.Unlock()
	lan, err := net.InterfaceByName("lan")
	if err != nil {
		t.Fatal(err)
	}
	group, err := net.ResolveUDPAddr("udp4", ssdpGroup)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenMulticastUDP("udp4", lan, group)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { r.answerSearches(conn) })
	t.Cleanup(func() { conn.Close(); serving.Wait() })
}

// lives runs a node that has its ports mapped.
func lives(t *testing.T) func(string) string {
	ws := wsnet.NewListener(wsnet.Config{})
	if err := ws.Open("0.0.0.0:4160"); err != nil {
		t.Fatal(err)
	}
	cert, err := rtcnet.OpenCertificate(t.TempDir() + "/direct.pem")
	if err != nil {
		t.Fatal(err)
	}
	rtc := rtcnet.New(rtcnet.Config{})
	t.Cleanup(func() { rtc.Close() })
	direct := rtc.NewListener(cert, rtcnet.ListenConfig{})
	if err := direct.Open("0.0.0.0:4160"); err != nil {
		t.Fatal(err)
	}
	n, leave := online(t, node.Config{Listeners: []transport.Listener{ws, direct}})
	t.Cleanup(leave)
	states, stop := mapped(t, New(Config{}), both...)
	return func(line string) string {
		switch line {
		case "address":
			return n.Addr().String()
		case "mapped":
			s := expect(t, states, 2, false)
			return fmt.Sprintf("%s ws://%v %s", s.By, s.Mappings[0].Outside, direct.URLAt(s.Mappings[1].Outside))
		case "stop":
			stop()
			return "stopped"
		}
		return "what?"
	}
}

// online brings a node online until leave is called.
func online(t *testing.T, cfg node.Config) (n *node.Node, leave func()) {
	rtc := rtcnet.New(rtcnet.Config{})
	cfg.Network, cfg.Work, cfg.Still = "test", -1, true
	cfg.Dialers = map[string]transport.Dialer{"ws": wsnet.NewDialer(wsnet.DialConfig{}), rtcnet.Scheme: rtc.Dialer(nil)}
	n = node.New(nodetest.Key(t), cfg)
	if err := n.Online(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n, func() {
		if err := n.Offline(); err != nil {
			t.Error(err)
		}
		rtc.Close()
	}
}
