package transfers

import (
	"strings"

	"usher/backend/api"
	"usher/client/download"
)

// wide is the width in cells from which rows show whole words and empty lines
// separate the blocks.
const wide = 110

// Groups of transfers, in their order on the page. Stuck transfers need attention.
const (
	moving = iota
	stuck
	paused
	waiting
	finished
	denied
	groups
)

func groupOf(t *download.Transfer) int {
	switch t.State {
	case download.Running, download.Verifying:
		return moving
	case download.Failed, download.WaitingNetwork, download.WaitingSignIn:
		return stuck
	case download.Paused:
		return paused
	case download.Waiting:
		return waiting
	case download.Denied:
		return denied
	}
	if t.Differs {
		return stuck
	}
	return finished
}

// hasRow reports whether a transfer has a row. A folder represents its files, except
// those that need attention and large ones in progress.
func hasRow(t *download.Transfer) bool {
	switch {
	case t.State == download.Cancelled:
		return false
	case t.Parent == 0, t.State == download.Failed, t.State == download.Denied, t.Differs:
		return true
	}
	return t.Size > minRowSize && (t.State == download.Running || t.State == download.Verifying)
}

// minRowSize is the size up to which a file of a folder has no row while it is in
// progress: the row would disappear too soon.
const minRowSize = 8 << 20 // bytes

// arrange sorts the rows. The cursor stays on transfer at if a key moved it there,
// else on the first row.
func (p *Pane) arrange(at spot) {
	var by [groups][]int
	for i := range p.snap.Transfers {
		if t := &p.snap.Transfers[i]; hasRow(t) {
			g := groupOf(t)
			by[g] = append(by[g], i)
		}
	}
	p.first = 0
	if w := by[waiting]; len(w) > 0 {
		p.first = p.snap.Transfers[w[0]].ID
	}
	shown := make([]row, 0, len(p.shown)+2)
	for g, rows := range by {
		if p.spaced && g >= finished && len(rows) > 0 && len(shown) > 0 {
			shown = append(shown, row{kind: gapRow})
		}
		shown = append(shown, p.bundles(g, rows)...)
	}
	p.shown = shown
	p.sameNames.find(p)
	p.list.Changed()
	if !p.cursorMoved {
		p.toFirst()
		return
	}
	for i, r := range p.shown {
		if p.is(r, at) {
			p.list.SetCursor(i)
		}
	}
}

func (p *Pane) toFirst() {
	p.list.SetCursor(0)
	p.list.SetTop(0)
}

// sameNames holds the names that rows of different objects share.
type sameNames struct {
	rows int
	last download.ID
	more map[string]bool
}

// find updates the names if the rows have changed.
func (w *sameNames) find(p *Pane) {
	rows, last := 0, download.ID(0)
	for i := range p.shown {
		if t := p.transfer(i); t != nil {
			rows, last = rows+1, max(last, t.ID)
		}
	}
	if rows == w.rows && last == w.last {
		return
	}
	defer func() { p.nameW = p.nameWidth() }()
	w.rows, w.last, w.more = rows, last, make(map[string]bool)
	seen := make(map[string]*download.Transfer, rows)
	for i := range p.shown {
		t := p.transfer(i)
		if t == nil {
			continue
		}
		name := base(t)
		if other := seen[name]; other == nil {
			seen[name] = t
		} else if other.Bucket != t.Bucket || other.Key != t.Key {
			w.more[name] = true
		}
	}
}

// base returns the name of a transfer, raw.
func base(t *download.Transfer) string {
	name := pathOf(t).Base()
	if t.Folder {
		name += "/"
	}
	return name
}

func pathOf(t *download.Transfer) api.Path { return api.Path{Bucket: t.Bucket, Key: t.Key} }

// before returns the path before the name of a row, raw: from its folder transfer
// on, or the full path if another row has the same name, else "".
func (p *Pane) before(t *download.Transfer) string {
	up := pathOf(t).Parent().Key
	if t.Parent != 0 {
		for i := range p.snap.Transfers {
			if f := &p.snap.Transfers[i]; f.ID == t.Parent && strings.HasPrefix(up, f.Key) {
				return base(f) + up[len(f.Key):]
			}
		}
	}
	if t.Parent != 0 || p.sameNames.more[base(t)] {
		return t.Bucket + "/" + up
	}
	return ""
}
