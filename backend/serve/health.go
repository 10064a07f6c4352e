package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/sqlite"
	"usher/backend/elapsed"
	"usher/backend/grant"
	"usher/backend/grant/file"
	"usher/backend/safetext"
)

// How long a health result is reused. The pages need no token, so requests must
// not cause unlimited writes and calls.
const (
	aliveTTL = 2 * time.Second
	readyTTL = 10 * time.Second
)

// health checks the parts of a running server. It implements backend.Health.
type health struct {
	checker *checker
	audit   *audit.Log
	grants  interface {
		Current(ctx context.Context) (*grant.Set, error)
	}
	state        func(ctx context.Context) error // check of the shared state; nil: none
	log          *slog.Logger
	alive, ready result

	mu      sync.Mutex
	known   map[string]string // part and subject, to the last logged problem
	damaged error             // damage in older records of the audit log
}

// result is the last outcome of a set of checks. Its lock is held while they
// run, so concurrent callers share the outcome.
type result struct {
	mu       sync.Mutex
	at       time.Time
	problems []api.HealthProblem
}

func (r *result) get(now func() time.Time, ttl time.Duration, check func() []Finding) []api.HealthProblem {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := elapsed.Since(now(), r.at); r.at.IsZero() || age < 0 || age >= ttl {
		r.problems = public(check())
		r.at = now()
	}
	return r.problems
}

// Alive implements backend.Health.
func (h *health) Alive(ctx context.Context) []api.HealthProblem {
	ctx = context.WithoutCancel(ctx) // other callers share the result
	return h.alive.get(h.checker.now, aliveTTL, func() []Finding { return h.logChanges(h.local(ctx)) })
}

// Ready implements backend.Health.
func (h *health) Ready(ctx context.Context) []api.HealthProblem {
	ctx = context.WithoutCancel(ctx)
	return h.ready.get(h.checker.now, readyTTL, func() []Finding { return h.logChanges(append(h.local(ctx), h.remote(ctx)...)) })
}

func (h *health) local(ctx context.Context) []Finding {
	out := []Finding{h.record(ctx)}
	if h.state != nil {
		out = append(out, finding(partState, h.checker.config.State, api.ExitUnavailable, h.state(ctx), tableFix))
	}
	if set, err := h.grants.Current(ctx); err == nil {
		out = append(out, h.checker.clocks(ctx, set)...)
	}
	return out
}

func (h *health) remote(ctx context.Context) []Finding {
	set, err := h.grants.Current(ctx)
	if err != nil {
		return []Finding{finding(partGrants, h.checker.config.Grants, api.ExitUsage, err, "")}
	}
	return h.checker.all(ctx, set)
}

// record checks the audit log with a write that adds no event.
func (h *health) record(ctx context.Context) Finding {
	path := h.checker.config.Audit
	h.mu.Lock()
	damaged := h.damaged
	h.mu.Unlock()
	if damaged != nil {
		return finding(partLog, path, api.ExitIntegrity, damaged, "keep the file, and restore a backup or start a new log at another path")
	}
	exit := api.ExitDisk
	if h.checker.config.shared() {
		exit = api.ExitUnavailable
	}
	return finding(partLog, path, exit, h.audit.Check(ctx), logFix(path))
}

// indexed logs a problem of the index of the log. Searches are slower then, and
// complete.
func (h *health) indexed(err error) {
	h.logChanges([]Finding{finding("index", h.checker.config.Audit, api.ExitUnavailable, err, tableFix)})
}

// sealed logs a problem of the sealing of the log. Events are recorded meanwhile
// and are sealed later.
func (h *health) sealed(err error) {
	h.logChanges([]Finding{finding("seal", h.checker.config.Seal.Bucket, api.ExitUnavailable, err, sealFix)})
}

const sealFix = "check the bucket, the key, and the server's rights to both"

const tableFix = "check the table, and the server's rights to it"

func logFix(file string) string {
	if table(file) != "" {
		return tableFix
	}
	return "check the disk and the permissions of " + file + " and its folder"
}

// verifyEvery is the interval between verifications of the whole log.
const verifyEvery = 24 * time.Hour

// verifyDaily verifies the whole audit log at the start and each day.
func (h *health) verifyDaily(ctx context.Context, store verified) {
	for routine := false; ; routine = true {
		h.verify(ctx, store, routine)
		select {
		case <-time.After(verifyEvery):
		case <-ctx.Done():
			return
		}
	}
}

