package meter

// The instructions that the rewriter treats in a way of their own.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opReturnCall   = 0x12
	opReturnTable  = 0x13 // return_call_indirect
	opDrop         = 0x1a
	opSelect       = 0x1b
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableGet     = 0x25
	opTableSet     = 0x26
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Eqz       = 0x45
	opI32Eq        = 0x46
	opI32GtU       = 0x4b
	opI32LeU       = 0x4d
	opI64GtU       = 0x56
	opF32Ge        = 0x60
	opF64Ge        = 0x66
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32Mul       = 0x6c
	opI32Or        = 0x72
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Mul       = 0x7e
	opExtendI32U   = 0xad
	opRefNull      = 0xd0
	opRefIsNull    = 0xd1
	opRefFunc      = 0xd2
	opGC           = 0xfb
	opMisc         = 0xfc
	opVector       = 0xfd
	blockEmpty     = 0x40
)

// The instructions behind opMisc that need care.
const (
	miscMemoryInit = 8
	miscDataDrop   = 9
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscElemDrop   = 13
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableSize  = 16
	miscTableFill  = 17
)

// The instructions behind opVector that we write ourselves.
const (
	vecConst     = 0x0c
	vecF32x4Eq   = 0x41
	vecF64x2Eq   = 0x47
	vecBitselect = 0x52
)

// imm says what follows an instruction's number.
type imm uint8

const (
	immUnknown imm = iota // no such instruction
	immNone
	immFlow    // handled one by one in body.go
	immMemory  // alignment and offset
	immLane    // a lane
	immMemLane // alignment, offset and a lane
	imm16      // sixteen bytes: a vector constant or a shuffle
	immI32
	immI64
	immF32
	immF64
	immTable // a table
	immZero  // the memory's index, one zero byte
)

// shape is how float operations see a value: which bits in it may be a NaN that
// an engine was free to choose. See nan.go.
type shape uint8

const (
	shapeNone shape = iota
	shapeF32
	shapeF64
	shapeF32x4
	shapeF64x2
)

// op describes an instruction.
type op struct {
	imm       imm
	pop, push uint8
	free      bool      // costs nothing at tariff 1
	reads     shape     // operands whose NaN bits it cannot show to the guest
	makes     shape     // its result may be a NaN of the engine's choice
	tame      bool      // its result is no NaN, unless it is a constant that is one
	gives     ValueType // its result's type, when that is a float or a vector
}

var (
	ops  [256]op
	misc [miscTableFill + 1]op
	vecs [256]op
)

