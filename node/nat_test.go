package node_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/internal/netns"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/stun"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/node/transport/wsnet"
)

// A machine is a process of this test in a host of a small internet. It reads
// commands from its input, a line each, and answers each with a line.
type machine struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Scanner
}

const machineEnv = "SEA_NAT_MACHINE"

// start runs a machine in a host; boot is the bootstrap's address, or empty for
// the bootstrap itself. open is how long its WebRTC connections may take to open.
func start(t *testing.T, host *netns.Space, boot string, open time.Duration) *machine {
	t.Helper()
	cmd := host.Command(os.Args[0], "-test.run", "^TestMachine$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s", machineEnv, open, boot))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, out: bufio.NewScanner(out)}
	if m.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.in.Close() // which ends it
		for m.out.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// ask gives a command and returns the answer.
func (m *machine) ask(format string, args ...any) string {
	m.t.Helper()
	fmt.Fprintf(m.in, format+"\n", args...)
	if !m.out.Scan() {
		m.t.Fatalf("no answer to "+format, args...)
	}
	return m.out.Text()
}

// TestMachine is what runs in a machine.
func TestMachine(t *testing.T) {
	patience, boot, ok := strings.Cut(os.Getenv(machineEnv), " ")
	if !ok {
		t.Skip("this is a part of other tests, which run it in hosts of their own")
	}
	open, err := time.ParseDuration(patience)
	if err != nil {
		t.Fatal(err)
	}
	cfg := node.Config{
		Network: "test", Work: -1, Relays: 4, Still: true,
		Dialers: map[string]transport.Dialer{"ws": wsnet.NewDialer(wsnet.DialConfig{})},
	}
	var bootstrap []string
	if boot == "" {
		l := wsnet.NewListener(wsnet.Config{})
		if err := l.Open("0.0.0.0:4160"); err != nil {
			t.Fatal(err)
		}
		cfg.Listeners = []transport.Listener{l}
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 4160})
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		serving.Go(func() { _ = stun.Serve(t.Context(), conn) })
		defer serving.Wait()
		defer conn.Close()
	} else {
		cfg.Negotiator = rtcnet.New(rtcnet.Config{STUN: []string{boot + ":4160"}, OpenTime: open})
		bootstrap = []string{"ws://" + boot + ":4160"}
	}
	n := node.New(nodetest.Key(t), cfg)
	n.Handle("test:echo", echo)
	node.SetSeekEvery(n, time.Second/2)
	if err := n.Online(t.Context(), bootstrap...); err != nil {
		t.Fatal(err)
	}
	p := &program{n: n}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(p.obey(t.Context(), lines.Text()))
	}
	if err := n.Offline(); err != nil {
		t.Error(err)
	}
}

// A program is what a machine does.
type program struct {
	n    *node.Node
	conn *node.Conn
	stop chan struct{} // ends the sending of numbers
	sent chan string   // what came of it
}

// obey carries a command out.
func (p *program) obey(ctx context.Context, line string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	words := append(strings.Fields(line), "")
	to, _ := addr.Parse(words[1])
	switch words[0] {
	case "address":
		return p.n.Addr().String()
	case "connect": // and say how
		var err error
		if p.conn, err = p.n.Connect(ctx, to); err != nil {
			return "error " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		return p.conn.Transport() + " " + p.conn.Link().Remote
	case "call":
		got, err := p.n.Call(ctx, to, "test:echo", []byte("hello"))
		if err != nil {
			return "error " + err.Error()
		}
		return string(got)
	case "moved": // once the connection is direct
		for p.conn.Transport() == "relay" {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-p.conn.Done():
				return "error the link has ended"
			case <-ctx.Done():
				return "error still relayed"
			}
		}
		return p.conn.Transport()
	case "send": // numbers, until told to stop
		p.stop, p.sent = make(chan struct{}), make(chan string, 1)
		go func() { p.sent <- p.numbers() }()
		return "sending"
	case "stop":
		close(p.stop)
		return <-p.sent
	case "take": // so many numbers
		most, _ := strconv.Atoi(words[1])
		for i := range most {
			got, err := p.conn.Recv(ctx, "test:number")
			if err != nil || string(got) != strconv.Itoa(i) {
				return fmt.Sprintf("error number %d: %q, %v", i, got, err)
			}
		}
		return "all in order"
	}
	return "what?"
}

