package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/lan"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/node/transport/wsnet"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/credit"
	"github.com/peersea/sea/plugins/guest"
	"github.com/peersea/sea/plugins/market"
	"github.com/peersea/sea/plugins/market/rest"
	"github.com/peersea/sea/plugins/state"
	"github.com/peersea/sea/plugins/storage"
	"github.com/peersea/sea/web/pages"
)

// daemon is everything that one folder's node is made of. It is the one place
// where things are built and handed to each other; close undoes it in reverse.
type daemon struct {
	dir     folder
	log     *slog.Logger
	key     *identity.Key
	ledger  *ledger.Ledger
	cert    *identity.Statement // under which this node acts, or nil
	engine  *compute.Engine
	storage *storage.Storage
	credit  *credit.Credit
	guests  *guest.Guests
	known   known
	market  *market.Market
	node    *node.Node
	rtc     *rtcnet.Negotiator
	plugins *plugins.Set

	outside atomic.Pointer[outsideView] // nil until a server has answered
	reached atomic.Pointer[reachView]   // nil until a peer has tried
	mapped  atomic.Pointer[mappedView]  // nil until the router was asked
	mapping *mapping                    // nil asks no router

	undo []func() error // what was opened, first to last
}

// openDaemon opens a folder's key, ledger, engine, node and plugins, in this
// order, each needing those before it. Nothing runs and nothing is listened on
// before online. The caller closes it.
func openDaemon(ctx context.Context, dir folder, cfg config, logs io.Writer) (d *daemon, err error) {
	d = &daemon{dir: dir, log: newLog(logs, cfg.LogLevel)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if err := dir.make(); err != nil {
		return d, err
	}
	if d.key, err = openOrMakeKey(ctx, dir); err != nil {
		return d, err
	}
	if err := d.openStores(ctx, cfg); err != nil {
		return d, err
	}

	disk, err := cfg.halfDisk()
	if err != nil {
		return d, err
	}
	d.engine = compute.New(compute.Config{CacheDir: dir.cache(), CacheBytes: disk, Workers: cfg.MaxJobs, Log: d.log.With("component", "compute")})
	d.opened(d.engine.Close)

	nodeConfig, err := d.wires(cfg)
	if err != nil {
		return d, err
	}
	d.node = node.New(d.key, nodeConfig)
	return d, d.startPlugins(cfg, disk)
}

// opened has close called by and by.
func (d *daemon) opened(close func() error) { d.undo = append(d.undo, close) }

// close closes what openDaemon opened, the last first.
func (d *daemon) close() error {
	var errs []error
	for i := len(d.undo) - 1; i >= 0; i-- {
		errs = append(errs, d.undo[i]())
	}
	d.undo = nil
	return errors.Join(errs...)
}

func openOrMakeKey(ctx context.Context, dir folder) (*identity.Key, error) {
	key, err := identity.OpenKey(dir.key(), askPassphrase)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = identity.NewKey(ctx, identity.DefaultWork); err != nil {
		return nil, err
	}
	return key, key.Save(dir.key(), "")
}

// openStores opens what is durable: the ledger, and what plugins keep.
func (d *daemon) openStores(ctx context.Context, cfg config) (err error) {
	if d.cert, err = d.dir.openCertificate(d.key.Entity()); err != nil {
		return err
	}
	if err := d.examineLedger(ctx); err != nil {
		return err
	}
	conf := ledger.Config{Certificate: d.cert, Strangers: strangers(int64(microOf(cfg.Strangers))), Log: d.log.With("component", "ledger")}
	d.ledger, err = ledger.Open(d.dir.ledger(), d.key, conf)
	if err != nil {
		return explainLedger(ctx, d.dir, d.key.Entity(), err)
	}
	d.opened(d.ledger.Close)
	return d.dir.sweepChecks() // no other daemon has the folder
}

// strangers is a budget in the ledger's words, where zero stands for the default
// and less for none.
func strangers(micro int64) ledger.Amount {
	if micro == 0 {
		return -1
	}
	return ledger.Amount(micro)
}

// setStrangers changes what all strangers together may owe, until the daemon
// ends.
func (d *daemon) setStrangers(micro int64) error { return d.ledger.SetStrangers(strangers(micro)) }

// wires builds the transports that cfg asks for.
func (d *daemon) wires(cfg config) (node.Config, error) {
	dialer := wsnet.NewDialer(wsnet.DialConfig{})
	public := wsnet.NewDialer(wsnet.DialConfig{Allow: wsnet.PublicOnly})
	conf := node.Config{
		Network:    cfg.Network,
		Dialers:    map[string]transport.Dialer{"ws": dialer, "wss": dialer},
		Strangers:  map[string]transport.Dialer{"ws": public, "wss": public},
		PublicURLs: cfg.Public,
		Patient:    !cfg.impatient,
		Back:       dialBack(len(cfg.Public) > 0),
		MaxLinks:   cfg.MaxLinks,
		MaxPerHost: cfg.PerAddress,

		Certificate: d.cert,
		Revoked:     d.ledger.Revoked,
		Version:     "seaworker " + versionText(),
		Log:         d.log.With("component", "node"),
	}
	if cfg.PerAddress == 0 {
		conf.MaxPerHost = -1
	}
	rtc := rtcnet.New(rtcnet.Config{Loopback: true, Log: d.log.With("component", "rtcnet")})
	d.opened(rtc.Close)
	conf.Negotiator, d.rtc = rtc, rtc
	conf.Dialers[rtcnet.Scheme], conf.Strangers[rtcnet.Scheme] = rtc.Dialer(nil), rtc.Dialer(wsnet.PublicOnly)
	if cfg.Listen != "" {
		conf.Relays = cfg.Relay
	}
	if cfg.LAN {
		conf.LAN = lan.New(d.log.With("component", "lan"))
		if cfg.Listen == "" && onPrivateNetwork() {
			cfg.Listen = "0.0.0.0:0" // what is announced must be there
		}
	}
	if cfg.Listen == "" {
		return conf, nil
	}
	serving := wsnet.Config{CertFile: cfg.TLSCert, KeyFile: cfg.TLSKey, Log: d.log.With("component", "wsnet")}
	if cfg.ACME != "" {
		serving.ACME = &wsnet.ACME{Domains: []string{cfg.ACME}, Cache: d.dir.acme(), Directory: cfg.ACMEServer}
	}
	if cfg.Join {
		serving.Pages = pages.Join()
	}
	if cfg.Pages != "" {
		root, err := os.OpenRoot(cfg.Pages) // a link in it leads nowhere else
		if err != nil {
			return conf, usagef("name a folder that is there", "--pages: %v", err)
		}
		d.opened(root.Close)
		serving.Pages = pages.Folder(root.FS())
	}
	listener := wsnet.NewListener(serving)
	d.opened(listener.Close)
	if err := listener.Open(cfg.Listen); err != nil {
		return conf, usagef("choose another --listen", "listen: %v", err)
	}
	conf.Listeners = []transport.Listener{listener}
	direct, err := d.listenDirect(cfg.Listen, listener.URLs())
	if err != nil {
		return conf, err
	}
	if direct != nil {
		conf.Listeners = append(conf.Listeners, direct)
	}
	if cfg.PortMap && len(cfg.Public) == 0 {
		d.mapping = mappingOf(listener.URLs(), direct)
	}
	return conf, nil
}

// onPrivateNetwork reports whether this machine has an IPv4 address of a private
// network: on one that only the internet reaches, nothing listens unasked.
func onPrivateNetwork() bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Is4() && (p.Addr().IsPrivate() || p.Addr().IsLinkLocalUnicast())
	})
}

