package ledger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCheckFinds writes books that are wrong although every checksum in them is
// right, as a faulty program would, and has Check say what.
func TestCheckFinds(t *testing.T) {
	owner, peer := keyOf(t, 1), keyOf(t, 2)
	who := peer.Entity()
	third := keyOf(t, 3)
	tests := []struct {
		name string
		do   func(b *batch, a *account, c *chain) error
		want string
	}{
		{"a run with another's signature", func(b *batch, a *account, c *chain) error {
			d := c.clone()
			d.key = third
			return write(b, a, d.pay(nil, 5).runs[2])
		}, "bad signature"},
		{"an altered amount", func(b *batch, a *account, c *chain) error {
			r := c.clone().pay(nil, 5).runs[2]
			r.entries[0].Amount++
			r.entries[0].Cum++
			return write(b, a, r)
		}, "bad signature"},
		{"a sum that is wrong and signed", func(b *batch, a *account, c *chain) error {
			return write(b, a, c.clone().pay(func(e *Entry) { e.Cum += 2 }, 5).runs[2])
		}, "and its amount of 5"},
		{"a missing entry", func(b *batch, a *account, c *chain) error {
			return write(b, a, c.clone().pay(nil, 5).pay(nil, 6).runs[3])
		}, "entry 5 follows entry 3"},
		{"a broken link", func(b *batch, a *account, c *chain) error {
			return write(b, a, c.clone().pay(func(e *Entry) { e.Prev[0] ^= 1 }, 5).runs[2])
		}, "is not the hash of entry 3"},
		{"a broken link inside a run", func(b *batch, a *account, c *chain) error {
			return write(b, a, c.clone().pay(func(e *Entry) {
				if e.Seq == 5 {
					e.Prev[0] ^= 1
				}
			}, 5, 5).runs[2])
		}, "is not the hash of entry 4"},
		{"an unsigned end", func(b *batch, a *account, c *chain) error {
			e := c.clone().pay(nil, 5).last
			n, err := b.next()
			return errors.Join(err, b.put(bLog, number(n), record{peer: who, back: a.back(), entry: &e}.encode()),
				b.addRefs(n, []ref{{tagOf(a.mine.refKey(e.Ref)), n}}))
		}, "not signed"},
		{"a wrong way back", func(b *batch, a *account, c *chain) error {
			a.own.at--
			return write(b, a, c.clone().pay(nil, 5).runs[2])
		}, "record before it"},
		{"a gap in the log", func(b *batch, a *account, c *chain) error {
			g := grantBy(t, owner, who, 1, 5, 0)
			return b.put(bLog, number(9), record{peer: who, back: 3, grant: &g}.encode())
		}, "record 4 should stand here"},
		{"a grant of another's", func(b *batch, a *account, c *chain) error {
			return b.appendGrant(a, a.mine, grantBy(t, third, who, 1, 5, 0))
		}, "its line is not"},
		{"a grant that was altered", func(b *batch, a *account, c *chain) error {
			g := grantBy(t, owner, who, 1, 5, 0)
			g.Limit = 500
			return b.appendGrant(a, a.mine, g)
		}, "bad signature"},
		{"a bad signature, and a gap behind it", func(b *batch, a *account, c *chain) error {
			g := grantBy(t, owner, who, 1, 5, 0)
			g.Limit = 500
			return errors.Join(b.appendGrant(a, a.mine, g),
				b.put(bLog, number(9), record{peer: who, back: 3, grant: &g}.encode()))
		}, "grant 1: bad signature"},
		{"two grants of one number", func(b *batch, a *account, c *chain) error {
			return errors.Join(b.appendGrant(a, a.mine, grantBy(t, owner, who, 1, 5, 0)),
				b.appendGrant(a, a.mine, grantBy(t, owner, who, 1, 6, 0)))
		}, "grant 1 after grant 1"},
		{"a line record that is behind", func(b *batch, a *account, c *chain) error {
			a.own.seq--
			return b.save(*a)
		}, "it says entry 2"},
		{"a line record of nobody", func(b *batch, a *account, c *chain) error {
			return b.save(func() account {
				x := accountOf(owner.Entity(), third.Entity())
				x.own, x.other = newHalf(third.Entity()), newHalf(third.Entity())
				return x
			}())
		}, "no record of this line"},
		{"half a line", func(b *batch, a *account, c *chain) error {
			x := accountOf(owner.Entity(), third.Entity())
			return b.put(bLine, writer{x.mine.line, High}.key(), newHalf(third.Entity()).encode())
		}, "3 records are there"},
		{"a ref too many", func(b *batch, a *account, c *chain) error {
			return b.addRefs(4, []ref{{7, 1}})
		}, "4 references are there"},
		{"a ref too few", func(b *batch, a *account, c *chain) error {
			_, err := b.takeRefs(refRun{3, 3})
			return errors.Join(err, b.put(bRef, refRunsKey, encodeRefRuns(nil)))
		}, "missing from the payments"},
		{"a record of refs that no run has", func(b *batch, a *account, c *chain) error {
			return b.put(bRef, ref{7, 1}.blockKey(9), encodeRefs([]ref{{7, 1}}))
		}, "no run of references has this record"},
		{"a run of refs that is too short", func(b *batch, a *account, c *chain) error {
			return b.put(bRef, refRunsKey, encodeRefRuns([]refRun{{3, 4}}))
		}, "not as long"},
		{"a head too many", func(b *batch, a *account, c *chain) error {
			return b.put(bHead, a.mine.headKey(1, 2), span{1, 2}.encode())
		}, "3 records are there"},
		{"a head that points elsewhere", func(b *batch, a *account, c *chain) error {
			return b.put(bHead, a.mine.headKey(1, 3), span{3, 3}.encode())
		}, "missing from the heads"},
		{"an outbox ahead of the chain", func(b *batch, a *account, c *chain) error {
			return b.put(bOut, a.mine.line[:], unsent{peer: who, seq: 4}.encode())
		}, "more was acknowledged than signed"},
		{"an outbox of nothing", func(b *batch, a *account, c *chain) error {
			return b.put(bOut, a.mine.line[:], unsent{peer: who, seq: 3}.encode())
		}, "all was acknowledged"},
		{"an outbox of nobody", func(b *batch, a *account, c *chain) error {
			return b.put(bOut, a.mine.line[:], unsent{peer: third.Entity()}.encode())
		}, "not a line with its peer"},
		{"a proof of nothing", func(b *batch, a *account, c *chain) error {
			d := newChain(t, peer, owner.Entity()).pay(nil, 1).pay(nil, 2)
			return b.addProof(a.mine.line, proof{kind: proofFork, peer: who, held: &d.runs[0], shown: &d.runs[1]})
		}, "it proves nothing"},
		{"a proof without sums", func(b *batch, a *account, c *chain) error {
			d := newChain(t, peer, owner.Entity()).pay(nil, 1).pay(nil, 2)
			return b.addProof(a.mine.line, proof{kind: proofSum, peer: who, held: &d.runs[0], shown: &d.runs[1]})
		}, "it proves nothing"},
		{"a lost head by the peer", func(b *batch, a *account, c *chain) error {
			d := newChain(t, peer, owner.Entity()).pay(nil, 1)
			return b.addProof(a.mine.line, proof{kind: proofLost, peer: who, shown: &d.runs[0]})
		}, "another half-chain"},
		{"a note in meta", func(b *batch, a *account, c *chain) error {
			return b.put(bMeta, []byte("note"), []byte("hello"))
		}, "nobody writes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "l.db")
			l, err := Open(path, owner, Config{test: true})
			if err != nil {
				t.Fatal(err)
			}
			c := newChain(t, owner, who).pay(nil, 10).pay(nil, 20, 30)
			adopt(t, l, who, c.runs, nil)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Check(path); err != nil {
				t.Fatal(err)
			}
			b, err := openBolt(path, false, true, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			err = b.update(func(s setter) error {
				p := &batch{pen: newPen(s), l: l}
				x, err := p.account(owner.Entity(), who)
				if err != nil {
					return err
				}
				was := x
				if err := test.do(p, &x, c); err != nil {
					return err
				}
				if x.own.at > was.own.at || x.own.grantAt > was.own.grantAt {
					return errors.Join(p.save(x), p.finish())
				}
				return nil
			})
			if err := errors.Join(err, b.close()); err != nil {
				t.Fatal(err)
			}
			_, err = Check(path)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestVersion shows that a file of another version, and no file, are told.
func TestVersion(t *testing.T) {
	key := keyOf(t, 1)
	path := filepath.Join(t.TempDir(), "l.db")
	if _, err := OpenReadOnly(path, key.Entity(), Config{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := Check(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("check no file: got %v, want %v", err, fs.ErrNotExist)
	}
	l, err := Open(path, key, Config{})
	if err != nil {
		t.Fatal(err)
	}
	err = l.store.update(func(s setter) error { return newPen(s).put(bMeta, []byte("schema"), []byte{0, 0, 0, 7}) })
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	for what, open := range map[string]func() error{
		"open":  func() error { _, err := Open(path, key, Config{}); return err },
		"read":  func() error { _, err := OpenReadOnly(path, key.Entity(), Config{}); return err },
		"check": func() error { _, err := Check(path); return err },
	} {
		if err := open(); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "version 7, this program reads version 3") {
			t.Errorf("%s: got %v, want %v", what, err, ErrVersion)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v, %v, want 0600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".ledger-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestReadOnly opens a ledger beside another reader and refuses to write.
func TestReadOnly(t *testing.T) {
	key, peer := keyOf(t, 1), keyOf(t, 2).Entity()
	path := filepath.Join(t.TempDir(), "l.db")
	l, err := Open(path, key, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Pay(t.Context(), peer, 5, NewRef()); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := l.Snapshot(copied); err != nil {
		t.Fatal(err)
	}
	if rep, err := Check(copied); err != nil || rep.Entries != 1 || rep.Balance != -5 {
		t.Errorf("check of the copy: got %+v, %v", rep, err)
	}
	if err := l.Snapshot(copied); !errors.Is(err, fs.ErrExist) {
		t.Errorf("copied over a file: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Pay(t.Context(), peer, 5, NewRef()); !errors.Is(err, ErrClosed) {
		t.Errorf("pay after Close: got %v, want %v", err, ErrClosed)
	}
	for range 2 {
		r, err := OpenReadOnly(path, key.Entity(), Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if got := r.Lines(); len(got) != 1 || got[0].Balance != -5 {
			t.Errorf("got %+v, want one line", got)
		}
		for what, err := range map[string]error{
			"pay":     func() error { _, err := r.Pay(t.Context(), peer, 5, NewRef()); return err }(),
			"grant":   r.Grant(peer, 5, time.Time{}),
			"hold":    func() error { _, err := r.Hold(peer, 1); return err }(),
			"compare": r.Compare(t.Context(), peer, position{line: LineOf(key.Entity(), peer)}.encode()),
		} {
			if !errors.Is(err, ErrReadOnly) && what != "compare" {
				t.Errorf("%s: got %v, want %v", what, err, ErrReadOnly)
			}
		}
	}
}
