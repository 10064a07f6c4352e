package backend

import (
	"fmt"
	"slices"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/event"
)

// maxPaths is the greatest number of objects in one query for completions.
const maxPaths = event.MaxTerms - 4

// chains looks up the events named in the items' continues fields. A continued
// download is not counted as a new one, so the field is checked. The event must
// be a release of the same object to the same person, first of its chain, of the
// last 24 hours, and not reported as done. Other items are refused.
func (r *request) chains(all []candidate) error {
	var ids []string
	for i := range all {
		if c := &all[i]; c.refused == "" && c.in.Continues != "" && !slices.Contains(ids, c.in.Continues) {
			ids = append(ids, c.in.Continues)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := r.b.c.Audit.Get(r.ctx, ids...)
	if err != nil {
		return fail(api.AuditUnavailable, fmt.Errorf("looking up a continued release: %w", err))
	}
	first := make(map[string]event.Event, len(found))
	for _, e := range found {
		age := r.now.Sub(e.Time)
		if e.Action == event.Download && e.Outcome == event.Allowed && e.Continues == "" &&
			e.User.Sub == r.claims.Sub && age <= audit.CompletionWindow {
			first[e.ID] = e
		}
	}
	if err := r.closed(first); err != nil {
		return err
	}
	for i := range all {
		c := &all[i]
		if c.refused != "" || c.in.Continues == "" {
			continue
		}
		if e, ok := first[c.in.Continues]; !ok || e.Bucket != c.in.Bucket || e.Key != c.in.Key || c.in.Version != "" && c.in.Version != e.Version {
			c.stop(api.BadRequest, "it continues no open download of this object")
			continue
		}
		c.event.Continues = c.in.Continues
		if e := first[c.in.Continues]; e.ETag == c.in.ETag {
			c.event.Size = e.Size
		}
	}
	return nil
}

// closed removes the chains with a download that was reported as done.
func (r *request) closed(first map[string]event.Event) error {
	var paths []event.Term
	var since time.Time
	for _, e := range first {
		path := event.Term{Field: event.ByPath, Exact: true, Value: e.Bucket + "/" + e.Key}
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
		if since.IsZero() || e.Time.Before(since) {
			since = e.Time
		}
	}
	for some := range slices.Chunk(paths, maxPaths) {
		filter := event.Filter{Terms: append([]event.Term{
			{Field: event.ByAction, Value: event.Completed}, {Field: event.ByOutcome, Value: event.Allowed},
			{Field: event.ByWho, Value: r.claims.Sub}, {Field: event.BySince, Time: since},
		}, some...)}
		for page := (audit.Page{Limit: audit.MaxPage}); ; {
			done, err := r.b.c.Audit.Query(r.ctx, filter, page)
			if err != nil {
				return fail(api.AuditUnavailable, fmt.Errorf("looking up a continued release: %w", err))
			}
			for _, e := range done.Events {
				delete(first, e.Continues)
			}
			if page.Position = done.Position; page.Position == "" {
				break
			}
		}
	}
	return nil
}
