package backend

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/identity"
	"usher/backend/object"
	"usher/backend/reader"
)

// readAs selects the sessions for the calls of S3 and the signatures of this
// request. The limit of calls holds for the whole request.
func (r *request) readAs(set *grant.Set, person identity.Standing) error {
	next, err := r.b.c.Reader.Reading(r.claims.Sub, set, person.Groups, r.now)
	if err != nil {
		return fail(api.Internal, err)
	}
	r.reading = next.After(r.reading)
	return nil
}

// maxWarm is the number of buckets with an early lookup of their region.
const maxWarm = 16

// warm prepares the calls of S3 beside the live check of a session's first request
// on this server: the session of the reader role for the groups that the token
// names, and the regions of their buckets. It decides nothing. Sessions are kept by
// their policy, so one of other groups than the person's is not used.
func (r *request) warm() {
	switch r.route.verb {
	case api.VerbList, api.VerbStat, api.VerbRelease:
	default:
		return
	}
	if r.b.c.Reader == nil || r.claims.Browser || r.b.sessions.known(r.claims.Session) {
		return
	}
	done := make(chan struct{})
	r.warmed = done
	go func() {
		defer close(done)
		_ = safely(r.prefetch) // a failure occurs again in the request
	}()
}

func (r *request) prefetch() error {
	set, err := r.b.c.Grants.Current(r.ctx)
	if err != nil {
		return err
	}
	now := r.b.c.Now()
	var buckets []string
	for _, t := range set.Tree(r.claims.Hint, now) {
		if len(buckets) < maxWarm && !slices.Contains(buckets, t.Grant.Bucket) {
			buckets = append(buckets, t.Grant.Bucket)
		}
	}
	if len(buckets) == 0 {
		return nil
	}
	reading, err := r.b.c.Reader.Reading(r.claims.Sub, set, r.claims.Hint, now)
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	work.Go(func() { r.b.locate(r.ctx, buckets) })
	err = reading.Warm(r.ctx)
	work.Wait()
	return err
}

// as returns a context with the credentials for one object.
func (r *request) as(bucket, key string) context.Context {
	return r.reading.Object(r.ctx, bucket, key)
}

// prepare gets the sessions for all candidates. A candidate without a session is
// refused, and recorded with an alarm.
func (b *Backend) prepare(r *request, in *batch, all []candidate) error {
	var objects []reader.Object
	for i := range all {
		if all[i].refused == "" {
			objects = append(objects, reader.Object{Bucket: all[i].in.Bucket, Key: all[i].in.Key})
		}
	}
	left, err := r.reading.Prepare(r.ctx, objects)
	if err != nil {
		code, _ := storageFailure(err)
		return fail(code, err)
	}
	if len(left) == 0 {
		return nil
	}
	none := make(map[reader.Object]bool, len(left))
	for _, o := range left {
		none[o] = true
	}
	for i := range all {
		if c := &all[i]; c.refused == "" && none[reader.Object{Bucket: c.in.Bucket, Key: c.in.Key}] {
			c.cause = fmt.Errorf("%w: %w", reader.ErrNoSession, object.ErrRefused)
			c.stop(storageFailure(c.cause))
		}
	}
	in.others = append(in.others, r.alarm(left[0].Bucket, left[0].Key, len(left)))
	return nil
}

// alarm returns the event of objects or folders that the person may read and the
// server has no session for.
func (r *request) alarm(bucket, key string, n int) event.Event {
	e := r.event(event.Alarm, bucket, key)
	e.Outcome, e.Count = event.Failed, n
	e.Reason = "session policies cannot cover granted objects: join grants of this person's groups into fewer prefixes"
	return e
}
