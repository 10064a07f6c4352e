package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"usher/backend/api"
)

// The pin of a stack is printed after the first seal of its log: the key of the log is
// a part of it. Without an answer, or without a key for the time of the wait, the
// deployment ends anyhow.
func TestWaitForTheKeyOfTheLog(t *testing.T) {
	_, public, err := note.GenerateKey(rand.Reader, "example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		seals    bool // the stack has a seal function
		unready  int32
		keyless  int32
		patience int32 // requests until the time of the wait is over
		key      bool
		answers  bool
		least    int32 // requests
	}{
		"a key at once":          {true, 0, 0, 100, true, true, 1},
		"a key after a while":    {true, 1, 2, 100, true, true, 4},
		"no key in time":         {true, 0, 100, 2, false, true, 2},
		"no answer in time":      {true, 100, 0, 6, false, false, 6}, // one try calls a busy server 5 times
		"a stack without a seal": {false, 0, 100, 100, false, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			var web *httptest.Server
			web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				n := requests.Add(1)
				if n <= row.unready {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				c := api.Config{
					Organisation: "Example", Region: "eu-west-1", UserPoolID: "eu-west-1_a", ClientID: "c", CognitoEndpoint: web.URL, Issuer: web.URL + "/eu-west-1_a",
					S3Hosts: []string{"127.0.0.1"}, URLSeconds: 60,
				}
				if n > row.unready+row.keyless {
					c.AuditLog.Key = public
				}
				_ = json.NewEncoder(w).Encode(c) // the client reports a broken answer
			}))
			t.Cleanup(web.Close)
			started := time.Now()
			var errs bytes.Buffer
			a := &app{}
			a.Err = &errs
			a.Now = func() time.Time {
				if requests.Load() >= row.patience {
					return started.Add(answerTime)
				}
				return started
			}
			d := Deployed{URL: web.URL, Outputs: map[string]string{}}
			if row.seals {
				d.Outputs["SealFunctionName"] = "usher-SealFunction"
			}
			config, answers := a.answer(t.Context(), d, time.Millisecond)
			if answers != row.answers || (config.AuditLog.Key != "") != row.key || requests.Load() < row.least {
				t.Errorf("%v with the key %q after %d requests", answers, config.AuditLog.Key, requests.Load())
			}
			if waited := strings.Contains(errs.String(), "Waiting for the first answer"); waited != (row.least > 1) {
				t.Errorf("the screen has %q", errs.String())
			}
		})
	}
}
