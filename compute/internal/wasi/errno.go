package wasi

// errno is what a call returns to the guest, in WASI's numbers.
type errno uint32

// The numbers this world answers with.
const (
	ok           errno = 0
	eBADF        errno = 8
	eBUSY        errno = 10
	eEXIST       errno = 20
	eFAULT       errno = 21
	eILSEQ       errno = 25
	eINVAL       errno = 28
	eISDIR       errno = 31
	eMFILE       errno = 33
	eNAMETOOLONG errno = 37
	eNOENT       errno = 44
	eNOMEM       errno = 48
	eNOSPC       errno = 51
	eNOTDIR      errno = 54
	eNOTEMPTY    errno = 55
	eNOTSOCK     errno = 57
	eNOTSUP      errno = 58
	eROFS        errno = 69
	eSPIPE       errno = 70
	eNOTCAPABLE  errno = 76
)
