package download

import "time"

// gauge measures several transfers together: those of a folder, or all. Two gauges of
// the same transfers have the same rate.
type gauge struct {
	meter meter
	moved int64 // bytes that came over the network
}

// account adds the bytes of a transfer to its gauges, under mu.
func (e *Engine) account(t *transfer) {
	now := t.progress.Fetched.Load()
	came := now - t.slot.moved
	t.slot.moved = now
	e.sums.moved += came
	if p := t.parent; p != nil {
		p.folder.moved += came
		if e.sums.folders == nil {
			e.sums.folders = make(map[*transfer]struct{})
		}
		e.sums.folders[p] = struct{}{}
	}
}

// tick measures, and returns the bytes a second of all transfers since the last tick.
func (s *sums) tick(now time.Time) (instant float64) {
	for f := range s.folders {
		if f.state.Finished() {
			f.folder.meter = meter{}
			delete(s.folders, f)
			continue
		}
		f.folder.meter.tick(f.folder.moved, now)
	}
	return s.meter.tick(s.moved, now)
}

// stop ends the measuring.
func (s *sums) stop() {
	s.ticking, s.meter = false, meter{}
	for f := range s.folders {
		f.folder.meter = meter{}
	}
	clear(s.folders)
}
