package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/plugins/market"
	"github.com/peersea/sea/plugins/storage"
)

// A client that neither goes on nor goes away does not keep the daemon.
func TestStopWithStalledClient(t *testing.T) {
	store, err := storage.Open(t.TempDir(), storage.Config{})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		pipe := newPipeListener()
		served := make(chan error)
		go func() { served <- serveAPI(ctx, pipe, &api{d: &daemon{storage: store}}) }()

		client := newClient(pipe.dial, func() error { return nil })
		defer client.close()
		stdin, typed := io.Pipe() // nobody types
		answered := make(chan error)
		go func() {
			_, err := client.open(t.Context(), http.MethodPut, "/blobs", stdin)
			answered <- err
		}()
		synctest.Wait()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		typed.Close()
		if err := <-answered; err == nil {
			t.Error("half an upload was taken")
		}
	})
}

// A folder that the guest left is made, not asked for.
func TestFetchFolders(t *testing.T) {
	nobody := newClient(func(context.Context) (net.Conn, error) { return nil, errors.New("asked for") }, nil)
	dir := t.TempDir()
	job := market.Job{Files: []compute.OutFile{{Path: "a", Dir: true}, {Path: "a/b", Dir: true}}}
	if err := fetchFiles(t.Context(), nobody, job, dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "a", "b")); err != nil || !info.IsDir() {
		t.Errorf("got %v, %v, want a folder", info, err)
	}
}
