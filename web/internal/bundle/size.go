package bundle

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
)

// Sizes are the bytes that a browser loads, minified and gzipped.
type Sizes struct {
	Core   int // a whole peer, that routes for others and seals what it says
	Buyer  int // what buying adds
	Seller int // what selling adds to that, nearly all of it the meter
}

// Measure gives the sizes of the package, and of what sellers load beside it. web
// is the path of this module's folder of that name.
func Measure(web string) (Sizes, error) {
	made, err := Package(filepath.Join(web, "src"))
	if err != nil {
		return Sizes{}, err
	}
	var s Sizes
	for name, module := range made {
		switch name {
		case "peersea.js", "core.js":
			s.Core += zipped(module)
		case "shop.js", "market.js":
			s.Buyer += zipped(module)
		case "sell.js":
			s.Seller += zipped(module)
		default:
			return s, fmt.Errorf("nobody knows who loads %s", name)
		}
	}
	worker, err := File(filepath.Join(web, "src/compute/worker.ts"), Small)
	if err != nil {
		return s, err
	}
	meter, err := os.Stat(filepath.Join(web, "pages/join", packedMeter))
	if err != nil {
		return s, err
	}
	s.Seller += zipped(worker) + int(meter.Size())
	return s, nil
}

// zipped is how many bytes b has as gzip.
func zipped(b []byte) int {
	var to bytes.Buffer
	w, err := gzip.NewWriterLevel(&to, gzip.BestCompression)
	if err != nil {
		panic("bundle: " + err.Error()) // the level is none
	}
	_, _ = w.Write(b) // a buffer takes all
	_ = w.Close()
	return to.Len()
}
