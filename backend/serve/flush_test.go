package serve_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// Refusals over the budget are recorded soon after a flood, without another
// request or a shutdown, so a killed server has recorded them.
func TestSuppressedRefusalsAreRecordedWithoutATrigger(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	ada := w.SignIn(t, "ada")
	token, err := ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const objects = 250
	body := `{"objects":[` + strings.TrimSuffix(strings.Repeat(`{"bucket":"company-reports","key":"board-packs/none"},`, objects), ",") + `]}`
	for _, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Server+"/v1/release", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Fatalf("a release: %d, want %d", res.StatusCode, want)
		}
	}
	// Read the file directly, bypassing the server.
	counts := func() (denied, suppressed int) {
		for _, e := range recorded(t, filepath.Join(w.Dir, "audit.db")) {
			switch {
			case e.Action == event.Suppressed:
				suppressed += e.Count
			case e.Action == event.Download && e.Outcome == event.Denied:
				denied++
			}
		}
		return denied, suppressed
	}
	eventually(t, "all refusals are on the disk", func() bool {
		denied, suppressed := counts()
		return suppressed > 0 && denied+suppressed == 2*objects
	})
}
