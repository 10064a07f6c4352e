package versions

import (
	"slices"

	"usher/backend/api"
	"usher/tui/format"
)

// replace shows other versions. The cursor stays on its version if it is among them.
func (p *Page) replace(all []api.ObjectVersion) {
	before := ""
	if i := p.list.Cursor(); i >= 0 {
		before = p.all[i].Version
	}
	p.all = all
	if i := slices.IndexFunc(all, func(v api.ObjectVersion) bool { return v.Version == before }); i >= 0 {
		p.list.SetCursor(i)
	}
}

// changed measures the notes of the versions, and draws all rows again.
func (p *Page) changed() {
	p.noteW = 0
	for _, v := range p.all {
		p.noteW = max(p.noteW, format.Width(note(v)))
	}
	p.list.Changed()
}

// none returns the reason that no version is shown.
func (p *Page) none() string {
	if p.loading {
		return "The versions are being listed."
	}
	return "There is no version here."
}
