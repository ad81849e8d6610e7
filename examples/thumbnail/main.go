//go:build wasip1

// Thumbnail is a guest plugin: it makes pictures small. It asks for no power, so the
// same picture gives the same answer for the same fuel on every node.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o thumbnail.wasm ./examples/thumbnail
//	seaworker plugin enable thumbnail.wasm --scope thumbnail
//	seaworker call ADDRESS thumbnail:png '{"$bytes": "…"}'
//
// The body is a picture, PNG, JPEG or GIF, as CBOR bytes; the answer is a PNG of at
// most 128 by 128 pixels, as CBOR bytes.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	"image/png"
	"os"
	"unsafe"
)

const (
	most      = 128     // pixels of a side
	maxPixels = 4 << 20 // of the picture, which are decoded into memory
)

// kept holds what the host has an address of. The instance ends with its one call, so
// nothing is freed.
var kept [][]byte

// malloc gives the host room for the input.
//
//go:wasmexport malloc
func malloc(size uint32) unsafe.Pointer {
	b := make([]byte, max(size, 1))
	kept = append(kept, b)
	return unsafe.Pointer(&b[0])
}

//go:wasmexport png
func thumbnail(at unsafe.Pointer, size uint32) uint64 {
	picture, ok := byteString(unsafe.Slice((*byte)(at), size))
	if !ok {
		refuse("want CBOR bytes: a picture")
	}
	info, _, err := image.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		refuse("not a picture: " + err.Error())
	}
	if info.Width < 1 || info.Height < 1 || info.Width > maxPixels/info.Height {
		refuse(fmt.Sprintf("a picture of %d by %d pixels is too large", info.Width, info.Height))
	}
	img, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		refuse("not a picture: " + err.Error())
	}
	var out bytes.Buffer
	if err := png.Encode(&out, shrink(img)); err != nil {
		refuse(err.Error())
	}
	answer := append(head(out.Len()), out.Bytes()...)
	kept = append(kept, answer)
	return uint64(uintptr(unsafe.Pointer(&answer[0])))<<32 | uint64(len(answer))
}

// byteString reads a CBOR byte string.
func byteString(b []byte) ([]byte, bool) {
	if len(b) < 1 || b[0]>>5 != 2 {
		return nil, false
	}
	head, n := 1, uint64(b[0]&31)
	if n >= 24 {
		bytes := 1 << (n - 24)
		if n > 27 || len(b) < 1+bytes {
			return nil, false
		}
		head, n = 1+bytes, 0
		for _, c := range b[1:head] {
			n = n<<8 | uint64(c)
		}
	}
	return b[head:], uint64(len(b)-head) == n
}

// head is that of a CBOR byte string: the shortest that fits. A PNG has more than 23
// bytes.
func head(n int) []byte {
	switch {
	case n < 1<<8:
		return []byte{0x58, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{0x59}, uint16(n))
	}
	return binary.BigEndian.AppendUint32([]byte{0x5a}, uint32(n))
}

// shrink gives the picture at most most pixels a side, each the mean of those that it
// stands for.
func shrink(img image.Image) image.Image {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if long := max(w, h); long > most {
		w, h = max(1, w*most/long), max(1, h*most/long)
	}
	small := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			var sum [4]uint64
			n := uint64(0)
			for yy := b.Min.Y + y*b.Dy()/h; yy < b.Min.Y+(y+1)*b.Dy()/h; yy++ {
				for xx := b.Min.X + x*b.Dx()/w; xx < b.Min.X+(x+1)*b.Dx()/w; xx++ {
					r, g, bl, a := img.At(xx, yy).RGBA()
					sum[0], sum[1], sum[2], sum[3] = sum[0]+uint64(r), sum[1]+uint64(g), sum[2]+uint64(bl), sum[3]+uint64(a)
					n++
				}
			}
			small.Set(x, y, color.RGBA64{uint16(sum[0] / n), uint16(sum[1] / n), uint16(sum[2] / n), uint16(sum[3] / n)})
		}
	}
	return small
}

// refuse ends the call: the caller is told why.
func refuse(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

func main() {}