// startPlugins hands the parts to the plugins: storage, then credit, then the
// guests, then the market, which needs all of them.
func (d *daemon) startPlugins(cfg config, disk int64) error {
	blobs := filepath.Join(d.dir.plugins(), "storage", "blobs")
	store, err := storage.Open(blobs, storage.Config{MaxBytes: disk, Log: d.log.With("plugin", "storage")})
	if err != nil {
		return err
	}
	d.storage = store
	kept, err := state.Open(filepath.Join(d.dir.plugins(), "state.db"))
	if err != nil {
		return err
	}
	d.opened(kept.Close)
	book, err := market.OpenBook(kept, store)
	if err != nil {
		return err
	}
	d.credit = credit.New(d.ledger, credit.Config{NoGrowth: !cfg.Grow})
	d.guests = guest.New(d.guestEngine(), kept, store, "storage", "credit", "market")
	d.market = market.New(d.key, book, d.ledger, jobEngine(d.engine), market.Config{Engine: d.engine.Name(), Services: d.guests, Machine: thisMachine})
	d.plugins, err = plugins.Start(d.node, d.dir.plugins(), d.log,
		plugins.Named{Name: "storage", Plugin: d.storage},
		plugins.Named{Name: "credit", Plugin: d.credit},
		plugins.Named{Name: "guest", Plugin: d.guests},
		plugins.Named{Name: "market", Plugin: d.market},
	)
	if err != nil {
		return err
	}
	d.opened(func() error { d.plugins.Close(); return nil })
	return nil
}

// runner is what runs jobs.
type runner interface {
	Run(ctx context.Context, job compute.Job, blobs compute.Blobs, live compute.Live) (compute.Result, error)
}

