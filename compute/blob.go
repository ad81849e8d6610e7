package compute

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/peersea/sea/identity"
)

// Blob names bytes by their SHA-256 and their number.
type Blob struct {
	Hash identity.Hash `cbor:"hash" json:"hash"`
	Size uint64        `cbor:"size" json:"size"`
}

// BlobOf names b.
func BlobOf(b []byte) Blob { return Blob{Hash: identity.HashOf(b), Size: uint64(len(b))} }

// emptyBlob is the only name of no bytes.
var emptyBlob = BlobOf(nil)

// norm gives the zero Blob, which callers use for "nothing", its one spelling.
func (b Blob) norm() Blob {
	if b == (Blob{}) {
		return emptyBlob
	}
	return b
}

func (b Blob) check() error {
	if b.Size > MaxInputBytes {
		return fmt.Errorf("%d bytes, at most %d are allowed", b.Size, MaxInputBytes)
	}
	if (b.Size == 0) != (b.Hash == emptyBlob.Hash) {
		return errors.New("hash and size disagree about being empty")
	}
	return nil
}

// File is an input file: where the guest finds it, below "/", and its bytes.
type File struct {
	Path string        `cbor:"path" json:"path"`
	Hash identity.Hash `cbor:"hash" json:"hash"`
	Size uint64        `cbor:"size" json:"size"`
}

// Blob names the file's bytes.
func (f File) Blob() Blob { return Blob{f.Hash, f.Size} }

// Blobs gives the bytes of a job by their hash. Run opens one at a time, from one
// goroutine, never an empty one; it reads no more than the size the job says,
// closes it, and checks the hash itself.
type Blobs interface {
	Open(h identity.Hash) (io.ReadCloser, error)
}

// MapBlobs are blobs in memory.
type MapBlobs map[identity.Hash][]byte

// Add keeps b, which must not change afterwards, and returns its name.
func (m MapBlobs) Add(b []byte) Blob {
	blob := BlobOf(b)
	m[blob.Hash] = b
	return blob
}

// Open gives the bytes of h, or an error that wraps ErrNoBlob.
func (m MapBlobs) Open(h identity.Hash) (io.ReadCloser, error) {
	b, ok := m[h]
	if !ok {
		return nil, fmt.Errorf("%w: %v", ErrNoBlob, h)
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// readBlob reads all of a blob and no more than its size.
func readBlob(blobs Blobs, b Blob) ([]byte, error) {
	r, err := openBlob(blobs, b.Hash)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, b.Size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("%w: %v is short: %w", ErrNoBlob, b.Hash, err)
	}
	return data, nil
}

func openBlob(blobs Blobs, h identity.Hash) (io.ReadCloser, error) {
	r, err := blobs.Open(h)
	if err != nil && !errors.Is(err, ErrNoBlob) {
		err = fmt.Errorf("%w: %v: %w", ErrNoBlob, h, err)
	}
	return r, err
}

// loadBlob gets the bytes of b and holds them to its hash.
func loadBlob(what string, b Blob, get func(Blob) ([]byte, error)) ([]byte, error) {
	if b.norm() == emptyBlob {
		return nil, nil
	}
	data, err := get(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if got := identity.HashOf(data); got != b.Hash || uint64(len(data)) != b.Size {
		return nil, fmt.Errorf("%w: the bytes of %s do not have the hash %v", ErrNoBlob, what, b.Hash)
	}
	return data, nil
}

// CheckPath says what is wrong with the path of an input or output file: paths
// are relative, clean, UTF-8, separated by "/", without NUL, "." and "..", at
// most 1,024 bytes and 32 parts of at most 255 bytes each.
func CheckPath(p string) error {
	switch {
	case p == "":
		return errors.New("path is empty")
	case len(p) > maxPath:
		return fmt.Errorf("path has %d bytes, at most %d are allowed", len(p), maxPath)
	case !utf8.ValidString(p):
		return fmt.Errorf("path %q is not UTF-8", p)
	case strings.ContainsRune(p, 0):
		return fmt.Errorf("path %q contains NUL", p)
	case p[0] == '/':
		return fmt.Errorf("path %q is not relative", p)
	}
	parts := strings.Split(p, "/")
	if len(parts) > maxParts {
		return fmt.Errorf("path has %d parts, at most %d are allowed", len(parts), maxParts)
	}
	for _, part := range parts {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %q is not clean", p)
		}
		if len(part) > maxName {
			return fmt.Errorf("path has a part of %d bytes, at most %d are allowed", len(part), maxName)
		}
	}
	return nil
}

// OutDir is the folder, below the root, that the guest may write to. No input
// file may lie there.
const OutDir = "out"

func checkInputPath(p string) error {
	if err := CheckPath(p); err != nil {
		return err
	}
	if p == OutDir || strings.HasPrefix(p, OutDir+"/") {
		return fmt.Errorf("path %q lies in the output folder", p)
	}
	return nil
}

// checkTree demands that paths are sorted, different, and that no file is also
// a folder. before is the path of the entry before, or "".
func checkTree(paths []string) error {
	seen := make(map[string]bool, len(paths))
	for i, p := range paths {
		if i > 0 && paths[i-1] >= p {
			return fmt.Errorf("path %q is not sorted after %q", p, paths[i-1])
		}
		for j := range len(p) {
			if p[j] == '/' && seen[p[:j]] {
				return fmt.Errorf("path %q is a file and a folder", p[:j])
			}
		}
		seen[p] = true
	}
	return nil
}
