package backend

import (
	"errors"
	"fmt"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/object"
	"usher/backend/reader"
)

// readObject admits a read of one object by the current grants, and prepares the
// session for it. e is the event of the read. A refusal or a failure is recorded and
// returned; S3 is not called before.
func (r *request) readObject(e *event.Event) error {
	person, err := r.listing()
	if err != nil {
		return err
	}
	set, err := r.b.c.Grants.Current(r.ctx)
	if err != nil {
		return fail(api.StorageUnavailable, err)
	}
	decided := r.b.permit(set, person.Groups, e.Bucket, e.Key, r.now)
	decided.note(e)
	if !decided.Allowed {
		return r.deny(*e)
	}
	if err := r.readAs(set, person); err != nil {
		return err
	}
	left, err := r.reading.Prepare(r.ctx, []reader.Object{{Bucket: e.Bucket, Key: e.Key}})
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%w: %w", reader.ErrNoSession, object.ErrRefused)
	}
	if err != nil {
		return r.failedRead(*e, err)
	}
	return nil
}

// failedRead records a read that failed in the storage. A failure for the lack of a
// session is an alarm too.
func (r *request) failedRead(e event.Event, err error) error {
	code, reason := storageFailure(err)
	return r.failedAs(e, code, reason, err)
}

// failedAs is failedRead with a code and a reason of the caller.
func (r *request) failedAs(e event.Event, code api.Code, reason string, cause error) error {
	e.Outcome, e.Reason = event.Failed, reason
	events := []event.Event{e}
	if errors.Is(cause, reader.ErrNoSession) {
		events = append(events, r.alarm(e.Bucket, e.Key, 1))
	}
	if err := r.record(events...); err != nil {
		return err
	}
	return fail(code, cause)
}
