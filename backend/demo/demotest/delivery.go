package demotest

import (
	"io"
	"math/rand/v2"
	"sync"
)

// Delivery delivers the lines of the sandbox's access log like S3: at best effort. Some are
// lost, some arrive twice, and some arrive late. It is safe for concurrent use.
// SPEC: S3 user guide, "Logging requests with server access logging", best-effort
// delivery.
type Delivery struct {
	To                  io.Writer
	Lost, Doubled, Late float64 // shares of the lines
	Random              *rand.Rand

	mu   sync.Mutex
	late [][]byte
}

// Write delivers one line. It reports success for a lost line.
func (d *Delivery) Write(line []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	times := 1
	switch {
	case d.Random.Float64() < d.Lost:
		return len(line), nil
	case d.Random.Float64() < d.Doubled:
		times = 2
	}
	for range times {
		if d.Random.Float64() < d.Late {
			d.late = append(d.late, append([]byte(nil), line...))
			continue
		}
		if _, err := d.To.Write(line); err != nil {
			return 0, err
		}
	}
	return len(line), nil
}

// Flush delivers the late lines, in any order.
func (d *Delivery) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Random.Shuffle(len(d.late), func(i, j int) { d.late[i], d.late[j] = d.late[j], d.late[i] })
	for _, line := range d.late {
		if _, err := d.To.Write(line); err != nil {
			return err
		}
	}
	d.late = nil
	return nil
}
