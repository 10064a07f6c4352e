package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/device"
	"usher/backend/event"
)

// deviceLife is the longest time that an opened session is kept in the store of
// the device flow. The audit log knows it for longer.
const deviceLife = 12 * time.Hour

// Devices holds the sign-ins of terminals without a browser. A session of its
// app client is usable once device/done has recorded its start.
type Devices interface {
	ClientID() string
	Claim(ctx context.Context, nonce, session string) (device.Opening, error)
	Open(ctx context.Context, session string, until time.Time) error
	Opened(ctx context.Context, session string) (bool, error)
}

// fromDevice reports whether the token belongs to the app client of device
// sign-ins.
func (r *request) fromDevice() bool {
	return r.b.c.Devices != nil && r.claims.ClientID == r.b.c.Devices.ClientID()
}

// opened refuses a device session without a recorded start. The store may have
// lost the session in a restart, so the log decides.
func (r *request) opened() error {
	if !r.fromDevice() || r.route.verb == api.VerbDeviceDone || r.b.devices.has(r.claims.Session) {
		return nil
	}
	open, err := r.b.c.Devices.Opened(r.ctx, r.claims.Session)
	if err == nil && !open {
		open, err = r.started()
	}
	switch {
	case err != nil:
		return fail(api.IdentityUnavailable, fmt.Errorf("checking a device sign-in: %w", err))
	case !open:
		return fail(api.Unauthenticated, errors.New("a device sign-in that was not finished"))
	}
	r.b.devices.add(r.claims.Session)
	return nil
}

// started reports whether the log has the session's start.
func (r *request) started() (bool, error) {
	filter, err := event.ParseFilter("session:"+event.SessionName(r.claims.Session)+" action:"+event.SessionStart+" outcome:"+event.Allowed, r.now)
	if err != nil {
		return false, err
	}
	known, err := r.b.c.Audit.Query(r.ctx, filter, audit.Page{Limit: 1, Lookup: true})
	return err == nil && len(known.Events) > 0, err
}

// deviceDone opens a device session. The ID token proves that the hosted UI
// signed the person in for the device code of this terminal. The session-start
// event names person, terminal and browser, and is durable before the session
// is open.
func (b *Backend) deviceDone(r *request) (any, error) {
	var in api.DeviceDoneRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if !r.fromDevice() {
		return nil, fail(api.NotFound, nil)
	}
	id, err := b.c.Verifier.VerifyID(r.ctx, in.IDToken, r.claims.ClientID)
	if err != nil {
		return nil, identityFailure(err)
	}
	if id.Sub != r.claims.Sub || id.Session != r.claims.Session {
		return nil, fail(api.Unauthenticated, errors.New("the ID token belongs to another sign-in"))
	}
	if _, err := r.listing(); err != nil {
		return nil, err
	}
	o, err := b.c.Devices.Claim(r.ctx, id.Nonce, r.claims.Session)
	switch {
	case errors.Is(err, device.ErrUnknown), errors.Is(err, device.ErrFinished):
		return nil, r.refuseDevice(err)
	case err != nil:
		return nil, fail(api.IdentityUnavailable, err)
	}
	if err := r.startDevice(o); err != nil {
		return nil, err
	}
	if err := b.c.Devices.Open(r.ctx, r.claims.Session, r.now.Add(deviceLife)); err != nil {
		return nil, fail(api.IdentityUnavailable, err)
	}
	b.devices.add(r.claims.Session)
	return api.DeviceDoneResponse{}, nil
}

// startDevice records the start of a device session, once.
func (r *request) startDevice(o device.Opening) error {
	if err := r.settled(); err != nil {
		return err
	}
	e := r.startEvent()
	e.BrowserIP, e.ClaimedHost = o.Browser, o.Host
	if r.b.c.Sessions != nil {
		_, err := r.once(e)
		return err
	}
	known, err := r.started()
	if err != nil {
		return fail(api.AuditUnavailable, err)
	}
	if known {
		return nil
	}
	if err := r.b.c.Audit.Record(r.ctx, e); err != nil {
		return fail(api.AuditUnavailable, err)
	}
	return nil
}

// refuseDevice records a sign-in without a request of this server.
func (r *request) refuseDevice(cause error) error {
	e := r.event(event.SessionStart, "", "")
	e.Outcome, e.Reason = event.Denied, "no request of a terminal"
	if !r.refusal(e) {
		return fail(api.RateLimited, nil)
	}
	if err := r.b.c.Audit.Record(r.ctx, e); err != nil {
		return fail(api.AuditUnavailable, err)
	}
	return fail(api.Unauthenticated, cause)
}

// opened caches the device sessions with a recorded start.
type opened struct {
	mu   sync.Mutex
	seen map[string]bool
}

func newOpened() *opened { return &opened{seen: map[string]bool{}} }

func (o *opened) has(session string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[session]
}

func (o *opened) add(session string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.seen) >= maxCached {
		clear(o.seen)
	}
	o.seen[session] = true
}
