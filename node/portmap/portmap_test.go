package portmap

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const long = time.Minute // for what answers at once, on a machine that is busy

// patient is a finder whose router answers, and which knows where to search.
func patient(r *igdRouter) finder {
	f := finder{pmpPatience: long, soapPatience: long, searchFor: long, group: "127.0.0.1:9"}
	if r != nil {
		f.group = r.ssdp.LocalAddr().String()
	}
	return f
}

// fixed is a machine that stays where it is.
func fixed(w way) func() way { return func() way { return w } }

// expect returns the next state with so many mappings and, or not, an error.
func expect(t *testing.T, states <-chan State, mapped int, wrong bool) State {
	t.Helper()
	for s := range states {
		if len(s.Mappings) == mapped && (s.Err != nil) == wrong {
			return s
		}
		t.Logf("on the way: %+v", s)
	}
	panic("unreachable")
}

var both = []Port{{"tcp", 4160}, {"udp", 4160}}

// A router that speaks NAT-PMP maps both ports, and they are taken out at the end.
func TestNATPMP(t *testing.T) {
	w := home(t)
	r := pmp(t, w)
	states, stop := kept(t, fixed(w), patient(nil), both...)
	s := expect(t, states, 2, false)
	at := netip.MustParseAddrPort("20.0.0.7:4160")
	if s.By != "nat-pmp" || s.Mappings[0].Outside != at || s.Mappings[1].Outside != at {
		t.Errorf("mapped %+v", s)
	}
	if left := time.Until(s.Mappings[0].Until); left > lease {
		t.Errorf("it holds for %v, more than was asked for", left)
	}
	if got := r.all(); got["udp 4160"] != "127.0.0.1:4160" || got["tcp 4160"] != "127.0.0.1:4160" {
		t.Errorf("the router has %v", got)
	}
	stop()
	if n := r.len(); n != 0 {
		t.Errorf("%d mappings are left", n)
	}
}

// A router that speaks UPnP does so too, with each of the services there are; of
// several the newest is asked.
func TestUPnP(t *testing.T) {
	const wan1, ppp = "urn:schemas-upnp-org:service:WANIPConnection:1", "urn:schemas-upnp-org:service:WANPPPConnection:1"
	for _, services := range [][]string{{wan2}, {wan1}, {ppp}, {ppp, wan1, wan2}} {
		t.Run(fmt.Sprint(len(services), services[0][len(services[0])-16:]), func(t *testing.T) {
			w := home(t)
			asked := make(chan string, 1)
			r := upnpRouter(t, w, func(r *igdRouter) {
				r.services = services
				r.soap = func(rw http.ResponseWriter, req *http.Request) {
					select {
					case asked <- req.Header.Get("SOAPACTION"):
					default:
					}
					r.act(rw, req)
				}
			})
			states, stop := kept(t, fixed(w), patient(r), both...)
			s := expect(t, states, 2, false)
			if s.By != "upnp" || s.Mappings[0].Outside.String() != "20.0.0.8:4160" {
				t.Errorf("mapped %+v", s)
			}
			if got := r.all(); got["udp 4160"] != "127.0.0.1:4160" || got["tcp 4160"] != "127.0.0.1:4160" {
				t.Errorf("the router has %v", got)
			}
			if best := services[len(services)-1]; !strings.Contains(<-asked, best) {
				t.Errorf("asked first was not %s", best)
			}
			stop()
			if n := r.len(); n != 0 {
				t.Errorf("%d mappings are left", n)
			}
		})
	}
}

// Where the wanted port is taken another is mapped, and kept.
func TestPortTaken(t *testing.T) {
	t.Run("nat-pmp", func(t *testing.T) {
		w := home(t)
		pmp(t, w, func(r *pmpRouter) { r.shift = 1000 })
		states, _ := kept(t, fixed(w), patient(nil), both[1])
		if s := expect(t, states, 1, false); s.Mappings[0].Outside.Port() != 5160 {
			t.Errorf("mapped %+v", s)
		}
	})
	t.Run("upnp", func(t *testing.T) {
		w := home(t)
		r := upnpRouter(t, w, func(r *igdRouter) {
			r.code = func(outside, _ int) int {
				if outside == 4160 {
					return codeConflict
				}
				return 0
			}
		})
		states, stop := kept(t, fixed(w), patient(r), both[1])
		s := expect(t, states, 1, false)
		if p := s.Mappings[0].Outside.Port(); p == 4160 || p < firstOther {
			t.Errorf("mapped %+v", s)
		}
		stop()
		if n := r.len(); n != 0 {
			t.Errorf("%d mappings are left", n)
		}
	})
}

// A router that knows no leases maps for ever, until the mapping is taken out.
func TestPermanent(t *testing.T) {
	w := home(t)
	r := upnpRouter(t, w, func(r *igdRouter) {
		r.code = func(_, seconds int) int {
			if seconds != 0 {
				return codePermanent
			}
			return 0
		}
	})
	states, stop := kept(t, fixed(w), patient(r), both...)
	if s := expect(t, states, 2, false); !s.Mappings[0].Until.IsZero() {
		t.Errorf("mapped %+v", s)
	}
	stop()
	if n := r.len(); n != 0 {
		t.Errorf("%d mappings are left", n)
	}
}

