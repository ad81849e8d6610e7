package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/internal/netns"
)

// primes is a job that takes no time.
const primes = "../../examples/primes/primes.wasm"

// daemonIn runs "up" in a host of a test's network, with nothing but its flags.
func daemonIn(t *testing.T, host *netns.Space, flags ...string) (p *process, dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := host.Command(binary(t), append([]string{"up", "--json", "--dir", dir}, flags...)...)
	cmd.Env = withoutSea(os.Environ())
	return startCommand(t, cmd, dir), dir
}

// tell runs a command of the command line against the daemon of dir.
func tell(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), append([]string{"--dir", dir}, args...)...)
	cmd.Env = withoutSea(os.Environ())
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, &said)
	}
	return string(out)
}

// awaitStatus asks a daemon how it is until it is so.
func awaitStatus(t *testing.T, p *process, what string, so func(statusView) bool) statusView {
	t.Helper()
	for late := time.After(time.Minute); ; {
		var s statusView
		if err := p.api.do(t.Context(), http.MethodGet, "/status", nil, &s); err != nil {
			t.Fatal(err)
		}
		if so(s) {
			return s
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			t.Fatalf("%s did not come to be: %+v\n%s", what, s, p.log)
		}
	}
}

// Two laptops on a cable, with no router, no internet and no address typed: one
// buys computing of the other.
func TestLaptopsTrade(t *testing.T) {
	netns.Need(t)
	a, b := netns.New(t, "a"), netns.New(t, "b")
	a.Wire("eth0", "192.168.77.1/24", b, "eth0", "192.168.77.2/24")
	seller, _ := daemonIn(t, a, "--sell")
	buyer, dir := daemonIn(t, b)
	awaitStatus(t, buyer, "a link", func(s statusView) bool { return s.Links > 0 })
	if got := tell(t, dir, "run", primes, "--", "1000"); strings.TrimSpace(got) != "168" {
		t.Errorf("bought %q", got)
	}
	buyer.stop(t)
	seller.stop(t)
}

const routerEnv = "SEA_TEST_ROUTER"

// A seller in a house whose router lets nobody in, and speaks NAT-PMP: its ports are
// mapped, "status" and "doctor" say so, and a buyer on the internet, who knows the
// router's address only, buys of it. When it stops the ports are shut.
func TestHousehold(t *testing.T) {
	if os.Getenv(routerEnv) != "" {
		serveNATPMP(t)
		return
	}
	netns.Need(t)
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
	cmd := router.Command(os.Args[0], "-test.run", "^TestHousehold$")
	cmd.Env = append(os.Environ(), routerEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	defer func() {
		in.Close() // which ends it
		for said.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	if !said.Scan() || said.Text() != "routing" {
		t.Fatalf("the router says %q", said.Text())
	}

	seller, sellerDir := daemonIn(t, home, "--listen", "0.0.0.0:4160", "--sell")
	s := awaitStatus(t, seller, "a mapping", func(s statusView) bool { return s.Mapped != nil && len(s.Mapped.URLs) == 2 })
	if s.Mapped.By != "nat-pmp" || s.Mapped.URLs[0] != "ws://20.0.1.2:4160" || !strings.HasPrefix(s.Mapped.URLs[1], "sea://20.0.1.2:4160/#") {
		t.Errorf("mapped %+v", s.Mapped)
	}
	if got := tell(t, sellerDir, "status"); !strings.Contains(got, "router     maps ws://20.0.1.2:4160 sea://20.0.1.2:4160/#") {
		t.Errorf("status says\n%s", got)
	}
	for i, url := range s.Mapped.URLs {
		buyer, dir := daemonIn(t, away, "--lan=false", "--bootstrap", url)
		awaitStatus(t, buyer, "a link", func(s statusView) bool { return s.Links > 0 })
		if i == 0 {
			if got := tell(t, dir, "run", primes, "--", "1000"); strings.TrimSpace(got) != "168" {
				t.Errorf("bought %q", got)
			}
		}
		buyer.stop(t)
	}
	seller.stop(t)
	fmt.Fprintln(in, "mapped?")
	if !said.Scan() || said.Text() != "0" {
		t.Errorf("%s ports are mapped still", said.Text())
	}
}

// serveNATPMP is the router: it answers NAT-PMP (RFC 6886) and maps by the kernel's
// packet filter. To each line of its input it says how many ports it maps.
func serveNATPMP(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(192, 168, 1, 1), Port: 5351})
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan struct{})
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- struct{}{}
		}
		conn.Close()
	}()
	packets := make(chan struct {
		b    []byte
		from *net.UDPAddr
	})
	go func() {
		defer close(packets)
		for {
			b := make([]byte, 64)
			n, from, err := conn.ReadFromUDP(b)
			if err != nil {
				return
			}
			packets <- struct {
				b    []byte
				from *net.UDPAddr
			}{b[:n], from}
		}
	}()
	fmt.Println("routing")
	mapped := map[string]string{} // by protocol and port
	for {
		select {
		case <-lines:
			fmt.Println(len(mapped))
		case p, ok := <-packets:
			if !ok {
				return
			}
			out := []byte{0, p.b[1] | 0x80, 0, 0, 0, 0, 0, 1}
			switch {
			case p.b[1] == 0:
				out = append(out, 20, 0, 1, 2)
			case len(p.b) == 12:
				protocol := map[byte]string{1: "udp", 2: "tcp"}[p.b[1]]
				inside := int(p.b[4])<<8 | int(p.b[5])
				key := fmt.Sprintf("%s dport %d", protocol, inside)
				if p.b[8]|p.b[9]|p.b[10]|p.b[11] == 0 {
					delete(mapped, key)
				} else {
					mapped[key] = fmt.Sprintf("%v:%d", p.from.IP, inside)
				}
				rules := "flush chain ip sea to\n"
				for what, to := range mapped {
					rules += "add rule ip sea to iifname wan " + what + " dnat to " + to + "\n"
				}
				cmd := exec.Command("nft", "-f", "-")
				cmd.Stdin = strings.NewReader(rules)
				if text, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("nft: %v: %s", err, text)
				}
				out = append(out, p.b[4], p.b[5], p.b[4], p.b[5], p.b[8], p.b[9], p.b[10], p.b[11])
			}
			_, _ = conn.WriteToUDP(out, p.from)
		}
	}
}
