package storage

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins"
)

// Scope is where blobs are asked for. The request is a getRequest in CBOR, the
// answer the bytes themselves.
const Scope = "storage:get"

const (
	// ChunkBytes is the most that one request may ask for.
	ChunkBytes = 256 << 10

	// maxServing bounds how many chunks are read for peers at a time.
	maxServing = 32

	sweepEvery = time.Hour
)

// getRequest asks for Size bytes of a blob from Offset on.
type getRequest struct {
	Hash   identity.Hash `cbor:"hash"`
	Offset uint64        `cbor:"offset"`
	Size   uint64        `cbor:"size"`
}

func decodeGet(b []byte) (getRequest, error) {
	var r getRequest
	if err := cbor.Unmarshal(b, &r); err != nil {
		return getRequest{}, err
	}
	if r.Size < 1 || r.Size > ChunkBytes {
		return getRequest{}, rpc.Errorf(rpc.BadRequest, "size is %d, want 1 to %d", r.Size, ChunkBytes)
	}
	return r, nil
}

// peers remembers who may have what, and the node they are reached by.
type peers struct {
	sharing sync.Mutex // guards what follows
	shared  map[identity.Hash]map[identity.Entity]int
	caller  rpc.Caller
	node    plugins.Node
}

// Anyone may have what is shared with it.
var Anyone identity.Entity

// Share lets peer fetch the blobs until as many Unshares.
func (p *peers) Share(peer identity.Entity, hashes ...identity.Hash) {
	p.sharing.Lock()
	defer p.sharing.Unlock()
	for _, h := range hashes {
		if p.shared[h] == nil {
			p.shared[h] = map[identity.Entity]int{}
		}
		p.shared[h][peer]++
	}
}

// Unshare takes back one Share of each. What is not shared stays so.
func (p *peers) Unshare(peer identity.Entity, hashes ...identity.Hash) {
	p.sharing.Lock()
	defer p.sharing.Unlock()
	for _, h := range hashes {
		if p.shared[h] == nil {
			continue
		}
		if p.shared[h][peer]--; p.shared[h][peer] <= 0 {
			delete(p.shared[h], peer)
		}
		if len(p.shared[h]) == 0 {
			delete(p.shared, h)
		}
	}
}

func (p *peers) mayHave(peer identity.Entity, h identity.Hash) bool {
	p.sharing.Lock()
	defer p.sharing.Unlock()
	return p.shared[h][peer] > 0 || p.shared[h][Anyone] > 0
}

// Init makes fetching possible.
func (s *Storage) Init(host *plugins.Host) error {
	s.sharing.Lock()
	defer s.sharing.Unlock()
	s.caller, s.node = host.Node, host.Node
	return nil
}

// Run serves, and sweeps hourly, until ctx ends. The scope is claimed here and
// not by Init: the plugins after this one share their blobs again when they
// begin, and a peer that asks before that would be told that they are not there.
func (s *Storage) Run(ctx context.Context) error {
	s.sharing.Lock()
	node := s.node
	s.sharing.Unlock()
	defer node.Handle(Scope, s.serve)()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		s.Sweep()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// serve answers one request. Whoever a blob was not shared with learns the same
// as if it were not there.
func (s *Storage) serve(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	if !from.Direct {
		return nil, rpc.Errorf(rpc.Refused, "blobs are served over direct links only; connect first")
	}
	r, err := decodeGet(body)
	if err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	if !s.mayHave(from.Node, r.Hash) {
		return nil, rpc.Errorf(rpc.NotFound, "no blob %s for you", r.Hash.Short())
	}
	select {
	case s.serving <- struct{}{}:
		defer func() { <-s.serving }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := s.open(r.Hash)
	if err != nil {
		return nil, rpc.Errorf(rpc.NotFound, "blob %s is gone", r.Hash.Short())
	}
	defer f.Close()
	chunk := make([]byte, r.Size)
	if r.Offset > 1<<62 {
		return nil, rpc.Errorf(rpc.BadRequest, "offset is %d", r.Offset)
	}
	n, err := f.ReadAt(chunk, int64(r.Offset))
	if err != nil && !errors.Is(err, io.EOF) {
		s.cfg.Log.Error("cannot read a blob", "blob", r.Hash.Short(), "err", err)
		return nil, rpc.ErrInternal
	}
	return chunk[:n], nil
}
