package transfers

import (
	"cmp"
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/client"
	"usher/client/download"
	"usher/tui/dialog"
	"usher/tui/pane"
)

// counted is one page of a folder's listing.
type counted struct {
	ask  *Confirm
	item int
	page api.ListResponse
	err  error
}

// countPaused is a pause within a call.
type countPaused struct {
	ask    *Confirm
	say    string
	pauses pane.Pauses
}

// String keeps the raw names of a page out of all output.
func (counted) String() string { return "counted" }

// checked is the result of a disk check.
type checked struct {
	ask   *Confirm
	root  string
	free  int64
	local []download.LocalState
}

// String keeps raw paths out of all output.
func (checked) String() string { return "checked" }

// count requests a page of the next folder.
func (a *Confirm) count(cursor string) tea.Cmd {
	i, lister := a.todo[0], a.p.Lister
	it := a.items[i]
	pauses := pane.NewPauses()
	call := func() tea.Msg {
		defer pauses.Done()
		ctx, cancel := context.WithTimeout(pauses.Context(context.Background()), listTime)
		defer cancel()
		r, err := lister.List(ctx, api.ListRequest{Bucket: it.Bucket.Raw(), Prefix: it.Key.Raw(), Recursive: true, Cursor: cursor, Limit: api.MaxList})
		return counted{a, i, r, err}
	}
	return tea.Batch(call, a.nextPause(pauses))
}

// nextPause waits for the next pause of a pending call.
func (a *Confirm) nextPause(pauses pane.Pauses) tea.Cmd {
	return pauses.Next(func(w client.Wait) tea.Msg { return countPaused{a, pane.Pause(w), pauses} })
}

func (a *Confirm) counted(m counted) tea.Cmd {
	a.pause = ""
	if a.gone {
		return nil
	}
	if m.err != nil {
		a.counting, a.why = false, pane.Sentence(m.err, a.p.Server).String()
		return pane.Send(pane.Failed{Err: m.err})
	}
	folder := a.items[m.item]
	a.listed[m.item] = append(a.listed[m.item], m.page.Entries...)
	for _, e := range m.page.Entries {
		if strings.HasSuffix(folder.Key.Raw()+e.Name, "/") && e.Size == 0 {
			continue // a folder marker
		}
		r := download.Request{Bucket: folder.Bucket.Raw(), Key: folder.Key.Raw() + e.Name, Size: e.Size, ETag: e.ETag}
		if e.Modified != nil {
			r.Modified = *e.Modified
		}
		a.files = append(a.files, Below(a.root, r))
	}
	switch {
	case m.page.Cursor != "" && len(a.files) < maxCount:
		return a.count(m.page.Cursor)
	case m.page.Cursor != "":
		a.more = true
	default:
		a.todo = a.todo[1:]
	}
	if len(a.todo) > 0 && !a.more {
		return a.count("")
	}
	a.counting = false
	return a.check()
}

// check checks the disk: the free space and the existing files.
func (a *Confirm) check() tea.Cmd {
	a.checked = false
	root, reqs := a.root, slices.Clone(a.files)
	engine, free := a.p.Engine, a.p.FreeSpace
	return func() tea.Msg {
		m := checked{ask: a, root: root, free: -1}
		if free != nil {
			if n, err := free(root); err == nil {
				m.free = n
			}
		}
		if len(reqs) <= maxCheck {
			m.local = engine.Local(root, reqs)
		}
		return m
	}
}

func (a *Confirm) settle(m checked) tea.Cmd {
	if a.gone || m.root != a.root {
		return nil
	}
	a.checked, a.free, a.local = true, m.free, nil
	for _, l := range m.local {
		a.local = append(a.local, l.Presence)
	}
	if a.shown {
		return nil
	}
	if !a.taken() && a.enough() {
		return a.start(download.Leave)
	}
	a.shown = true
	return pane.Send(dialog.Show{Dialog: a})
}

// selection is the whole download, as it was requested.
type selection struct {
	items  []Item
	listed [][]api.Entry
	files  []download.Request
}

// restoreLeftOut adds the files again that were left out.
func (a *Confirm) restoreLeftOut() {
	if w := a.whole; w != nil {
		a.items, a.listed, a.files, a.left, a.whole = w.items, w.listed, w.files, nil, nil
	}
}

// spare is the space that the engine keeps free.
const spare = 64 << 20 // bytes

// leaveOut removes the largest files from the download until the rest fits.
func (a *Confirm) leaveOut() {
	order := make([]int, 0, len(a.files))
	for i := range a.files {
		if i >= len(a.local) || a.local[i] != download.Here {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(a.files[j].Size, a.files[i].Size) })
	out := make(map[pane.File]bool)
	for need, n := a.needed(), 0; n < len(order) && need > a.free-spare; n++ {
		r := a.files[order[n]]
		need -= r.Size
		out[pane.File{Bucket: r.Bucket, Key: r.Key}] = true
		a.left = append(a.left, r)
	}
	if a.whole == nil {
		a.whole = &selection{a.items, a.listed, a.files}
	}
	files, local := a.files[:0:0], a.local[:0:0]
	for i, r := range a.files {
		if out[pane.File{Bucket: r.Bucket, Key: r.Key}] {
			continue
		}
		files = append(files, r)
		if i < len(a.local) {
			local = append(local, a.local[i])
		}
	}
	items, listed := a.items[:0:0], a.listed[:0:0]
	for i, it := range a.items {
		if !it.Folder && out[pane.File{Bucket: it.Bucket.Raw(), Key: it.Key.Raw()}] {
			continue
		}
		items, listed = append(items, it), append(listed, a.listed[i])
	}
	a.files, a.local, a.items, a.listed = files, local, items, listed
}
