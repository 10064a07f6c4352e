//go:build !nosandbox

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/s3"
)

// A folder of 1,000,000 objects that is loaded to its last row costs the program at
// most 200 bytes of resident memory a row, and its first rows come with the first page.
func TestMillionRows(t *testing.T) {
	if os.Getenv("USHER_SOAK") == "" {
		t.Skip("a minute; USHER_SOAK=1 plays it")
	}
	const rows, most = 1_000_000, 200
	w := demotest.Start(t, demo.Options{})
	for i := range rows {
		key := fmt.Sprintf("annual/million/measurement-%07d.parquet", i)
		if err := w.Sandbox.Objects.PutContent("company-reports", key, s3.Object{Content: strings.NewReader("x"), NoChecksum: true, ETag: "e"}); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := open(t, w, 120, 40)
	s.signIn(w, "ada")
	began := time.Now()
	s.goTo("company-reports/annual/million/")
	s.shows("measurement-0000000")
	first, before := time.Since(began), resident(t, s.cmd.Process.Pid)
	s.keys("/")
	s.keys("0999999") // a filter loads all rows
	for began = time.Now(); !strings.Contains(s.text(), "measurement-0999999"); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > 10*time.Minute {
			t.Fatalf("the last row did not load:\n%s", s.text())
		}
	}
	after := resident(t, s.cmd.Process.Pid)
	each := (after - before) * 1e6 / rows
	t.Logf("first rows after %v, all rows after %v; %.1f MB, %.1f MB with all rows, %.0f bytes a row", first, time.Since(began), before, after, each)
	if each > most {
		t.Errorf("%.0f bytes a row, more than %d", each, most)
	}
}
