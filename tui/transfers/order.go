package transfers

import (
	"strings"

	"usher/backend/api"
	"usher/client/download"
)

// gap in Pane.shown is an empty line between two blocks of rows.
const gap = -1

// wide is the cells from which rows have room for whole words, and blocks for
// an empty line between them.
const wide = 110

// groups in their order on the page: transfers that move, that need a look, that wait
// for the person, that wait, that ended, that were taken away.
const (
	moving = iota
	stuck
	paused
	waiting
	over
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
	return over
}

// own reports whether a transfer has a row of its own. A folder represents its
// files, but for those that need a look and those that are under way for long
// enough to be read.
func own(t *download.Transfer) bool {
	switch {
	case t.State == download.Cancelled:
		return false
	case t.Parent == 0, t.State == download.Failed, t.State == download.Denied, t.Differs:
		return true
	}
	return t.Size > briefly && (t.State == download.Running || t.State == download.Verifying)
}

// briefly is the size up to which a file of a folder comes and goes too fast
// for a row of its own.
const briefly = 8 << 20 // bytes

// arrange puts the rows in order. The cursor stays on its transfer, at, once it
// was put there, else on a transfer that moves.
func (p *Pane) arrange(at download.ID) {
	var by [groups][]int
	for i := range p.snap.Transfers {
		if t := &p.snap.Transfers[i]; own(t) {
			g := groupOf(t)
			by[g] = append(by[g], i)
		}
	}
	p.first = 0
	if w := by[waiting]; len(w) > 0 {
		p.first = p.snap.Transfers[w[0]].ID
	}
	shown := make([]int, 0, len(p.shown)+2)
	for g, rows := range by {
		if p.spaced && g >= over && len(rows) > 0 && len(shown) > 0 {
			shown = append(shown, gap)
		}
		shown = append(shown, rows...)
	}
	p.shown = shown
	p.twins.find(p)
	p.list.Changed()
	if !p.stays {
		p.toFirst()
		return
	}
	for i, n := range p.shown {
		if n != gap && p.snap.Transfers[n].ID == at {
			p.list.SetCursor(i)
		}
	}
}

// under is the transfer with the cursor, 0 for none.
func (p *Pane) under() download.ID {
	if t := p.current(); t != nil {
		return t.ID
	}
	return 0
}

func (p *Pane) toFirst() {
	p.list.SetCursor(0)
	p.list.SetTop(0)
}

// twins are the names that rows of different objects would share.
type twins struct {
	rows int
	last download.ID
	more map[string]bool
}

// find looks for them, if the rows are others than before.
func (w *twins) find(p *Pane) {
	rows, last := 0, download.ID(0)
	for _, n := range p.shown {
		if n != gap {
			rows, last = rows+1, max(last, p.snap.Transfers[n].ID)
		}
	}
	if rows == w.rows && last == w.last {
		return
	}
	w.rows, w.last, w.more = rows, last, make(map[string]bool)
	seen := make(map[string]*download.Transfer, rows)
	for _, n := range p.shown {
		if n == gap {
			continue
		}
		t := &p.snap.Transfers[n]
		name := base(t)
		if other := seen[name]; other == nil {
			seen[name] = t
		} else if other.Bucket != t.Bucket || other.Key != t.Key {
			w.more[name] = true
		}
	}
}

// base is the name of a transfer's row, raw.
func base(t *download.Transfer) string {
	name := pathOf(t).Base()
	if t.Folder {
		name += "/"
	}
	return name
}

func pathOf(t *download.Transfer) api.Path { return api.Path{Bucket: t.Bucket, Key: t.Key} }

// before is the text before a row's name, raw: the way from the folder it
// belongs to, or the whole way where another row has the same name.
func (p *Pane) before(t *download.Transfer) string {
	up := pathOf(t).Parent().Key
	if t.Parent != 0 {
		for i := range p.snap.Transfers {
			if f := &p.snap.Transfers[i]; f.ID == t.Parent && strings.HasPrefix(up, f.Key) {
				return base(f) + up[len(f.Key):]
			}
		}
	}
	if t.Parent != 0 || p.twins.more[base(t)] {
		return t.Bucket + "/" + up
	}
	return ""
}
