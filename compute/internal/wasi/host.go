package wasi

import "github.com/peersea/sea/compute/internal/meter"

// What the host does for a guest between its calls is paid and bounded as if
// the guest had called. When it cannot be, End says how the guest has ended.

// Spend takes the price of a call that copies n bytes, and says whether the
// guest may go on.
func (w *World) Spend(n uint64) bool {
	return w.host(func() { w.pay(meter.HostCall + n*meter.HostByte) })
}

// Print writes b to stdout as one fd_write without its bound on a transfer, and
// says whether the guest may go on.
func (w *World) Print(b []byte) bool {
	return w.host(func() {
		w.pay(meter.HostCall)
		w.say(stdout, iovs{spans: [][]byte{b}, size: len(b)})
	})
}

// host does what may stop the guest, where no engine is below to end it.
func (w *World) host(do func()) (running bool) {
	defer func() {
		if w.end != Running {
			_ = recover() // that of stop
		}
	}()
	do()
	return true
}
