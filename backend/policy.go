package backend

import (
	"errors"

	"usher/backend/access"
	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/grant"
)

// auditPolicy returns the grants of a version that decided, to auditors.
func (b *Backend) auditPolicy(r *request) (any, error) {
	var in api.AuditPolicyRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.Version == "" || len(in.Version) > api.MaxPolicyVersion {
		return nil, fail(api.BadRequest, errors.New("version"))
	}
	e := r.event(event.AuditRead, "", "")
	e.Reason = "grants of the version " + in.Version
	if err := r.auditor(&e); err != nil {
		return nil, err
	}
	if err := r.record(e); err != nil {
		return nil, err
	}
	if b.c.Policies == nil {
		return nil, fail(api.NotFound, grant.ErrUnknown)
	}
	var set *grant.Set
	err := r.search(func() (err error) {
		set, err = b.c.Policies.Version(r.ctx, in.Version)
		return err
	})
	if errors.Is(err, grant.ErrUnknown) {
		return nil, fail(api.NotFound, err)
	}
	if err != nil {
		return nil, err
	}
	return access.List(set, nil), nil
}
