package audit_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/event"
	"usher/tui/audit"
	"usher/tui/servertest"
)

// bookBed opens beds with the fake log of this package's tests. The function change
// may break it.
func bookBed(change func(*logbook) audit.Backend) func() (servertest.AuditBed, error) {
	return func() (servertest.AuditBed, error) {
		b := sample()
		suite := b.person("suite", "10.0.0.1", now().Add(-time.Hour))
		bed := servertest.AuditBed{Log: b, Filter: "who:suite", Record: func(n int) error {
			for range n {
				suite.record(time.Second, event.Event{Action: event.List})
			}
			return nil
		}}
		if change != nil {
			bed.Log = change(b)
		}
		return bed, nil
	}
}

// The fake log passes the same suite as the backend's.
func TestLogbook(t *testing.T) { servertest.Run(t, servertest.Audit(), bookBed(nil)) }

// Each broken log fails the named check.
func TestLogbookSuiteBites(t *testing.T) {
	for name, change := range map[string]func(*api.AuditQueryRequest, *api.AuditQueryResponse){
		"events come newest first, and pages join":             func(_ *api.AuditQueryRequest, out *api.AuditQueryResponse) { slices.Reverse(out.Events) },
		"events are read from both ends, and before any event": func(in *api.AuditQueryRequest, _ *api.AuditQueryResponse) { in.Oldest, in.Before = false, "" },
		"a filter that matches nothing gives an empty page":    func(_ *api.AuditQueryRequest, out *api.AuditQueryResponse) { out.Cursor = "on" },
		"a filter that cannot be read is refused":              func(in *api.AuditQueryRequest, _ *api.AuditQueryResponse) { in.Filter = "" },
		"an audit cursor belongs to its filter":                func(in *api.AuditQueryRequest, _ *api.AuditQueryResponse) { in.Cursor = "" },
	} {
		for _, p := range servertest.Audit() {
			if p.Name == name && p.Check(bookBed(func(b *logbook) audit.Backend { return bent{b, change} })) == nil {
				t.Errorf("the suite does not notice: %s", name)
			}
		}
	}
}

// bent changes the queries of a log and its responses.
type bent struct {
	*logbook
	change func(*api.AuditQueryRequest, *api.AuditQueryResponse)
}

func (b bent) AuditQuery(ctx context.Context, in api.AuditQueryRequest) (api.AuditQueryResponse, error) {
	b.change(&in, &api.AuditQueryResponse{})
	out, err := b.logbook.AuditQuery(ctx, in)
	out.Events = slices.Clone(out.Events)
	b.change(&in, &out)
	return out, err
}
