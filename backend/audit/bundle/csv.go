package bundle

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"usher/backend/event"
	"usher/backend/safetext"
)

// columns are the columns of events.csv.
var columns = []string{
	"record", "time", "username", "sub", "action", "outcome", "bucket", "key", "version", "size", "purpose", "reason", "query",
	"grant", "policy", "bytes_reported", "count", "source_ip", "user_agent", "session", "request_id", "continues", "id",
}

// triggers are the characters that make a cell a formula, in ASCII and in full width.
// SPEC: https://owasp.org/www-community/attacks/CSV_Injection
const triggers = "=+-@\t\r\n=+-@"

// Cell returns a text as a cell that no spreadsheet runs: on one line, and behind an
// apostrophe if it begins like a formula.
func Cell(s string) string {
	s = safetext.Line(s)
	if s != "" && strings.ContainsRune(triggers, []rune(s)[0]) {
		return "'" + s
	}
	return s
}

// table writes events as CSV (RFC 4180, UTF-8).
type table struct {
	w   *csv.Writer
	row []string
}

// newTable writes the row of names.
func newTable(w io.Writer) (*table, error) {
	t := &table{w: csv.NewWriter(w)}
	t.w.UseCRLF = true
	return t, t.w.Write(columns)
}

// add writes an event. record counts from 1.
func (t *table) add(record int64, e event.Event) error {
	number := func(n *int64) string {
		if n == nil {
			return ""
		}
		return strconv.FormatInt(*n, 10)
	}
	count := ""
	if e.Count != 0 {
		count = strconv.Itoa(e.Count)
	}
	t.row = append(t.row[:0], strconv.FormatInt(record, 10), e.Time.UTC().Format(time.RFC3339Nano), e.User.Username, e.User.Sub,
		e.Action, e.Outcome, e.Bucket, e.Key, e.Version, number(e.Size), e.Purpose, e.Reason, e.Query,
		e.Grant, e.Policy, number(e.Bytes), count, e.SourceIP, e.UserAgent, e.Session, e.RequestID, e.Continues, e.ID)
	for i, s := range t.row {
		t.row[i] = Cell(s)
	}
	return t.w.Write(t.row)
}

func (t *table) flush() error {
	t.w.Flush()
	return t.w.Error()
}