// What a router says that cannot be used maps nothing, and is an error.
func TestPMPRefused(t *testing.T) {
	whole := func(f func(ask, answer []byte) []byte) func(*pmpRouter) {
		return func(r *pmpRouter) { r.answer = f }
	}
	ofMapping := func(f func(answer []byte) []byte) func(*pmpRouter) {
		return whole(func(ask, answer []byte) []byte {
			if ask[1] == 0 {
				return answer
			}
			return f(answer)
		})
	}
	for name, set := range map[string]func(*pmpRouter){
		"refused":       ofMapping(func(a []byte) []byte { a[3] = 2; return a }),
		"all refused":   whole(func(_, a []byte) []byte { a[3] = 3; return a }),
		"version":       whole(func(_, a []byte) []byte { a[0] = 2; return a }),
		"short":         whole(func(_, a []byte) []byte { return a[:3] }),
		"empty":         whole(func(_, a []byte) []byte { return a[:0] }),
		"cut":           ofMapping(func(a []byte) []byte { return a[:15] }),
		"other answer":  ofMapping(func(a []byte) []byte { a[1] = 0x80; return a }),
		"other port":    ofMapping(func(a []byte) []byte { a[9]++; return a }),
		"port 0":        ofMapping(func(a []byte) []byte { a[10], a[11] = 0, 0; return a }),
		"no time":       ofMapping(func(a []byte) []byte { a[12], a[13], a[14], a[15] = 0, 0, 0, 0; return a }),
		"no address":    func(r *pmpRouter) { r.outside = [4]byte{} },
		"second router": func(r *pmpRouter) { r.outside = [4]byte{192, 168, 0, 2} },
	} {
		t.Run(name, func(t *testing.T) {
			w := home(t)
			pmp(t, w, set)
			f := patient(nil)
			f.searchFor = time.Millisecond // for UPnP, which is not there
			states, _ := kept(t, fixed(w), f, both...)
			s := <-states
			if s.Err == nil || len(s.Mappings) != 0 {
				t.Errorf("mapped %+v", s)
			}
		})
	}
}

// Nothing is asked of other machines than the router, whatever it names, and no
// more is read than fits.
func TestUPnPRefused(t *testing.T) {
	var knocked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { knocked.Add(1) }))
	defer elsewhere.Close()
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	endless := func(w http.ResponseWriter, _ *http.Request) {
		_, err := fmt.Fprint(w, `<root xmlns="urn:schemas-upnp-org:device-1-0"><device>`)
		for err == nil {
			_, err = fmt.Fprint(w, strings.Repeat("<deviceList>", 1000))
		}
	}
	aside := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }
	for name, set := range map[string]func(*igdRouter){
		"refused":               func(r *igdRouter) { r.code = func(int, int) int { return 606 } },
		"every port taken":      func(r *igdRouter) { r.code = func(int, int) int { return codeConflict } },
		"no lease is right":     func(r *igdRouter) { r.code = func(int, int) int { return codePermanent } },
		"no such service":       func(r *igdRouter) { r.services = []string{"urn:schemas-upnp-org:service:Dimming:1"} },
		"no address":            func(r *igdRouter) { r.outside = "" },
		"no such address":       func(r *igdRouter) { r.outside = "0.0.0.0" },
		"second router":         func(r *igdRouter) { r.outside = "10.0.0.2" },
		"garbage found":         func(r *igdRouter) { r.found = "\x00\x01\x02" },
		"found no page":         func(r *igdRouter) { r.found = "HTTP/1.1 200 OK\r\nLOCATION:\r\n\r\n" },
		"found a file":          func(r *igdRouter) { r.found = "HTTP/1.1 200 OK\r\nLOCATION: file:///etc/passwd\r\n\r\n" },
		"found elsewhere":       func(r *igdRouter) { r.found = "HTTP/1.1 200 OK\r\nLOCATION: " + elsewhere.URL + "/\r\n\r\n" },
		"page missing":          func(r *igdRouter) { r.page = http.NotFound },
		"page is garbage":       func(r *igdRouter) { r.page = say("}{") },
		"page is empty":         func(r *igdRouter) { r.page = say("") },
		"page has no end":       func(r *igdRouter) { r.page = endless },
		"page elsewhere":        func(r *igdRouter) { r.page = aside },
		"service elsewhere":     func(r *igdRouter) { r.control = elsewhere.URL },
		"service is no URL":     func(r *igdRouter) { r.control = "http://[" },
		"service missing":       func(r *igdRouter) { r.soap = http.NotFound },
		"service is garbage":    func(r *igdRouter) { r.soap = say("<<<") },
		"service has no end":    func(r *igdRouter) { r.soap = endless },
		"service sent us aside": func(r *igdRouter) { r.soap = aside },
	} {
		t.Run(name, func(t *testing.T) {
			w := home(t)
			r := upnpRouter(t, w, set)
			f := patient(r)
			if strings.Contains(name, "found") {
				f.searchFor = time.Millisecond
			}
			states, _ := kept(t, fixed(w), f, both...)
			s := <-states
			if s.Err == nil || len(s.Mappings) != 0 || r.len() != 0 {
				t.Errorf("mapped %+v", s)
			}
			if len(s.Err.Error()) > 500 {
				t.Errorf("an error of %d bytes", len(s.Err.Error()))
			}
		})
	}
	if n := knocked.Load(); n != 0 {
		t.Errorf("another machine was asked %d times", n)
	}
}

