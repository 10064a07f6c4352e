package preview

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"usher/client/quantity"
)

// Doc is a file with its views. The first view is that of the kind; the last one has
// the bytes.
type Doc struct {
	Kind  string   // "CSV table"
	Views []View   // at least one
	Notes []string // sentences about limits and damage; they hold no untrusted text
	// Next is the argument want of Open that shows more, 0 if all is shown, and More
	// the bytes that it fetches.
	Next, More int64
}

// View is a *Text, *Table, *Tree, *Picture or *Bytes.
type View interface {
	// Name is a word for the view: "table".
	Name() string
}

// note adds a sentence, once.
func (d *Doc) note(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	for _, n := range d.Notes {
		if n == s {
			return
		}
	}
	d.Notes = append(d.Notes, s)
}

func (d *Doc) add(v View) { d.Views = append(d.Views, v) }

// input is a file, or the unpacked content of one.
type input struct {
	name     string // without the folder, in lower case
	data     []byte // the first bytes
	complete bool   // data is the whole file
	packed   string // the compression, "" for none
	r        *Ranges
}

// Open returns the views of a file. It reads the first want bytes, and further ranges
// that the kind needs. Errors are those of the source and of ctx, and *Over. A damaged
// file is no error.
func Open(ctx context.Context, r *Ranges, name string, want int64) (*Doc, error) {
	want = min(max(want, First), Most)
	data, err := r.Head(ctx, want)
	if err != nil {
		return nil, cause(err)
	}
	name = strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	in := input{name: name, data: data, complete: int64(len(data)) == r.Size(), r: r}
	d := &Doc{}
	if !in.complete {
		d.Next = next(want)
		d.More = min(d.Next, r.Size()) - int64(len(data))
	}
	if r.Size() == 0 {
		d.Kind = "empty file"
		d.add(&Text{Title: "text"})
		return d, nil
	}
	if err := d.open(ctx, in); err != nil {
		return nil, err
	}
	d.add(&Bytes{Data: in.data})
	return d, nil
}

// next returns the want after another one: steps of eight, without a question for the
// first three. After the last step it returns 0.
func next(want int64) int64 {
	switch {
	case want >= Most:
		return 0
	case want >= Free:
		return Most
	}
	return min(want*8, Free)
}

// open adds the views of an input. If its kind cannot be shown, the text is.
func (d *Doc) open(ctx context.Context, in input) error {
	k := detect(in)
	d.Kind = k.name
	if in.packed != "" {
		d.Kind = in.packed + ", " + k.name
	}
	var over *Over
	switch err := guard(ctx, d, k, in); {
	case err == nil:
	case errors.As(err, &over) && in.r.Bytes()+over.Need > Most:
		d.note("The %s needs %s more, and at most %s of a file are read. Download it.", k.name, quantity.Size(over.Need), quantity.Size(Most))
	case errors.As(err, &over):
		d.note("The %s needs %s more.", k.name, quantity.Size(over.Need))
		d.Next, d.More = int64(len(in.data)), over.Need
	case cause(err) != nil:
		return cause(err)
	default:
		d.note("This is not a whole %s: %s.", k.name, reason(err))
	}
	if k.show != nil || k.text {
		d.plain(in)
	}
	return nil
}

// guard runs the decoder of a kind. A panic in it is an error: decoders of other
// modules read damaged files.
func guard(ctx context.Context, d *Doc, k kind, in input) (err error) {
	if k.show == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			d.Views = nil
			err = damaged("its decoder failed")
		}
	}()
	return k.show(ctx, d, in)
}

// damaged is a sentence part about the content of a file. It holds no untrusted text.
type damaged string

func (e damaged) Error() string { return string(e) }

// reason returns the text of a damaged error. Texts of other modules may hold content.
func reason(err error) string {
	var known damaged
	if errors.As(err, &known) {
		return string(known)
	}
	return "its data is damaged or ends too early"
}

// cause returns the error of the source or of a context within err, nil for any other.
func cause(err error) error {
	var failed *failedRead
	var over *Over
	switch {
	case errors.As(err, &failed):
		return failed.error
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &over):
		return over
	}
	return nil
}

// plain adds the text of an input, if it is one and no view shows it.
func (d *Doc) plain(in input) {
	for _, v := range d.Views {
		if _, shown := v.(*Text); shown {
			return
		}
	}
	if text, ok := d.decode(in); ok {
		d.add(d.lines("text", text))
	}
}
