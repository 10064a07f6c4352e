package fetch

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"usher/client/download/ticket"
)

// TestAnswerOfAnotherContent checks that a response with another ETag than the
// released one is a changed object, also if the storage ignores If-Match.
func TestAnswerOfAnotherContent(t *testing.T) {
	for sent, changed := range map[string]bool{`"a"`: false, `"b"`: true} {
		resp := &http.Response{StatusCode: http.StatusOK, ContentLength: 1, Header: http.Header{"Etag": {sent}}, Body: io.NopCloser(strings.NewReader("x"))}
		_, err := readAnswer(resp, &ticket.Ticket{ETag: `"a"`}, 0, -1)
		var s3 *s3Error
		if got := errors.As(err, &s3) && s3.status == http.StatusPreconditionFailed; got != changed {
			t.Errorf("ETag %s for the released %q: %v", sent, `"a"`, err)
		}
	}
}
