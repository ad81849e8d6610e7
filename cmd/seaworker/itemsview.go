package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/market"
)

// itemsView shows a map while it runs: what its programs wrote, in order, and for
// a person how far it is.
type itemsView struct {
	*jobView
	root  *os.Root // of --out; nil prints
	talk  bool     // say who did what
	quiet bool     // show nothing more
	next  int      // the item that has not been shown

	began time.Time // when the first update came
	first int       // how many had ended
}

// newItemsView looks at where the output goes, before anything is bought. The
// caller closes it.
func newItemsView(c *cli, s mapShow) (*itemsView, error) {
	v := &itemsView{jobView: newJobView(c, s.raw)}
	v.talk = v.jobView.talk || s.verbose && !c.json
	if s.dir == "" {
		return v, nil
	}
	err := os.MkdirAll(s.dir, 0o777)
	if err == nil {
		v.root, err = os.OpenRoot(s.dir)
	}
	if err != nil {
		return nil, usagef("choose another folder", "--out: %v", err)
	}
	return v, nil
}

func (v *itemsView) close() {
	if v.root != nil {
		v.root.Close() // nothing is written to it
	}
}

func (v *itemsView) begin(in submittedMap) {
	if !v.talk {
		return
	}
	goes := ""
	if in.Resumed {
		goes = " goes on"
	}
	fmt.Fprintf(v.cli.stderr, "map %s%s\n", in.Map.Short(), goes)
}

// update shows what has happened.
func (v *itemsView) update(ctx context.Context, api *client, id market.ID, u market.MapUpdate) error {
	v.erase()
	for _, item := range u.Items {
		if v.quiet {
			break
		}
		if err := v.item(ctx, api, id, u.Map.Each, item); err != nil {
			return fmt.Errorf("item %d: %w", item.Item+1, err)
		}
	}
	v.next = u.Next
	if v.live && !u.Final {
		v.draw(v.line(time.Now(), u.Map))
	}
	return nil
}

// item shows one item that has ended.
func (v *itemsView) item(ctx context.Context, api *client, id market.ID, each market.Each, item market.MapItem) error {
	at := fmt.Sprintf("/maps/%s/items/%d", id, item.Item)
	if v.root != nil {
		if err := v.save(ctx, api, at, each, item); err != nil {
			return err
		}
	}
	if v.cli.json {
		item.Out, item.Err = nil, nil
		return v.cli.printJSON(item)
	}
	if v.root == nil {
		if err := v.print(ctx, api, at+"/stderr", item.Stderr, item.Err, v.stderr); err != nil {
			return err
		}
		if err := v.print(ctx, api, at+"/stdout", item.Stdout, item.Out, v.stdout); err != nil {
			return err
		}
	}
	if !item.OK() {
		what := clean(item.Error)
		if item.State == market.Done {
			what = fmt.Sprintf("exit code %d", *item.Exit)
		}
		fmt.Fprintf(v.cli.stderr, "seaworker: item %d (%s): %s\n", item.Item+1, clean(item.Name), what)
	}
	return nil
}

// print writes a stream, of which b is all when it is short.
func (v *itemsView) print(ctx context.Context, api *client, at string, blob compute.Blob, b []byte, to io.Writer) error {
	if blob.Size == 0 {
		return nil
	}
	from, err := opened(ctx, api, at, blob, b)
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(to, from)
	return err
}

// opened reads a stream, of which b is all when it is short.
func opened(ctx context.Context, api *client, at string, blob compute.Blob, b []byte) (io.ReadCloser, error) {
	if uint64(len(b)) == blob.Size {
		return io.NopCloser(bytes.NewReader(b)), nil
	}
	return api.open(ctx, "GET", at, nil)
}

