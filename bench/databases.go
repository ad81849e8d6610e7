package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

func perSignature(a, b float64, against string) string {
	return fmt.Sprintf("%.3g µs a signature, %s %.3g µs", a, against, b)
}

// syncTimes is what this disk needs for n appends of 300 bytes, each synced.
func syncTimes(dir string, n int) ([]time.Duration, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var all []time.Duration
	record := make([]byte, 300)
	for range n {
		took, err := timed(func() error {
			if _, err := f.Write(record); err != nil {
				return err
			}
			return fdatasync(f)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	return all, nil
}

// What the databases book: the entry's fields as columns, its reference unique
// as in the ledger, and both balances. No hash chain, no signature, no peer.
const schema = `
CREATE TABLE account (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL);
CREATE TABLE entry (n %s, line %[2]s NOT NULL, side SMALLINT NOT NULL, seq BIGINT NOT NULL, prev %[2]s NOT NULL,
	cum BIGINT NOT NULL, tick BIGINT NOT NULL, amount BIGINT NOT NULL, ref %[2]s NOT NULL UNIQUE, body %[2]s NOT NULL);
INSERT INTO account VALUES (1, 0), (2, 0);
`

// sqlite books in a file in WAL mode with synchronous=FULL.
type sqlite struct {
	db  *sql.DB
	seq int
}

func openSQLite(path string) (*sqlite, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(fmt.Sprintf(schema, "INTEGER PRIMARY KEY", "BLOB")); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &sqlite{db: db}, nil
}

func (s *sqlite) book(ctx context.Context, group int) (float64, error) {
	insert, err := s.db.PrepareContext(ctx, `INSERT INTO entry (line, side, seq, prev, cum, tick, amount, ref, body)
		VALUES (?, 0, ?, ?, ?, 176000000, 1, ?, ?)`)
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	update, err := s.db.PrepareContext(ctx, `UPDATE account SET balance = balance + ? WHERE id = ?`)
	if err != nil {
		return 0, err
	}
	defer update.Close()
	var h [32]byte
	count := 0
	took, err := timed(func() error {
		for start := time.Now(); time.Since(start) < turnTime; count += group {
			tx, err := s.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			in := tx.StmtContext(ctx, insert)
			for range group {
				s.seq++
				var ref [32]byte
				rand.Read(ref[:])
				if _, err := in.ExecContext(ctx, h[:], s.seq, h[:], s.seq, ref[:], h[:]); err != nil {
					return errors.Join(err, tx.Rollback())
				}
			}
			for id, change := range []int{-group, group} {
				if _, err := tx.StmtContext(ctx, update).ExecContext(ctx, change, 1+id); err != nil {
					return errors.Join(err, tx.Rollback())
				}
			}
			if err := tx.Commit(); err != nil {
				return err
			}
		}
		return nil
	})
	return float64(count) / took.Seconds(), err
}

func (s *sqlite) close() error { return s.db.Close() }

// postgres is a server of our own on a unix socket, driven by its own pgbench,
// which makes the rows in the server: not even their transport is measured.
type postgres struct {
	bin, dir string
	server   *exec.Cmd
	said     bytes.Buffer  // by the server
	done     chan struct{} // closed when it has ended
}

func startPostgres(ctx context.Context, dir string) (*postgres, error) {
	p := &postgres{dir: dir, done: make(chan struct{})}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err != nil { // to where the others are
			return nil, err
		}
		p.bin = filepath.Dir(path)
	} else if all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(all) > 0 {
		p.bin = filepath.Dir(all[len(all)-1])
	} else {
		return nil, errors.New("there is no PostgreSQL here (Debian: postgresql)")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := giveAway(dir); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if _, err := p.run(ctx, "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"); err != nil {
		return nil, err
	}
	p.server = p.command(context.Background(), "postgres", "-D", data, "-k", dir, "-c", "listen_addresses=",
		"-c", "shared_buffers=512MB", "-c", "max_wal_size=8GB", "-c", "log_min_messages=fatal", "-c", "log_checkpoints=off")
	p.server.Stderr = &p.said
	if err := p.server.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = p.server.Wait() // how it ended is in what it said
	}()
	for { // until it takes connections
		_, err := p.run(ctx, "pg_isready", "-q", "-h", dir, "-U", "bench", "-d", "postgres", "-t", "30")
		if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
			return nil, errors.Join(err, p.close())
		}
		if err == nil {
			break
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("the server has ended: %s", bytes.TrimSpace(p.said.Bytes()))
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), p.close())
		case <-time.After(100 * time.Millisecond):
		}
	}
	if _, err := p.psql(ctx, fmt.Sprintf(schema, "BIGSERIAL PRIMARY KEY", "BYTEA")); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// command is one of PostgreSQL's programs, without the rights of root, which it
// refuses.
func (p *postgres) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	unprivileged(cmd)
	return cmd
}

func (p *postgres) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	out, err := p.command(ctx, name, args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return out, nil
}

func (p *postgres) psql(ctx context.Context, script string) ([]byte, error) {
	return p.run(ctx, "psql", "-q", "-h", p.dir, "-U", "bench", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", script)
}

const bookings = `BEGIN;
INSERT INTO entry (line, side, seq, prev, cum, tick, amount, ref, body)
	SELECT %[2]s, 0, i, %[2]s, i, 176000000, 1, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), %[2]s
	FROM generate_series(1, %[1]d) AS i;
UPDATE account SET balance = balance - %[1]d WHERE id = 1;
UPDATE account SET balance = balance + %[1]d WHERE id = 2;
COMMIT;
`

var tps = regexp.MustCompile(`tps = ([0-9.]+) \(without initial connection time\)`)

func (p *postgres) book(ctx context.Context, group int) (float64, error) {
	script := filepath.Join(p.dir, "bookings.sql")
	text := fmt.Sprintf(bookings, group, fmt.Sprintf(`'\x%064d'::bytea`, 0))
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		return 0, err
	}
	out, err := p.run(ctx, "pgbench", "-n", "-h", p.dir, "-U", "bench", "-M", "prepared", "-c", "1",
		"-T", strconv.Itoa(int(turnTime.Seconds())), "-f", script, "postgres")
	if err != nil {
		return 0, err
	}
	m := tps.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("pgbench said no rate: %s", out)
	}
	rate, err := strconv.ParseFloat(string(m[1]), 64)
	return rate * float64(group), err
}

// close ends the server by its process and waits for it.
func (p *postgres) close() error {
	err := p.server.Process.Signal(os.Interrupt)
	<-p.done
	return err
}
