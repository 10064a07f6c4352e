package demo

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// A stack's access log is a folder with an object for each minute with lines, and no
// line is lost or divided.
func TestDeliveries(t *testing.T) {
	now := time.Date(2026, 11, 28, 23, 59, 58, 0, time.UTC)
	folder, log, err := openAccessLog(t.TempDir(), true, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []time.Duration{0, time.Second, 2 * time.Second, time.Hour} {
		now = now.Add(step)
		if n, err := log.Write([]byte("line\n")); n != 5 || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Write([]byte("late\n")); err == nil {
		t.Error("a closed log takes a line")
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 3 {
		t.Fatalf("%d objects, %v", len(files), err)
	}
	total := 0
	for _, f := range files {
		if !regexp.MustCompile(`^2026-11-2[89]-\d\d-\d\d-\d\d-[0-9A-F]{16}$`).MatchString(f.Name()) {
			t.Errorf("an object with the name %s", f.Name())
		}
		raw, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		total += len(raw)
	}
	if total != 4*len("line\n") {
		t.Errorf("%d bytes of lines", total)
	}
	if name, file, err := openAccessLog(t.TempDir(), false, time.Now); err != nil || filepath.Base(name) != "s3-access.log" || file.Close() != nil {
		t.Errorf("without a stack: %s, %v", name, err)
	}
}
