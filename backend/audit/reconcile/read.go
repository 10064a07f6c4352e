package reconcile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
)

// MaxRecord is the maximum length of a line or of a record, in bytes.
const MaxRecord = 1 << 20

// Unread is the error of a line or record that is not understood.
type Unread struct {
	Source string // file and line or record number
	Cause  error
}

// Error implements error.
func (u *Unread) Error() string { return u.Source + ": " + u.Cause.Error() }

// Unwrap returns the cause.
func (u *Unread) Unwrap() error { return u.Cause }

var errLong = fmt.Errorf("longer than %d bytes", MaxRecord)

// document matches the start of a JSON document with a list of records: a file of
// CloudTrail, and the outputs of "aws logs filter-log-events" and "aws cloudtrail
// lookup-events".
var document = regexp.MustCompile(`^\s*\{\s*"(Records|events|Events)"\s*:\s*\[`)

// Read yields the lines of a log: an access log as text or as JSON, one object a
// line, or a JSON document with records. Input with the gzip header is
// decompressed. A line that is not understood is an *Unread, and the next line
// follows; after an error of another type nothing follows. Memory is bounded by
// MaxRecord.
func Read(name string, from io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		in := bufio.NewReader(from)
		from := &unreadable{from: in}
		if head, _ := in.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
			z, err := gzip.NewReader(in)
			if err != nil {
				yield(Line{}, fmt.Errorf("decompressing %s: %w", name, err))
				return
			}
			from.from = z
		}
		r := &reading{name: name, from: from, in: bufio.NewReader(from), yield: yield}
		for r.next() {
		}
	}
}

// reading is the state of one Read.
type reading struct {
	name  string
	from  *unreadable
	in    *bufio.Reader // of from
	n     int           // lines, and records of documents, so far
	yield func(Line, error) bool
}

// next reads a line or a document, and reports whether more may follow.
func (r *reading) next() bool {
	if head, _ := r.in.Peek(256); document.Match(head) {
		return r.document()
	}
	r.n++
	text, err := r.line()
	switch {
	case err == io.EOF && len(text) == 0:
		return false
	case errors.Is(err, errLong):
		return r.yield(Line{}, r.unread(errLong))
	case err != nil && err != io.EOF:
		r.yield(Line{}, fmt.Errorf("reading %s: %w", r.name, err))
		return false
	}
	text = bytes.TrimSpace(text)
	return (len(text) == 0 || r.one(text)) && err == nil
}

// line reads to the end of the line. The rest of a line over MaxRecord is
// skipped.
func (r *reading) line() ([]byte, error) {
	var text []byte
	long := false
	for {
		part, err := r.in.ReadSlice('\n')
		if long = long || len(text)+len(part) > MaxRecord; !long {
			text = append(text, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if long && (err == nil || err == io.EOF) {
			err = errLong
		}
		return text, err
	}
}

// one yields the line of a text or of a JSON object.
func (r *reading) one(text []byte) bool {
	l, err := parse(text)
	if err != nil {
		return r.yield(Line{}, r.unread(err))
	}
	l.Source = r.source()
	return r.yield(l, nil)
}

// parse chooses the format by the content.
func parse(text []byte) (Line, error) {
	if text[0] != '{' {
		return accessText(string(text))
	}
	var kind struct {
		Schema string `json:"schema_version_id"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return Line{}, err
	}
	if kind.Schema != "" {
		return accessJSON(text)
	}
	return trail(text)
}

func (r *reading) source() string         { return fmt.Sprintf("%s:%d", r.name, r.n) }
func (r *reading) unread(err error) error { return &Unread{r.source(), err} }

// document reads the records of a JSON document. A broken document ends the input:
// the start of its next record is not known.
func (r *reading) document() bool {
	bounded := &bounded{from: r.in, left: MaxRecord}
	dec := json.NewDecoder(bounded)
	err := r.records(dec, bounded)
	switch {
	case errors.Is(err, errEnded):
		return false
	case err != nil:
		r.yield(Line{}, fmt.Errorf("reading %s after record %d: %w", r.name, r.n, err))
		return false
	}
	rest, _ := io.ReadAll(dec.Buffered())
	own, _ := r.in.Peek(r.in.Buffered())
	r.from.pending = slices.Concat(rest, own, r.from.pending)
	r.in.Reset(r.from)
	return true
}

// unreadable is a reader that takes bytes back: a JSON decoder reads ahead.
type unreadable struct {
	pending []byte
	from    io.Reader
}

func (u *unreadable) Read(p []byte) (int, error) {
	if len(u.pending) == 0 {
		return u.from.Read(p)
	}
	n := copy(p, u.pending)
	u.pending = u.pending[n:]
	return n, nil
}

// errEnded: the caller takes no more lines.
var errEnded = errors.New("ended")

func (r *reading) records(dec *json.Decoder, bounded *bounded) error {
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		if _, err := dec.Token(); err != nil { // a name
			return err
		}
		bounded.allow()
		if token, err := dec.Token(); err != nil || token != json.Delim('[') {
			if err == nil && token == json.Delim('{') {
				err = errors.New("an object beside the records")
			}
			if err != nil {
				return err
			}
			continue // a value beside the records, such as a page token
		}
		for dec.More() {
			bounded.allow()
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				return err
			}
			r.n++
			if !r.one(inner(raw)) {
				return errEnded
			}
		}
		if _, err := dec.Token(); err != nil { // "]"
			return err
		}
	}
	_, err := dec.Token() // "}"
	return err
}

// inner returns the text of a record: of the message of CloudWatch Logs, or the
// event that CloudTrail's lookup returns as a string, or the record itself.
func inner(raw []byte) []byte {
	var wrapped struct {
		Message string `json:"message"`
		Event   string `json:"CloudTrailEvent"`
	}
	if json.Unmarshal(raw, &wrapped) == nil {
		for _, text := range []string{wrapped.Message, wrapped.Event} {
			if t := bytes.TrimSpace([]byte(text)); len(t) > 0 {
				return t
			}
		}
	}
	return raw
}

// bounded fails when more than MaxRecord bytes are read for one record.
type bounded struct {
	from io.Reader
	left int
}

func (b *bounded) allow() { b.left = MaxRecord }

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.left = 0
		return 0, errLong
	}
	n, err := b.from.Read(p)
	b.left -= n
	return n, err
}
