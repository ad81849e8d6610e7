package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"time"
)

// maxRequest bounds a JSON body of the control API, in bytes. Modules and
// inputs are uploaded apart, as blobs.
const maxRequest = 1 << 20

// api is the control API: HTTP with JSON on the folder's socket, events as
// server-sent events. The command line, the demo and anyone's script use the
// same one; docs/API.md lists it. It trusts whoever can open the socket, which
// is the folder's owner.
type api struct {
	d    *daemon
	stop context.CancelFunc // ends the daemon; nil when this process is no daemon

	board *dashboard // nil when this process is no daemon

	voices voices
}

// handler has every route. A route's file is named after its noun.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	a.nodeRoutes(mux)
	a.jobRoutes(mux)
	a.mapRoutes(mux)
	a.creditRoutes(mux)
	a.channelRoutes(mux)
	a.certRoutes(mux)
	a.shiftRoutes(mux)
	a.pluginRoutes(mux)
	a.dashboardRoutes(mux)
	return mux
}

// lastWords is how long requests under way may take to end once the daemon
// stops. Then they are cut off: a client that was stopped, or waits for its own
// input, would keep the daemon for ever.
const lastWords = 5 * time.Second

// serveAPI answers on l until ctx ends, and returns when every request has, or
// was cut off.
func serveAPI(ctx context.Context, l net.Listener, a *api) error {
	return serveHTTP(ctx, l, a.handler())
}

// serveHTTP is serveAPI of any handler.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	// Requests that wait for events end with ctx, so Shutdown does not hang.
	server := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close()
		}
	}()
	err := server.Serve(l)
	<-done
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// route makes a handler of a function from a JSON body, none for a GET, to a
// JSON answer.
func route[In, Out any](f func(r *http.Request, in In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if r.Method != http.MethodGet && r.ContentLength != 0 {
			dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&in); err != nil {
				sendFailure(w, r, usagef("see docs/API.md", "%s %s: %v", r.Method, r.URL.Path, err))
				return
			}
		}
		out, err := f(r, in)
		if err != nil {
			sendFailure(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // the reader has gone, if anything
	}
}

// none is the body of a request or an answer that has nothing to say.
type none struct{}

// sendFailure answers with what went wrong.
func sendFailure(w http.ResponseWriter, r *http.Request, err error) {
	f := explain(r.Context(), err)
	status := http.StatusInternalServerError
	switch f.Reason {
	case reasonUsage:
		status = http.StatusBadRequest
	case reasonNotFound:
		status = http.StatusNotFound
	case reasonRefused:
		status = http.StatusForbidden
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wireFailure{Text: f.Text, Reason: f.Reason, Hint: f.Hint, Exit: f.Code})
}

// sendAll streams what all yields as server-sent events, until last says that one
// was the last, there is an error, or the reader goes.
func sendAll[T any](w http.ResponseWriter, r *http.Request, all iter.Seq2[T, error], last func(T) bool) {
	next, stop := iter.Pull2(all)
	defer stop()
	sendEvents(w, r, func(context.Context) (event T, more bool, err error) {
		event, err, ok := next()
		if !ok && err == nil {
			err = io.EOF
		}
		return event, !last(event), err
	})
}

// sendEvents streams what next yields as server-sent events until it says that
// was all, fails, or the reader goes.
func sendEvents[T any](w http.ResponseWriter, r *http.Request, next func(context.Context) (event T, more bool, err error)) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	for more := true; more; {
		var event T
		var err error
		if event, more, err = next(r.Context()); err != nil {
			return // before the last event: the reader sees the stream cut
		}
		line, err := json.Marshal(event)
		if err != nil {
			return
		}
		if _, err := w.Write(append(append([]byte("data: "), line...), "\n\n"...)); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
	}
}
