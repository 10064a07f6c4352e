package browse

import (
	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/tui/pane"
)

// mostSole is the largest number of folders that Begin opens below the buckets.
const mostSole = 16

// Start enters the first folder. The zero Target is the list of buckets. A path that was
// typed before has precedence.
func (p *Pane) Start(at pane.Target) tea.Cmd {
	p.started = true
	if p.asked != nil {
		return nil
	}
	return p.goTo(at)
}

// Begin enters the list of buckets. While a list has one row, a bucket or a folder, it
// opens that one.
func (p *Pane) Begin() tea.Cmd {
	cmd := p.enter(visit{})
	if p.typing == notTyping {
		p.sole = mostSole
	}
	return cmd
}

// onlyFolder enters the only row of a listing during Begin; nil if there is another row,
// or a file.
func (p *Pane) onlyFolder(l *listing) tea.Cmd {
	left := p.sole - 1
	p.sole = 0
	if left < 0 || l.location != p.here.location || !l.complete() || l.n != 1 || len(l.folders) != 1 {
		return nil
	}
	e := l.entry(l.folders[0])
	cmd := p.enter(visit{location: l.location.child(e.Name.Raw(), e.Kind)})
	p.sole = left
	return cmd
}

// waits returns the reason that an empty table is not the content of its folder yet, ""
// if it is.
func (p *Pane) waits() string {
	if len(p.view) > 0 || p.started && !p.loading && p.asked == nil {
		return ""
	}
	return "The folder is being listed."
}

// refuse shows the reason that a key has no effect, if there is one.
func (p *Pane) refuse(why string) tea.Cmd {
	if why == "" {
		return nil
	}
	return pane.Send(pane.Say{Text: safetext.New(why), Tone: pane.Warning})
}
