package transfers

import (
	"time"

	"usher/client/download"
)

// The pause between two copies of the queue while a transfer is active. Over SSH each
// frame costs bytes of a slow link, more of them in a wide window.
const (
	tick     = 250 * time.Millisecond
	slowTick = time.Second     // over SSH, for the page in a narrow window
	idleTick = 2 * time.Second // over SSH, for all else; and without motion
)

// pause is that pause.
func (p *Pane) pause() time.Duration {
	switch {
	case p.Env.Still:
		return idleTick
	case !p.Env.Jump:
		return tick
	case p.inFront && p.w < wide:
		return slowTick
	}
	return idleTick
}

// Front notes whether the page is in front.
func (p *Pane) Front(is bool) { p.inFront = is }

// Over SSH, rates and times left change every steadyTime: their last digits differ in each
// copy of the queue, and each change has a movement and a color before it. Bars are short
// for the same reason. A time left of at most exactLeft is always exact. The total and the
// folders change together: the rate of a folder is part of the total.
const (
	steadyTime = 5 * time.Second
	exactLeft  = 10 * time.Second
)

// steady keeps the rates and times of the copy before in a new one.
func (p *Pane) steady(s *download.Snapshot) {
	if !p.Env.Jump || p.ticks-p.measured >= steadyTime {
		p.measured = p.ticks
		return
	}
	same := s.Running == p.snap.Running && steadies(p.snap.Left, s.Left)
	before := make(map[download.ID]*download.Transfer)
	for i := range p.snap.Transfers {
		if t := &p.snap.Transfers[i]; t.State == download.Running {
			before[t.ID] = t
		}
	}
	for i := range s.Transfers {
		if t := &s.Transfers[i]; t.Folder && before[t.ID] != nil {
			same = same && steadies(before[t.ID].Left, t.Left)
		}
	}
	for i := range s.Transfers {
		t := &s.Transfers[i]
		if b := before[t.ID]; b != nil && t.State == download.Running && t.Quiet == 0 && b.Quiet == 0 && steadies(b.Left, t.Left) && (same || !t.Folder) {
			t.Rate, t.Left = b.Rate, b.Left
		}
	}
	if same {
		s.Rate, s.Left = p.snap.Rate, p.snap.Left
	}
}

// steadies reports whether a time left stays on the screen.
func steadies(before, now time.Duration) bool { return min(before, now) > exactLeft }
