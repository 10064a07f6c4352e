package transfers

import (
	"errors"
	"strings"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

// rowKind is the kind of a row of the page.
type rowKind uint8

const (
	fileRow   rowKind = iota // one transfer
	bundleRow                // transfers of one folder and one cause
	gapRow                   // an empty line between two blocks
)

// row is one row of the page.
type row struct {
	kind   rowKind
	at     int     // of snap.Transfers
	bundle *bundle // of a bundleRow, or the one around a fileRow
}

// bundleKey identifies a bundle: the folder of its files, and the cause.
type bundleKey struct {
	group  int
	parent download.ID // the folder transfer; 0: the files were added one by one
	bucket string
	folder string // raw; only without a parent
	cause  string
}

// bundle holds the transfers of one folder that have ended for one cause.
type bundle struct {
	key     bundleKey
	members []int // of snap.Transfers
	size    int64
}

// leastBundle is the number of transfers from which a bundle replaces their rows. A
// finished file needs no attention, but a person may look for its row.
func leastBundle(group int) int {
	if group == finished {
		return 10
	}
	return 3
}

// bundleOf returns the bundle that a row can join, and false for a row of its own.
func bundleOf(t *download.Transfer, group int) (bundleKey, bool) {
	if t.Folder || !t.State.Finished() {
		return bundleKey{}, false
	}
	k := bundleKey{group: group, parent: t.Parent}
	if k.parent == 0 {
		up := pathOf(t).Parent()
		k.bucket, k.folder = up.Bucket, up.Key
	}
	if group != finished {
		k.cause = causeKey(t)
	}
	return k, true
}

// bundles returns the rows of a group, with bundles in the place of their first
// transfer, followed by their transfers if they are open.
func (p *Pane) bundles(group int, rows []int) []row {
	out := make([]row, 0, len(rows))
	least := leastBundle(group)
	if group != stuck && group != denied && group != finished || len(rows) < least {
		for _, n := range rows {
			out = append(out, row{at: n})
		}
		return out
	}
	found := make(map[bundleKey]*bundle)
	for _, n := range rows {
		t := &p.snap.Transfers[n]
		if k, ok := bundleOf(t, group); ok {
			b := found[k]
			if b == nil {
				b = &bundle{key: k}
				found[k] = b
			}
			b.members = append(b.members, n)
			b.size += max(t.Size, 0)
		}
	}
	for _, n := range rows {
		k, ok := bundleOf(&p.snap.Transfers[n], group)
		b := found[k]
		switch {
		case !ok || len(b.members) < least:
			out = append(out, row{at: n})
		case b.members[0] == n:
			out = append(out, row{kind: bundleRow, bundle: b})
			if p.open[k] {
				for _, m := range b.members {
					out = append(out, row{at: m, bundle: b})
				}
			}
		}
	}
	return out
}

// causeKey is the cause of an end, equal for all transfers of that cause.
func causeKey(t *download.Transfer) string {
	if t.State == download.Denied {
		return "denied"
	}
	if t.Differs {
		return "differs"
	}
	var refused *api.Error
	if errors.As(t.Err, &refused) {
		return string(refused.Code)
	}
	return cause(t)
}

// gone is the sentence for objects that are not available to the person. An object
// that was removed and one without a grant look the same.
const gone = "No longer available: your access to this file ended, or it was removed."

// sentence returns the reason of a state, and the request ID in the error, if it has
// one. Rows, bundles and folders use it, so that one cause has one sentence.
func sentence(t *download.Transfer) (say, request string) {
	var refused *api.Error
	if errors.As(t.Err, &refused) {
		request = refused.RequestID
	}
	switch {
	case t.State == download.Denied, refused != nil && refused.Code == api.NotFound:
		return gone, request
	case t.Differs:
		return "The local file was not replaced, and nothing was downloaded.", ""
	case refused != nil:
		plain := *refused
		plain.RequestID = ""
		return (&plain).Error(), request
	case t.Err != nil:
		return pane.Safe(t.Err.Error()).String(), ""
	}
	return pane.Safe(t.Event).String(), ""
}

// sentence returns the sentence of a bundle. A sentence that names a file is replaced
// by the cause.
func (p *Pane) sentence(b *bundle) string {
	first, _ := sentence(&p.snap.Transfers[b.members[0]])
	for _, n := range b.members[1:] {
		if say, _ := sentence(&p.snap.Transfers[n]); say != first {
			short := cause(&p.snap.Transfers[b.members[0]])
			return strings.ToUpper(short[:1]) + short[1:] + "."
		}
	}
	return first
}

// folderOf returns the folder of a bundle for display, raw.
func (p *Pane) folderOf(b *bundle) string {
	if b.key.parent == 0 {
		return b.key.bucket + "/" + b.key.folder
	}
	for i := range p.snap.Transfers {
		if f := &p.snap.Transfers[i]; f.ID == b.key.parent {
			return base(f)
		}
	}
	return b.key.bucket
}

// bundleLine draws the row of a bundle without the first cell of the gutter.
func (p *Pane) bundleLine(t *theme.Theme, b *bundle, c columns, cursor bool) string {
	first := &p.snap.Transfers[b.members[0]]
	sign, state, style := word(t, first)
	label := t.Text
	if cursor {
		label = label.Bold()
	}
	count := quantity.Plural(len(b.members), "file", "files")
	rest := c.name - format.Width(count) - 4
	name := label.Paint(count)
	if rest >= 8 {
		name += t.Muted.Paint(" in " + format.Start(safetext.New(p.folderOf(b)).Distinct(), rest, t.Glyphs.Ellipsis))
	}
	var line strings.Builder
	line.WriteString(style.Paint(" " + sign + " " + format.PadRight(state, stateW-4)))
	line.WriteString(t.Pad(name, c.name))
	line.WriteString(t.Muted.Paint(format.PadLeft(quantity.Size(b.size), 1+quantity.SizeWidth) + "  "))
	room := c.rest + c.bar + 1 + pctW + 2
	line.WriteString(t.Muted.Paint(format.End(format.Fit(room, p.bundleNotes(b)...), room, t.Glyphs.Ellipsis)))
	return line.String()
}

// bundleNotes returns the text at the end of a bundle's row, longest form first.
func (p *Pane) bundleNotes(b *bundle) []string {
	first := &p.snap.Transfers[b.members[0]]
	if b.key.group == finished {
		for _, n := range b.members {
			if t := &p.snap.Transfers[n]; t.State != download.Done || t.Verified == "" || t.Verified == "size" {
				return []string{"complete"}
			}
		}
		return []string{"verified"}
	}
	notes := p.notes(first)
	return []string{p.sentence(b), notes[0], cause(first)}
}

// bundleReason draws the lines below a bundle under the cursor.
func (p *Pane) bundleReason(b *bundle, w int) []string {
	t := p.Env.Theme
	indent := strings.Repeat(" ", stateW)
	var out []string
	if b.key.group != finished {
		say := quantity.Plural(len(b.members), "file", "files") + ": " + p.sentence(b)
		for _, l := range format.Wrap(say, w) {
			out = append(out, indent+t.Text.Paint(l))
		}
	}
	fold := p.hint(keys.Enter, "show the files")
	if p.open[b.key] {
		fold[1] = "hide the files"
	}
	hints := [][2]string{fold}
	if b.retries(p) {
		hints = append(hints, p.hint(keys.Again, "try all again"))
	}
	return append(out, indent+t.Keys(w, append(hints, p.hint(keys.Remove, "remove all"))...))
}

// retries reports whether the transfers of a bundle can be tried again together.
func (b *bundle) retries(p *Pane) bool {
	t := &p.snap.Transfers[b.members[0]]
	return (t.State == download.Failed || t.State == download.Denied) && !conflicts(t)
}

// ids returns the transfers of a bundle.
func (b *bundle) ids(p *Pane) []download.ID {
	out := make([]download.ID, len(b.members))
	for i, n := range b.members {
		out[i] = p.snap.Transfers[n].ID
	}
	return out
}

// causes returns the number of different causes among the failed files of a folder.
func (p *Pane) causes(folder *download.Transfer) int {
	found := make(map[string]bool)
	for i := range p.snap.Transfers {
		if t := &p.snap.Transfers[i]; t.Parent == folder.ID && (t.State == download.Failed || t.State == download.Denied) {
			found[causeKey(t)] = true
		}
	}
	return len(found)
}

// bundle returns the bundle under the cursor, nil for none.
func (p *Pane) bundle() *bundle {
	if i := p.list.Cursor(); i >= 0 && i < len(p.shown) && p.shown[i].kind == bundleRow {
		return p.shown[i].bundle
	}
	return nil
}

// around returns the bundle of the row under the cursor: the row itself, or the one
// that shows it. It is nil for none.
func (p *Pane) around() *bundle {
	if i := p.list.Cursor(); i >= 0 && i < len(p.shown) {
		return p.shown[i].bundle
	}
	return nil
}

// fold shows or hides the transfers of a bundle.
func (p *Pane) fold(b *bundle) {
	p.open[b.key] = !p.open[b.key]
	p.cursorMoved = true
	p.arrange(spot{bundle: b.key})
}

// spot identifies a row over a change of the list.
type spot struct {
	id     download.ID // of a transfer; 0: a bundle
	bundle bundleKey
}

// under returns the row under the cursor.
func (p *Pane) under() spot {
	if t := p.current(); t != nil {
		return spot{id: t.ID}
	}
	if b := p.bundle(); b != nil {
		return spot{bundle: b.key}
	}
	return spot{}
}

// is reports whether row r is at a spot.
func (p *Pane) is(r row, at spot) bool {
	switch r.kind {
	case fileRow:
		return at.id != 0 && p.snap.Transfers[r.at].ID == at.id
	case bundleRow:
		return at.id == 0 && r.bundle.key == at.bundle
	}
	return false
}
