package market

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// Hole stands in a MapSpec's Args for the item.
const Hole = "{}"

// What a map may have at most.
const (
	// MaxItems is how many items.
	MaxItems = 100_000
	// MaxMapInput is how many bytes of lines, or of the list of files; they are in
	// memory while the map runs. MaxLine is how many bytes one line.
	MaxMapInput = 16 << 20
	MaxLine     = 64 << 10
	// MaxParallel is how many items at once; DefaultParallel is what 0 stands for.
	MaxParallel     = 48
	DefaultParallel = 16

	maxItemName = 64
)

// Each is what the items of a map are.
type Each string

// The kinds of items.
const (
	EachLine   Each = "lines" // the lines of Input
	EachFile   Each = "files" // the files that Input lists, as JSON of compute.File, one to a line
	EachNumber Each = "range" // First to Last
)

// A MapSpec is one program, wanted for each of many inputs. A line or number is
// the program's standard input, with a line's end, and a file's bytes are. Where
// Args have a Hole, it stands there instead, and a file is an input file of the
// job under its own path.
type MapSpec struct {
	// Spec is what all items have in common. MaxCredit is the most that all of
	// them cost together; Timeout is what each of them may take.
	Spec
	Each  Each         `cbor:"each" json:"each"`
	Input compute.Blob `cbor:"input" json:"input"`
	First int64        `cbor:"first" json:"first"`
	Last  int64        `cbor:"last" json:"last"`
	// Parallel is how many may be under way at once, at most MaxParallel: 0 is
	// DefaultParallel.
	Parallel int `cbor:"parallel" json:"parallel"`
	// Random has each item begin its randomness anew; RandomSeed sets it.
	Random bool `cbor:"random" json:"-"`
}

// MapState is where a map stands.
type MapState string

// The states of a map. A map that was stopped goes on with ResumeMap.
const (
	MapRunning MapState = "running"
	MapDone    MapState = "done"    // every item has ended
	MapStopped MapState = "stopped" // see Reason; some items have not ended
)

// A Map is what a buyer knows of one. It is a copy.
type Map struct {
	ID    ID       `json:"map"`
	Spec  MapSpec  `json:"spec,omitzero"`
	Each  Each     `json:"each"`
	State MapState `json:"state"`
	// Reason, Error and Hint say why it was stopped; else empty.
	Reason  Reason    `json:"reason,omitempty"`
	Error   string    `json:"error,omitempty"`
	Hint    string    `json:"hint,omitempty"`
	Created time.Time `json:"created"`
	Ended   time.Time `json:"ended,omitzero"`

	// Items is how many there are, Done how many of them have ended with exit code
	// 0, Failed how many otherwise, and Running how many jobs are under way.
	Items   int `json:"items"`
	Done    int `json:"done"`
	Failed  int `json:"failed"`
	Running int `json:"running"`
	// Again is how many jobs were bought beside one for each item: because one was
	// slow, or came to its own share of the cap.
	Again int `json:"again"`
	// Fuel is what items that ended have used and those under way so far. Cost is
	// what all jobs that ended cost, those that were for nothing, too.
	Fuel uint64        `json:"fuel"`
	Cost ledger.Amount `json:"cost_micro"`
	// Sellers are those whose results were taken, at most maxMapSellers and one
	// with no key for all others; the busiest first.
	Sellers []MapSeller `json:"sellers,omitempty"`
}

// MapSeller is what one seller did of a map.
type MapSeller struct {
	Seller identity.Entity `json:"seller,omitzero"`
	Items  int             `json:"items"`
	Fuel   uint64          `json:"fuel"`
	Cost   ledger.Amount   `json:"cost_micro"`
}

// A MapItem is an item that has ended.
type MapItem struct {
	Item int    `json:"item"` // from 0
	Name string `json:"name"` // the file's path, the number, or the line, cut off after maxItemName bytes
	// State is Done or Failed; Job is the job whose result it is.
	State  State           `json:"state"`
	Job    ID              `json:"job,omitzero"`
	Reason Reason          `json:"reason,omitempty"`
	Error  string          `json:"error,omitempty"`
	Exit   *int32          `json:"exit"`
	Fuel   uint64          `json:"fuel"`
	Cost   ledger.Amount   `json:"cost_micro"` // of all jobs for it
	Seller identity.Entity `json:"seller,omitzero"`
	Tries  int             `json:"tries"`
	// Out and Err are the bytes of Stdout and Stderr when they are short; see
	// Market.ItemLog for others.
	Stdout compute.Blob      `json:"stdout"`
	Stderr compute.Blob      `json:"stderr"`
	Out    []byte            `json:"out,omitempty"`
	Err    []byte            `json:"err,omitempty"`
	Files  []compute.OutFile `json:"files,omitempty"`
}

// OK says that the program ended by itself with exit code 0.
func (i MapItem) OK() bool { return i.State == Done && (i.Exit == nil || *i.Exit == 0) }

// withDefaults fills in the zero fields.
func (s MapSpec) withDefaults() MapSpec {
	s.Random = s.Random || s.RandomSeed
	s.RandomSeed = false
	s.Spec = s.Spec.withDefaults()
	if s.Parallel == 0 {
		s.Parallel = DefaultParallel
	}
	return s
}

