package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ compute.Blobs = (*Storage)(nil)

func tempStorage(t *testing.T, cfg Config) *Storage {
	t.Helper()
	return openAt(t, t.TempDir(), cfg)
}

func openAt(t *testing.T, dir string, cfg Config) *Storage {
	t.Helper()
	s, err := Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Storage, b []byte) compute.Blob {
	t.Helper()
	blob, err := s.PutBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func get(t *testing.T, s *Storage, h identity.Hash) []byte {
	t.Helper()
	r, err := s.Open(h)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func files(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	_, _ = r.Read(b)
	return b
}

func TestPut(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Config{})
	for _, size := range []int{0, 1, 4096, 300_000} {
		want := noise(size)
		blob, err := s.Put(t.Context(), iotest.HalfReader(bytes.NewReader(want)), 1<<20)
		if err != nil || blob != compute.BlobOf(want) {
			t.Fatalf("%d bytes: %v, %v", size, blob, err)
		}
		put(t, s, want) // again
		if got := get(t, s, blob.Hash); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: other bytes came back", size)
		}
	}
	if n := files(t, dir); n != 3 {
		t.Errorf("%d files, want 3", n)
	}
	s = openAt(t, dir, Config{}) // what is there is found again
	if total, _ := s.Usage(); total != 304_097 {
		t.Errorf("total is %d", total)
	}
	if _, err := s.Open(identity.HashOf([]byte("no"))); !errors.Is(err, compute.ErrNoBlob) {
		t.Errorf("got %v, want %v", err, compute.ErrNoBlob)
	}
}

func TestPutFails(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Config{MaxBytes: 1000})
	broken := errors.New("broken")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		r    io.Reader
		want error
	}{
		{"too large", t.Context(), bytes.NewReader(noise(101)), ErrSize},
		{"reader fails", t.Context(), io.MultiReader(bytes.NewReader(noise(10)), iotest.ErrReader(broken)), broken},
		{"cancelled", cancelled, bytes.NewReader(noise(10)), context.Canceled},
	}
	for _, test := range tests {
		if _, err := s.Put(test.ctx, test.r, 100); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	if total, _ := s.Usage(); total != 0 || files(t, dir) != 0 {
		t.Errorf("%d bytes in %d files are left", total, files(t, dir))
	}
}

// TestBound shows that what is kept never exceeds the bound: the longest unused
// goes first, what is pinned stays.
func TestBound(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Config{MaxBytes: 1000})
	a, b, c := put(t, s, noise(400)), put(t, s, noise(401)), noise(402)
	s.Pin(a.Hash)
	kept := put(t, s, c)
	if _, ok := s.Size(b.Hash); ok {
		t.Error("the unpinned one is still there")
	}
	if _, ok := s.Size(a.Hash); !ok {
		t.Error("the pinned one is gone")
	}
	s.Pin(kept.Hash)
	if _, err := s.PutBytes(noise(403)); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want %v", err, ErrFull)
	}
	if total, pinned := s.Usage(); total != 802 || pinned != 802 || files(t, dir) != 2 {
		t.Errorf("total %d, pinned %d, %d files", total, pinned, files(t, dir))
	}
	s.Unpin(a.Hash)
	put(t, s, noise(404))
	if _, ok := s.Size(a.Hash); ok {
		t.Error("the unpinned one is still there")
	}
	_, before := s.Usage()
	if s.Pin(kept.Hash, a.Hash, emptyHash) {
		t.Error("a blob that is gone was pinned")
	}
	s.Unpin(kept.Hash)
	if _, pinned := s.Usage(); pinned != before-402 {
		t.Errorf("%d bytes are pinned: a Pin that failed has pinned the others", pinned)
	}
}

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tempStorage(t, Config{MaxAge: time.Hour})
		old, pinned := put(t, s, noise(10)), put(t, s, noise(11))
		s.Pin(pinned.Hash)
		time.Sleep(50 * time.Minute)
		young := put(t, s, noise(12))
		time.Sleep(20 * time.Minute)
		s.Sweep()
		for name, want := range map[identity.Hash]bool{old.Hash: false, pinned.Hash: true, young.Hash: true} {
			if _, ok := s.Size(name); ok != want {
				t.Errorf("%s: there is %v, want %v", name.Short(), ok, want)
			}
		}
	})
}

