package gossip

// MaxOutbox is how many bytes of channels may wait for one link.
const MaxOutbox = 256 << 10

// outboxCost is what a frame costs in an Outbox beside its bytes.
const outboxCost = 64

// An Outbox orders what channels have for one link: what is urgent first, each
// class in its order. When there is too much, the oldest of the last class goes.
// The zero Outbox is empty.
type Outbox[T any] struct {
	queues [Classes][]parcel[T]
	bytes  int
}

type parcel[T any] struct {
	what T
	size int
}

// Fits reports whether size bytes of a class that is not dropped for others have
// room, were all that may be dropped gone.
func (o *Outbox[T]) Fits(size int) bool {
	kept := o.bytes
	for _, p := range o.queues[Forward] {
		kept -= p.size
	}
	return kept+size+outboxCost <= MaxOutbox
}

// Push puts something of size bytes behind the others of its class. What has to
// give way for it is returned, which may be itself.
func (o *Outbox[T]) Push(class Class, size int, what T) (dropped []T) {
	size += outboxCost
	forwards := &o.queues[Forward]
	for o.bytes+size > MaxOutbox && len(*forwards) > 0 {
		dropped = append(dropped, (*forwards)[0].what)
		o.bytes -= (*forwards)[0].size
		*forwards = (*forwards)[1:]
	}
	if o.bytes+size > MaxOutbox {
		return append(dropped, what)
	}
	o.queues[class] = append(o.queues[class], parcel[T]{what, size})
	o.bytes += size
	return dropped
}

// Pop takes what is next.
func (o *Outbox[T]) Pop() (what T, ok bool) {
	for class := range o.queues {
		q := &o.queues[class]
		if len(*q) == 0 {
			continue
		}
		next := (*q)[0]
		(*q)[0] = parcel[T]{}
		*q = (*q)[1:]
		o.bytes -= next.size
		return next.what, true
	}
	return what, false
}

// Len returns how much waits.
func (o *Outbox[T]) Len() int {
	n := 0
	for _, q := range o.queues {
		n += len(q)
	}
	return n
}

// Bytes returns how many bytes wait.
func (o *Outbox[T]) Bytes() int { return o.bytes }
