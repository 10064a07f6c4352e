package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/viewport"

	"usher/backend/event"
	"usher/backend/safetext"
	"usher/client/cells"
	"usher/client/quantity"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
)

// full shows one row in full: every field of its first event, then the later events.
type full struct {
	members []fact // the oldest first
	leaf    string // hash of the first event in the tree, in hexadecimal
	port    viewport.Model
	w       int // the lines were made for; 0: not yet
}

func (p *Pane) fullOf(e *entry) *full {
	v := &full{port: viewport.New()}
	for _, m := range e.members {
		v.members = append(v.members, p.log.facts[m])
	}
	v.leaf = leaf(p.log.events[e.members[0]])
	return v
}

// leaf returns the hash of an event in the tree of the log.
// SPEC: RFC 6962, 2.1: the hash of 0x00 and the entry.
func leaf(e event.Event) string {
	sum := sha256.Sum256(append([]byte{0}, event.Canonical(e)...))
	return hex.EncodeToString(sum[:])
}

func (v *full) view(p *Pane, w, h int) string {
	v.port.SetWidth(w)
	v.port.SetHeight(h - 1)
	if v.w != w {
		v.w = w
		v.port.SetContentLines(v.lines(p, w))
	}
	note := ""
	if n := len(v.members); n > 1 {
		note = quantity.Count(n) + " events"
	}
	return p.Env.Theme.Head(v.members[0].title(), note, w, true) + "\n" + v.port.View()
}

// lines returns all lines, painted, at most w cells wide.
func (v *full) lines(p *Pane, w int) []string {
	t := p.Env.Theme
	lines := append([]string{""}, v.fields(p, &v.members[0], w)...)
	if len(v.members) == 1 {
		return lines
	}
	head := quantity.Plural(len(v.members)-1, "later event", "later events") + ", oldest first"
	lines = append(lines, "", t.Head(head, "", w, false))
	for i := range v.members[1:] {
		f := &v.members[i+1]
		end := p.outcome(t, f)
		if f.completed {
			end = "" // its outcome comes from the client, too
		}
		lines = append(lines, "", " "+t.Pad(t.Text.Bold().Paint(p.when(f.at)), 47)+t.Pad(pane.Name(t, t.Text, act(f), 18, format.End), 20)+end)
		lines = append(lines, v.rest(p, f, w)...)
	}
	for i, l := range lines {
		if format.Width(l) > w {
			lines[i] = cells.Truncate(l, w, "")
		}
	}
	return lines
}

// fields returns the lines of one event.
func (v *full) fields(p *Pane, f *fact, w int) []string {
	t := p.Env.Theme
	k := sheet{t: t, w: w}
	k.plain("When", p.when(f.at))
	k.name("Event", f.id)
	if f.record > 0 {
		k.plain("Number", quantity.Count(f.record)+" in the log (index "+quantity.Count(f.record-1)+" of the tree)")
	}
	k.plain("Leaf", v.leaf)
	k.gap()
	k.name("Action", f.action)
	k.name("Purpose", f.purpose)
	k.painted("Outcome", p.outcome(t, f))
	label := "Reason"
	if l, _ := p.reason(f); l != "Why" {
		label = l
	}
	k.name(label, f.reason)
	k.name("Grant", f.grant)
	k.gap()
	for _, d := range f.details {
		k.name(d.label, d.value)
	}
	k.gap()
	k.name("Grants", f.grants)
	k.name("Before", f.grantsBefore)
	if f.action.Raw() == event.GrantsChanged {
		k.plain("Added", quantity.Plural(f.grantsAdded, "grant", "grants"))
		k.plain("Removed", quantity.Plural(f.grantsRemoved, "grant", "grants"))
	}
	k.gap()
	if f.named {
		k.name("Path", f.path)
	}
	k.size("Size", f.size)
	k.name("ETag", f.etag)
	k.name("Version", f.version)
	k.gap()
	k.name("Who", f.who)
	k.name("Subject", f.sub)
	k.claimed("Email", f.email)
	k.name("Groups", p.groupsOf(f))
	k.name("Session", f.session)
	k.gap()
	k.name("From", f.ip)
	k.name("Terminal", f.terminal)
	k.name("Browser", f.browser)
	k.name("Host", f.host)
	k.name("Client", f.agent)
	k.name("Request", f.request)
	if f.bound > 0 {
		k.plain("Bound", strconv.Itoa(f.bound)+" s until removed access ended, at that time")
	}
	if f.count > 0 {
		k.plain("Count", strings.TrimPrefix(countText(f), "count "))
	}
	k.name("Continues", f.continues)
	k.report(f)
	return k.lines
}