// jobEngine is what the market runs jobs on. A variable so that tests can have a
// seller that lies.
var jobEngine = func(e *compute.Engine) runner { return e }

// thisMachine is what a seller's rest depends on, nil the one we run on. A variable
// so that tests can have one whose battery is empty.
var thisMachine rest.Machine

// guestEngine is that of the guest plugins: jobs of the market, which may run for
// minutes, are not in their way. It has no process before the first call.
func (d *daemon) guestEngine() *compute.Engine {
	e := compute.New(compute.Config{
		CacheDir: d.dir.guestCache(), CacheBytes: 256 << 20, Workers: guestWorkers, Log: d.log.With("component", "guests"),
	})
	d.opened(e.Close)
	return e
}

// guestWorkers is how many calls of guest plugins run at once.
const guestWorkers = 2

// applyPolicy puts what "up" was told of selling over what is kept on disk.
func (d *daemon) applyPolicy(cfg config) error {
	p := d.market.Policy()
	p.Selling = cfg.Sell
	if cfg.given["price"] {
		p.PerGfuel = microOf(cfg.Price)
	}
	if cfg.given["fee"] {
		p.Fee = microOf(cfg.Fee)
	}
	if cfg.given["max-jobs"] {
		p.Slots = uint32(cfg.MaxJobs)
	}
	return d.market.SetPolicy(p)
}

// online joins the sea, runs the plugins until ctx ends, and leaves again: the
// plugins first, because they use the node. servers are STUN servers beside the
// nodes that are met.
func (d *daemon) online(ctx context.Context, bootstrap, servers []string, ready func() error) error {
	if err := d.node.Online(ctx, bootstrap...); err != nil {
		return failf(exitUnreachable, reasonUnreachable, "check the --bootstrap URL, and that the node there is up", "%v", err)
	}
	if len(bootstrap) > 0 {
		d.awaitLink(ctx)
	}
	runs, stop := context.WithCancel(ctx)
	defer stop()
	var wait sync.WaitGroup
	var ran error
	wait.Go(func() {
		defer stop()
		ran = d.plugins.Run(runs)
	})
	wait.Go(func() { d.keepHeads(runs) })
	wait.Go(func() { d.keepSTUN(runs, servers) })
	wait.Go(func() { d.keepReach(runs) })
	wait.Go(func() { d.keepMapped(runs) })
	wait.Go(func() { d.keepKnown(runs) })
	err := ready()
	if err != nil {
		stop()
	}
	wait.Wait()
	return errors.Join(err, ran, d.node.Offline())
}

// linkPatience is how long a start waits for the first link, so that who reads
// the ready line can trade. The node goes on trying after it.
const linkPatience = 3 * time.Second

// awaitLink returns when the node has a link, or after linkPatience.
func (d *daemon) awaitLink(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	events := d.node.Events(ctx) // from here on, so that none is missed
	if len(d.node.Links()) > 0 {
		return
	}
	for e := range events {
		if e.Kind == node.LinkUp {
			return
		}
	}
}

// serve is "up": the daemon of dir with its control API, until ctx ends or
// somebody asks it to stop. ready is called once others can use it.
func serve(ctx context.Context, dir folder, cfg config, logs io.Writer, ready func(statusView) error) (err error) {
	if err := dir.make(); err != nil {
		return err
	}
	socket, err := listenSocket(ctx, dir.socket())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, socket.remove()) }()
	d, err := openDaemon(ctx, dir, cfg, logs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()

	if err := d.applyPolicy(cfg); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d.engine.Warm()
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	a := &api{d: d, stop: stop}
	a.board = newDashboard(ctx, a)
	defer a.board.wait()
	defer stop()
	return d.online(ctx, cfg.Bootstrap, cfg.STUN, func() error {
		wait.Go(func() {
			if err := serveAPI(ctx, socket, a); err != nil {
				d.log.Error("the control API ended", "err", err)
				stop()
			}
		})
		d.log.Info("ready", "entity", d.key.Entity(), "listening", d.node.Listening())
		return ready(d.status())
	})
}

// newLog writes structured lines to w.
func newLog(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l}))
}

// explainLedger says what to do about a ledger that does not open.
func explainLedger(ctx context.Context, dir folder, self identity.Entity, err error) error {
	switch {
	case errors.Is(err, ledger.ErrInUse):
		return failf(exitUsage, reasonUsage, "stop the other process, or use another --dir", "the ledger in %s is in use: %v", dir, err)
	case errors.Is(err, ledger.ErrDamaged):
		return damaged(ctx, dir, self, err.Error())
	}
	return err
}
