package main

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/peersea/sea/node/portmap"
	"github.com/peersea/sea/node/transport/rtcnet"
)

// Of a node's listeners those are mapped that others could dial.
func TestMappingOf(t *testing.T) {
	rtc := rtcnet.New(rtcnet.Config{Loopback: true})
	defer rtc.Close()
	cert, err := rtcnet.OpenCertificate(t.TempDir() + "/direct.pem")
	if err != nil {
		t.Fatal(err)
	}
	local := rtc.NewListener(cert, rtcnet.ListenConfig{})
	if err := local.Open("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	tcp := portmap.Port{Protocol: "tcp", Number: 4160}
	for text, want := range map[string]int{
		"ws://192.168.1.2:4160": 1, "ws://127.0.0.1:4160": 0, "ws://[::1]:4160": 0, "wss://sea.example:4160": 0, "": 0,
	} {
		m := mappingOf([]string{text}, local)
		if len(m.ports) != want || want == 1 && m.ports[0] != tcp {
			t.Errorf("%q: %v", text, m.ports)
		}
	}

	m := mappingOf([]string{"ws://192.168.1.2:4160"}, nil)
	at := netip.MustParseAddrPort("20.0.0.7:5160")
	v := m.view(portmap.State{By: "upnp", Mappings: []portmap.Mapping{{Port: tcp, Outside: at}}})
	if got := v.String(); got != "maps ws://20.0.0.7:5160 by upnp" {
		t.Errorf("said %q", got)
	}
	v = m.view(portmap.State{Err: errors.Join(errors.New("one\x1b[2J"), errors.New("two"))})
	if got := v.String(); got != "maps no port: "+clean("one\x1b[2J; two") {
		t.Errorf("said %q", got)
	}
}
