package serve

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/sqlite"
	"usher/backend/grant"
	"usher/backend/grant/file"
	"usher/backend/safetext"
)

// How long an answer to a health checker serves the next ones. Anyone may ask
// for it, so it must not make the server write or call without a bound.
const (
	aliveServes = 2 * time.Second
	readyServes = 10 * time.Second
)

// vitals tries the parts of a running server. It satisfies backend.Health.
type vitals struct {
	reach  *reach
	audit  *audit.Log
	grants interface {
		Current(ctx context.Context) (*grant.Set, error)
	}
	log          *slog.Logger
	alive, ready answer

	mu      sync.Mutex
	known   map[string]string // part and subject, to the problem that the log has
	damaged error             // of older records of the log
}

// answer is the last outcome of a set of checks. Its lock is held while they
// run: callers meanwhile share the outcome.
type answer struct {
	mu       sync.Mutex
	at       time.Time
	problems []api.HealthProblem
}

func (a *answer) get(now func() time.Time, serves time.Duration, try func() []Finding) []api.HealthProblem {
	a.mu.Lock()
	defer a.mu.Unlock()
	if age := now().Sub(a.at); a.at.IsZero() || age < 0 || age >= serves {
		a.problems = public(try())
		a.at = now()
	}
	return a.problems
}

// Alive implements backend.Health.
func (v *vitals) Alive(ctx context.Context) []api.HealthProblem {
	ctx = context.WithoutCancel(ctx) // others share the answer
	return v.alive.get(v.reach.now, aliveServes, func() []Finding { return v.note(v.local(ctx)) })
}

// Ready implements backend.Health.
func (v *vitals) Ready(ctx context.Context) []api.HealthProblem {
	ctx = context.WithoutCancel(ctx)
	return v.ready.get(v.reach.now, readyServes, func() []Finding { return v.note(append(v.local(ctx), v.remote(ctx)...)) })
}

func (v *vitals) local(ctx context.Context) []Finding {
	out := []Finding{v.record(ctx)}
	if set, err := v.grants.Current(ctx); err == nil {
		out = append(out, v.reach.clocks(ctx, set)...)
	}
	return out
}

func (v *vitals) remote(ctx context.Context) []Finding {
	set, err := v.grants.Current(ctx)
	if err != nil {
		return []Finding{fails(partGrants, v.reach.config.Grants, api.ExitUsage, err, "")}
	}
	return v.reach.all(ctx, set)
}

// record tries the log with a write that adds no event.
func (v *vitals) record(ctx context.Context) Finding {
	path := v.reach.config.Audit
	v.mu.Lock()
	damaged := v.damaged
	v.mu.Unlock()
	if damaged != nil {
		return fails(partLog, path, api.ExitIntegrity, damaged, "keep the file, and restore a backup or start a new log at another path")
	}
	return fails(partLog, path, api.ExitDisk, v.audit.Check(ctx), logFix(path))
}

func logFix(file string) string {
	return "look at the disk and the permissions of " + file + " and its folder"
}

// verify reads the whole log once, beside the server's work.
func (v *vitals) verify(ctx context.Context, store *sqlite.Store) {
	const rest = 20 * time.Millisecond // for each thousand records, so that a core is left to people
	err := store.Verify(ctx, func(ctx context.Context) {
		select {
		case <-time.After(rest):
		case <-ctx.Done():
		}
	})
	if err == nil || ctx.Err() != nil {
		return
	}
	v.mu.Lock()
	v.damaged = err
	v.mu.Unlock()
	v.note([]Finding{v.record(ctx)})
}

// note writes each problem to the server's log when it appears, changes or ends.
func (v *vitals) note(findings []Finding) []Finding {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range findings {
		key := f.Part + "\x00" + f.Subject
		if v.known[key] == f.Problem {
			continue
		}
		attrs := []slog.Attr{slog.String("part", f.Part), slog.Any("subject", safetext.New(f.Subject))}
		if f.Problem == "" {
			delete(v.known, key)
			v.log.LogAttrs(context.Background(), slog.LevelInfo, "check: works again", attrs...)
			continue
		}
		v.known[key] = f.Problem
		v.log.LogAttrs(context.Background(), slog.LevelError, "check: fails", append(attrs, slog.Any("error", safetext.New(f.Problem)), slog.Any("fix", safetext.New(f.Fix)))...)
	}
	return findings
}

// public words the problems for anyone: no bucket, no file, no cause.
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
	partTLS:       "the certificate has ended, ends soon or is not for this name",
	partLog:       "the audit log takes no records or is damaged; without a record nothing is listed or released",
	partGrants:    "the grants cannot be read",
	partClock:     "this machine's clock differs from the storage's by more than 5 s; nothing is released",
	partPool:      "the user pool's keys cannot be fetched",
	partDirectory: "the user pool does not answer for groups",
	partSigner:    "the server's credentials cannot sign links",
}

// Check tries everything that a server with this configuration needs, and
// changes nothing: it makes no log, takes no lock and does not listen, so that
// it can run beside the server.
func Check(ctx context.Context, c Config, w World, loop *Loopback) ([]Finding, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	err := sqlite.Inspect(ctx, c.Audit)
	out := []Finding{fails(partLog, c.Audit, api.ExitDisk, err, logFix(c.Audit))}
	if known, ok := logFailure(err).(interface{ Exit() int }); ok {
		out[0].Exit, out[0].Fix = known.Exit(), "restore a backup, or start a new log at another path"
	}
	set, err := file.Read(c.Grants)
	out = append(out, fails(partGrants, c.Grants, api.ExitUsage, err, "correct the file as the message says"))
	if err != nil {
		if set, err = grant.NewSet(nil); err != nil {
			return nil, err
		}
	}
	r, err := newReach(ctx, c, w, loop)
	if err != nil {
		return nil, err
	}
	return append(out, r.all(ctx, set)...), nil
}