func init() {
	set := func(t []op, o op, from, to int) {
		for i := from; i <= to; i++ {
			t[i] = o
		}
	}
	flow := op{imm: immFlow}
	for _, c := range []int{opBlock, opLoop, opElse, opEnd, opReturn, opUnreachable} {
		ops[c] = op{imm: immFlow, free: true}
	}
	for _, c := range []int{opIf, opBr, opBrIf, opBrTable, opCall, opCallIndirect, opReturnCall, opReturnTable, opDrop, opSelect, opSelectTyped,
		opMemoryGrow, opRefNull, opRefFunc} {
		ops[c] = flow
	}
	set(ops[:], flow, opLocalGet, opGlobalSet)
	ops[opDrop].free = true
	ops[opNop] = op{imm: immNone, free: true}
	ops[opTableGet] = op{imm: immTable, pop: 1, push: 1}
	ops[opTableSet] = op{imm: immTable, pop: 2}
	set(ops[:], op{imm: immMemory, pop: 1, push: 1}, 0x28, 0x35) // loads
	set(ops[:], op{imm: immMemory, pop: 2}, 0x36, 0x3e)          // stores
	ops[opMemorySize] = op{imm: immZero, push: 1}
	ops[opI32Const] = op{imm: immI32, push: 1}
	ops[opI64Const] = op{imm: immI64, push: 1}
	ops[opF32Const] = op{imm: immF32, push: 1, tame: true}
	ops[opF64Const] = op{imm: immF64, push: 1, tame: true}

	unary := op{imm: immNone, pop: 1, push: 1}
	binary := op{imm: immNone, pop: 2, push: 1}
	tame := op{imm: immNone, pop: 1, push: 1, tame: true}
	with := func(o op, reads, makes shape) op {
		o.reads, o.makes = reads, makes
		return o
	}
	set(ops[:], unary, 0x45, 0x45)                     // i32.eqz
	set(ops[:], binary, 0x46, 0x4f)                    // i32 comparisons
	set(ops[:], unary, 0x50, 0x50)                     // i64.eqz
	set(ops[:], binary, 0x51, 0x5a)                    // i64 comparisons
	set(ops[:], with(binary, shapeF32, 0), 0x5b, 0x60) // f32 comparisons
	set(ops[:], with(binary, shapeF64, 0), 0x61, 0x66) // f64 comparisons
	set(ops[:], unary, 0x67, 0x69)                     // i32 clz, ctz, popcnt
	set(ops[:], binary, 0x6a, 0x78)                    // i32 arithmetic
	set(ops[:], unary, 0x79, 0x7b)                     // i64 clz, ctz, popcnt
	set(ops[:], binary, 0x7c, 0x8a)                    // i64 arithmetic
	for base, s := range map[int]shape{0x8b: shapeF32, 0x99: shapeF64} {
		set(ops[:], unary, base, base+1)                 // abs, neg: they keep the NaN's bits
		set(ops[:], with(unary, s, s), base+2, base+6)   // ceil, floor, trunc, nearest, sqrt
		set(ops[:], with(binary, s, s), base+7, base+12) // add, sub, mul, div, min, max
		set(ops[:], binary, base+13, base+13)            // copysign: so does it
	}
	set(ops[:], unary, 0xa7, 0xa7)                           // i32.wrap_i64
	set(ops[:], with(unary, shapeF32, 0), 0xa8, 0xa9)        // i32.trunc_f32
	set(ops[:], with(unary, shapeF64, 0), 0xaa, 0xab)        // i32.trunc_f64
	set(ops[:], unary, 0xac, 0xad)                           // i64.extend_i32
	set(ops[:], with(unary, shapeF32, 0), 0xae, 0xaf)        // i64.trunc_f32
	set(ops[:], with(unary, shapeF64, 0), 0xb0, 0xb1)        // i64.trunc_f64
	set(ops[:], tame, 0xb2, 0xb5)                            // f32.convert
	set(ops[:], with(unary, shapeF64, shapeF32), 0xb6, 0xb6) // f32.demote_f64
	set(ops[:], tame, 0xb7, 0xba)                            // f64.convert
	set(ops[:], with(unary, shapeF32, shapeF64), 0xbb, 0xbb) // f64.promote_f32
	set(ops[:], unary, 0xbc, 0xc4)                           // reinterpret, sign extension
	set(ops[:], unary, opRefIsNull, opRefIsNull)

	set(misc[:], with(unary, shapeF32, 0), 0, 1) // i32.trunc_sat_f32
	set(misc[:], with(unary, shapeF64, 0), 2, 3) // i32.trunc_sat_f64
	set(misc[:], with(unary, shapeF32, 0), 4, 5) // i64.trunc_sat_f32
	set(misc[:], with(unary, shapeF64, 0), 6, 7) // i64.trunc_sat_f64
	set(misc[:], flow, miscMemoryInit, miscTableFill)

	vectorOps(set, unary, binary, with)
	giveFloats()
}

// giveFloats notes which instructions have a float or a vector as their result.
func giveFloats() {
	for _, r := range []struct {
		typ      ValueType
		from, to int
	}{
		{F32, 0x2a, 0x2a}, {F64, 0x2b, 0x2b}, // loads
		{F32, opF32Const, opF32Const}, {F64, opF64Const, opF64Const},
		{F32, 0x8b, 0x98}, {F64, 0x99, 0xa6}, // arithmetic
		{F32, 0xb2, 0xb6}, {F64, 0xb7, 0xbb}, // conversions
		{F32, 0xbe, 0xbe}, {F64, 0xbf, 0xbf}, // reinterpretations
	} {
		for i := r.from; i <= r.to; i++ {
			ops[i].gives = r.typ
		}
	}
	for i := range vecs {
		if vecs[i].push > 0 {
			vecs[i].gives = V128
		}
	}
	for _, i := range []int{0x15, 0x16, 0x18, 0x19, 0x1b, 0x1d, // extract an integer
		0x53, 0x63, 0x64, 0x83, 0x84, 0xa3, 0xa4, 0xc3, 0xc4} { // any_true, all_true, bitmask
		vecs[i].gives = 0
	}
	vecs[0x1f].gives, vecs[0x21].gives = F32, F64 // extract a float
}

