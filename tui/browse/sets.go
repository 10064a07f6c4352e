package browse

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sync/errgroup"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/places"
	"usher/client/quantity"
	"usher/tui/dialog"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Set is a named set of marks.
type Set struct {
	Name  safetext.Text
	Paths []string // raw
}

// Bounds of loading a set.
const (
	setCalls  = 8 // calls at a time
	setLimit  = time.Minute
	mostNamed = 12 // missing paths in the dialog
)

// setLoaded is the result of LoadSet.
type setLoaded struct {
	of    *Pane
	name  string
	found []Entry
	gone  []string // raw paths
	err   error
}

// Sets returns the named sets, sorted by name.
func (p *Pane) Sets() []Set {
	var out []Set
	for _, name := range p.memory.state.SetNames() {
		out = append(out, Set{safetext.New(name), p.memory.state.Sets[name]})
	}
	return out
}

// SaveSet stores the paths of the marks under a name. The error is a reason against
// the name or the size.
func (p *Pane) SaveSet(name string) (tea.Cmd, error) {
	var paths []string
	for _, e := range p.Marked() {
		paths = append(paths, keyOf(e).path())
	}
	if err := p.memory.state.Fits(name, paths); err != nil {
		return nil, err
	}
	verb := " is saved"
	if len(p.memory.state.Sets[name]) > 0 {
		verb = " is replaced"
	}
	say := pane.Say{Text: safetext.New("The set " + name + verb + ", with " + quantity.Plural(len(paths), "path", "paths") + "."), Tone: pane.Good}
	return tea.Batch(p.remember(places.Change{Sets: map[string][]string{name: paths}}), pane.Send(say)), nil
}

// RemoveSet removes a set. Marks stay.
func (p *Pane) RemoveSet(name string) tea.Cmd {
	say := pane.Say{Text: safetext.New("The set " + name + " is removed.")}
	return tea.Batch(p.remember(places.Change{Sets: map[string][]string{name: nil}}), pane.Send(say))
}

// LoadingSet returns the name of the set that is being loaded, "" without one.
func (p *Pane) LoadingSet() string { return p.loadingSet }

// LoadSet marks the paths of a set. Each path is requested from the server, so each is
// decided and recorded; a path that is not there any more is named and not marked.
func (p *Pane) LoadSet(name string) tea.Cmd {
	if p.loadingSet != "" {
		return nil
	}
	p.loadingSet = name
	backend, paths := p.Backend, p.memory.state.Sets[name]
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), setLimit)
		defer cancel()
		out := setLoaded{of: p, name: name}
		found, missing := make([]Entry, len(paths)), make([]bool, len(paths))
		calls, ctx := errgroup.WithContext(ctx)
		calls.SetLimit(setCalls)
		for i, path := range paths {
			calls.Go(func() (err error) {
				found[i], err = lookUp(ctx, backend, path)
				if missing[i] = pane.Code(err) == api.NotFound; missing[i] {
					return nil
				}
				return err // without an answer about one path, nothing is marked
			})
		}
		out.err = calls.Wait()
		for i, e := range found {
			if missing[i] {
				out.gone = append(out.gone, paths[i])
			} else {
				out.found = append(out.found, e)
			}
		}
		return out
	}
}

// lookUp requests an object, or the first entry of a folder.
func lookUp(ctx context.Context, backend Backend, path string) (Entry, error) {
	at, err := api.ParsePath(path)
	if err != nil {
		return Entry{}, err
	}
	_, name := location{bucket: at.Bucket, prefix: at.Key}.folder()
	e := Entry{Bucket: safetext.New(at.Bucket), Key: safetext.New(at.Key), Name: safetext.New(name), Kind: api.KindFolder}
	if at.IsFolder() {
		_, err := backend.List(ctx, api.ListRequest{Bucket: at.Bucket, Prefix: at.Key, Limit: 1})
		return e, err
	}
	r, err := backend.Stat(ctx, api.StatRequest{Bucket: at.Bucket, Key: at.Key})
	e.Kind, e.Size, e.Modified, e.ETag, e.Archived = api.KindObject, r.Size, r.Modified, safetext.New(r.ETag), r.Archived
	return e, err
}

// setLoaded marks the found paths, and names the missing ones.
func (p *Pane) setLoaded(m setLoaded) tea.Cmd {
	if m.of != p {
		return nil
	}
	p.loadingSet = ""
	if m.err != nil {
		return tea.Batch(pane.Send(pane.Failed{Err: m.err}),
			pane.Send(pane.Say{Text: safetext.New("The set " + m.name + " is not loaded: " + pane.Sentence(m.err, p.Server).Raw()), Tone: pane.Bad}))
	}
	for _, e := range m.found {
		if _, marked := p.marks[keyOf(e)]; !marked {
			p.swap(e)
		}
	}
	p.table.Changed()
	text := "The set " + m.name + " is loaded: " + quantity.Plural(len(m.found), "path is marked", "paths are marked") + "."
	if len(m.gone) == 0 {
		return tea.Batch(pane.Send(pane.Answered{}), pane.Send(pane.Say{Text: safetext.New(text), Tone: pane.Good}))
	}
	ask := &dialog.Question{Title: "Missing paths", Choices: []dialog.Choice{{Keys: []string{"esc", "q", "enter"}, Label: "close"}}}
	ask.Lines = append(ask.Lines, dialog.Line{Text: safetext.Line(text)},
		dialog.Line{Text: quantity.Plural(len(m.gone), "path of the set is", "paths of the set are") + " no longer available:"}, dialog.Line{})
	for _, path := range m.gone[:min(len(m.gone), mostNamed)] {
		ask.Lines = append(ask.Lines, dialog.Line{Text: safetext.Line(path), Tone: dialog.Quiet})
	}
	if more := len(m.gone) - mostNamed; more > 0 {
		ask.Lines = append(ask.Lines, dialog.Line{Text: "and " + quantity.Count(more) + " more", Tone: dialog.Quiet})
	}
	return tea.Batch(pane.Send(pane.Answered{}), pane.Send(dialog.Show{Dialog: ask}), ask.WithGrace())
}

// whyNoMarks returns the reason that the page of the marks is empty, "" if it is not.
func (p *Pane) whyNoMarks() string {
	if len(p.marks) > 0 || len(p.memory.state.Sets) > 0 {
		return ""
	}
	return "There are no marks. The key " + p.Env.Keys.Shown(keys.Browser, keys.Mark) + " marks a row."
}
