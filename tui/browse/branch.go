package browse

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
)

// branch is the listing of a parent of the open folder, for the folders beside the
// open one in the tree. A folder that is opened by its path has no listed parents.
// They are listed when the tree is visible and the cursor rests: once, and only their
// first page, because each page is an event in the audit log.
type branch struct {
	location location
	cancel   context.CancelFunc
}

// branched is the response to a branch.
type branched struct {
	branch  *branch
	pages   []*page
	next    string
	left    int
	version string
	at      time.Time
	err     error
}

// grown requests the outermost parent of the open folder that is not listed.
func (t *tree) grown() tea.Cmd {
	p := t.p
	visible := p.beside(inTree) || p.focus == inTree
	if !visible || t.branch != nil || p.asked != nil || !p.now().loaded() {
		return nil
	}
	here := p.here.location.base()
	for _, at := range append([]location{{}}, here.chain()...) {
		if at == here {
			break
		}
		if l, ok := p.store[at]; ok && l.loaded() || t.tried[at] {
			continue
		}
		t.tried[at] = true
		return t.request(at)
	}
	return nil
}

func (t *tree) request(at location) tea.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	b, backend, now := &branch{at, cancel}, t.p.Backend, t.p.Now
	t.branch = b
	return func() tea.Msg {
		defer cancel()
		r, err := backend.List(ctx, api.ListRequest{Bucket: at.bucket, Prefix: at.prefix, Limit: api.MaxList})
		m := branched{branch: b, at: now(), err: err}
		if err == nil {
			m.pages, m.next, m.left, m.version = pack(r.Entries), r.Cursor, r.Omitted, r.GrantsVersion
		}
		return m
	}
}

// branched adds a listed parent. A parent without a listing is left out of the tree.
func (t *tree) branched(m branched) tea.Cmd {
	if m.branch != t.branch {
		return nil
	}
	t.branch = nil
	at := m.branch.location
	if l, ok := t.p.store[at]; m.err == nil && (!ok || !l.loaded()) {
		l = &listing{location: at, at: m.at, version: m.version, left: m.left}
		l.add(m.pages, where{}, m.next)
		t.p.store[at] = l
		t.stale = true
	}
	return t.grown()
}

// prune drops the pending listing, and allows each parent to be listed again.
func (t *tree) prune() {
	if t.branch != nil {
		t.branch.cancel()
		t.branch = nil
	}
	clear(t.tried)
}