// save writes an item's results into its own folder below --out: named as its
// file, or by its number, from 1. os.Root keeps every name inside.
func (v *itemsView) save(ctx context.Context, api *client, at string, each market.Each, item market.MapItem) error {
	dir := fmt.Sprintf("%06d", item.Item+1)
	if each == market.EachFile {
		dir = filepath.FromSlash(item.Name)
	}
	if err := v.root.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, s := range []struct {
		name string
		blob compute.Blob
		b    []byte
	}{{"stdout", item.Stdout, item.Out}, {"stderr", item.Stderr, item.Err}} {
		if s.blob.Size == 0 && s.name == "stderr" {
			continue
		}
		from, err := opened(ctx, api, at+"/"+s.name, s.blob, s.b)
		if err != nil {
			return err
		}
		if err := v.write(filepath.Join(dir, s.name), from); err != nil {
			return err
		}
	}
	for _, f := range item.Files {
		name := filepath.Join(dir, "out", filepath.FromSlash(f.Path))
		if f.Dir {
			if err := v.root.MkdirAll(name, 0o777); err != nil {
				return err
			}
			continue
		}
		if err := v.root.MkdirAll(path.Dir(name), 0o777); err != nil {
			return err
		}
		from, err := api.open(ctx, "GET", at+"/files/"+escapePath(f.Path), nil)
		if err != nil {
			return err
		}
		if err := v.write(name, from); err != nil {
			return err
		}
	}
	return nil
}

// write puts what from holds into a file below --out, and closes it.
func (v *itemsView) write(name string, from io.ReadCloser) error {
	defer from.Close()
	file, err := v.root.Create(name)
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, from); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// line is what a terminal shows of a map that runs.
//
//	███░░░░░░░░░  412 of 1000 items, 3 failed  8 run  1.24 Gfuel  0.41 cr  35/s  done in 17s
func (v *itemsView) line(now time.Time, m market.Map) string {
	ended := m.Done + m.Failed
	if v.began.IsZero() {
		v.began, v.first = now, ended
	}
	text := share(uint64(ended), uint64(max(1, m.Items))) + fmt.Sprintf("  %d of %d items", ended, m.Items)
	if m.Failed > 0 {
		text += fmt.Sprintf(", %d failed", m.Failed)
	}
	text += fmt.Sprintf("  %d run  %s Gfuel  %s", m.Running, gfuel(m.Fuel), credits(int64(m.Cost)))
	passed := now.Sub(v.began).Seconds()
	if passed < 1 || ended <= v.first {
		return text // too early to tell a rate
	}
	rate := float64(ended-v.first) / passed
	left := time.Duration(min(float64(m.Items-ended)/rate, 1e6)) * time.Second
	return text + fmt.Sprintf("  %.1f/s  done in %v", rate, left)
}

// finish says how the map ended and sets the exit code.
func (v *itemsView) finish(m market.Map) error {
	c := v.cli
	switch {
	case m.State == market.MapStopped:
		if c.exit = exitOf(market.Job{State: market.Failed, Reason: m.Reason}); m.Reason == market.Cancelled {
			c.exit = exitInterrupted
		}
	case m.Failed > 0:
		c.exit = exitJobFailed
	}
	if c.json {
		return c.printJSON(m)
	}
	if v.talk {
		if err := summarize(c.stderr, m); err != nil {
			return err
		}
	} else if m.Failed > 0 {
		fmt.Fprintf(c.stderr, "seaworker: map %s: %d of %d items failed\n", m.ID.Short(), m.Failed, m.Items)
	}
	if m.State == market.MapStopped {
		fmt.Fprintf(c.stderr, "seaworker: map %s stopped with %d of %d items done: %s\n", m.ID.Short(), m.Done, m.Items, clean(m.Error))
		hint := clean(m.Hint)
		if hint != "" {
			hint += "; "
		}
		fmt.Fprintf(c.stderr, "  hint: %s\"seaworker map resume %s\" goes on with it\n", hint, m.ID.Short())
	}
	return nil
}

// summarize says who did what of a map for how much.
func summarize(w io.Writer, m market.Map) error {
	passed := ""
	if !m.Ended.IsZero() {
		passed = fmt.Sprintf(" in %v", m.Ended.Sub(m.Created).Round(100*time.Millisecond))
	}
	_, err := fmt.Fprintf(w, "items     %d of %d done, %d failed, %d bought again; %s fuel, %s%s\n", m.Done, m.Items, m.Failed, m.Again, commas(m.Fuel), credits(int64(m.Cost)), passed)
	for _, s := range m.Sellers {
		who := s.Seller.Short()
		if s.Seller == (identity.Entity{}) {
			who = "others"
		}
		if err == nil {
			_, err = fmt.Fprintf(w, "seller    %s  %d items, %s fuel, %s\n", who, s.Items, commas(s.Fuel), credits(int64(s.Cost)))
		}
	}
	return err
}
