package main

import (
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// oldSocket is a control socket that is there already. Close leaves its file.
func oldSocket(t *testing.T) (l *net.UnixListener, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "control.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { l.Close() })
	return l, path
}

// A socket that only a killed daemon's child still holds is taken over when the
// child lets go.
func TestSocketOfTheDead(t *testing.T) {
	old, path := oldSocket(t)
	go func() {
		conn, err := old.Accept()
		if err != nil {
			return
		}
		old.Close()
		conn.Close()
	}()
	l, err := listenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.remove(); err != nil {
		t.Error(err)
	}
}

func TestSocketInUse(t *testing.T) {
	old, path := oldSocket(t)
	go http.Serve(old, http.NotFoundHandler())
	if l, err := listenSocket(t.Context(), path); err == nil {
		l.remove()
		t.Error("took over the socket of a daemon that answers")
	}
}