func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	openAt(t, dir, Config{})
	for _, name := range []string{"tmp/put-1", "README"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openAt(t, dir, Config{})
	if total, _ := s.Usage(); total != 0 || files(t, dir) != 1 {
		t.Errorf("%d bytes, %d files", total, files(t, dir))
	}
}

// wire is a Caller that asks one Storage directly, as peer.
type wire struct {
	to   *Storage
	peer rpc.Peer

	mu    sync.Mutex
	calls int
	spoil func(call int, b []byte) ([]byte, error)
}

func (w *wire) Call(ctx context.Context, _ addr.Addr, scope string, body []byte) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if scope != Scope {
		return nil, rpc.ErrNoHandler
	}
	w.calls++
	b, err := w.to.serve(ctx, w.peer, body)
	if err == nil && w.spoil != nil {
		b, err = w.spoil(w.calls, b)
	}
	return b, err
}

func pair(t *testing.T) (from, to *Storage, w *wire) {
	t.Helper()
	from, to = tempStorage(t, Config{}), tempStorage(t, Config{})
	w = &wire{to: from, peer: rpc.Peer{Node: identity.Entity{1}, Direct: true}}
	to.caller = w
	return from, to, w
}

func TestFetch(t *testing.T) {
	from, to, w := pair(t)
	want := noise(3*ChunkBytes + 17)
	blob := put(t, from, want)
	if err := to.Fetch(t.Context(), addr.Addr{}, blob, nil); !errors.Is(err, rpc.ErrNotFound) {
		t.Errorf("not shared: got %v, want %v", err, rpc.ErrNotFound)
	}
	from.Share(w.peer.Node, blob.Hash)
	w.calls = 0
	var last uint64
	if err := to.Fetch(t.Context(), addr.Addr{}, blob, func(done uint64) { last = done }); err != nil {
		t.Fatal(err)
	}
	if got := get(t, to, blob.Hash); !bytes.Equal(got, want) || last != blob.Size || w.calls != 4 {
		t.Errorf("%d bytes, progress %d, %d calls", len(got), last, w.calls)
	}
	if err := to.Fetch(t.Context(), addr.Addr{}, blob, nil); err != nil || w.calls != 4 {
		t.Errorf("again: %v, %d calls", err, w.calls)
	}
	if left := files(t, to.partDir()); left != 0 {
		t.Errorf("%d parts are left", left)
	}
	from.Unshare(w.peer.Node, blob.Hash, blob.Hash, identity.Hash{1})
	if from.mayHave(w.peer.Node, blob.Hash) || len(from.shared) != 0 {
		t.Error("still shared")
	}
}

// TestShown shows that a peer must send all of a blob, also one that is here, and
// that nothing of it is kept.
func TestShown(t *testing.T) {
	from, to, w := pair(t)
	want := noise(3*ChunkBytes + 17)
	blob := put(t, from, want)
	if err := to.Shown(t.Context(), addr.Addr{}, blob, nil); !errors.Is(err, rpc.ErrNotFound) {
		t.Errorf("not shared: got %v, want %v", err, rpc.ErrNotFound)
	}
	from.Share(w.peer.Node, blob.Hash)
	put(t, to, want)
	before, _ := to.Usage()
	w.calls = 0
	var last uint64
	if err := to.Shown(t.Context(), addr.Addr{}, blob, func(done uint64) { last = done }); err != nil || last != blob.Size || w.calls != 4 {
		t.Errorf("%v, progress %d, %d calls", err, last, w.calls)
	}
	w.spoil = func(_ int, b []byte) ([]byte, error) { return bytes.Repeat([]byte("x"), len(b)), nil }
	if err := to.Shown(t.Context(), addr.Addr{}, blob, nil); !errors.Is(err, ErrHash) {
		t.Errorf("other bytes: got %v, want %v", err, ErrHash)
	}
	if after, _ := to.Usage(); after != before || files(t, to.partDir()) != 0 {
		t.Errorf("%d bytes and %d parts are kept, want %d and none", after, files(t, to.partDir()), before)
	}
}

