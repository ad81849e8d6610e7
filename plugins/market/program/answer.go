package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/peersea/sea/identity"
)

const (
	// MaxAnswer is how many bytes an answer may have, MaxReason the text of a
	// refusal in it.
	MaxAnswer = 4096
	MaxReason = 200

	maxAmount = 1 << 62 // as in every statement
)

// A Question is what a program is told of a job, as one line of JSON. Fields may
// be added; none changes its meaning or goes while V is 1.
type Question struct {
	V      int             `json:"v"` // 1
	Buyer  identity.Entity `json:"buyer"`
	Entity identity.Entity `json:"entity"` // whom the buyer acts for; the buyer itself, if for nobody
	Module identity.Hash   `json:"module"`
	// What the job may have, at most; the sizes are exact.
	ModuleBytes uint64 `json:"module_bytes"`
	InputBytes  uint64 `json:"input_bytes"`
	Fuel        uint64 `json:"fuel"`
	MemoryPages uint32 `json:"memory_pages"`
	OutputBytes uint64 `json:"output_bytes"`
	WallMillis  uint64 `json:"wall_ms"`
	// The price that it would have without a program, in micro-credits.
	Fee      int64 `json:"fee_micro"`
	PerGfuel int64 `json:"price_micro_per_gfuel"`
	// Granted is whether the buyer has a grant of its own; Room is how much more it
	// may come to owe, Open how many of its orders run or wait, Running and Waiting
	// those of all.
	Granted bool      `json:"granted"`
	Room    int64     `json:"room_micro"`
	Open    int       `json:"open"`
	Running int       `json:"running"`
	Waiting int       `json:"waiting"`
	At      time.Time `json:"at"`
}

// An Answer is what a program says of a job: exactly one of the three.
type Answer struct {
	Accept bool `json:"accept,omitempty"`
	// Refuse is why not, for the buyer: 1 to 200 bytes of text.
	Refuse string `json:"refuse,omitempty"`
	// Price is on what terms else.
	Price *Price `json:"price,omitempty"`
}

// Price is a fee for the job and a price for each Gfuel, 0 or more and below
// 2^62 micro-credits.
type Price struct {
	Fee      int64 `json:"fee_micro"`
	PerGfuel int64 `json:"micro_per_gfuel"`
}

// Parse reads an answer: one JSON object, with no other keys, and nothing but
// space behind it.
func Parse(b []byte) (Answer, error) {
	var a Answer
	if len(b) > MaxAnswer {
		return Answer{}, fmt.Errorf("the answer has more than %d bytes", MaxAnswer)
	}
	if !utf8.Valid(b) {
		return Answer{}, errors.New("the answer is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); errors.Is(err, io.EOF) {
		return Answer{}, errors.New("there is no answer")
	} else if err != nil {
		return Answer{}, fmt.Errorf("the answer: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Answer{}, errors.New("something stands behind the answer")
	}
	said := 0
	for _, is := range []bool{a.Accept, a.Refuse != "", a.Price != nil} {
		if is {
			said++
		}
	}
	switch {
	case said != 1:
		return Answer{}, errors.New(`the answer is not one of {"accept": true}, {"refuse": "why"} and {"price": {…}}`)
	case len(a.Refuse) > MaxReason:
		return Answer{}, fmt.Errorf("the reason has more than %d bytes", MaxReason)
	case a.Price != nil && (a.Price.Fee < 0 || a.Price.Fee >= maxAmount || a.Price.PerGfuel < 0 || a.Price.PerGfuel >= maxAmount):
		return Answer{}, errors.New("a price is below 0 or not below 2^62")
	}
	return a, nil
}
