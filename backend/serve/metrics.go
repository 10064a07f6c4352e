package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// meters are the metrics of a server, in the text format of Prometheus. Labels
// have the names of verbs and codes only, so their number is bounded, and no
// person and no object is in them.
type meters struct {
	set      *metrics.Set
	listener net.Listener
}

// newMeters opens the listener of the metrics. Without an address it returns nil.
func newMeters(ctx context.Context, address string, bound func() int) (*meters, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s for metrics: %w", address, err)
	}
	m := &meters{metrics.NewSet(), listener}
	m.set.NewGauge("usher_bound_seconds", func() float64 { return float64(bound()) })
	return m, nil
}

// observe counts one request. verb is "" for an unknown path, and code is "ok" or
// the code of the error.
func (m *meters) observe(verb, code string, took time.Duration) {
	if verb == "" {
		verb = "unknown"
	}
	m.set.GetOrCreateCounter(fmt.Sprintf("usher_requests_total{verb=%q,code=%q}", verb, code)).Inc()
	m.set.GetOrCreatePrometheusHistogram(fmt.Sprintf("usher_request_duration_seconds{verb=%q}", verb)).Update(took.Seconds())
}

// serve responds to GET /metrics until ctx ends.
func (m *meters) serve(ctx context.Context, log *slog.Logger) {
	web := &http.Server{ReadHeaderTimeout: readHeader, ReadTimeout: readAll, WriteTimeout: writeAll, IdleTimeout: idle,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/metrics" || r.Method != http.MethodGet {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			m.set.WritePrometheus(w)
			metrics.WriteProcessMetrics(w)
		})}
	stop := context.AfterFunc(ctx, func() { _ = web.Close() })
	defer stop()
	if err := web.Serve(m.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.Error("serving metrics", "error", err.Error())
	}
}