// numbers sends numbers from 0 on and returns how many.
func (p *program) numbers() string {
	for i := 0; ; i++ {
		select {
		case <-p.stop:
			return strconv.Itoa(i)
		case <-time.After(10 * time.Millisecond):
		}
		if err := p.conn.Send(context.Background(), "test:number", []byte(strconv.Itoa(i))); err != nil {
			return "error " + err.Error()
		}
	}
}

// A NAT translates: portRestricted keeps a socket's port towards everybody, and
// lets in answers only; symmetric draws a port for each destination.
type nat string

const (
	portRestricted nat = "masquerade"
	symmetric      nat = "masquerade fully-random"
)

// translate has a router translate like kind from now on.
func translate(router *netns.Space, kind nat) {
	router.NFT(fmt.Sprintf(`
		flush chain ip sea out
		add rule ip sea out oifname "wan" %s
	`, kind))
}

// internet makes a bootstrap on the internet and two machines, each behind a
// router of its own with these NATs.
func internet(t *testing.T, first, second nat, open time.Duration) (behind [2]*machine, routers [2]*netns.Space) {
	t.Helper()
	netns.Need(t)
	wan := netns.New(t, "wan")
	wan.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	var hosts [2]*netns.Space
	for i, kind := range []nat{first, second} {
		router, host := netns.New(t, fmt.Sprint("nat", i+1)), netns.New(t, fmt.Sprint("host", i+1))
		outside, inside := fmt.Sprintf("20.0.%d.", i+1), fmt.Sprintf("192.168.%d.", i+1)
		wan.Wire(fmt.Sprint("net", i+1), outside+"1/24", router, "wan", outside+"2/24")
		router.Wire("lan", inside+"1/24", host, "eth0", inside+"2/24")
		router.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
		router.Run("ip", "route", "add", "default", "via", outside+"1")
		host.Run("ip", "route", "add", "default", "via", inside+"1")
		// The rule on input is a router's: what it did not ask for does not
		// take the port that the next packet out of the house needs.
		router.NFT(`
			table ip sea {
				chain out { type nat hook postrouting priority srcnat; }
				chain in { type filter hook input priority filter; iifname "wan" meta l4proto udp drop; }
			}`)
		translate(router, kind)
		hosts[i], routers[i] = host, router
	}
	boot := start(t, wan, "", open)
	boot.ask("address")
	for i, host := range hosts {
		behind[i] = start(t, host, fmt.Sprintf("20.0.%d.1", i+1), open)
	}
	return behind, routers
}

// Two machines behind two NATs that keep ports find a way through both.
func TestNATsPunched(t *testing.T) {
	m, _ := internet(t, portRestricted, portRestricted, 15*time.Second)
	a, b := m[0].ask("address"), m[1].ask("address")
	m[0].ask("connect %s", b) // over a relay at first, if the machine is busy
	if got := m[0].ask("moved"); got != "webrtc" {
		t.Fatalf("connected by %q", got)
	}
	if got := m[0].ask("connect %s", b); !strings.HasPrefix(got, "webrtc 20.0.2.2:") {
		t.Fatalf("connected by %q", got)
	}
	if got := m[1].ask("call %s", a); got != "hello" {
		t.Errorf("called: %q", got)
	}
}

// Through two NATs that draw ports there is no way: the connection is relayed.
// When the NATs are replaced the direct way takes over, and no message is lost.
func TestNATsRelayed(t *testing.T) {
	m, routers := internet(t, symmetric, symmetric, 2*time.Second)
	a, b := m[0].ask("address"), m[1].ask("address")
	if got := m[0].ask("connect %s", b); !strings.HasPrefix(got, "relay ") {
		t.Fatalf("connected by %q", got)
	}
	if got := m[1].ask("connect %s", a); !strings.HasPrefix(got, "relay ") {
		t.Fatalf("connected by %q", got)
	}
	m[0].ask("send")
	for _, r := range routers {
		translate(r, portRestricted)
	}
	for _, x := range m {
		if got := x.ask("moved"); got != "webrtc" {
			t.Errorf("moved to %q", got)
		}
	}
	if got := m[1].ask("call %s", a); got != "hello" {
		t.Errorf("called: %q", got)
	}
	sent := m[0].ask("stop")
	if got := m[1].ask("take %s", sent); got != "all in order" {
		t.Errorf("of %s sent: %s", sent, got)
	}
}
