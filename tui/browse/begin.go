package browse

import tea "charm.land/bubbletea/v2"

// mostSole is the largest number of folders that Begin opens below the buckets.
const mostSole = 16

// Begin enters the list of buckets. While a list has one row, a bucket or a folder, it
// opens that one.
func (p *Pane) Begin() tea.Cmd {
	cmd := p.enter(visit{})
	p.sole = mostSole
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