// TestFetchResumes shows that a fetch that was cut goes on where it stopped,
// also after a restart.
func TestFetchResumes(t *testing.T) {
	from, to, w := pair(t)
	want := noise(20 * ChunkBytes)
	blob := put(t, from, want)
	from.Share(w.peer.Node, blob.Hash)
	w.spoil = func(_ int, b []byte) ([]byte, error) {
		if !bytes.Contains(want[:5*ChunkBytes], b) { // whichever is asked for first
			return nil, rpc.ErrUnreachable
		}
		return b, nil
	}
	var had uint64
	if err := to.Fetch(t.Context(), addr.Addr{}, blob, func(done uint64) { had = done }); !errors.Is(err, rpc.ErrUnreachable) {
		t.Fatal(err)
	}
	if total, _ := to.Usage(); total != 0 {
		t.Errorf("%d bytes are still counted", total)
	}
	if files(t, to.partDir()) != 1 {
		t.Error("the part is not kept")
	}
	if had != 5*ChunkBytes {
		t.Fatalf("%d bytes arrived, want five chunks", had)
	}
	to = openAt(t, to.dir, Config{})
	to.caller = w
	w.calls, w.spoil = 0, nil
	if err := to.Fetch(t.Context(), addr.Addr{}, blob, nil); err != nil {
		t.Fatal(err)
	}
	if want := int((blob.Size - had) / ChunkBytes); w.calls != want {
		t.Errorf("%d more calls, want %d", w.calls, want)
	}
	if !bytes.Equal(get(t, to, blob.Hash), want) {
		t.Error("other bytes came")
	}
}

func TestFetchRefusesWrongBytes(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(call int, b []byte) ([]byte, error)
	}{
		{"one bit", func(_ int, b []byte) ([]byte, error) { b[0] ^= 1; return b, nil }},
		{"short", func(_ int, b []byte) ([]byte, error) { return b[:len(b)-1], nil }},
		{"long", func(_ int, b []byte) ([]byte, error) { return append(b, 0), nil }},
		{"empty", func(int, []byte) ([]byte, error) { return nil, nil }},
	}
	for _, test := range tests {
		from, to, w := pair(t)
		want := noise(ChunkBytes + 5)
		blob := put(t, from, want)
		from.Share(w.peer.Node, blob.Hash)
		w.spoil = test.spoil
		if err := to.Fetch(t.Context(), addr.Addr{}, blob, nil); !errors.Is(err, ErrHash) {
			t.Errorf("%s: got %v, want %v", test.name, err, ErrHash)
		}
		if _, ok := to.Size(blob.Hash); ok {
			t.Errorf("%s: it was kept", test.name)
		}
		w.spoil = nil // and nothing wrong is left to go on from
		if err := to.Fetch(t.Context(), addr.Addr{}, blob, nil); err != nil || !bytes.Equal(get(t, to, blob.Hash), want) {
			t.Errorf("%s: afterwards: %v", test.name, err)
		}
	}
}

// silent is a Caller whose peer never answers, over a link that lives.
type silent struct{}

