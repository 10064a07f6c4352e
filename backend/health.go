package backend

import (
	"context"
	"net/http"
	"time"

	"usher/backend/api"
)

// Health returns the failing parts of the server. Anyone may read the texts: they
// name no bucket and no file. An implementation bounds the rate of its checks
// for any rate of calls.
type Health interface {
	// Alive checks the local parts: log and clock.
	Alive(ctx context.Context) []api.HealthProblem
	// Ready checks every part that a release needs.
	Ready(ctx context.Context) []api.HealthProblem
}

const (
	alivePath = "/healthz"
	readyPath = "/readyz"
)

// healthPath reports whether a request is a health check. A health checker sends
// the address of its target as Host, so any Host is accepted. The response
// contains no secret.
// SPEC: Elastic Load Balancing, "Health checks for your target groups".
func healthPath(h *http.Request) bool {
	return h.Method != http.MethodPost && (h.URL.Path == alivePath || h.URL.Path == readyPath)
}

// health returns the response to a health check. The status is 503 when a part
// fails. A refused grants file is no failure: the previous grants stay active.
func (b *Backend) health(r *request, try func(context.Context) []api.HealthProblem) api.Health {
	h := api.Health{BoundSeconds: b.bound(), Problems: try(r.ctx)}
	if set, err := b.c.Grants.Current(r.ctx); err == nil {
		h.GrantsVersion = set.Version()
	} else {
		h.Problems = append(h.Problems, api.HealthProblem{Part: "grants", Problem: "the grants cannot be read"})
	}
	if err := b.c.Grants.Problem(); err != nil {
		// The error itself may quote the file, and anyone may read this text.
		h.GrantsError = "the new grants were refused; the old grants are still active (see the server's log)"
	}
	if b.c.Sinks != nil {
		h.Sinks = b.c.Sinks.Sinks(r.ctx)
	}
	if ahead, known := b.c.Clock.Difference(); known {
		seconds := int(ahead / time.Second)
		h.ClockSeconds = &seconds
	}
	h.OK = len(h.Problems) == 0
	if !h.OK {
		r.status = http.StatusServiceUnavailable
	}
	return h
}
