package fetch

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/client/download/ticket"
)

// TestAnswerWithoutETag checks that without an ETag the date identifies the
// content: a response with another date is a changed object.
func TestAnswerWithoutETag(t *testing.T) {
	then := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		etag     string
		modified time.Time // of the release
		header   time.Time // of the answer; zero: none
		changed  bool
	}{
		"the same date":            {"", then, then, false},
		"another date":             {"", then, then.Add(time.Second), true},
		"no date in the response":  {"", then, time.Time{}, false},
		"no date in the release":   {"", time.Time{}, then, false},
		"an ETag and another date": {`"e"`, then, then.Add(time.Hour), false},
	} {
		h := http.Header{"Etag": {`"e"`}}
		if !c.header.IsZero() {
			h.Set("Last-Modified", c.header.Format(http.TimeFormat))
		}
		_, err := readAnswer(&http.Response{StatusCode: http.StatusOK, Header: h, ContentLength: 1, Body: io.NopCloser(strings.NewReader("x"))},
			&ticket.Ticket{ETag: c.etag, Modified: c.modified}, 0, -1)
		var s3 *s3Error
		if got := errors.As(err, &s3) && s3.status == http.StatusPreconditionFailed; got != c.changed || err != nil && !got {
			t.Errorf("%s: %v", name, err)
		}
	}
}
