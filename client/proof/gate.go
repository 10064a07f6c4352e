package proof

import (
	"context"

	"usher/backend/api"
)

// Calls are the calls that start downloads.
type Calls interface {
	Release(ctx context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error)
	Complete(ctx context.Context, req api.CompleteRequest) error
	List(ctx context.Context, req api.ListRequest) (api.ListResponse, error)
}

// Gate passes calls to the server until the log is found rewritten. After that it
// refuses new URLs and listings; downloads with a URL end as usual, and their ends
// are still reported.
type Gate struct {
	Calls
	watch *Watch
}

// Gate returns a gate for calls.
func (w *Watch) Gate(calls Calls) Gate { return Gate{calls, w} }

// Release returns the finding, if there is one.
func (g Gate) Release(ctx context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error) {
	if err := g.watch.Fraud(); err != nil {
		return api.ReleaseResponse{}, err
	}
	return g.Calls.Release(ctx, req)
}

// List returns the finding, if there is one.
func (g Gate) List(ctx context.Context, req api.ListRequest) (api.ListResponse, error) {
	if err := g.watch.Fraud(); err != nil {
		return api.ListResponse{}, err
	}
	return g.Calls.List(ctx, req)
}
