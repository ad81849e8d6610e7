package rtcnet

import (
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// pionLog gives pion a logger that passes on warnings and errors, at debug
// level: what matters to an operator we say ourselves. The rest is dropped
// before it is formatted.
type pionLog struct{ log *slog.Logger }

func (p pionLog) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{p.log.With("pion", scope)}
}

func (p pionLog) Trace(string)          {}
func (p pionLog) Tracef(string, ...any) {}
func (p pionLog) Debug(string)          {}
func (p pionLog) Debugf(string, ...any) {}
func (p pionLog) Info(string)           {}
func (p pionLog) Infof(string, ...any)  {}

func (p pionLog) Warn(msg string)  { p.log.Debug("pion warns", "text", msg) }
func (p pionLog) Error(msg string) { p.log.Debug("pion reports an error", "text", msg) }

func (p pionLog) Warnf(format string, args ...any) {
	p.log.Debug("pion warns", "text", fmt.Sprintf(format, args...))
}

func (p pionLog) Errorf(format string, args ...any) {
	p.log.Debug("pion reports an error", "text", fmt.Sprintf(format, args...))
}
