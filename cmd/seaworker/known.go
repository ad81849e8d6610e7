package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of the file of nodes by which this one may join again.
const (
	maxKnown    = 32  // the newest stay
	maxKnownURL = 512 // bytes
	maxKnownLen = maxKnown * (maxKnownURL + 16)
)

// How often the file is written when it has changed, and how often a node without a
// link tries a few of them.
const (
	knownPause  = time.Minute
	lonelyPause = 15 * time.Second
	lonelyTries = 3
)

// knownURL is where a node was reached. Own is the operator's word; any other came from
// a node, and is dialled with a stranger's rights.
type knownURL struct {
	URL string
	Own bool
}

// known are the nodes by which this one may join again when its bootstraps are gone, the
// newest last. The zero value is empty; its methods may be called at once.
type known struct {
	mu      sync.Mutex // guards what follows
	list    []knownURL
	changed bool
}

// add remembers a URL that led to a node.
func (k *known) add(u knownURL) {
	if err := checkKnown(u.URL); err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.list, func(o knownURL) bool { return o.URL == u.URL })
	switch {
	case i < 0:
		k.list = append(k.list, u)
		k.list = k.list[max(0, len(k.list)-maxKnown):]
	case u.Own && !k.list[i].Own:
		k.list[i].Own = true
	default:
		return
	}
	k.changed = true
}

// some are a few of them, in no order.
func (k *known) some(n int) []knownURL {
	k.mu.Lock()
	list := slices.Clone(k.list)
	k.mu.Unlock()
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(n, len(list))]
}

// checkKnown refuses what would not be read back.
func checkKnown(url string) error {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || scheme == "" || rest == "" || len(url) > maxKnownURL {
		return fmt.Errorf("%.80q is no URL of at most %d bytes", url, maxKnownURL)
	}
	if strings.ContainsFunc(url, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%.80q has spaces or is not ASCII", url)
	}
	return nil
}

// encodeKnown writes a line for each: "own" or "met", and the URL.
func encodeKnown(list []knownURL) []byte {
	var b bytes.Buffer
	for _, u := range list {
		word := "met"
		if u.Own {
			word = "own"
		}
		fmt.Fprintf(&b, "%s %s\n", word, u.URL)
	}
	return b.Bytes()
}

// decodeKnown reads what encodeKnown wrote. Lines that are none are left out: what is
// lost is a way to join, not the others.
func decodeKnown(b []byte) (list []knownURL) {
	for line := range strings.Lines(string(b)) {
		word, url, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if (word == "own" || word == "met") && checkKnown(url) == nil && len(list) < maxKnown {
			list = append(list, knownURL{URL: url, Own: word == "own"})
		}
	}
	return list
}

// load reads the file, if there is one.
func (k *known) load(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKnownLen))
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(decodeKnown(b), k.list...)
	k.list = k.list[max(0, len(k.list)-maxKnown):]
	return nil
}

// save writes the file, if something has changed: the whole of it, or nothing.
func (k *known) save(path string) error {
	k.mu.Lock()
	b, changed := encodeKnown(k.list), k.changed
	k.changed = false
	k.mu.Unlock()
	if !changed {
		return nil
	}
	err := writeWhole(path, b)
	if err != nil {
		k.mu.Lock()
		k.changed = true
		k.mu.Unlock()
	}
	return err
}

// writeWhole puts a file in the place of the one that there may be.
func writeWhole(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".known-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is none
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// keepKnown remembers the nodes that this one has dialled, over restarts, and joins by
// them while it has no link at all.
func (d *daemon) keepKnown(ctx context.Context) {
	if err := d.known.load(d.dir.known()); err != nil {
		d.log.Warn("the nodes that were met before are not known", "err", err)
	}
	save := func() {
		if err := d.known.save(d.dir.known()); err != nil {
			d.log.Warn("the nodes that were met are not remembered", "err", err)
		}
	}
	d.joinAgain(ctx)
	ticks, lonely := time.NewTicker(knownPause), time.NewTicker(lonelyPause)
	defer ticks.Stop()
	defer lonely.Stop()
	for {
		select {
		case <-ticks.C:
			d.meet()
			save()
		case <-lonely.C:
			d.joinAgain(ctx)
		case <-ctx.Done():
			d.meet()
			save()
			return
		}
	}
}

// meet remembers the nodes that this one has dialled by URL.
func (d *daemon) meet() {
	for _, l := range d.node.Links() {
		if l.Outbound && l.URL != "" {
			d.known.add(knownURL{URL: l.URL})
		}
	}
}

// joinAgain tries some nodes that were met before, if there is no link.
func (d *daemon) joinAgain(ctx context.Context) {
	if len(d.node.Links()) > 0 {
		return
	}
	for _, u := range d.known.some(lonelyTries) {
		if _, err := d.node.Enter(ctx, u.URL, !u.Own); err == nil {
			d.log.Info("joined by a node that was met before", "url", u.URL)
			return
		} else if ctx.Err() != nil {
			return
		} else {
			d.log.Debug("a node that was met before is not reached", "url", u.URL, "err", err)
		}
	}
}
