package serve_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/serve"
)

// The log of a server reaches its sinks in both formats, and goes on after a
// restart without a gap. A sink that fails shows in /healthz, which stays ok. Two
// starts within an hour are an alert, which reaches the sinks once.
func TestSinks(t *testing.T) {
	dir := t.TempDir()
	plain, schema := filepath.Join(dir, "events.jsonl"), filepath.Join(dir, "ocsf.jsonl")
	run := func(name string, delivered int64) {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *serve.Config) {
				c.Audit = filepath.Join(dir, "audit.db")
				c.Sinks = []serve.Sink{{Name: "plain", To: "file:" + plain}, {Name: "schema", To: "file:" + schema, Format: "ocsf"}, {Name: "down", To: "syslog+tls://127.0.0.1:1"}}
				c.Alerts = []serve.Alert{{Name: "restarts", Query: "action:service-start", Minutes: 60, Threshold: 2}}
			})
			eventually(t, "the events are delivered", func() bool {
				h, err := healthOf("http://" + r.address + "/healthz")
				return err == nil && h.OK && len(h.Sinks) == 3 && h.Sinks[0].Delivered >= delivered && h.Sinks[1].Delivered >= delivered && h.Sinks[2].Stuck && h.Sinks[2].Delivered == 0
			})
		})
	}
	run("first", 1)
	run("second", 4) // the stop of the first run is delivered by the second one, and the alert
	run("third", 6)
	var got []event.Event
	for line := range strings.Lines(read(t, plain)) {
		e, err := event.Parse([]byte(strings.TrimSpace(line)))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got = append(got, e)
	}
	if names := strings.Join(actions(got[:3]), " "); names != event.ServiceStart+" "+event.ServiceStop+" "+event.ServiceStart {
		t.Errorf("the sink has %s", names)
	}
	alerts := 0
	for _, e := range got {
		if e.Action == event.Alert {
			alerts++
			if e.Count != 2 || e.Query != "action:service-start" {
				t.Errorf("the alert is %+v", e)
			}
		}
	}
	if alerts != 1 {
		t.Errorf("%d alerts", alerts)
	}
	var first struct {
		Type int `json:"type_uid"`
	}
	if line, _, _ := strings.Cut(read(t, schema), "\n"); json.Unmarshal([]byte(line), &first) != nil || first.Type != 600203 {
		t.Errorf("in OCSF: %s", line)
	}
}

func healthOf(url string) (h api.Health, err error) {
	res, err := http.Get(url)
	if err != nil {
		return h, err
	}
	defer func() { _ = res.Body.Close() }()
	return h, json.NewDecoder(res.Body).Decode(&h)
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