// check says what is wrong with a spec that has its defaults.
func (s MapSpec) check() *Refused {
	holes := slices.ContainsFunc(s.Args, func(a string) bool { return strings.Contains(a, Hole) })
	switch {
	case s.Parallel < 1 || s.Parallel > MaxParallel:
		return refuse(BadJob, "%d items at once are wanted, want 1 to %d", s.Parallel, MaxParallel)
	case s.Each != EachLine && s.Each != EachFile && s.Each != EachNumber:
		return refuse(BadJob, "each is %q, want lines, files or range", clip(string(s.Each)))
	case s.Input.Size > MaxMapInput:
		return refuse(BadJob, "the list of items has %d bytes, at most %d are allowed", s.Input.Size, MaxMapInput)
	case s.Each == EachNumber && (s.Last < s.First || uint64(s.Last)-uint64(s.First) >= MaxItems):
		return refuse(BadJob, "the range is %d to %d, want 1 to %d numbers", s.First, s.Last, MaxItems)
	case !holes && s.Stdin.Size > 0:
		return refuse(BadJob, "standard input is given, and the item is to be standard input; write %s where the item is to stand in the arguments", Hole)
	}
	return s.Spec.check()
}

// same says whether o asks for the same work, on whatever terms.
func (s MapSpec) same(o MapSpec) bool {
	for _, x := range []*MapSpec{&s, &o} {
		x.MaxCredit, x.MaxPrice, x.Timeout, x.To, x.Labels, x.Parallel = 0, 0, 0, nil, nil, 0
		x.Limits.WallMillis = 0
		if x.Random {
			x.Seed = [32]byte{}
		}
		if len(x.Env) == 0 { // on disk no list is an empty one
			x.Env = nil
		}
		if len(x.Files) == 0 {
			x.Files = nil
		}
		if len(x.Args) == 0 {
			x.Args = nil
		}
	}
	a, err1 := json.Marshal(s)
	b, err2 := json.Marshal(o)
	return err1 == nil && err2 == nil && s.Random == o.Random && bytes.Equal(a, b)
}

// An input is what one item is about.
type input struct {
	text string
	file compute.File // of EachFile
}

// name is the input for people.
func (i input) name() string {
	if i.file.Path != "" {
		return i.file.Path
	}
	text := strings.ToValidUTF8(i.text, "\uFFFD")
	for len(text) > maxItemName {
		_, last := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-last]
	}
	return text
}

// readInputs lists the items of a spec whose Input is in r.
func (s MapSpec) readInputs(r io.Reader) ([]input, error) {
	if s.Each == EachNumber {
		all := make([]input, 0, s.Last-s.First+1)
		for n := s.First; ; n++ {
			all = append(all, input{text: strconv.FormatInt(n, 10)})
			if n == s.Last {
				return all, nil
			}
		}
	}
	var all []input
	seen := map[string]bool{}
	lines := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if line == "" && errors.Is(err, io.EOF) {
			break
		} else if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		in := input{text: strings.TrimSuffix(line, "\n")}
		switch {
		case len(all) == MaxItems:
			return nil, refuse(BadJob, "there are more than %d items", MaxItems)
		case len(in.text) > MaxLine:
			return nil, refuse(BadJob, "line %d has %d bytes, at most %d are allowed; give long inputs as files", n, len(in.text), MaxLine)
		}
		if s.Each == EachFile {
			if err := json.Unmarshal([]byte(in.text), &in.file); err != nil {
				return nil, refuse(BadJob, "line %d of the list of files: %v", n, err)
			}
			if err := compute.CheckPath(in.file.Path); err != nil {
				return nil, refuse(BadJob, "line %d of the list of files: %v", n, err)
			}
			if seen[in.file.Path] {
				return nil, refuse(BadJob, "the file %q is listed twice", in.file.Path)
			}
			seen[in.file.Path] = true
			in.text = in.file.Path
		}
		all = append(all, in)
	}
	if len(all) == 0 {
		return nil, refuse(BadJob, "there are no items")
	}
	return all, nil
}

// job is the spec of an item's job that may cost cap. put stores what is to be
// its standard input.
func (s MapSpec) job(in input, cap ledger.Amount, put func([]byte) (compute.Blob, error)) (Spec, error) {
	j := s.Spec
	j.MaxCredit, j.RandomSeed = cap, s.Random
	if s.Random {
		j.Seed = [32]byte{}
	}
	holes := false
	j.Args = slices.Clone(j.Args)
	for i, a := range j.Args {
		if strings.Contains(a, Hole) {
			j.Args[i], holes = strings.ReplaceAll(a, Hole, in.text), true
		}
	}
	switch {
	case holes && s.Each == EachFile:
		i, taken := slices.BinarySearchFunc(j.Files, in.file.Path, func(f compute.File, path string) int { return strings.Compare(f.Path, path) })
		if taken {
			return Spec{}, fmt.Errorf("%s is among the files that all items have", in.file.Path)
		}
		j.Files = slices.Insert(slices.Clone(j.Files), i, in.file)
	case holes:
	case s.Each == EachFile:
		j.Stdin = in.file.Blob()
	default:
		blob, err := put([]byte(in.text + "\n"))
		if err != nil {
			return Spec{}, err
		}
		j.Stdin = blob
	}
	return j, nil
}
