package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/plugins/market"
)

// TestShown: what was shown of a job is what its receipt says, or the command
// says that it is not, with exit code 5. A seller that failed a job may have sent
// anything before another one did it.
func TestShown(t *testing.T) {
	done := market.Job{State: market.Done, Stdout: compute.BlobOf([]byte("right"))}
	for name, tt := range map[string]struct {
		job   market.Job
		parts []string
		ok    bool
	}{
		"the same":           {done, []string{"ri", "ght"}, true},
		"something else":     {done, []string{"wrong"}, false},
		"more":               {done, []string{"right", "!"}, false},
		"less":               {done, []string{"rig"}, false},
		"nothing":            {market.Job{State: market.Done}, nil, true},
		"of one that failed": {market.Job{State: market.Failed}, []string{"wr"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			v := newJobView(&cli{stdout: &out, stderr: new(bytes.Buffer)}, true)
			for _, part := range tt.parts {
				if err := v.update(market.Update{Stdout: []byte(part)}); err != nil {
					t.Fatal(err)
				}
			}
			err := v.shown(tt.job)
			var f *failure
			if (err == nil) != tt.ok || !tt.ok && (!errors.As(err, &f) || f.Code != exitMismatch) {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
}

// TestQuiet: what happens to a job is told to a terminal, or when asked for.
func TestQuiet(t *testing.T) {
	var out, told bytes.Buffer
	c := &cli{stdout: &out, stderr: &told}
	u := market.Update{Events: []market.Event{{Text: "the guest runs"}}, Fuel: 5, FuelLimit: 10, Stdout: []byte("x")}
	v := newJobView(c, true)
	if err := v.update(u); err != nil || told.Len() != 0 || out.String() != "x" {
		t.Errorf("told %q, printed %q, %v", &told, &out, err)
	}
	v.talk = true
	if err := v.update(u); err != nil || !bytes.Contains(told.Bytes(), []byte("the guest runs")) {
		t.Errorf("told %q, %v", &told, err)
	}
}

// TestExitCodes holds the exit code of each end of a job against those that the
// help and docs/BUYING.md name.
func TestExitCodes(t *testing.T) {
	exit := int32(7)
	for code, jobs := range map[int][]market.Job{
		0:   {{State: market.Done}},
		7:   {{State: market.Done, Exit: &exit}},
		1:   {{State: market.Failed, Reason: market.Trapped}, {State: market.Failed, Reason: market.OutputLimit}, {State: market.Failed, Reason: market.EngineFailed}},
		2:   {{State: market.Failed, Reason: market.BadJob}},
		3:   {{State: market.Failed, Reason: market.NoSeller}, {State: market.Failed, Reason: market.Unreachable}, {State: market.Failed, Reason: market.SellerLost}},
		4:   {{State: market.Failed, Reason: market.RefusedPrice}, {State: market.Failed, Reason: market.RefusedCredit}},
		5:   {{State: market.Failed, Reason: market.BadReceipt}, {State: market.Failed, Reason: market.BadOutput}},
		6:   {{State: market.Failed, Reason: market.OutOfFuel}},
		124: {{State: market.Failed, Reason: market.Timeout}},
		130: {{State: market.CancelledBy, Reason: market.Cancelled}},
	} {
		for _, j := range jobs {
			if got := exitOf(j); got != code {
				t.Errorf("%s %s: exit code %d, want %d", j.State, j.Reason, got, code)
			}
		}
	}
}