// vectorOps describes the instructions behind opVector.
func vectorOps(set func(t []op, o op, from, to int), unary, binary op, with func(o op, reads, makes shape) op) {
	load := op{imm: immMemory, pop: 1, push: 1}
	set(vecs[:], load, 0x00, 0x0a)
	vecs[0x0b] = op{imm: immMemory, pop: 2}              // v128.store
	vecs[vecConst] = op{imm: imm16, push: 1, tame: true} // v128.const
	vecs[0x0d] = op{imm: imm16, pop: 2, push: 1}         // i8x16.shuffle
	set(vecs[:], binary, 0x0e, 0x0e)                     // i8x16.swizzle
	set(vecs[:], unary, 0x0f, 0x14)                      // splat
	extract := op{imm: immLane, pop: 1, push: 1}
	replace := op{imm: immLane, pop: 2, push: 1}
	for i, o := range []op{extract, extract, replace, extract, extract, replace, // i8x16, i16x8
		extract, replace, extract, replace, extract, replace, extract, replace} { // i32x4, i64x2, f32x4, f64x2
		vecs[0x15+i] = o
	}
	set(vecs[:], binary, 0x23, 0x40)                       // integer comparisons
	set(vecs[:], with(binary, shapeF32x4, 0), 0x41, 0x46)  // f32x4 comparisons
	set(vecs[:], with(binary, shapeF64x2, 0), 0x47, 0x4c)  // f64x2 comparisons
	set(vecs[:], unary, 0x4d, 0x4d)                        // v128.not
	set(vecs[:], binary, 0x4e, 0x51)                       // and, andnot, or, xor
	vecs[vecBitselect] = op{imm: immNone, pop: 3, push: 1} // v128.bitselect
	set(vecs[:], unary, 0x53, 0x53)                        // v128.any_true
	set(vecs[:], op{imm: immMemLane, pop: 2, push: 1}, 0x54, 0x57)
	set(vecs[:], op{imm: immMemLane, pop: 2}, 0x58, 0x5b)
	set(vecs[:], load, 0x5c, 0x5d)                                // load32_zero, load64_zero
	set(vecs[:], with(unary, shapeF64x2, shapeF32x4), 0x5e, 0x5e) // f32x4.demote_f64x2_zero
	set(vecs[:], with(unary, shapeF32x4, shapeF64x2), 0x5f, 0x5f) // f64x2.promote_low_f32x4
	round32 := with(unary, shapeF32x4, shapeF32x4)
	round64 := with(unary, shapeF64x2, shapeF64x2)
	for _, r := range []struct {
		o        op
		from, to int
	}{
		{unary, 0x60, 0x64},   // i8x16 abs, neg, popcnt, all_true, bitmask
		{binary, 0x65, 0x66},  // i8x16.narrow
		{round32, 0x67, 0x6a}, // f32x4 ceil, floor, trunc, nearest
		{binary, 0x6b, 0x73},  // i8x16 shifts, add, sub
		{round64, 0x74, 0x75}, // f64x2 ceil, floor
		{binary, 0x76, 0x79},  // i8x16 min, max
		{round64, 0x7a, 0x7a}, // f64x2.trunc
		{binary, 0x7b, 0x7b},  // i8x16.avgr_u
		{unary, 0x7c, 0x81},   // extadd_pairwise, i16x8 abs, neg
		{binary, 0x82, 0x82},  // i16x8.q15mulr_sat_s
		{unary, 0x83, 0x84},   // i16x8 all_true, bitmask
		{binary, 0x85, 0x86},  // i16x8.narrow
		{unary, 0x87, 0x8a},   // i16x8.extend
		{binary, 0x8b, 0x93},  // i16x8 shifts, add, sub
		{round64, 0x94, 0x94}, // f64x2.nearest
		{binary, 0x95, 0x99},  // i16x8 mul, min, max
		{binary, 0x9b, 0x9f},  // i16x8 avgr_u, extmul
		{unary, 0xa0, 0xa1},   // i32x4 abs, neg
		{unary, 0xa3, 0xa4},   // i32x4 all_true, bitmask
		{unary, 0xa7, 0xaa},   // i32x4.extend
		{binary, 0xab, 0xae},  // i32x4 shifts, add
		{binary, 0xb1, 0xb1},  // i32x4.sub
		{binary, 0xb5, 0xba},  // i32x4 mul, min, max, dot
		{binary, 0xbc, 0xbf},  // i32x4.extmul
		{unary, 0xc0, 0xc1},   // i64x2 abs, neg
		{unary, 0xc3, 0xc4},   // i64x2 all_true, bitmask
		{unary, 0xc7, 0xca},   // i64x2.extend
		{binary, 0xcb, 0xce},  // i64x2 shifts, add
		{binary, 0xd1, 0xd1},  // i64x2.sub
		{binary, 0xd5, 0xdb},  // i64x2 mul, comparisons
		{binary, 0xdc, 0xdf},  // i64x2.extmul
		{unary, 0xe0, 0xe1},   // f32x4 abs, neg
		{round32, 0xe3, 0xe3}, // f32x4.sqrt
		{with(binary, shapeF32x4, shapeF32x4), 0xe4, 0xe9}, // f32x4 add to max
		{binary, 0xea, 0xeb},  // f32x4 pmin, pmax: they copy one of their operands
		{unary, 0xec, 0xed},   // f64x2 abs, neg
		{round64, 0xef, 0xef}, // f64x2.sqrt
		{with(binary, shapeF64x2, shapeF64x2), 0xf0, 0xf5}, // f64x2 add to max
		{binary, 0xf6, 0xf7},                     // f64x2 pmin, pmax
		{with(unary, shapeF32x4, 0), 0xf8, 0xf9}, // i32x4.trunc_sat_f32x4
		{unary, 0xfa, 0xfb},                      // f32x4.convert
		{with(unary, shapeF64x2, 0), 0xfc, 0xfd}, // i32x4.trunc_sat_f64x2_zero
		{unary, 0xfe, 0xff},                      // f64x2.convert_low
	} {
		set(vecs[:], r.o, r.from, r.to)
	}
}
