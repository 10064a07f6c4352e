package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/backend/api"
	"usher/client/proof"
)

// beforeLong is the greatest age of the last check of the audit log before a job
// with many files.
const beforeLong = 10 * time.Minute

// prove checks that the server's audit log continues the log that this machine
// knows, unless the last check is younger than age. A finding is the error of the
// command, unless the command has another one. A server that cannot be reached is no
// finding: the command itself reports it.
func (a *app) prove(ctx context.Context, conn connection, age time.Duration) error {
	if a.found != nil || !conn.watch.Due(age) {
		return nil
	}
	state, err := conn.watch.Check(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if finding(err) {
		a.found = err
		return nil
	}
	if err != nil {
		a.debugf("the checkpoint of the audit log: %s", explain(err).line)
		return nil
	}
	a.warnOf(state)
	return nil
}

// warnOf prints the warning of a check.
func (a *app) warnOf(state proof.State) {
	if text := state.Warning(); text != "" && !a.json {
		fmt.Fprintln(a.Err, text)
	}
}

// finding reports whether an error of a check is about the log itself.
func finding(err error) bool {
	var f api.Failing
	return errors.As(err, &f) && f.Exit() == api.ExitIntegrity
}

// watchLog repeats the check each hour until the returned function is called. A
// finding stops new downloads through the gate of the connection.
func (a *app) watchLog(ctx context.Context, conn connection) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(proof.Every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = a.prove(ctx, conn, 0) // the gate returns a finding
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
