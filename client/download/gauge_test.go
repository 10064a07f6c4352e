package download

import (
	"testing"
	"time"
)

// A folder whose files are the whole queue has the rate of the queue, also while its
// files are too short for a rate of their own. Another file is only in the total.
func TestRateOfAFolder(t *testing.T) {
	e := &Engine{}
	folder := &transfer{state: Running, folder: &folderState{}}
	now := time.Unix(1_000_000, 0)
	step := func(parent *transfer, bytes int64) {
		file := &transfer{state: Running, parent: parent}
		file.progress.Fetched.Add(bytes)
		e.account(file)
		e.account(file) // no byte counts twice
	}
	for i := range 20 {
		step(folder, 1000+int64(i)*100)
		now = now.Add(time.Second)
		e.sums.tick(now)
		if all, own := e.sums.meter.rate, folder.folder.meter.rate; all != own || i > 0 && own < 1000 {
			t.Fatalf("second %d: %.0f and %.0f bytes a second", i, all, own)
		}
	}
	step(nil, 5000)
	step(folder, 3000)
	now = now.Add(time.Second)
	if instant := e.sums.tick(now); instant != 8000 || e.sums.meter.rate <= folder.folder.meter.rate {
		t.Errorf("%.0f bytes a second at once, rates %.0f and %.0f", instant, e.sums.meter.rate, folder.folder.meter.rate)
	}
	folder.state = Done
	e.sums.tick(now.Add(time.Second))
	if folder.folder.meter != (meter{}) || len(e.sums.folders) != 0 {
		t.Error("a finished folder is measured")
	}
	e.sums.stop()
	if e.sums.meter != (meter{}) || e.sums.ticking {
		t.Error("a queue at rest has a rate")
	}
}
