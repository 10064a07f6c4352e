package transfers

import (
	"fmt"
	"strings"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/dialog"
	"usher/tui/format"
	"usher/tui/pane"
	"usher/tui/theme"
)

// label is the width of the labels.
const label = 12

// View draws the box.
func (a *Confirm) View(t *theme.Theme, w, h int) string {
	bw := min(dialog.Width, w-4)
	p, inner := t.On(theme.Panel), bw-6
	n := len(a.files)
	title := "Download " + quantity.Plural(n, "file", "files")
	if a.more {
		title = fmt.Sprintf("Download more than %s files", quantity.Count(maxCount))
	}
	facts, field := a.facts(p, inner)
	foot := append([]string{""}, p.KeyRows(inner, a.choices()...)...)
	// The list of files has the lines that remain.
	const around = 4 + 2 + 1 + 3 // the page around it, frame, empty line, total
	lines := append([]string{""}, a.list(p, inner, max(3, h-around-len(facts)-len(foot)))...)
	lines = append(lines, p.Rule.Paint(strings.Repeat(p.Glyphs.Light, inner)))
	total := a.total(p)
	lines = append(lines, p.Pad(p.Text.Paint("Total"), inner-format.Width(total))+p.Text.Bold().Paint(total), "")
	a.y = 1 + len(lines) + field
	lines = append(append(lines, facts...), foot...)
	return t.Box(title, lines, bw)
}

// total returns the size of all files in words.
func (a *Confirm) total(p *theme.Theme) string {
	unknown := 0
	for i := range a.files {
		if a.files[i].Size == 0 && a.files[i].ETag == "" {
			unknown++
		}
	}
	total := quantity.Size(a.bytes())
	switch n := len(a.files); {
	case a.counting && a.pause != "":
		return a.pause + p.Glyphs.Ellipsis + " " + quantity.Count(n)
	case a.counting:
		return "counting" + p.Glyphs.Ellipsis + " " + quantity.Count(n) + ", " + total
	case a.more:
		return "more than " + total
	case unknown > 0 && unknown == n:
		return "size not listed"
	case unknown > 0:
		return total + " and " + quantity.Count(unknown) + " of unknown size"
	}
	return total
}

// list draws the items of the download, in at most room lines.
func (a *Confirm) list(p *theme.Theme, w, room int) []string {
	var lines []string
	for i, it := range a.items {
		if len(lines) == room-1 && len(a.items) > room {
			return append(lines, p.Muted.Paint("and "+quantity.Count(len(a.items)-i)+" more"))
		}
		size := quantity.Size(it.Size)
		switch {
		case it.Folder:
			size = "all below"
		case it.unsized():
			size = ""
		}
		apart := format.Row{At: i, N: len(a.items), Name: func(j int) string { return a.items[j].Name.Distinct() }}.Apart
		name := pane.Name(p, p.Text, it.Name, w-12, apart)
		lines = append(lines, p.Pad(name, w-10)+p.Muted.Paint(format.PadLeft(size, 10)))
	}
	return lines
}

// facts draws the destination, the free space and the effects. It also returns the
// line of the destination.
func (a *Confirm) facts(p *theme.Theme, w int) (out []string, field int) {
	last := ""
	add := func(name, text string, s theme.Style) {
		shown := name
		if name == last {
			shown = ""
		}
		last = name
		for i, part := range format.Wrap(text, w-label) {
			if i > 0 {
				shown = ""
			}
			out = append(out, p.Muted.Paint(format.PadRight(shown, label))+s.Paint(part))
		}
	}
	if len(a.left) > 0 {
		add("Left out", a.leftOut(w-label), p.Warn)
	}
	field = len(out)
	if a.typing {
		out = append(out, a.fieldLine(p, label, w))
		if a.wrong != "" {
			add("", a.wrong, p.Bad)
		}
	} else {
		out = append(out, p.Muted.Paint(format.PadRight("To", label))+p.Text.Paint(format.Start(a.p.short(a.dir()), w-label, p.Glyphs.Ellipsis)))
	}
	switch {
	case !a.enough() && a.more:
		add("Free space", fmt.Sprintf("more than %s needed, %s free. Files that do not fit will fail.", quantity.Size(a.needed()), quantity.Size(a.free)), p.Warn)
	case !a.enough():
		add("Free space", fmt.Sprintf("%s needed, %s free. c chooses another folder.", quantity.Size(a.needed()), quantity.Size(a.free)), p.Bad)
	case a.free >= 0:
		add("Free space", quantity.Size(a.free), p.Text)
	}
	a.hereFacts(add, p)
	if a.why != "" {
		add("Stopped", a.why, p.Warn)
		return out, field
	}
	add("Verified", "each file is checked against its checksum", p.Text)
	switch n := len(a.files) - a.here(download.Here); {
	case a.counting || a.more:
		add("Recorded", "each download, in the audit log", p.Text)
	case n == 0 && len(a.left) > 0:
		add("Recorded", "nothing: there is no file to download", p.Text)
	case n == 0 && len(a.files) > 0:
		add("Recorded", "nothing: there is no file to download", p.Text)
	case n == 0:
		add("Empty", "there is no file in it; an empty local folder is made", p.Text)
	default:
		add("Recorded", quantity.Plural(n, "download", "downloads")+", in the audit log", p.Text)
	}
	return out, field
}

// hereFacts adds the existing local files and their treatment.
func (a *Confirm) hereFacts(add func(name, text string, s theme.Style), p *theme.Theme) {
	if n := a.here(download.Here); n > 0 {
		add("Here", quantity.Plural(n, "file is", "files are")+" already here and identical; not downloaded again", p.Text)
	}
	if n := a.here(download.HereMaybe); n > 0 {
		add("Here", quantity.Plural(n, "local file has this name", "local files have these names")+": compared first, and not replaced if different", p.Text)
	}
	if n := a.here(download.HereOther); n > 0 {
		add("Here", quantity.Plural(n, "local file differs and is not replaced", "local files differ and are not replaced"), p.Warn)
	}
	if a.checked && a.local == nil && len(a.files) > 0 {
		add("Here", "local files are compared: identical ones are not downloaded again, different ones are not replaced", p.Text)
	}
	if n := a.here(download.HerePartial); n > 0 {
		add("Partial", quantity.Plural(n, "file resumes", "files resume")+" from the partial download", p.Text)
	}
}

// leftOut describes the files that were left out.
func (a *Confirm) leftOut(w int) string {
	sum := int64(0)
	for _, r := range a.left {
		sum += r.Size
	}
	say := quantity.Plural(len(a.left), "file does not fit, ", "files do not fit, ") + quantity.Size(sum)
	name := api.Path{Bucket: a.left[0].Bucket, Key: a.left[0].Key}.Base()
	if room := w - 2 - format.Width(say); len(a.left) == 1 && room > 8 {
		return say + ": " + format.Middle(safetext.New(name).Distinct(), room, a.p.Env.Theme.Glyphs.Ellipsis)
	}
	return say
}

// dir returns the folder of all items, or the root if they have several.
func (a *Confirm) dir() string {
	dir := ""
	for i, it := range a.items {
		up := api.Path{Bucket: it.Bucket.Raw(), Key: it.Key.Raw()}.Parent().Key
		d := Folder(a.root, it.Bucket.Raw(), up)
		if i > 0 && d != dir {
			return a.root
		}
		dir = d
	}
	if dir == "" {
		return a.root
	}
	return dir
}
