package reconcile_test

import (
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"usher/backend/audit/reconcile"
	"usher/backend/event"
)

// fetches writes lines of an access log: eight ranges of each of n/8 objects.
func fetches(out io.Writer, n int) {
	for i := range n {
		id := fmt.Sprintf("01K%023d", i/8)
		fmt.Fprintf(out, `owner reports [28/Nov/2026:10:00:01 +0000] 192.0.2.7 arn:aws:sts::111122223333:assumed-role/usher/person-%d R%015d REST.GET.OBJECT annual/%d.csv "GET /reports/annual/%d.csv?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%%2F20261128%%2Fus-east-1%%2Fs3%%2Faws4_request&X-Amz-Date=20261128T100000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&x-usher-event=%s HTTP/1.1" 206 - 100 800 10 9 "-" "usher" - h= SigV4 TLS QueryString s3.amazonaws.com TLSv1.3 - -`+"\n",
			i/8%50, i, i/8, i/8, id)
	}
}

// A comparison keeps less memory for a line than the line has bytes: a day can have
// millions of lines.
func TestMemoryOfALine(t *testing.T) {
	const n, most = 40_000, 320 // bytes a line
	c, err := reconcile.New(reconcile.Config{Life: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	live := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	in, out := io.Pipe()
	go func() {
		fetches(out, n)
		_ = out.Close()
	}()
	before := live()
	for l, err := range reconcile.Read("access.log", in) {
		if err != nil {
			t.Fatal(err)
		}
		c.Add(l)
	}
	each := (live() - before) / n
	t.Logf("%d bytes a line", each)
	if each > most {
		t.Errorf("a line keeps %d bytes, want at most %d", each, most)
	}
	at := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	report, err := c.Compare(nil, func(yield func(event.Event, error) bool) {
		for i := range n / 8 {
			e := event.Event{ID: fmt.Sprintf("01K%023d", i), Time: at, Action: event.Download, Outcome: event.Allowed, Bucket: "reports", Key: fmt.Sprintf("annual/%d.csv", i), User: event.User{Sub: fmt.Sprintf("person-%d", i%50)}}
			if !yield(e, nil) {
				return
			}
		}
	})
	if err != nil || len(report.Fetched) != n/8 || report.Bytes != n*100 || len(report.Alarms) != 0 {
		t.Errorf("%d releases with %d bytes, %d alarms, %v", len(report.Fetched), report.Bytes, len(report.Alarms), err)
	}
}

// A kept line is the line that was read, in the alarms too.
func TestKeptLines(t *testing.T) {
	c, err := reconcile.New(reconcile.Config{Life: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	in, out := io.Pipe()
	go func() {
		fetches(out, 100)
		_ = out.Close()
	}()
	var want []reconcile.Line
	for l, err := range reconcile.Read("logs:2026/access.log", in) {
		if err != nil {
			t.Fatal(err)
		}
		if len(want) == 3 {
			l.Source = "a source without a number"
		}
		want = append(want, l)
		c.Add(l)
	}
	report, err := c.Compare(nil, func(func(event.Event, error) bool) {})
	if err != nil || len(report.Alarms) != len(want) {
		t.Fatalf("%d alarms, %v", len(report.Alarms), err)
	}
	for i, a := range report.Alarms {
		if fmt.Sprintf("%+v", a.Line) != fmt.Sprintf("%+v", want[i]) {
			t.Errorf("line %d: %+v, want %+v", i, a.Line, want[i])
		}
	}
}
