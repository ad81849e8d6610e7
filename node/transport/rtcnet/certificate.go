package rtcnet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"

	"github.com/pion/webrtc/v3"
)

// A Certificate is what DTLS shows at a Listener. Its hash is part of the
// Listener's URLs, so it is kept.
type Certificate struct {
	pion webrtc.Certificate
	hash [32]byte
}

// NewCertificate makes a certificate with a key of its own (ECDSA P-256), signed
// by itself. Nothing ever looks at its name or its dates.
func NewCertificate() (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make DTLS key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make DTLS certificate: %w", err)
	}
	template := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "sea"},
		NotBefore: time.Now().AddDate(0, 0, -2), NotAfter: time.Now().AddDate(50, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make DTLS certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make DTLS certificate: %w", err)
	}
	return &Certificate{pion: webrtc.CertificateFromX509(key, parsed), hash: sha256.Sum256(der)}, nil
}

// OpenCertificate reads the certificate and key in a PEM file, or makes them and
// writes the file, for its owner alone.
func OpenCertificate(path string) (*Certificate, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeCertificate(path)
	}
	if err != nil {
		return nil, err
	}
	c, err := webrtc.CertificateFromPEM(string(b))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	prints, err := c.GetFingerprints()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	for _, f := range prints {
		if f.Algorithm == "sha-256" {
			hash, err := unColons(f.Value)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
			return &Certificate{pion: *c, hash: [32]byte(hash)}, nil
		}
	}
	return nil, fmt.Errorf("read %s: no SHA-256 of the certificate", path)
}

func makeCertificate(path string) (*Certificate, error) {
	c, err := NewCertificate()
	if err != nil {
		return nil, err
	}
	text, err := c.pion.PEM()
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	// Whole or not at all: half a file would keep the node from starting.
	fresh := path + ".new"
	if err := os.WriteFile(fresh, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return c, os.Rename(fresh, path)
}
