package portmap

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// home is where a test's router is: an address of loopback that no other test has.
func home(t testing.TB) way {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8 on loopback")
	}
	ip := netip.AddrFrom4([4]byte{127, byte(1 + rand.N(250)), byte(rand.N(250)), byte(1 + rand.N(250))})
	return way{
		local: netip.AddrFrom4([4]byte{127, 0, 0, 1}), near: netip.MustParsePrefix("127.0.0.0/8"), gateway: ip, sure: true,
	}
}

// A table is what a router maps.
type table struct {
	mu      sync.Mutex
	entries map[string]string // "udp 4160" outside to "192.168.1.2:4160"
	apply   func(entries map[string]string)
}

func (tb *table) set(outside, inside string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.entries == nil {
		tb.entries = map[string]string{}
	}
	tb.entries[outside] = inside
	if tb.apply != nil {
		tb.apply(tb.entries)
	}
}

func (tb *table) remove(outside string) bool {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	_, ok := tb.entries[outside]
	delete(tb.entries, outside)
	if tb.apply != nil {
		tb.apply(tb.entries)
	}
	return ok
}

func (tb *table) len() int {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return len(tb.entries)
}

func (tb *table) forget() {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	clear(tb.entries)
}

// A pmpRouter speaks NAT-PMP. answer, when not nil, may change an answer, or
// return nil to say nothing.
type pmpRouter struct {
	table
	conn    *net.UDPConn
	outside [4]byte

	changing sync.Mutex
	answer   func(ask, answer []byte) []byte
	lifetime uint32 // given instead of what is asked for, if not 0
	shift    uint16 // of the outside port from what is wanted
}

// pmp runs a NAT-PMP router at w's gateway, set up by set, until the test ends.
func pmp(t testing.TB, w way, set ...func(*pmpRouter)) *pmpRouter {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.gateway, 5351)))
	if err != nil {
		t.Fatal(err)
	}
	r := &pmpRouter{conn: conn, outside: [4]byte{20, 0, 0, 7}}
	for _, f := range set {
		f(r)
	}
	var serving sync.WaitGroup
	serving.Go(r.serve)
	t.Cleanup(func() { conn.Close(); serving.Wait() })
	return r
}

func (r *pmpRouter) change(f func(*pmpRouter)) {
	r.changing.Lock()
	defer r.changing.Unlock()
	f(r)
}

func (r *pmpRouter) serve() {
	b := make([]byte, 64)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if out := r.handle(b[:n], from.Addr().Unmap()); out != nil {
			_, _ = r.conn.WriteToUDPAddrPort(out, from)
		}
	}
}

// handle answers a request, RFC 6886 §3.
func (r *pmpRouter) handle(b []byte, from netip.Addr) []byte {
	r.changing.Lock()
	defer r.changing.Unlock()
	if len(b) < 2 || b[0] != 0 {
		return nil
	}
	out := []byte{0, b[1] | 0x80, 0, 0, 0, 0, 0, 9}
	switch {
	case b[1] == 0:
		out = append(out, r.outside[:]...)
	case len(b) == 12 && (b[1] == 1 || b[1] == 2):
		protocol := map[byte]string{1: "udp", 2: "tcp"}[b[1]]
		inside, want, life := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint32(b[8:])
		target := netip.AddrPortFrom(from, inside).String()
		if life == 0 {
			for k, v := range r.all() {
				if strings.HasPrefix(k, protocol) && v == target {
					r.remove(k)
				}
			}
			want = 0
		} else {
			if want += r.shift; r.answer == nil {
				r.set(fmt.Sprint(protocol, " ", want), target)
			}
			if r.lifetime != 0 {
				life = r.lifetime
			}
		}
		out = binary.BigEndian.AppendUint16(out, inside)
		out = binary.BigEndian.AppendUint16(out, want)
		out = binary.BigEndian.AppendUint32(out, life)
	default:
		return nil
	}
	if r.answer != nil {
		return r.answer(b, out)
	}
	return out
}

func (tb *table) all() map[string]string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	out := map[string]string{}
	for k, v := range tb.entries {
		out[k] = v
	}
	return out
}

// An igdRouter is an internet gateway device: SSDP and SOAP.
type igdRouter struct {
	table
	ssdp  *net.UDPConn
	found string // the answer to a search, with LOCATION as the description's place

	outside  string
	services []string // URNs of the description
	control  string   // URL of the services; relative unless told
	code     func(outside, seconds int) int
	page     http.HandlerFunc // instead of the description
	soap     http.HandlerFunc // instead of the service
	url      string           // of the HTTP server
}

const wan2 = "urn:schemas-upnp-org:service:WANIPConnection:2"

