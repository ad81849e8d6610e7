package wsnet

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Pebble validates at once instead of after some seconds, and always.
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	// Pebble's validator has no end.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"))
}

// A pebble is Let's Encrypt's test authority in this process. It validates real
// challenges against the ports that start is told.
type pebble struct {
	directory string         // URL
	trust     *x509.CertPool // for the directory
	roots     *x509.CertPool // for what it issues; set by start
	requests  atomic.Int64
	started   chan struct{}
	handler   http.Handler
	resolver  string
	log       lockedBuffer
}

// newPebble makes an authority whose directory is known at once, and which
// answers after start.
func newPebble(t *testing.T) *pebble {
	p := &pebble{started: make(chan struct{})}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-p.started:
		case <-r.Context().Done():
			return
		}
		p.requests.Add(1)
		p.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.directory = server.URL + wfe.DirectoryPath
	p.trust = x509.NewCertPool()
	p.trust.AddCert(server.Certificate())
	p.resolver = nameServer(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("what pebble says:\n" + p.log.String())
		}
	})
	return p
}

// start makes p answer. Certificates are good for the given seconds; 0 is five
// years. It looks for challenges at the ports.
func (p *pebble) start(t *testing.T, tlsPort, httpPort int, seconds uint64) {
	logger := log.New(&p.log, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: seconds}})
	validator := va.New(logger, httpPort, tlsPort, true, p.resolver, store)
	front := wfe.New(logger, store, validator, issuer, []string{"pebble.example"}, true, false, 1, 1)
	root, err := x509.ParseCertificate(issuer.GetRootCert(0).DER)
	if err != nil {
		t.Fatal(err)
	}
	p.roots = x509.NewCertPool()
	p.roots.AddCert(root)
	p.handler = front.Handler()
	close(p.started)
}

// nameServer runs a DNS server that knows 127.0.0.1 for every name.
func nameServer(t *testing.T) string {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		if name := q.Question[0].Name; q.Question[0].Qtype == dns.TypeA {
			answer.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
				A:   net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(answer)
	})}
	served := make(chan error, 1)
	go func() { served <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = socket.Close()
		if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("name server: %v", err)
		}
	})
	return socket.Addr().String()
}

// lockedBuffer is a log that many write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// closedPort returns a port that nobody listens at.
func closedPort(t *testing.T) int {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	return portOf(socket.Addr())
}

func portOf(a net.Addr) int {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		panic(fmt.Sprintf("not a TCP address: %v", a))
	}
	return tcp.Port
}
