package transfers

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/dialog"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Click implements pane.Clicks.
func (p *Pane) Click(_, y int) (tea.Cmd, bool) {
	again, ok := p.list.Click(y - 3) // below head, progress and an empty line
	p.cursorMoved = p.cursorMoved || ok
	return nil, again
}

// Do runs an action.
func (p *Pane) Do(a keys.Action) tea.Cmd {
	if p.list.Move(a) {
		p.cursorMoved = a != keys.First
		return nil
	}
	switch a {
	case keys.Back, keys.Quit:
		return pane.Send(pane.Close{})
	case keys.Reload:
		return tea.Batch(p.Look(), p.space())
	}
	if why := p.Why(a); !why.IsZero() {
		return pane.Send(pane.Say{Text: why, Tone: pane.Warning})
	}
	if cmd, done := p.adjust(a); done {
		return cmd
	}
	switch a {
	case keys.OldOnes:
		return pane.Send(pane.Open{Page: keys.OldOnes})
	case keys.PauseAll:
		if p.tally.active {
			return p.call(Engine.PauseAll)
		}
		return p.callAnnounced(Engine.ResumeAll)
	case keys.AgainAll:
		return p.callAnnounced(Engine.RetryAll)
	case keys.ClearEnded:
		return p.clear(p.ids(ended))
	}
	p.cursorMoved = true // the cursor follows its row
	if a == keys.Enter {
		p.fold(p.around())
		return nil
	}
	if b := p.bundle(); b != nil {
		return p.all(a, b)
	}
	t := p.current()
	if t == nil {
		return nil
	}
	id := t.ID
	switch a {
	case keys.Pause:
		if t.State == download.Paused {
			return p.callAnnounced(func(e Engine) { e.Resume(id) })
		}
		return p.call(func(e Engine) { e.Pause(id) })
	case keys.Again:
		if conflicts(t) {
			return p.askReplace(t)
		}
		return p.callAnnounced(func(e Engine) { e.Retry(id) })
	case keys.KeepBoth:
		return p.addAgain(t, download.KeepBoth)
	case keys.Remove:
		return p.remove(t)
	case keys.ThisFirst:
		return p.precede(t)
	case keys.Later:
		return p.call(func(e Engine) { e.Move(id, 1) })
	case keys.Sooner:
		return p.call(func(e Engine) { e.Move(id, -1) })
	case keys.Folder:
		return pane.Send(pane.Copy{Text: safetext.New(t.Dest)})
	case keys.CopyPath:
		return pane.Send(pane.Copy{Text: safetext.New(t.Bucket + "/" + t.Key)})
	}
	return nil
}

// all runs an action on the transfers of a bundle.
func (p *Pane) all(a keys.Action, b *bundle) tea.Cmd {
	ids := b.ids(p)
	switch a {
	case keys.Again:
		return p.callAnnounced(func(e Engine) {
			for _, id := range ids {
				e.Retry(id)
			}
		})
	case keys.Remove:
		kept := int64(0)
		for _, n := range b.members {
			kept += p.partial(&p.snap.Transfers[n])
		}
		return p.removeAll(ids, kept, quantity.Size(kept)+" of "+quantity.Plural(len(ids), "unfinished file was", "unfinished files were")+" downloaded. Delete them?")
	case keys.CopyPath:
		up := pathOf(&p.snap.Transfers[b.members[0]]).Parent()
		return pane.Send(pane.Copy{Text: safetext.New(up.Bucket + "/" + up.Key)})
	}
	return nil
}

// addAgain adds a transfer again with another treatment of an existing local file.
// A retry would keep the treatment.
func (p *Pane) addAgain(t *download.Transfer, c download.Conflict) tea.Cmd {
	id, r := t.ID, t.Request
	if t.Parent != 0 { // the engine stores a file of a folder without its path
		r = Below(r.Dir, r)
	}
	r.Conflict = c
	return p.callAnnounced(func(e Engine) {
		e.Cancel(id)
		e.Add(r)
	})
}

// ended reports whether a transfer has ended well, so that its row can go. Complete
// files stay where they are.
func ended(t *download.Transfer) bool {
	return t.State == download.Done || t.State == download.Skipped && !t.Differs
}

// ids returns the transfers that are no part of a folder transfer and pass a filter.
func (p *Pane) ids(pass func(*download.Transfer) bool) []download.ID {
	var all []download.ID
	for i := range p.snap.Transfers {
		if t := &p.snap.Transfers[i]; t.Parent == 0 && pass(t) {
			all = append(all, t.ID)
		}
	}
	return all
}

// clear removes rows from the list.
func (p *Pane) clear(ids []download.ID) tea.Cmd {
	return p.call(func(e Engine) {
		for _, id := range ids {
			e.Cancel(id)
		}
	})
}

// askReplace opens a dialog before a local file is replaced: for other transfers,
// the same key tries again.
func (p *Pane) askReplace(t *download.Transfer) tea.Cmd {
	line := dialog.Line{Text: safetext.New(base(t)).Distinct() + " is here with different content. It is replaced by the file on the server once that file is complete and verified."}
	if t.Folder {
		line.Text = "Local files that differ are replaced by the files on the server, each once it is complete and verified."
	}
	return pane.Send(dialog.Show{Dialog: &dialog.Question{Title: "Replace local files", Lines: []dialog.Line{line}, Choices: []dialog.Choice{
		{Keys: []string{"enter"}, Label: "replace", Cmd: p.addAgain(t, download.Overwrite)},
		{Keys: []string{"b"}, Label: "keep both", Cmd: p.addAgain(t, download.KeepBoth)},
		{Keys: []string{"esc", "q"}, Label: "cancel"},
	}}})
}

