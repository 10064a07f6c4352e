package backend

import (
	"context"
	"net/http"

	"usher/backend/api"
)

// Health reports the parts that fail, to anyone: its texts name no bucket and
// no file. It bounds how often it tries a part, however often it is called.
type Health interface {
	// Alive tries the parts of this machine: log and clock.
	Alive(ctx context.Context) []api.HealthProblem
	// Ready tries everything that a release needs.
	Ready(ctx context.Context) []api.HealthProblem
}

const (
	alivePath = "/healthz"
	readyPath = "/readyz"
)

// healthPath reports a request of a health checker, which names the address of
// its target as Host. The answer is the same for everyone and holds no secret.
// SPEC: Elastic Load Balancing, "Health checks for your target groups".
func healthPath(h *http.Request) bool {
	return h.Method != http.MethodPost && (h.URL.Path == alivePath || h.URL.Path == readyPath)
}

// health is the answer to a health checker. The status is 503 when a part
// fails. A refused grants file is no such part: the grants before it serve.
func (b *Backend) health(r *request, try func(context.Context) []api.HealthProblem) api.Health {
	h := api.Health{BoundSeconds: b.bound(), Problems: try(r.ctx)}
	if set, err := b.c.Grants.Current(r.ctx); err == nil {
		h.GrantsVersion = set.Version()
	} else {
		h.Problems = append(h.Problems, api.HealthProblem{Part: "grants", Problem: "the grants cannot be read"})
	}
	if err := b.c.Grants.Problem(); err != nil {
		// Not the text: it may quote the file, and anyone may ask.
		h.GrantsError = "the new grants were refused; the old ones are in force (see the server's log)"
	}
	h.OK = len(h.Problems) == 0
	if !h.OK {
		r.status = http.StatusServiceUnavailable
	}
	return h
}