// verify reads the whole audit log once, while the server runs. The result is an
// event if it is routine, or a fault.
func (h *health) verify(ctx context.Context, store verified, routine bool) {
	const rest = 20 * time.Millisecond // pause after a thousand records, for other work
	if _, err := store.Checkpoint(ctx); err != nil && ctx.Err() == nil {
		h.logChanges([]Finding{h.record(ctx)}) // the log takes no records
	}
	report, err := store.Verify(ctx, func(ctx context.Context) {
		select {
		case <-time.After(rest):
		case <-ctx.Done():
		}
	})
	if err == nil {
		if err = report.Err(); err != nil || routine {
			// A log that takes no record has its own finding.
			_ = h.audit.Record(ctx, verification(report))
		}
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	h.damaged = err
	h.mu.Unlock()
	h.logChanges([]Finding{h.record(ctx)})
}

// refused notes that a witness has cosigned another log: this one was rolled back or
// rewritten.
func (h *health) refused(err error) {
	h.mu.Lock()
	h.damaged = err
	h.mu.Unlock()
}

// logChanges logs each problem when it appears, changes or ends.
func (h *health) logChanges(findings []Finding) []Finding {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range findings {
		key := f.Part + "\x00" + f.Subject
		if h.known[key] == f.Problem {
			continue
		}
		attrs := []slog.Attr{slog.String("part", f.Part), slog.Any("subject", safetext.New(f.Subject))}
		if f.Problem == "" {
			delete(h.known, key)
			h.log.LogAttrs(context.Background(), slog.LevelInfo, "check: works again", attrs...)
			continue
		}
		h.known[key] = f.Problem
		h.log.LogAttrs(context.Background(), slog.LevelError, "check: fails", append(attrs, slog.Any("error", safetext.New(f.Problem)), slog.Any("fix", safetext.New(f.Fix)))...)
	}
	return findings
}

// public returns the problems without buckets, files and causes, because the
// pages need no token.
func public(findings []Finding) []api.HealthProblem {
	var out []api.HealthProblem
	buckets, failing := 0, 0
	for _, f := range findings {
		if f.Part == partStorage {
			buckets++
		}
		switch {
		case f.Problem == "":
		case f.Part == partStorage:
			failing++
		default:
			out = append(out, api.HealthProblem{Part: f.Part, Problem: publicTexts[f.Part]})
		}
	}
	if failing > 0 {
		out = append(out, api.HealthProblem{Part: partStorage, Problem: fmt.Sprintf("the storage does not serve %d of %d buckets", failing, buckets)})
	}
	return out
}

var publicTexts = map[string]string{
	partTLS:       "the certificate has expired, expires soon or is not for this name",
	partLog:       "the audit log takes no records or is damaged; without a record nothing is listed or released",
	partGrants:    "the grants cannot be read",
	partClock:     "this machine's clock differs from the storage's by more than 5 s; nothing is released",
	partPool:      "the user pool's keys cannot be fetched",
	partDirectory: "the user pool does not answer for groups",
	partState:     "the shared state cannot be read or written; nothing is listed or released",
	partSigner:    "the server's credentials cannot sign links",
}

// Check checks everything that a server with this configuration needs. It
// creates no log, takes no lock and does not listen, so it can run beside the
// server.
func Check(ctx context.Context, c Config, d Deps, loop *Loopback) ([]Finding, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	if c.shared() {
		return checkTables(ctx, c, d, loop)
	}
	key, err := auditVerifier("", &c)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // the first start creates it
	}
	if err == nil {
		err = sqlite.Inspect(ctx, c.Audit, key)
	}
	out := []Finding{finding(partLog, c.Audit, api.ExitDisk, err, logFix(c.Audit))}
	if known, ok := logFailure(err).(interface{ Exit() int }); ok {
		out[0].Exit, out[0].Fix = known.Exit(), "restore a backup, or start a new log at another path"
	}
	set, err := file.Read(c.Grants)
	out = append(out, finding(partGrants, c.Grants, api.ExitUsage, err, "correct the file as the message says"))
	if err != nil {
		if set, err = grant.NewSet(nil); err != nil {
			return nil, err
		}
	}
	r, err := newChecker(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	out = append(out, r.all(ctx, set)...)
	return append(out, checkReceivers(ctx, c.Sinks)...), nil
}