// askAbove is the number of downloaded bytes above which a dialog precedes deletion.
const askAbove = 1_000_000

// remove removes a transfer and its partial file, after a dialog if the file is
// large.
func (p *Pane) remove(t *download.Transfer) tea.Cmd {
	kept := p.partial(t)
	say := safetext.New(base(t)).Distinct() + ": " + quantity.Size(kept)
	if t.Folder {
		say += " of unfinished files were downloaded. Delete them? Complete files are kept."
	} else {
		say += " were downloaded. Delete them?"
	}
	return p.removeAll([]download.ID{t.ID}, kept, say)
}

// removeAll removes transfers, after a dialog with a sentence if more than askAbove
// bytes are deleted with them.
func (p *Pane) removeAll(ids []download.ID, kept int64, say string) tea.Cmd {
	do := p.clear(ids)
	if kept <= askAbove {
		return do
	}
	return pane.Send(dialog.Show{Dialog: &dialog.Question{Title: "Remove from the list", Lines: []dialog.Line{{Text: say}}, Choices: []dialog.Choice{
		{Keys: []string{"enter"}, Label: "remove", Cmd: do},
		{Keys: []string{"esc", "q"}, Label: "keep"},
	}}})
}

// partial returns the number of bytes that are deleted with a transfer.
func (p *Pane) partial(t *download.Transfer) int64 {
	if !t.Folder {
		if t.State == download.Done || t.State == download.Skipped {
			return 0
		}
		return t.Done
	}
	sum := int64(0)
	for i := range p.snap.Transfers {
		if c := &p.snap.Transfers[i]; c.Parent == t.ID && !c.Folder {
			sum += p.partial(c)
		}
	}
	return sum
}

// Why returns the reason that an action is not possible now, if it is not.
func (p *Pane) Why(a keys.Action) safetext.Text { return safetext.New(p.whyNot(a)) }

// whyNot is that reason, "" without one.
func (p *Pane) whyNot(a keys.Action) string {
	t := p.current()
	b := p.bundle()
	switch a {
	case keys.PauseAll:
		if !p.tally.open() {
			return "Pause: no download is running."
		}
	case keys.AgainAll:
		if !p.tally.failed {
			return "Try again: no transfer failed."
		}
	case keys.ClearEnded:
		if len(p.ids(ended)) == 0 {
			return "Clear: no transfer has finished."
		}
	case keys.Enter:
		if p.around() == nil {
			return "Show the files: only a group of transfers has rows of its own."
		}
	case keys.Pause, keys.Again, keys.KeepBoth, keys.Remove, keys.ThisFirst, keys.Later, keys.Sooner, keys.Folder, keys.CopyPath:
		switch {
		case b != nil && (a == keys.Remove || a == keys.CopyPath || a == keys.Again && b.retries(p)):
			return ""
		case b != nil:
			return "Press " + p.Env.Keys.Shown(keys.Transfers, keys.Enter) + " to show the files. This key acts on one of them."
		case t == nil:
			return "There is no transfer here."
		}
	}
	switch a {
	case keys.Pause:
		if t.State.Finished() {
			return "Pause: this transfer has ended."
		}
	case keys.Again:
		if !conflicts(t) && t.State != download.Failed && t.State != download.Denied && t.State != download.WaitingNetwork {
			return "Try again: this transfer did not fail."
		}
	case keys.KeepBoth:
		if !conflicts(t) {
			return "Keep both: no local file is in the way."
		}
	case keys.Later, keys.Sooner:
		if t.State != download.Waiting && t.State != download.Running {
			return "Move: only a waiting or running transfer can be moved."
		}
	case keys.ThisFirst:
		if t.State.Finished() {
			return "This first: this transfer has ended."
		}
	case keys.Folder:
		if t.Dest == "" {
			return "Its local path is not known yet."
		}
	}
	return ""
}

// Label returns the effect of a key on the row under the cursor.
func (p *Pane) Label(a keys.Action) string {
	t := p.current()
	switch {
	case a == keys.PauseAll && p.tally.paused && !p.tally.active:
		return "resume all"
	case a == keys.Enter:
		if b := p.around(); b != nil && p.open[b.key] {
			return "hide the files"
		}
	case p.bundle() != nil && a == keys.Again:
		return "try these again"
	case p.bundle() != nil && a == keys.Remove:
		return "remove these"
	case t == nil:
	case a == keys.ThisFirst && t.ID == p.snap.First:
		return "not first"
	case a == keys.Pause && t.State == download.Paused:
		return "resume"
	case a == keys.Again && conflicts(t):
		return "replace"
	case a == keys.Again && t.State == download.WaitingNetwork:
		return "try now"
	}
	return ""
}

// Hints returns the keys with an effect on the row under the cursor.
func (p *Pane) Hints() []keys.Action {
	h := []keys.Action{keys.Enter, keys.Pause, keys.Again, keys.Remove, keys.AgainAll, keys.PauseAll, keys.ClearEnded, keys.Back}
	if t := p.current(); t != nil && conflicts(t) {
		h[1] = keys.KeepBoth // such a transfer cannot be paused
	}
	if p.tally.open() {
		h = append(h, keys.ThisFirst, keys.RateUp, keys.FewerAtOnce)
	}
	if p.w >= wide {
		h = append(h, keys.Later, keys.Folder)
	}
	h = append(h, keys.CopyPath, keys.OldOnes, keys.Help)
	return slices.DeleteFunc(h, func(a keys.Action) bool { return p.whyNot(a) != "" })
}
