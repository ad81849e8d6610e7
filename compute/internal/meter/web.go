package meter

// Compilers give one local to many variables. So what nan.go says of locals, it
// says of their webs: the assignments of which several can reach one reading,
// taken together. They are found in one pass over the structured code, by
// joining the webs that meet where ways meet.

// web is a set of assignments to one local, or a member of a larger one.
type web struct {
	parent int32 // itself for a set's head
	mixed  bool  // of the head: it may hold a copied value
	shape  shape // of the head: of the results it holds
}

const (
	maxTracked = 32         // locals followed in one function; with more, each is one web
	maxJoins   = 50_000_000 // joins in one module; from then on likewise
)

// track prepares for the function's locals that are floats or vectors.
func (b *body) track() {
	b.webs, b.state, b.slots, b.states = b.webs[:0], b.state[:0], b.slots[:0], b.states[:0]
	b.kinds = b.kinds[:0]
	if !b.record || !b.floats {
		return
	}
	add := func(t ValueType, parameter bool) {
		b.kinds = append(b.kinds, floating(t))
		if t != F32 && t != F64 && t != V128 {
			b.slots = append(b.slots, -1)
			return
		}
		b.slots = append(b.slots, int32(len(b.state)))
		b.state = append(b.state, b.newWeb())
		b.webs[len(b.webs)-1].mixed = parameter // its bits come from elsewhere
	}
	for _, c := range b.m.raw[b.sig.params : b.sig.params+uint32(b.sig.nparams)] {
		add(ValueType(c), true)
	}
	r := reader{b: b.b, pos: b.groups.at, end: b.groups.end}
	for range b.ngroups {
		n := r.u32()
		t := r.valueType()
		for range n {
			add(t, false)
		}
	}
	b.split = len(b.state) <= maxTracked && b.joins < maxJoins
}

func (b *body) newWeb() int32 {
	b.webs = append(b.webs, web{parent: int32(len(b.webs))})
	return int32(len(b.webs) - 1)
}

// head finds the set that a web belongs to.
func (b *body) head(i int32) int32 {
	for b.webs[i].parent != i {
		b.webs[i].parent = b.webs[b.webs[i].parent].parent
		i = b.webs[i].parent
	}
	return i
}

// unite makes one set of two.
func (b *body) unite(i, j int32) {
	i, j = b.head(i), b.head(j)
	if i == j {
		return
	}
	b.webs[j].parent = i
	b.webs[i].mixed = b.webs[i].mixed || b.webs[j].mixed
	b.webs[i].add(b.webs[j].shape)
}

// add tells a head of results of one more shape, and whether that was news.
func (w *web) add(s shape) bool {
	switch {
	case w.mixed || s == shapeNone || s == w.shape:
		return false
	case w.shape == shapeNone:
		w.shape = s
	default:
		w.mixed = true
	}
	return true
}

// savedState is where a frame keeps the webs at its beginning; labelState, those
// that reach its label.
func (b *body) savedState(frame int) []int32 { return b.states[2*frame*len(b.state):][:len(b.state)] }
func (b *body) labelState(frame int) []int32 {
	return b.states[(2*frame+1)*len(b.state):][:len(b.state)]
}

// saveState keeps the state for the frame just opened.
func (b *body) saveState() {
	if len(b.state) == 0 || !b.split {
		return
	}
	n := 2 * len(b.state)
	for len(b.states) < n*len(b.frames) {
		b.states = append(b.states, 0)
	}
	copy(b.savedState(len(b.frames)-1), b.state)
}

// joinState notes that the present state reaches a frame's label.
func (b *body) joinState(frame int, state []int32) {
	if len(b.state) == 0 || !b.split || frame == 0 {
		return
	}
	f := &b.frames[frame]
	b.joins += len(b.state)
	at := b.labelState(frame)
	switch {
	case f.kind == opLoop:
		at = b.savedState(frame)
	case !f.joined:
		f.joined = true
		copy(at, state)
		return
	}
	for i, w := range state {
		if at[i] != w {
			b.unite(at[i], w)
		}
	}
}

// endState goes on behind a frame's end with what reaches it.
func (b *body) endState(frame int) {
	f := &b.frames[frame]
	if len(b.state) == 0 || !b.split || f.kind == opLoop || frame == 0 {
		return
	}
	if b.live && (f.joined || f.kind == opIf) {
		b.joinState(frame, b.state)
	}
	if f.kind == opIf {
		b.joinState(frame, b.savedState(frame)) // past an if without else
	}
	if f.joined {
		copy(b.state, b.labelState(frame))
	}
}

// elseState goes from the end of an if's first arm to its second.
func (b *body) elseState(frame int) {
	if len(b.state) == 0 || !b.split {
		return
	}
	if b.live {
		b.joinState(frame, b.state)
	}
	copy(b.state, b.savedState(frame))
}
