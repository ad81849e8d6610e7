package guest

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// TestThumbnail: the example makes pictures small, and refuses what is none.
func TestThumbnail(t *testing.T) {
	out := filepath.Join(t.TempDir(), "thumbnail.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", out, "../../examples/thumbnail")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	sea := nodetest.New(t, 2)
	var disk kept
	gs, _ := disk.serve(t, sea.Nodes[0], nil)
	enable(t, gs, "thumbnail", module(t, out), nil, Terms{Fuel: 5e9})

	large := image.NewNRGBA(image.Rect(0, 0, 300, 200))
	for i := range large.Pix {
		large.Pix[i] = byte(i / 1200) // each line has its grey
		if i%4 == 3 {
			large.Pix[i] = 255 // and covers
		}
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, large); err != nil {
		t.Fatal(err)
	}
	shrink := func(body any) ([]byte, error) {
		b, err := cbor.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return sea.Nodes[1].Call(t.Context(), sea.Nodes[0].Addr(), "thumbnail:png", b)
	}
	answer, err := shrink(picture.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var small []byte
	if err := cbor.Unmarshal(answer, &small); err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(small))
	if err != nil || got.Bounds().Size() != image.Pt(128, 85) {
		t.Fatalf("a picture of %v, %v", got.Bounds(), err)
	}
	if r, _, _, _ := got.At(64, 42).RGBA(); r>>8 < 95 || r>>8 > 103 {
		t.Errorf("the middle has grey %d, want about 99", r>>8)
	}
	if _, err := shrink("a text"); !errors.Is(err, rpc.ErrBadRequest) || !strings.Contains(err.Error(), "want CBOR bytes") {
		t.Errorf("a text: %v", err)
	}
	if _, err := shrink([]byte("no picture")); !errors.Is(err, rpc.ErrBadRequest) || !strings.Contains(err.Error(), "not a picture") {
		t.Errorf("no picture: %v", err)
	}
}
