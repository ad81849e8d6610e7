package compute

import "testing"

// TestControlState: reasons count once each, and every change is told.
func TestControlState(t *testing.T) {
	var c Control
	for _, step := range []struct {
		name  string
		do    func()
		held  bool
		share int
	}{
		{"zero value", func() {}, false, 100},
		{"resume what is not held", func() { c.Resume("a") }, false, 100},
		{"pause", func() { c.Pause("a") }, true, 100},
		{"pause again", func() { c.Pause("a") }, true, 100},
		{"a second reason", func() { c.Pause("b") }, true, 100},
		{"one is taken back", func() { c.Resume("a") }, true, 100},
		{"the last is taken back", func() { c.Resume("b") }, false, 100},
		{"share", func() { c.SetShare(30) }, false, 30},
		{"too little", func() { c.SetShare(-5) }, false, 1},
		{"too much", func() { c.SetShare(1000) }, false, 100},
	} {
		_, _, changed := c.state()
		step.do()
		if held, share, _ := c.state(); held != step.held || share != step.share {
			t.Errorf("%s: held %v, share %d; want %v, %d", step.name, held, share, step.held, step.share)
		}
		if step.name != "zero value" {
			<-changed
		}
	}
	if held, share, changed := (*Control)(nil).state(); held || share != 100 || changed != nil {
		t.Error("nobody steers, and yet there is something to do")
	}
}
