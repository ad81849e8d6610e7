package meter

// editKind says what to put into a function's code.
type editKind uint8

const (
	editPay       editKind = iota // pay for run arg, and check
	editNaN                       // make nan arg canonical, if somebody sees it
	editDepth                     // tell who is called next how deep it is
	editLeave                     // the same before a tail call, which takes this function's place
	editCall                      // an ordinary call, instruction arg, instead of a tail call
	editReturn                    // and the return behind it
	editGrow                      // grow the memory by our helper
	editSize                      // pay for what the topmost operand says
	editTableGrow                 // the same for table arg, if it can grow that far
	editSelect                    // choose between two values of type arg by a branch
	editReference                 // the reference with this number, instead of ref.func
	editLook                      // look at the limit
	editBulk                      // memory.fill or memory.copy, arg, in pieces if it is long
	editDrop                      // drop data segment arg, an active one that wazero keeps
)

// edit is one place in a function's code where the rewriter puts something, in
// the order of the code.
type edit struct {
	at     int // in the module's bytes
	arg    int
	depth  int32 // frames around it, the function's own among them
	length uint8 // bytes of the guest's to leave out
	kind   editKind
}

// edit notes e at the present depth, if anybody wants to know.
func (b *body) edit(e edit) {
	if b.record {
		e.depth = int32(len(b.frames))
		b.edits = append(b.edits, e)
	}
}
