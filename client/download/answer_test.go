package download

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
)

// An answer with another ETag than the released one is a changed object,
// whether or not the storage knows If-Match.
func TestAnswerOfAnotherContent(t *testing.T) {
	for sent, changed := range map[string]bool{`"a"`: false, `"b"`: true} {
		resp := &http.Response{StatusCode: http.StatusOK, ContentLength: 1, Header: http.Header{"Etag": {sent}}, Body: io.NopCloser(strings.NewReader("x"))}
		_, err := readAnswer(resp, &ticket{etag: `"a"`}, 0, -1)
		var s3 *s3Error
		if got := errors.As(err, &s3) && s3.status == http.StatusPreconditionFailed; got != changed {
			t.Errorf("ETag %s for the released %q: %v", sent, `"a"`, err)
		}
	}
}

// If-Match goes with every request of which the content is known, also where
// the backend does not name the header.
func TestIfMatchIsAlwaysSent(t *testing.T) {
	c := checker{hosts: []string{"s3.example.com"}}
	ask := api.ReleaseObject{Bucket: "b", Key: "k", ETag: `"a"`}
	got, err := c.ticketOf(ask, api.ReleaseItem{URL: "https://b.s3.example.com/k" + goodQuery, Life: 60}, time.Now())
	if err != nil || got.header.Get("If-Match") != `"a"` {
		t.Errorf("%v, headers %v", err, got)
	}
}
