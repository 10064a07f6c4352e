package serve

import (
	"context"
	"fmt"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
)

// Copy is a log in a file that is read without a server. It verifies nothing.
type Copy struct {
	store *sqlite.Store
	now   func() time.Time
}

// OpenCopy opens a copy of a log. A server may write the log meanwhile.
func OpenCopy(path string, now func() time.Time) (*Copy, error) {
	store, err := sqlite.OpenCopy(path)
	if err != nil {
		return nil, logFailure(err)
	}
	return &Copy{store, now}, nil
}

// Close closes the file.
func (c *Copy) Close() error { return c.store.CloseCopy() }

// AuditQuery answers a query as a server does, without a record of it.
func (c *Copy) AuditQuery(ctx context.Context, in api.AuditQueryRequest) (api.AuditQueryResponse, error) {
	filter, err := event.ParseFilter(in.Filter, c.now())
	if err != nil {
		return api.AuditQueryResponse{}, err
	}
	page := audit.Page{Limit: in.Limit, After: in.Before + in.After, Ascending: in.After != "" || in.Oldest}
	if page.Limit <= 0 || page.Limit > audit.MaxPage {
		page.Limit = audit.MaxPage
	}
	if in.Cursor != "" {
		page.Position, page.Ascending = strings.CutPrefix(in.Cursor, "+")
	}
	found, err := c.store.Query(ctx, filter, page)
	if err != nil {
		return api.AuditQueryResponse{}, fmt.Errorf("reading the copy of the log: %w", err)
	}
	out := api.AuditQueryResponse{Events: found.Events, Records: found.Records}
	if found.Position != "" {
		out.Cursor, out.Reached = found.Position, &found.Reached
		if page.Ascending {
			out.Cursor = "+" + out.Cursor
		}
	}
	return out, nil
}