func (silent) Call(ctx context.Context, _ addr.Addr, _ string, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestFetchFromTheSilent shows that a peer that does not answer cannot keep a
// fetch, and with it a job and its hold, for ever.
func TestFetchFromTheSilent(t *testing.T) {
	to := tempStorage(t, Config{})
	to.caller = silent{}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := to.Fetch(t.Context(), addr.Addr{}, compute.BlobOf([]byte("never")), nil)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != chunkWait {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestFetchFull shows that a blob that does not fit is refused before its bytes
// come.
func TestFetchFull(t *testing.T) {
	from, _, w := pair(t)
	to := tempStorage(t, Config{MaxBytes: 1000})
	to.caller = w
	blob := put(t, from, noise(1001))
	from.Share(w.peer.Node, blob.Hash)
	if err := to.Fetch(t.Context(), addr.Addr{}, blob, nil); !errors.Is(err, ErrFull) || w.calls != 0 {
		t.Errorf("got %v after %d calls, want %v", err, w.calls, ErrFull)
	}
}

// TestPartsAreBounded shows that interrupted fetches are dropped when there are
// too many of them or too many bytes.
func TestPartsAreBounded(t *testing.T) {
	from, _, w := pair(t)
	to := tempStorage(t, Config{MaxBytes: 16 * ChunkBytes})
	to.caller = w
	w.spoil = func(call int, b []byte) ([]byte, error) {
		if call%window == 0 {
			return nil, rpc.ErrUnreachable
		}
		return b, nil
	}
	for i := range 6 {
		blob := put(t, from, noise(8*ChunkBytes+i))
		from.Share(w.peer.Node, blob.Hash)
		w.calls = 0
		if err := to.Fetch(t.Context(), addr.Addr{}, blob, nil); !errors.Is(err, rpc.ErrUnreachable) {
			t.Fatal(err)
		}
	}
	var size int64
	parts, err := os.ReadDir(to.partDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > to.cfg.MaxBytes/partShare {
		t.Errorf("%d parts of %d bytes are left", len(parts), size)
	}
}

func TestFetchAtOnce(t *testing.T) {
	from, to, w := pair(t)
	blob := put(t, from, noise(5*ChunkBytes))
	from.Share(w.peer.Node, blob.Hash)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := to.Fetch(t.Context(), addr.Addr{}, blob, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if w.calls != 5 {
		t.Errorf("%d calls, want 5", w.calls)
	}
}

func TestServeRefuses(t *testing.T) {
	s := tempStorage(t, Config{})
	blob := put(t, s, noise(100))
	me, other := identity.Entity{1}, identity.Entity{2}
	s.Share(me, blob.Hash)
	good := getRequest{blob.Hash, 0, 100}
	tests := []struct {
		name string
		from rpc.Peer
		req  getRequest
		want error
	}{
		{"served", rpc.Peer{Node: me, Direct: true}, good, nil},
		{"past the end", rpc.Peer{Node: me, Direct: true}, getRequest{blob.Hash, 1 << 62, 1}, nil},
		{"routed", rpc.Peer{Node: me}, good, rpc.ErrRefused},
		{"another peer", rpc.Peer{Node: other, Direct: true}, good, rpc.ErrNotFound},
		{"another blob", rpc.Peer{Node: me, Direct: true}, getRequest{identity.Hash{9}, 0, 100}, rpc.ErrNotFound},
		{"nothing", rpc.Peer{Node: me, Direct: true}, getRequest{blob.Hash, 0, 0}, rpc.ErrBadRequest},
		{"too much", rpc.Peer{Node: me, Direct: true}, getRequest{blob.Hash, 0, ChunkBytes + 1}, rpc.ErrBadRequest},
		{"far beyond", rpc.Peer{Node: me, Direct: true}, getRequest{blob.Hash, 1<<63 + 5, 1}, rpc.ErrBadRequest},
	}
	for _, test := range tests {
		body, err := cbor.Marshal(test.req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.serve(t.Context(), test.from, body); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func FuzzGet(f *testing.F) {
	for _, r := range []getRequest{{Size: 1}, {identity.HashOf(nil), 1 << 40, ChunkBytes}} {
		body, err := cbor.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeGet(b)
		if err != nil {
			return
		}
		again, err := cbor.Marshal(r)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x became %x, %v", b, again, err)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, err := Open(b.TempDir(), Config{})
			if err != nil {
				b.Fatal(err)
			}
			data := noise(size)
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				data[i%size]++
				if _, err := s.PutBytes(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
