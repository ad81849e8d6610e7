//go:build !linux

package compute

import "time"

// cell is the walls around this process, which is a worker. On this system
// there are none but the process, and the meter's and the engine's own limits.
type cell struct{ list []standing }

func (c *cell) raise() error {
	for _, w := range wallTable {
		s := standing{Name: w.Name, Detail: "not on this system yet"}
		if w.Name == wallProcess {
			s.Stands, s.Detail = true, "of its own, ends when its pipe closes"
		}
		c.list = append(c.list, s)
	}
	return nil
}

func (c *cell) enter(folder string) (string, error) { return folder, nil }

func (c *cell) limitCompile(time.Duration, uint64) error { return nil }

func (c *cell) shut() error { return nil }

func (c *cell) limit(uint64, time.Duration) error { return nil }
