package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// client speaks the control API (api.go): HTTP and JSON over the daemon's
// socket, or over a pipe to a node that this very process has opened.
type client struct {
	http      *http.Client
	close     func() error
	ephemeral bool // the node is of this process and ends with it
}

func newClient(dial func(context.Context) (net.Conn, error), close func() error) *client {
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true,
	}
	return &client{
		http: &http.Client{Transport: transport},
		close: func() error {
			transport.CloseIdleConnections()
			return close()
		},
	}
}

// daemonClient returns a client of the daemon that runs in dir. Without one it
// is a failure that says how to start it. The caller closes the client.
func daemonClient(ctx context.Context, dir folder) (*client, error) {
	conn, err := dialSocket(ctx, dir.socket())
	if err != nil {
		return nil, failf(exitUnreachable, reasonNoDaemon, "start one with \"seaworker up\"", "no daemon runs in %s", dir)
	}
	conn.Close()
	dial := func(ctx context.Context) (net.Conn, error) { return dialSocket(ctx, dir.socket()) }
	return newClient(dial, func() error { return nil }), nil
}

// do sends in (nil for no body) and reads the answer into out (nil to ignore it).
func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	resp, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp)
		return err
	}
	if err := json.NewDecoder(resp).Decode(out); err != nil {
		return fmt.Errorf("control API: %s %s: %w", method, path, err)
	}
	return nil
}

// open sends body and returns the answer's, which the caller closes.
func (c *client) open(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://sea/v1"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, failf(exitUnreachable, reasonNoDaemon, "see its log, or start it with \"seaworker up\"", "the daemon went away: %v", err)
	}
	if resp.StatusCode < 400 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var wire wireFailure
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&wire); err != nil || wire.Text == "" {
		return nil, fmt.Errorf("control API: %s %s: %s", method, path, resp.Status)
	}
	return nil, &failure{Text: wire.Text, Reason: wire.Reason, Hint: wire.Hint, Code: wire.Exit}
}

// events reads a stream of server-sent events and calls f with the data of
// each until the stream ends, f fails or ctx ends.
func (c *client) events(ctx context.Context, path string, f func(data []byte) error) error {
	body, err := c.open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewReaderSize(body, 1<<16)
	for {
		line, err := lines.ReadString('\n')
		if data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: "); ok {
			if err := f([]byte(data)); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return failf(exitUnreachable, reasonNoDaemon, "start it again with \"seaworker up\": jobs go on", "the daemon went away: %v", err)
		}
	}
}

// wireFailure is a failure as the control API sends it.
type wireFailure struct {
	Text   string `json:"error"`
	Reason string `json:"reason"`
	Hint   string `json:"hint"`
	Exit   int    `json:"exit"`
}
