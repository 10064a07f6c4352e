package serve

import (
	"context"
	"errors"
	"fmt"

	"usher/backend/access"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/sqlite"
	"usher/backend/dynamo"
	"usher/backend/grant"
	grantdynamo "usher/backend/grant/dynamo"
	"usher/backend/redecide"
)

// keptIn reads the versions of the grants that a log keeps.
type keptIn struct{ log audit.Policies }

// Version implements backend.Policies.
func (k keptIn) Version(ctx context.Context, version string) (*grant.Set, error) {
	text, err := k.log.Policy(ctx, version)
	if errors.Is(err, audit.ErrNoPolicy) {
		return nil, grant.ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	return unpacked(version, text)
}

// keptGrants returns a version of the grants that the log at path keeps.
func keptGrants(ctx context.Context, path, version string) (*grant.Set, error) {
	text, err := sqlite.ReadPolicy(ctx, path, version)
	if errors.Is(err, audit.ErrNoPolicy) {
		return nil, grant.ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	set, err := unpacked(version, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", redecide.ErrBadPolicy, err)
	}
	return set, nil
}

// tableGrants opens the versions of the grants in a table.
func tableGrants(ctx context.Context, c Config, d Deps, loop *Loopback) (*grantdynamo.Store, error) {
	client, err := newTables(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	reader, err := dynamo.NewReader(client, d.Now)
	if err != nil {
		return nil, err
	}
	return grantdynamo.New(grantdynamo.Config{Client: client, Reader: reader, Table: table(c.Grants), Now: d.Now, Log: d.Log})
}

// PolicyFile returns the grants of a version that the log at path keeps. The error is
// an api.NotFound for a version that is not kept.
func PolicyFile(ctx context.Context, path, version string) (api.GrantsListResponse, error) {
	set, err := keptGrants(ctx, path, version)
	if errors.Is(err, grant.ErrUnknown) {
		return api.GrantsListResponse{}, &api.Error{Code: api.NotFound}
	}
	if err != nil {
		return api.GrantsListResponse{}, logFailure(err)
	}
	return access.List(set, nil), nil
}
