package download

import (
	"fmt"
	"strings"
	"testing"

	"usher/backend/api"
)

// TestBadServers plays a backend that returns invalid items. Errors and events
// repeat no control character and no part of the URL.
func TestBadServers(t *testing.T) {
	w := newTestbed(t)
	w.put("b/k", random(1, 1000), "CRC64NVME")
	for name, change := range map[string]func(*api.ReleaseItem){
		"bad URL":            func(i *api.ReleaseItem) { i.URL = "https://evil.example/b/k?X-Amz-Expires=60&X-Amz-Signature=5ec4e7" },
		"huge size":          func(i *api.ReleaseItem) { n := int64(1) << 62; i.Size = &n },
		"malformed checksum": func(i *api.ReleaseItem) { i.Checksum = &api.Checksum{Algorithm: "CRC64NVME", Value: "\x1b[2J"} },
		"negative parts":     func(i *api.ReleaseItem) { i.Parts = &api.Parts{Count: -1, Size: -1} },
		"empty item":         func(i *api.ReleaseItem) { *i = api.ReleaseItem{} },
		"unknown code": func(i *api.ReleaseItem) {
			*i = api.ReleaseItem{Error: &api.ItemError{Code: "\x1b[31mboo", Message: "\x1b[31m"}}
		},
	} {
		w.onItem = change
		e, dir := w.engine(), scratch(t)
		id := e.Add(Request{Bucket: "b", Key: "k", Dir: dir})[0]
		wait(t, e)
		tr := find(t, e, id)
		ok := tr.State == Failed && tr.Err != nil || name == "negative parts" && tr.State == Done
		shown, all := fmt.Sprint(tr.Err, tr.Event), fmt.Sprintf("%v %v %+v", tr.Err, tr.Event, tr)
		if !ok || strings.ContainsRune(shown, 0x1b) || strings.Contains(all, "Signature") {
			t.Errorf("%s: %v, %q", name, tr.State, tr.Err)
		}
		if left := leftovers(t, dir); left != nil {
			t.Errorf("%s: left behind %v", name, left)
		}
	}
}
