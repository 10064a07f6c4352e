package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/event"
	"usher/backend/safetext"
)

// Review is a review of the audit log that the configuration requires.
type Review struct {
	Name  string `yaml:"name"`  // of lower-case letters, digits and dashes
	Query string `yaml:"query"` // of usher audit
	Days  int    `yaml:"days"`  // between two reviews
}

const (
	maxReviews    = 20
	maxReviewDays = 400
)

// checkReviews checks the configured reviews.
func (c *Config) checkReviews() error {
	if len(c.Reviews) > maxReviews {
		return fmt.Errorf("reviews has at most %d entries", maxReviews)
	}
	names := map[string]bool{}
	for _, r := range c.Reviews {
		if !sinkName.Matches(r.Name) || names[r.Name] {
			return fmt.Errorf("reviews: %q is no name of its own, of lower-case letters, digits and dashes", safetext.Line(r.Name))
		}
		names[r.Name] = true
		if _, err := event.ParseFilter(r.Query, time.Now()); err != nil {
			return fmt.Errorf("reviews: the query of %s: %w", r.Name, err)
		}
		if r.Days < 1 || r.Days > maxReviewDays {
			return fmt.Errorf("reviews: days of %s is 1 to %d", r.Name, maxReviewDays)
		}
	}
	return nil
}

// reviews finds the last review of each configured one. It is backend.Reviews.
type reviews struct {
	of  []Review
	log *audit.Log
	now func() time.Time
}

// subject returns the terms of a query without its times, in one order: two reviews
// with the same subject differ in their range alone.
func subject(query string, now time.Time) (string, error) {
	filter, err := event.ParseFilter(query, now)
	if err != nil {
		return "", err
	}
	var terms []string
	for _, t := range filter.Terms {
		if t.Field != event.BySince && t.Field != event.ByUntil {
			terms = append(terms, event.Filter{Terms: []event.Term{t}}.String())
		}
	}
	slices.Sort(terms)
	return strings.Join(slices.Compact(terms), " "), nil
}

// maxReviewPages bounds the search for reviews.
const maxReviewPages = 20

// Reviews implements backend.Reviews.
func (r *reviews) Reviews(ctx context.Context) ([]api.Review, error) {
	first, err := r.began(ctx)
	if err != nil {
		return nil, err
	}
	found, err := r.found(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]api.Review, 0, len(r.of))
	for _, c := range r.of {
		text, err := subject(c.Query, r.now())
		if err != nil {
			return nil, err
		}
		one, since := api.Review{Name: c.Name, Query: c.Query, EveryDays: c.Days}, first
		if last, ok := found[text]; ok {
			one.Last, one.By, one.Event, since = &last.Time, last.User.Username, last.ID, last.Time
		}
		one.Due = since.AddDate(0, 0, c.Days)
		one.Overdue = r.now().After(one.Due)
		all = append(all, one)
	}
	return all, nil
}

// began returns the time of the first event of the log.
func (r *reviews) began(ctx context.Context) (time.Time, error) {
	page, err := r.log.Query(ctx, event.Filter{}, audit.Page{Limit: 1, Ascending: true})
	if err != nil || len(page.Events) == 0 {
		return r.now(), err
	}
	return page.Events[0].Time, nil
}

// found returns the newest review of each subject.
func (r *reviews) found(ctx context.Context) (map[string]event.Event, error) {
	newest := map[string]event.Event{}
	filter := event.Filter{Terms: []event.Term{{Field: event.ByAction, Value: event.AuditReview}, {Field: event.ByOutcome, Value: event.Allowed}}}
	page := audit.Page{Limit: audit.MaxPage}
	for range maxReviewPages {
		result, err := r.log.Query(ctx, filter, page)
		if err != nil {
			return nil, err
		}
		for _, e := range result.Events {
			text, err := subject(e.Query, e.Time)
			if _, known := newest[text]; err == nil && !known {
				newest[text] = e
			}
		}
		if page.Position = result.Position; page.Position == "" {
			return newest, nil
		}
	}
	return newest, nil
}

// newReviews returns the reviews of a configuration, or nil.
func newReviews(c Config, log *audit.Log, now func() time.Time) (*reviews, error) {
	if len(c.Reviews) == 0 {
		return nil, nil
	}
	if log == nil || now == nil {
		return nil, errors.New("reviews need a log and a clock")
	}
	return &reviews{c.Reviews, log, now}, nil
}
