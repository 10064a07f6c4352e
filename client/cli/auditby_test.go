package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"usher/backend/event"
	"usher/client/groupsum"
)

// A count whose groups are in a file has the output of one in memory, with and without a
// limit. Each row has the width of the widest one.
func TestGroupsFromFile(t *testing.T) {
	by := []event.By{event.PerFile}
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	counted := func(most, limit int, json bool) string {
		c := groupsum.New(by, most)
		defer func() { _ = c.Close() }()
		for i := range 300 {
			s := event.NewSums(by)
			for range 1 + i%3 {
				s.Add(event.Event{Time: at.Add(time.Duration(i) * time.Second), Action: event.Download, Outcome: event.Allowed, Bucket: "b", Key: strings.Repeat("d", i%40) + fmt.Sprint("/", i/2)})
			}
			s.Add(event.Event{Time: at, Action: event.SignOut, Outcome: event.Allowed})
			if err := c.Merge(s.Groups(event.SortKey)); err != nil {
				t.Fatal(err)
			}
		}
		groups, err := c.Groups(t.Context(), event.SortEvents)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		a := &app{Program: Program{Out: &output{to: &text}, Err: io.Discard, Now: func() time.Time { return at }}, json: json}
		out := &groupOutput{auditBy: &auditBy{app: a, limit: limit}, by: by}
		if err := out.print(t.Context(), groups); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	for _, limit := range []int{0, 7} {
		for _, json := range []bool{false, true} {
			memory, file := counted(groupsum.DefaultMost, limit, json), counted(1, limit, json)
			if lines := strings.Count(memory, "\n"); memory != file || limit > 0 && lines != limit+map[bool]int{false: 1}[json] || lines < limit {
				t.Errorf("limit %d, JSON %v: in memory\n%s\nin a file\n%s", limit, json, memory, file)
			}
		}
	}
	lines := strings.Split(counted(1, 0, false), "\n")
	if !strings.HasPrefix(lines[1], "none  ") || strings.Index(lines[0], "EVENTS") != strings.Index(lines[1], "300") {
		t.Errorf("the first rows are\n%s\n%s", lines[0], lines[1])
	}
}
