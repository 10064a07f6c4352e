package objecttest_test

import (
	"io"
	"net/http"
	"testing"

	"usher/backend/object/objecttest"
)

// A hook replaces the storage's response to a request.
func TestHookReplacesAResponse(t *testing.T) {
	s := objecttest.New(t)
	s.Put("lab", "d/a", objecttest.Object{Body: "content"})
	get := func() (int, string) {
		t.Helper()
		res, err := http.Get(s.URL + "/lab/d/a")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if status, body := get(); status != http.StatusOK || body != "content" {
		t.Errorf("without a hook: %d %q", status, body)
	}
	s.SetHooks(nil, nil, func(w http.ResponseWriter, r *http.Request, _, _ string) bool {
		objecttest.Refuse(w, r, http.StatusServiceUnavailable, "SlowDown", "")
		return true
	})
	if status, _ := get(); status != http.StatusServiceUnavailable {
		t.Errorf("with a hook: %d, want 503", status)
	}
}
