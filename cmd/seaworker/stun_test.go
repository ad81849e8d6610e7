package main

import (
	"fmt"
	"testing"
)

func TestPortOf(t *testing.T) {
	for url, want := range map[string]string{
		"ws://192.0.2.1:4160": "4160", "wss://node.example/sea": "443", "ws://[2001:db8::1]": "80", "mem://x": "", "%": "",
	} {
		if got, ok := portOf(url); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v", url, got, ok)
		}
	}
}

// Servers on this machine, without a port, or named twice are not asked; nor
// more than 8.
func TestResolve(t *testing.T) {
	servers := []string{"127.0.0.1:3478", "[::1]:3478", "192.0.2.1", "192.0.2.1:99999", "192.0.2.1:3478", "192.0.2.1:3478"}
	if got := resolve(t.Context(), servers); len(got) != 1 || got[0].String() != "192.0.2.1:3478" {
		t.Errorf("got %v", got)
	}
	for i := range 20 {
		servers = append(servers, fmt.Sprintf("192.0.2.%d:3478", i+2))
	}
	if got := resolve(t.Context(), servers); len(got) != 8 {
		t.Errorf("%d servers", len(got))
	}
}
