package meter

// What we do not know is refused by the name of the proposal it comes from, so
// that whoever built the module knows which switch of the compiler to turn.
const (
	exceptions  = "exception handling"
	references  = "typed function references"
	collection  = "garbage collection"
	threads     = "threads"
	relaxed     = "relaxed vectors"
	memory64    = "64-bit memory"
	multiMemory = "several memories"
	pageSizes   = "custom page sizes"
	switching   = "stack switching"
	wide        = "wide arithmetic"
	control     = "memory control"
	halfFloats  = "half precision"
	unknownName = "unknown"
)

// stranger names where an instruction comes from that we do not know.
func stranger(c byte) string {
	switch c {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		return exceptions
	case 0x14, 0x15, 0xd4, 0xd5, 0xd6:
		return references
	case 0xd3, opGC:
		return collection
	case 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6:
		return switching
	case 0xfe:
		return threads
	}
	return unknownName
}

// strangeMisc does the same for one behind opMisc.
func strangeMisc(sub uint32) string {
	switch {
	case sub == 18:
		return control
	case sub >= 19 && sub <= 22:
		return wide
	case sub == 0x30 || sub == 0x31:
		return halfFloats
	}
	return unknownName
}

// strangeVector does the same for one behind opVector.
func strangeVector(sub uint32) string {
	switch {
	case sub >= 0x100 && sub <= 0x11f:
		return relaxed
	case sub >= 0x120 && sub <= 0x17f:
		return halfFloats
	}
	return unknownName
}

// strangeType does the same for a value type, or a type's form.
func strangeType(c byte) string {
	switch c {
	case 0x63, 0x64:
		return references
	case 0x69, 0x74:
		return exceptions
	case 0x68, 0x75, 0x5d:
		return switching
	case 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73, 0x77, 0x78, 0x4e, 0x4f, 0x50, 0x5e, 0x5f:
		return collection
	}
	return unknownName
}
