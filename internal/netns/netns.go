// Package netns makes hosts and networks for tests out of Linux's network
// namespaces: what runs in one sees its interfaces only. It needs root, and the
// commands ip and nft.
package netns

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 5 * time.Minute

// Need skips the test where there are no namespaces, or not the commands; with
// CI=true in the environment it fails instead.
func Need(t testing.TB) {
	t.Helper()
	why := ""
	switch {
	case runtime.GOOS != "linux":
		why = "network namespaces are Linux's"
	case os.Geteuid() != 0:
		why = "making network namespaces takes root"
	default:
		for _, tool := range []string{"ip", "nft"} {
			if _, err := exec.LookPath(tool); err != nil {
				why = "the command " + tool + " is missing (Debian: iproute2, nftables)"
			}
		}
		if why == "" {
			if out, err := exec.Command("unshare", "--net", "true").CombinedOutput(); err != nil {
				why = fmt.Sprintf("this machine lets nobody make network namespaces: %v: %s", err, out)
			}
		}
	}
	switch {
	case why == "":
	case os.Getenv("CI") == "true":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
}

// A Space is a network namespace: a host, or a router. The test's end removes it
// with its interfaces.
type Space struct {
	Name string
	t    testing.TB
}

var count atomic.Int64

// New makes a Space with nothing but its loopback.
func New(t testing.TB, name string) *Space {
	t.Helper()
	s := &Space{Name: fmt.Sprintf("sea%d-%d-%s", os.Getpid(), count.Add(1), name), t: t}
	run(t, "ip", "netns", "add", s.Name)
	t.Cleanup(func() { run(t, "ip", "netns", "delete", s.Name) })
	s.Run("ip", "link", "set", "lo", "up")
	return s
}

// Run runs a command in the Space; the test ends when it fails.
func (s *Space) Run(args ...string) {
	s.t.Helper()
	run(s.t, append([]string{"ip", "netns", "exec", s.Name}, args...)...)
}

// Command is a command that will run in the Space. What has not ended after
// patience is killed.
func (s *Space) Command(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", s.Name, name}, args...)...)
}

// NFT gives the Space's packet filter these rules beside those it has.
func (s *Space) NFT(rules string) {
	s.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", s.Name, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("nft in %s: %v: %s\n%s", s.Name, err, out, rules)
	}
}

// Wire lays a cable from this Space to another. The ends are interfaces of the
// given names with addresses such as 10.0.0.1/24.
func (s *Space) Wire(iface, at string, to *Space, toIface, toAt string) {
	s.t.Helper()
	run(s.t, "ip", "link", "add", iface, "netns", s.Name, "type", "veth", "peer", "name", toIface, "netns", to.Name)
	for _, e := range []struct {
		space     *Space
		iface, at string
	}{{s, iface, at}, {to, toIface, toAt}} {
		e.space.Run("ip", "address", "add", e.at, "dev", e.iface)
		e.space.Run("ip", "link", "set", e.iface, "up")
	}
}

func run(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}
