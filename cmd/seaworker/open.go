package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"sync"
)

// running is a client of the daemon, which must run.
func (c *cli) running(ctx context.Context) (*client, error) {
	dir, err := pickFolder(c.dir)
	if err != nil {
		return nil, err
	}
	return daemonClient(ctx, dir)
}

// reader is a client for commands that only look: of the daemon, or where none
// runs of the folder itself, opened for the length of the command.
func (c *cli) reader(ctx context.Context) (*client, error) {
	dir, err := pickFolder(c.dir)
	if err != nil {
		return nil, err
	}
	if api, err := daemonClient(ctx, dir); err == nil {
		return api, nil
	}
	if _, err := os.Lstat(dir.key()); errors.Is(err, fs.ErrNotExist) {
		return nil, failf(exitUnreachable, reasonNoDaemon, "start a node with \"seaworker up\", or name its folder with --dir", "there is no node in %s", dir)
	}
	cfg := defaultConfig()
	cfg.LAN = false // it does not come online
	return inProcess(ctx, dir, cfg, false)
}

// read reads into v, a pointer, what the control API has at path, by reader's client.
func (c *cli) read(ctx context.Context, path string, v any) error {
	api, err := c.reader(ctx)
	if err != nil {
		return err
	}
	defer api.close()
	return api.do(ctx, http.MethodGet, path, nil, v)
}

// ephemeral is a node that joins the sea for one command.
func ephemeral(ctx context.Context, dir folder, bootstrap []string, network string) (*client, error) {
	cfg := defaultConfig()
	cfg.Bootstrap, cfg.Network, cfg.impatient = bootstrap, network, true
	cfg.LAN = false // who names a bootstrap wants that one
	return inProcess(ctx, dir, cfg, true)
}

// inProcess opens dir's node in this process, online or not, and returns a
// client of its control API. Closing the client closes all of it.
func inProcess(ctx context.Context, dir folder, cfg config, online bool) (*client, error) {
	d, err := openDaemon(ctx, dir, cfg, io.Discard)
	if err != nil {
		return nil, err
	}
	// The node outlives ctx: what Ctrl-C ends is the command, which then
	// still settles what it has begun.
	runs, stop := context.WithCancel(context.WithoutCancel(ctx))
	pipe := newPipeListener()
	var wait sync.WaitGroup
	var served, ran error
	wait.Go(func() { served = serveAPI(runs, pipe, &api{d: d}) })

	if online {
		ready := make(chan struct{})
		ended := make(chan struct{})
		wait.Go(func() {
			defer close(ended)
			ran = d.online(runs, cfg.Bootstrap, cfg.STUN, func() error { close(ready); return nil })
		})
		select {
		case <-ready:
		case <-ended:
			stop()
			wait.Wait()
			return nil, errors.Join(ran, d.close())
		case <-ctx.Done():
			stop()
			wait.Wait()
			return nil, errors.Join(ctx.Err(), d.close())
		}
	}
	api := newClient(pipe.dial, func() error {
		stop()
		wait.Wait()
		return errors.Join(served, ran, d.close())
	})
	api.ephemeral = online
	return api, nil
}
