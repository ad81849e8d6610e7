package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
)

// channelRoutes are about what is published.
func (a *api) channelRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/channel", a.getChannel)
	mux.HandleFunc("POST /v1/channel", route(a.postChannel))
}

// channelEvent is what a subscriber hears: first how many members there are,
// then message after message.
type channelEvent struct {
	Members int          `json:"members,omitempty"`
	Message *messageView `json:"message,omitempty"`
}

// messageView is a message of a channel.
type messageView struct {
	From   addr.Addr `json:"from"`
	Issued time.Time `json:"issued"` // by its author's clock
	Scope  string    `json:"scope"`
	Body   []byte    `json:"body"`
	Past   bool      `json:"past,omitempty"`
	Missed int       `json:"missed,omitempty"` // messages lost before this one
}

// publishRequest is a message to publish; publishAnswer says to how many members
// this node is linked.
type publishRequest struct {
	Channel string `json:"channel"`
	Scope   string `json:"scope"`
	Body    []byte `json:"body"`
}

type publishAnswer struct {
	Partners int `json:"partners"`
}

// getChannel joins a channel for as long as the reader stays.
func (a *api) getChannel(w http.ResponseWriter, r *http.Request) {
	past := 0
	if text := r.URL.Query().Get("past"); text != "" {
		var err error
		if past, err = strconv.Atoi(text); err != nil || past < 0 || past > node.MaxPast {
			sendFailure(w, r, usagef("see docs/API.md", "past is 0 to %d, not %q", node.MaxPast, text))
			return
		}
	}
	ch, err := a.d.node.Join(r.Context(), r.URL.Query().Get("channel"))
	if err != nil {
		sendFailure(w, r, channelFailure(err))
		return
	}
	defer ch.Close()
	if past > 0 {
		ch.Recall(past)
	}
	first := true
	sendEvents(w, r, func(ctx context.Context) (e channelEvent, more bool, err error) {
		if first {
			first = false
			return channelEvent{Members: len(ch.Partners()) + 1}, true, nil
		}
		p, err := ch.Recv(ctx)
		if err != nil {
			return e, false, err
		}
		return channelEvent{Message: &messageView{
			From: p.At, Issued: p.Issued, Scope: p.Scope, Body: p.Body, Past: p.Past, Missed: p.Missed,
		}}, true, nil
	})
}

// postChannel publishes, and stays a member for a while, for the next message.
func (a *api) postChannel(r *http.Request, in publishRequest) (publishAnswer, error) {
	ch, err := a.voices.join(r.Context(), a.d.node, in.Channel)
	if err == nil {
		err = ch.Send(r.Context(), in.Scope, in.Body)
	}
	if err != nil {
		return publishAnswer{}, channelFailure(err)
	}
	return publishAnswer{Partners: len(ch.Partners())}, nil
}

func channelFailure(err error) error {
	switch {
	case errors.Is(err, node.ErrNoPeers):
		return failf(exitUnreachable, reasonUnreachable, "somebody has to run \"seaworker sub\" first", "%v", err)
	case errors.Is(err, node.ErrBackpressure):
		return failf(exitRefused, reasonRefused, "a node may say 20 messages and 64 KiB a second", "%v", err)
	case errors.Is(err, rpc.ErrBadRequest), errors.Is(err, rpc.ErrTooLarge):
		return usagef("see \"seaworker pub --help\"", "%v", err)
	}
	return err
}

// stayWait is how long a node stays in a channel after it has published.
const stayWait = 30 * time.Second

// voices are the channels that this node has published in lately.
type voices struct {
	mu sync.Mutex // guards what follows
	by map[string]*voice
}

type voice struct {
	ch   *node.Channel
	stay *time.Timer
}

// join returns a Channel to publish in, which closes by itself.
func (v *voices) join(ctx context.Context, n *node.Node, id string) (*node.Channel, error) {
	if ch := v.find(id); ch != nil {
		return ch, nil
	}
	ch, err := n.Join(ctx, id)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if old := v.by[id]; old != nil {
		old.stay.Stop()
		defer old.ch.Close()
	}
	if v.by == nil {
		v.by = make(map[string]*voice)
	}
	mine := &voice{ch: ch}
	mine.stay = time.AfterFunc(stayWait, func() { v.leave(id, mine) })
	v.by[id] = mine
	return ch, nil
}

// find returns the Channel that there is, and keeps it for longer.
func (v *voices) find(id string) *node.Channel {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.by[id]
	if found == nil || !found.stay.Reset(stayWait) {
		return nil // it is closing
	}
	return found.ch
}

func (v *voices) leave(id string, old *voice) {
	v.mu.Lock()
	if v.by[id] == old {
		delete(v.by, id)
	}
	v.mu.Unlock()
	_ = old.ch.Close() // gives no error
}
