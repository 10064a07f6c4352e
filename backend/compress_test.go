package backend_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// TestCompressed lists and releases a folder for a client with gzip and for one
// without. Both get the same content. Long responses are compressed, and short
// responses are not.
func TestCompressed(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	var in api.ReleaseRequest
	for i := range api.MaxRelease {
		key := fmt.Sprintf("annual/many/report-%04d.csv", i)
		w.Put(t, "company-reports", key, key)
		in.Objects = append(in.Objects, api.ReleaseObject{Bucket: "company-reports", Key: key, ETag: `"0123456789abcdef0123456789abcdef"`})
	}
	many, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ada := w.AddPerson(t, "reader", "finance-team")
	token, err := ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	call := func(verb, body, accept string) (header http.Header, sent []byte) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Server+"/v1/"+verb, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept-Encoding", accept) // set, so that net/http does not decompress the response
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if sent, err = io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status, err)
		}
		return resp.Header, sent
	}
	for _, c := range []struct {
		verb, body string
		less       int // least factor of compression; 0: not compressed
	}{
		{"list", `{"bucket":"company-reports","prefix":"annual/many/"}`, 4},
		{"release", string(many), 4},
		{"whoami", "{}", 0},
	} {
		header, plain := call(c.verb, c.body, "identity")
		if got := header.Get("Content-Encoding"); got != "" {
			t.Errorf("%s: %q was not requested", c.verb, got)
		}
		header, sent := call(c.verb, c.body, "gzip")
		if c.less == 0 {
			if got := header.Get("Content-Encoding"); got != "" {
				t.Errorf("%s: %d bytes were sent as %s", c.verb, len(plain), got)
			}
			continue
		}
		t.Logf("%s: %d bytes instead of %d", c.verb, len(sent), len(plain))
		if header.Get("Content-Encoding") != "gzip" || header.Get("Content-Type") != "application/json" || len(sent)*c.less > len(plain) {
			t.Errorf("%s: %d bytes of %d, %v", c.verb, len(sent), len(plain), header)
		}
		z, err := gzip.NewReader(strings.NewReader(string(sent)))
		if err != nil {
			t.Errorf("%s: %v", c.verb, err)
			continue
		}
		read, err := io.ReadAll(z)
		if err != nil || len(read) != len(plain) || !json.Valid(read) {
			t.Errorf("%s: %d bytes unpacked of %d: %v", c.verb, len(read), len(plain), err)
		}
	}
}
