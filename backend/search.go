package backend

import (
	"errors"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/go-json-experiment/json"

	"usher/backend/api"
	"usher/backend/cursor"
	"usher/backend/event"
	"usher/backend/grant"
)

// search returns the names below a prefix that match a query. It is a recursive
// listing with the same decisions and the same event, of which the answer has the
// matches.
func (b *Backend) search(r *request) (any, error) {
	var in api.SearchRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	match, err := matcher(in)
	if err != nil {
		return nil, fail(api.BadRequest, err)
	}
	query := in
	query.Cursor = ""
	text, err := json.Marshal(query)
	if err != nil {
		return nil, fail(api.Internal, err)
	}
	l, err := b.listing(r, api.ListRequest{Bucket: in.Bucket, Prefix: in.Prefix, Recursive: true, Limit: api.MaxList, Cursor: in.Cursor},
		cursor.Hash(string(text)))
	if err != nil {
		return nil, err
	}
	l.match, l.event.Reason = match, reasonOf(in)
	if err := l.collect(); err != nil {
		return nil, err
	}
	l.event.Outcome = event.Allowed
	l.disclose(nil)
	if err := r.record(l.event); err != nil {
		return nil, err
	}
	page, err := l.response()
	if err != nil {
		return nil, err
	}
	return api.SearchResponse{Entries: page.Entries, Scanned: l.scanned, Cursor: page.Cursor, Event: page.Event,
		GrantsVersion: page.GrantsVersion, Omitted: page.Omitted}, nil
}

// reasonOf describes a query in its event.
func reasonOf(in api.SearchRequest) string {
	switch {
	case in.Glob != "":
		return event.SearchGlob + in.Glob
	case in.Text != "":
		return event.SearchText + in.Text
	}
	return "size or time"
}

// matcher checks a query and returns its condition.
func matcher(in api.SearchRequest) (func(name string, e api.Entry) bool, error) {
	switch {
	case !grant.ValidBucket(in.Bucket) || !grant.ValidPrefix(in.Prefix):
		return nil, errors.New("search: path")
	case in.Text != "" && in.Glob != "", len(in.Text) > api.MaxQuery, len(in.Glob) > api.MaxQuery:
		return nil, errors.New("search: one text or glob of limited length")
	case in.Glob != "" && !affordable(in.Glob):
		return nil, errors.New("search: glob")
	case in.Text == "" && in.Glob == "" && in.Size == (api.SizeRange{}) && in.Modified == (api.TimeRange{}):
		return nil, errors.New("search: no condition")
	}
	conditional := in.Text != "" || in.Glob != ""
	return func(name string, e api.Entry) bool {
		return e.Kind == api.KindObject && inRange(in, e) && (!conditional || event.SearchMatches(in.Text, in.Glob, name))
	}, nil
}

// affordable bounds the work of a glob on one name: nested braces multiply, and
// each ** tries every folder.
func affordable(glob string) bool {
	wildcards := 0
	for _, sign := range "*?[{" {
		wildcards += strings.Count(glob, string(sign))
	}
	return wildcards <= api.MaxWildcards && strings.Count(glob, "{") <= 3 && strings.Count(glob, "**") <= 3 && doublestar.ValidatePattern(glob)
}

func inRange(in api.SearchRequest, e api.Entry) bool {
	size, modified := in.Size, in.Modified
	switch {
	case (size.Min != nil || size.Max != nil) && e.Unsized(),
		size.Min != nil && e.Size < *size.Min,
		size.Max != nil && e.Size > *size.Max,
		modified.From != nil && (e.Modified == nil || e.Modified.Before(*modified.From)),
		modified.Until != nil && (e.Modified == nil || !e.Modified.Before(*modified.Until)):
		return false
	}
	return true
}