// rest returns the fields in which a later event differs from the first.
func (v *full) rest(p *Pane, f *fact, w int) []string {
	k := sheet{t: p.Env.Theme, w: w}
	k.name("Event", f.id)
	if !f.completed {
		k.name("Reason", f.reason)
	}
	first := &v.members[0]
	if !f.grant.Equal(first.grant) {
		k.name("Grant", f.grant)
	}
	for _, x := range []struct {
		label     string
		is, first safetext.Text
	}{{"ETag", f.etag, first.etag}, {"Version", f.version, first.version}, {"Session", f.session, first.session}, {"From", f.ip, first.ip}, {"Client", f.agent, first.agent}} {
		if !x.is.Equal(x.first) {
			k.name(x.label, x.is)
		}
	}
	k.name("Request", f.request)
	if !f.continues.Equal(first.id) {
		k.name("Continues", f.continues)
	}
	k.report(f)
	return k.lines
}

// sheet is a list of labels and values.
type sheet struct {
	t     *theme.Theme
	w     int
	lines []string
}

func (k *sheet) gap() {
	if n := len(k.lines); n > 0 && k.lines[n-1] != "" {
		k.lines = append(k.lines, "")
	}
}

func (k *sheet) painted(label, value string) {
	k.lines = append(k.lines, " "+k.t.Muted.Paint(format.PadRight(label, detailLabel))+value)
}

func (k *sheet) plain(label, value string) {
	for i, l := range format.Wrap(value, max(8, k.w-detailLabel-2)) {
		if i > 0 {
			label = ""
		}
		k.painted(label, k.t.Text.Paint(l))
	}
}

// name adds an untrusted text in full, on as many lines as needed. It omits an empty
// text.
func (k *sheet) name(label string, text safetext.Text) {
	for _, l := range pane.Wrap(k.t, k.t.Text, text, max(8, k.w-detailLabel-2)) {
		k.painted(label, l)
		label = ""
	}
}

// claimed adds a text that the person can write.
func (k *sheet) claimed(label string, text safetext.Text) {
	if text.IsZero() {
		return
	}
	k.name(label, text)
	k.painted("", k.t.Muted.Paint(format.End("set by the person, not verified: no identity", max(8, k.w-detailLabel-2), k.t.Glyphs.Ellipsis)))
}

func (k *sheet) size(label string, n *int64) {
	if n == nil {
		return
	}
	s := quantity.Size(*n)
	if *n >= 1000 {
		s += ", " + quantity.Count(*n) + " bytes"
	}
	k.plain(label, s)
}

// report adds the client's report, marked as such.
func (k *sheet) report(f *fact) {
	if !f.completed && f.bytes == nil && f.seconds == nil && f.verified.IsZero() {
		return
	}
	k.gap()
	k.lines = append(k.lines, " "+k.t.Warn.Paint("Reported by the client, not checked by the server:"))
	if f.completed {
		k.name("Ended", f.reason)
	}
	k.size("Bytes", f.bytes)
	if f.seconds != nil {
		k.plain("Time", took(*f.seconds))
	}
	k.name("Checksum", f.verified)
}
