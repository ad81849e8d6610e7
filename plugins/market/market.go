package market

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/market/program"
	"github.com/peersea/sea/plugins/market/rest"
	"github.com/peersea/sea/plugins/market/trust"
	"github.com/peersea/sea/plugins/storage"
)

// ErrStopped is returned when the market stops while somebody waits for a job:
// it goes on when the node starts again.
var ErrStopped = errors.New("the node is stopping; the job goes on when it starts again")

// credit is what the market uses of a ledger.
type credit interface {
	Hold(peer identity.Entity, most ledger.Amount) (*ledger.Hold, error)
	Reserve(peer identity.Entity, most ledger.Amount, order identity.Hash) (*ledger.Hold, error)
	Pay(ctx context.Context, peer identity.Entity, amount ledger.Amount, ref identity.Hash) (ledger.Entry, error)
	Paid(peer identity.Entity, ref identity.Hash) (ours, theirs ledger.Amount, err error)
	Lock(ctx context.Context, peer identity.Entity, amount ledger.Amount, ref identity.Hash, t ledger.LockTerms) (ledger.Entry, error)
	Locks(peer identity.Entity) []ledger.Lock
	MayLock(peer identity.Entity) bool
	MaySell() bool
	Acting() *ledger.Acting
	SignVoucher(peer identity.Entity, lock identity.Hash, cum ledger.Amount, fuel uint64) (ledger.Voucher, error)
	TakeVoucher(ctx context.Context, peer identity.Entity, v ledger.Voucher) error
	Release(peer identity.Entity, lock identity.Hash, cum ledger.Amount) (ledger.Release, error)
	Line(peer identity.Entity) ledger.Line
	Lines() []ledger.Line
	Fold(ctx context.Context, peer identity.Entity, lock identity.Hash, rel *ledger.Release) error
	Granted(peer identity.Entity) bool
	Strangers() ledger.Strangers
	Watch(f func(ledger.Change)) (stop func())
}

var _ credit = (*ledger.Ledger)(nil)

// What a Config's zero fields stand for.
const (
	DefaultPatience      = 30 * time.Second
	DefaultInputPatience = 2 * time.Minute
)

// Config is what may be wished for.
type Config struct {
	// Policy is what a node begins with that has none on disk yet; nil is
	// DefaultPolicy.
	Policy *Policy
	// Engine names what runs the jobs, for offers.
	Engine string
	// Services are modules of this node's own that it sells calls of; nil is none.
	Services Services
	// Patience is how long a buyer waits for a seller that has gone: 0 is
	// DefaultPatience.
	Patience time.Duration
	// Audits is how often a seller is checked; its zero fields have defaults.
	Audits trust.Rule
	// InputPatience is how long a seller waits for a buyer that has gone before
	// it sent its input, and holds a guest for the next voucher or for room: 0
	// is DefaultInputPatience.
	InputPatience time.Duration
	// Machine is what the seller's rest depends on: nil is the one that the
	// program runs on.
	Machine rest.Machine
}

// Market is the plugin: a buyer and a seller on one node.
type Market struct {
	key    identity.Signer
	book   *Book
	blobs  *storage.Storage
	credit credit
	engine engine
	cfg    Config
	trust  *trust.Book // from Init on

	program   *program.Runner
	clock     func() time.Time // whose wall clock the hours are by
	leastRate uint64           // see the constant
	fastest   uint64           // fuel per second; see fastestRate

	node plugins.Node // from Init on
	log  *slog.Logger
	dir  string // of spools

	buyer
	seller

	mu      sync.Mutex      // guards what follows
	ctx     context.Context // of Run; nil while it does not
	running sync.WaitGroup  // Go only under mu while ctx is set
}

// New makes the market of the node whose key is key. It needs storage and
// credit before it in the list of plugins. Book, credit and engine are the
// caller's to close, after the market has stopped.
func New(key identity.Signer, book *Book, credit credit, engine engine, cfg Config) *Market {
	if cfg.Patience == 0 {
		cfg.Patience = DefaultPatience
	}
	if cfg.InputPatience == 0 {
		cfg.InputPatience = DefaultInputPatience
	}
	if cfg.Machine == nil {
		cfg.Machine = rest.NewThis()
	}
	cfg.Audits = cfg.Audits.WithDefaults()
	return &Market{
		seller: seller{watch: rest.NewWatch(cfg.Machine)},
		key:    key, book: book, blobs: book.blobs, credit: credit, engine: engine, cfg: cfg, leastRate: leastRate, fastest: fastestRate,
		program: program.NewRunner(program.Patience), clock: time.Now,
		log: slog.New(slog.DiscardHandler),
	}
}

// Book is the buyer's book.
func (m *Market) Book() *Book { return m.book }

// Init reads what is on disk and claims the market's scopes.
func (m *Market) Init(host *plugins.Host) error {
	m.node, m.log, m.dir = host.Node, host.Log, filepath.Join(host.Dir, "tmp")
	if err := errors.Join(os.RemoveAll(m.dir), os.MkdirAll(m.dir, 0o700)); err != nil {
		return err
	}
	var err error
	if m.trust, err = trust.OpenBook(m.book.store); err != nil {
		return fmt.Errorf("read trust: %w", err)
	}
	if err := m.initBuyer(); err != nil {
		return fmt.Errorf("read jobs: %w", err)
	}
	if err := m.initSeller(); err != nil {
		return fmt.Errorf("read sales: %w", err)
	}
	offerMethod.Handle(m.node, m.serveOffer)
	nearMethod.Handle(m.node, m.serveNear)
	noticeMethod.Handle(m.node, m.serveNotice)
	askMethod.Handle(m.node, m.serveAsk)
	orderMethod.Handle(m.node, m.serveOrder)
	followMethod.Handle(m.node, m.serveFollow)
	cancelMethod.Handle(m.node, m.serveCancel)
	dueMethod.Handle(m.node, m.serveDue)
	return nil
}

// Run buys and sells until ctx ends; jobs and sales that have not ended go on
// with the next Run of a Market on the same files.
func (m *Market) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.mu.Lock()
	m.ctx = ctx
	m.mu.Unlock()

	m.startSeller()
	m.startBuyer()
	<-ctx.Done()
	m.mu.Lock()
	m.ctx = nil
	m.mu.Unlock()
	m.running.Wait()
	m.endBuyer()
	return nil
}

// spawn runs f in a goroutine that Run waits for. It does nothing, and says so,
// while Run does not run.
func (m *Market) spawn(f func(ctx context.Context)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx == nil {
		return false
	}
	ctx := m.ctx
	m.running.Go(func() { f(ctx) })
	return true
}
