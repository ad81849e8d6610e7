package wsnet

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// certificates are what a wss:// server shows.
type certificates interface {
	// config is for the TLS server.
	config() *tls.Config

	// names are the hosts that the certificates are good for.
	names() []string

	// ready says that a server with config listens now.
	ready()

	// close ends what the certificates run.
	close()
}

// check finds contradictions.
func (c Config) check() error {
	switch {
	case (c.CertFile == "") != (c.KeyFile == ""):
		return fmt.Errorf("%w: a certificate file needs its key file, and the other way round", ErrConfig)
	case c.CertFile != "" && c.ACME != nil:
		return fmt.Errorf("%w: certificates from files or by ACME, not both", ErrConfig)
	case c.ACME != nil:
		return c.ACME.check()
	}
	return nil
}

// openCertificates returns nil for a Config without any.
func openCertificates(c Config, log *slog.Logger) (certificates, error) {
	switch {
	case c.ACME != nil:
		m, err := openAuthority(*c.ACME, log)
		if err != nil {
			return nil, err
		}
		return m, nil
	case c.CertFile != "":
		f, err := openFiles(c.CertFile, c.KeyFile, log)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	return nil, nil
}

// recheck is how often, at most, certificate files are looked at for changes.
const recheck = time.Minute

// files is a certificate from PEM files, which other programs renew.
type files struct {
	cert, key string
	log       *slog.Logger
	recheck   time.Duration

	mu      sync.Mutex // guards the rest
	current *tls.Certificate
	stamp   string // of the files that current is from
	looked  time.Time
}

func openFiles(cert, key string, log *slog.Logger) (*files, error) {
	f := &files{cert: cert, key: key, log: log, recheck: recheck}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// load reads the files if they are others than before.
func (f *files) load() error {
	f.looked = time.Now()
	var stamp strings.Builder
	for _, name := range []string{f.cert, f.key} {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
		fmt.Fprintln(&stamp, info.Size(), info.ModTime().UnixNano())
	}
	if stamp.String() == f.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", f.cert, err)
	}
	f.current, f.stamp = &pair, stamp.String()
	return nil
}

// get keeps showing the last good certificate while the files are bad, which
// they may be for a moment while they are being replaced.
func (f *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) >= f.recheck {
		if err := f.load(); err != nil {
			f.log.Warn("certificate files cannot be read again", "err", err)
		}
	}
	return f.current, nil
}

func (f *files) config() *tls.Config {
	return &tls.Config{GetCertificate: f.get, NextProtos: []string{"http/1.1"}}
}

// names leaves wildcards out: they are no host.
func (f *files) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, name := range f.current.Leaf.DNSNames {
		if !strings.Contains(name, "*") {
			all = append(all, name)
		}
	}
	for _, ip := range f.current.Leaf.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

func (f *files) ready() {}
func (f *files) close() {}