// Nobody answers: that is said, and tried again.
func TestNoRouter(t *testing.T) {
	w := home(t)
	silent, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.gateway, 5351)))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	f := finder{pmpPatience: time.Millisecond, searchFor: time.Millisecond, group: silent.LocalAddr().String()}
	states, stop := kept(t, fixed(w), f, both...)
	if s := expect(t, states, 0, true); s.By != "" || s.Err.Error() != "nat-pmp: no router answers\nupnp: no router answers" {
		t.Errorf("%+v", s)
	}
	for asked := 0; asked < 3; {
		b := make([]byte, 2048)
		n, _, err := silent.ReadFromUDP(b)
		if err != nil {
			t.Fatal(err)
		}
		if n == 2 { // NAT-PMP's question
			asked++
		}
	}
	stop()
}

// A router that has forgotten a mapping gets it again.
func TestRenewed(t *testing.T) {
	w := home(t)
	full := make(chan bool, 1)
	r := pmp(t, w, func(r *pmpRouter) {
		r.apply = func(entries map[string]string) {
			select {
			case full <- len(entries) == 2:
			case <-full:
				full <- len(entries) == 2
			}
		}
	})
	states, _ := kept(t, fixed(w), patient(nil), both...)
	expect(t, states, 2, false)
	r.forget()
	for !<-full {
	}
	for !<-full { // one of them may be of before
	}
}

// When the router grants nothing any more, what it has granted holds to its end.
func TestLeaseEnds(t *testing.T) {
	w := home(t)
	r := pmp(t, w, func(r *pmpRouter) { r.lifetime = 1 })
	f := patient(nil)
	f.searchFor = time.Millisecond
	states, _ := kept(t, fixed(w), f, both...)
	expect(t, states, 2, false)
	r.change(func(r *pmpRouter) {
		r.answer = func(ask, answer []byte) []byte { answer[3] = 4; return answer }
	})
	expect(t, states, 0, true)
	r.change(func(r *pmpRouter) { r.answer = nil })
	expect(t, states, 2, false)
}

// A machine that has moved asks the router of its new network.
func TestMoved(t *testing.T) {
	var at atomic.Pointer[way]
	first, second := home(t), home(t)
	at.Store(&first)
	one, two := pmp(t, first), pmp(t, second, func(r *pmpRouter) { r.outside = [4]byte{20, 0, 0, 9} })
	states, _ := kept(t, func() way { return *at.Load() }, patient(nil), both...)
	expect(t, states, 2, false)
	at.Store(&second)
	if s := expect(t, states, 2, false); s.Mappings[0].Outside.Addr().String() != "20.0.0.9" {
		t.Errorf("mapped %+v", s)
	}
	if one.len() != 2 || two.len() != 2 {
		t.Errorf("the routers have %v and %v", one.all(), two.all())
	}
}

// A machine with a public address asks nobody.
func TestPublicMachine(t *testing.T) {
	w := home(t)
	r := pmp(t, w)
	w.local = netip.MustParseAddr("20.0.0.1")
	states, _ := kept(t, fixed(w), patient(nil), both...)
	if s := <-states; !errors.Is(s.Err, errPublic) {
		t.Errorf("%+v", s)
	}
	if r.len() != 0 {
		t.Errorf("mapped %v", r.all())
	}
}

func FuzzReadFound(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nLOCATION: http://192.168.1.1:5000/root.xml\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nLOCATION: http://192.168.1.2/\r\n\r\n"))
	f.Add([]byte("NOTIFY * HTTP/1.1\r\n\r\n"))
	ip := netip.MustParseAddr("192.168.1.1")
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := readFound(b[:min(len(b), maxFound)], ip)
		if err != nil {
			return
		}
		if u.Scheme != "http" || u.Hostname() != ip.String() && u.Hostname() != "::ffff:"+ip.String() {
			t.Errorf("%q leads to %v", b, u)
		}
	})
}

func FuzzDescription(f *testing.F) {
	f.Add([]byte(`<root xmlns="urn:schemas-upnp-org:device-1-0"><device><serviceList><service><serviceType>` + wan2 +
		`</serviceType><controlURL>/c</controlURL></service></serviceList></device></root>`))
	f.Add([]byte(`<root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceList><device/></deviceList></device></root>`))
	location := &url.URL{Scheme: "http", Host: "192.168.1.1", Path: "/root.xml"}
	f.Fuzz(func(t *testing.T, b []byte) {
		services, err := readDescription(strings.NewReader(string(b)), location, new(http.Client))
		if (err == nil) != (len(services) > 0) || len(services) > 3*maxServices {
			t.Errorf("%d services, %v", len(services), err)
		}
		if err != nil && len(err.Error()) > math.MaxUint8 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
