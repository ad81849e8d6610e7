package wsnet

import (
	"net"
	"sync"
)

// A corked is a connection that can hold back what is written until all of a
// message is there: the library writes 4 KiB at a time, and each write costs a
// system call here and wakes the reader there. Control frames that come between
// are held with it. It holds a message at most, and nothing while idle.
type corked struct {
	net.Conn

	mu   sync.Mutex // guards what follows, and is held while writing it
	held *[]byte    // nil unless corked
}

// corkRoom is enough for a message, its frame's head and TLS.
const corkRoom = 20 << 10

var corks = sync.Pool{New: func() any {
	b := make([]byte, 0, corkRoom)
	return &b
}}

// findCork returns the cork beneath c, beneath TLS or not, nil if there is none.
func findCork(c net.Conn) *corked {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	if v, ok := c.(*visitor); ok {
		c = v.Conn
	}
	found, _ := c.(*corked)
	return found
}

// cork begins to hold back.
func (c *corked) cork() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = corks.Get().(*[]byte)
	}
}

// uncork writes what was held back.
func (c *corked) uncork() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.held
	if held == nil {
		return nil
	}
	c.held = nil
	err := c.flush(held)
	corks.Put(held)
	return err
}

// flush needs mu.
func (c *corked) flush(held *[]byte) error {
	if len(*held) == 0 {
		return nil
	}
	_, err := c.Conn.Write(*held)
	*held = (*held)[:0]
	return err
}

// Write writes b, now or with the rest of the message.
func (c *corked) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.held == nil {
		c.mu.Unlock()
		return c.Conn.Write(b)
	}
	defer c.mu.Unlock()
	if len(*c.held)+len(b) > cap(*c.held) {
		if err := c.flush(c.held); err != nil {
			return 0, err
		}
	}
	if len(b) > cap(*c.held) {
		return c.Conn.Write(b)
	}
	*c.held = append(*c.held, b...)
	return len(b), nil
}