// upnpRouter runs a UPnP router at w's gateway, set up by set, until the test ends.
func upnpRouter(t testing.TB, w way, set ...func(*igdRouter)) *igdRouter {
	t.Helper()
	r := &igdRouter{
		outside: "20.0.0.8", services: []string{wan2}, control: "/control",
		found: "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nUSN: uuid:1\r\nEXT:\r\nLOCATION: LOCATION\r\nCONTENT-LENGTH: 0\r\n\r\n",
	}
	for _, f := range set {
		f(r)
	}
	l, err := net.Listen("tcp4", netip.AddrPortFrom(w.gateway, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(r.serveHTTP))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	r.url = server.URL
	if r.ssdp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.gateway, 0))); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { r.answerSearches(r.ssdp) })
	t.Cleanup(func() { r.ssdp.Close(); serving.Wait(); server.Close() })
	return r
}

// answerSearches answers what comes to conn.
func (r *igdRouter) answerSearches(conn *net.UDPConn) {
	b := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if strings.HasPrefix(string(b[:n]), "M-SEARCH * HTTP/1.1\r\n") && strings.Contains(string(b[:n]), "InternetGatewayDevice:1\r\n") {
			_, _ = conn.WriteToUDPAddrPort([]byte(strings.ReplaceAll(r.found, "LOCATION: LOCATION", "LOCATION: "+r.url+"/root.xml")), from)
		}
	}
}

func (r *igdRouter) serveHTTP(w http.ResponseWriter, req *http.Request) {
	switch {
	case req.URL.Path == "/root.xml" && r.page != nil:
		r.page(w, req)
	case req.URL.Path == "/root.xml":
		var services strings.Builder
		for _, s := range r.services {
			fmt.Fprintf(&services, "<service><serviceType>%s</serviceType><controlURL>%s</controlURL></service>", s, r.control)
		}
		fmt.Fprintf(w, `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><URLBase>http://127.0.0.1:9/</URLBase><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:2</deviceType><deviceList><device><deviceList><device>
<serviceList>%s</serviceList></device></deviceList></device></deviceList></device></root>`, &services)
	case req.URL.Path == "/control" && r.soap != nil:
		r.soap(w, req)
	case req.URL.Path == "/control":
		r.act(w, req)
	default:
		http.NotFound(w, req)
	}
}

var argument = regexp.MustCompile(`<(New\w+)>([^<]*)</`)

// act carries a SOAP action out.
func (r *igdRouter) act(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(req.Body, 1<<16))
	service, action, _ := strings.Cut(strings.Trim(req.Header.Get("SOAPACTION"), `"`), "#")
	args := map[string]string{}
	for _, m := range argument.FindAllStringSubmatch(string(body), -1) {
		args[m[1]] = m[2]
	}
	outside := strings.ToLower(args["NewProtocol"]) + " " + args["NewExternalPort"]
	out, code := "", 0
	switch action {
	case "GetExternalIPAddress":
		out = "<NewExternalIPAddress>" + r.outside + "</NewExternalIPAddress>"
	case "AddPortMapping":
		port, _ := strconv.Atoi(args["NewExternalPort"])
		seconds, _ := strconv.Atoi(args["NewLeaseDuration"])
		if r.code != nil {
			code = r.code(port, seconds)
		}
		if code == 0 {
			r.set(outside, args["NewInternalClient"]+":"+args["NewInternalPort"])
		}
	case "DeletePortMapping":
		if !r.remove(outside) {
			code = 714
		}
	default:
		code = 401
	}
	answer := fmt.Sprintf(`<u:%sResponse xmlns:u="%s">%s</u:%sResponse>`, action, service, out, action)
	if code != 0 {
		w.WriteHeader(http.StatusInternalServerError)
		answer = fmt.Sprintf(`<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode><errorDescription>no</errorDescription></UPnPError></detail></s:Fault>`, code)
	}
	fmt.Fprintf(w, `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>%s</s:Body></s:Envelope>`, answer)
}

// kept has ports mapped by a Mapper that sees the machine at at(), until stop is
// called or the test ends. The states come out of the channel.
func kept(t testing.TB, at func() way, f finder, ports ...Port) (states <-chan State, stop func()) {
	t.Helper()
	m := New(Config{})
	m.look = func() (way, error) { return at(), nil }
	m.find = f.find
	m.renew, m.least, m.watch, m.retry = 10*time.Millisecond, 10*time.Millisecond, 10*time.Millisecond, 10*time.Millisecond
	return mapped(t, m, ports...)
}

func mapped(t testing.TB, m *Mapper, ports ...Port) (states <-chan State, stop func()) {
	out := make(chan State)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(ended)
		m.Run(ctx, ports, func(s State) {
			select {
			case out <- s:
			case <-ctx.Done():
			}
		})
	}()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	return out, stop
}
