package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"

	"github.com/spf13/cobra"
)

// dashboard shows the node in a browser: pages, and the part of the control API
// that they need, on a port of the loopback. Nothing listens before open.
type dashboard struct {
	api http.Handler // all of the control API
	log func(msg string, args ...any)

	mu      sync.Mutex // guards what follows
	ctx     context.Context
	serving sync.WaitGroup
	port    int    // 0 before open
	token   string // what a browser shows; as long as the daemon runs
}

// dashboardRequest asks for the dashboard, at any port when 0.
type dashboardRequest struct {
	Port int `json:"port"`
}

// dashboardView says where it is: the URL holds the token, so it is for the
// owner's eyes.
type dashboardView struct {
	URL string `json:"url"`
}

// newDashboard returns one that serves until ctx ends; then wait is called.
func newDashboard(ctx context.Context, a *api) *dashboard {
	return &dashboard{api: a.handler(), log: a.d.log.Error, ctx: ctx, token: rand.Text()}
}

// open opens the port, unless it is open, and returns the address for a browser.
func (b *dashboard) open(port int) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ctx.Err() != nil:
		return "", b.ctx.Err()
	case b.port == 0:
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return "", usagef("choose another --port", "dashboard: %v", err)
		}
		b.port = l.Addr().(*net.TCPAddr).Port
		b.serving.Go(func() {
			if err := serveHTTP(b.ctx, l, newGate(b.token, b.api)); err != nil {
				b.log("the dashboard ended", "err", err)
			}
		})
	case port != 0 && port != b.port:
		return "", usagef("leave --port away", "the dashboard is open at port %d already, until the daemon stops", b.port)
	}
	return fmt.Sprintf("http://127.0.0.1:%d/#token=%s", b.port, b.token), nil
}

// wait returns when nothing of the dashboard runs any more. Its context must
// have ended.
func (b *dashboard) wait() {
	b.mu.Lock() // so that no open is under way, and none begins anything after it
	defer b.mu.Unlock()
	b.serving.Wait()
}

// dashboardRoutes are about the dashboard itself.
func (a *api) dashboardRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/dashboard", route(a.postDashboard))
}

func (a *api) postDashboard(_ *http.Request, in dashboardRequest) (dashboardView, error) {
	if a.board == nil {
		return dashboardView{}, failf(exitUnreachable, reasonNoDaemon, "start one with \"seaworker up\"", "no daemon runs here")
	}
	if in.Port < 0 || in.Port > 65535 {
		return dashboardView{}, usagef("a port is 1 to 65535, or 0 for any", "port %d", in.Port)
	}
	url, err := a.board.open(in.Port)
	if errors.Is(err, context.Canceled) {
		err = failf(exitUnreachable, reasonNoDaemon, "start it again with \"seaworker up\"", "the daemon is stopping")
	}
	return dashboardView{url}, err
}

func newDashboardCommand(c *cli) *cobra.Command {
	var in dashboardRequest
	cmd := &cobra.Command{
		Use:   "dashboard",
		Short: "Look at the node in a browser",
		Long: `Have the daemon serve its dashboard on this machine's loopback, and print the
address to open. Whoever has the address sees what the node does, may cancel jobs,
and may pause and open selling; it can pay nothing and change no limit. It holds
until the daemon stops.

From another machine, go through ssh: take a --port and forward it, as in
"ssh -L 4170:127.0.0.1:4170 HOST".`,
		Example: "  seaworker dashboard\n  seaworker dashboard --port 4170",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var v dashboardView
			if err := api.do(cmd.Context(), http.MethodPost, "/dashboard", in, &v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v)
			}
			_, err = fmt.Fprintln(c.stdout, v.URL)
			return err
		},
	}
	cmd.Flags().IntVar(&in.Port, "port", 0, "the `PORT` to listen on; 0 takes a free one")
	return cmd
}
