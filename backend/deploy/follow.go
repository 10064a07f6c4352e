package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"usher/backend/safetext"
)

// follower shows the events of one operation of a stack.
type follower struct {
	r     *run
	stack string // id of the stack
	token string // of the operation; "": the last one
	total int    // resources to change; 0: unknown
	// States of the stack's first event of the operation.
	starts []types.ResourceStatus

	seen     map[string]bool
	began    bool // an event of the operation was seen
	finished map[string]bool
	first    *types.StackEvent // first failure
}

// follow shows the events of an operation until its end. It returns an error with
// the first failure's reason if the operation fails.
func (r *run) follow(ctx context.Context, id, token string, total int) error {
	return r.followFrom(ctx, id, token, total, starts())
}

// followFrom follows an operation whose first event has one of these states.
func (r *run) followFrom(ctx context.Context, id, token string, total int, starts []types.ResourceStatus) error {
	f := &follower{r: r, stack: id, token: token, total: total, starts: starts, seen: map[string]bool{}, finished: map[string]bool{}}
	pause := newPause(r.c.Wait)
	for {
		events, err := f.events(ctx)
		var at *types.Stack
		if err == nil {
			for _, e := range events {
				f.take(e)
			}
			at, err = r.find(ctx, id)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !transient(ctx, err):
			return err
		case err != nil:
			pause.slower()
		case at == nil:
			r.current = nil
			return nil
		case f.began && !strings.HasSuffix(string(at.StackStatus), "_IN_PROGRESS"):
			r.current = at
			return f.end(at)
		}
		if err := pause.wait(ctx); err != nil {
			return err
		}
	}
}

// starts are the states of a stack at the begin of an operation.
func starts() []types.ResourceStatus {
	return []types.ResourceStatus{types.ResourceStatusCreateInProgress, types.ResourceStatusUpdateInProgress, types.ResourceStatusDeleteInProgress, types.ResourceStatusImportInProgress}
}

// events returns the new events of the operation, oldest first.
func (f *follower) events(ctx context.Context) ([]types.StackEvent, error) {
	var fresh []types.StackEvent
	in := &cloudformation.DescribeStackEventsInput{StackName: aws.String(f.stack)}
	for {
		page, err := f.r.cfn.DescribeStackEvents(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, e := range page.StackEvents { // newest first
			if f.seen[aws.ToString(e.EventId)] {
				slices.Reverse(fresh)
				return fresh, nil
			}
			fresh = append(fresh, e)
			if aws.ToString(e.PhysicalResourceId) != f.stack || !slices.Contains(f.starts, e.ResourceStatus) {
				continue
			}
			if f.token != "" && aws.ToString(e.ClientRequestToken) != f.token {
				return nil, nil // the operation has no event yet
			}
			f.began = true
			slices.Reverse(fresh)
			return fresh, nil
		}
		if page.NextToken == nil {
			slices.Reverse(fresh)
			return fresh, nil
		}
		in.NextToken = page.NextToken
	}
}

// take shows an event and keeps the first failure. CloudFormation cancels the
// other resources after it.
func (f *follower) take(e types.StackEvent) {
	f.seen[aws.ToString(e.EventId)] = true
	name, status, reason := aws.ToString(e.LogicalResourceId), string(e.ResourceStatus), aws.ToString(e.ResourceStatusReason)
	own := aws.ToString(e.PhysicalResourceId) == f.stack
	if strings.HasSuffix(status, "_FAILED") && f.first == nil && !own && !strings.Contains(strings.ToLower(reason), "cancelled") {
		f.first = &e
	}
	if !own && strings.HasSuffix(status, "_COMPLETE") && !strings.HasPrefix(status, "ROLLBACK") {
		f.finished[name] = true
	}
	done := len(f.finished)
	if f.total > 0 {
		done = min(done, f.total)
	}
	f.r.show(Line{
		Kind: KindProgress, Subject: safetext.Line(name), Type: safetext.Line(aws.ToString(e.ResourceType)), Status: safetext.Line(status),
		Text: safetext.Line(reason), Done: done, Total: f.total,
	})
}

// end returns the outcome of an operation.
func (f *follower) end(at *types.Stack) error {
	if slices.Contains([]types.StackStatus{types.StackStatusCreateComplete, types.StackStatusUpdateComplete, types.StackStatusDeleteComplete, types.StackStatusImportComplete}, at.StackStatus) ||
		at.StackStatus == types.StackStatusUpdateRollbackComplete && slices.Contains(f.starts, types.ResourceStatusUpdateRollbackInProgress) {
		return nil
	}
	if f.first == nil {
		return service(nil, "The stack is now %s: %s", safetext.Line(string(at.StackStatus)), safetext.Line(aws.ToString(at.StackStatusReason)))
	}
	return service(nil, "%s (%s) failed: %s. The stack is now %s. Correct the cause, and run the same command again.",
		safetext.Line(aws.ToString(f.first.LogicalResourceId)), safetext.Line(aws.ToString(f.first.ResourceType)),
		strings.TrimSuffix(safetext.Line(aws.ToString(f.first.ResourceStatusReason)), "."), safetext.Line(string(at.StackStatus)))
}

// settle brings a stack into a state from which it can be changed: it follows an
// operation that runs, and removes the rests of a failed first one.
func (r *run) settle(ctx context.Context) error {
	if r.current == nil {
		return nil
	}
	id := aws.ToString(r.current.StackId)
	status := r.current.StackStatus
	if strings.HasSuffix(string(status), "_IN_PROGRESS") && status != types.StackStatusReviewInProgress {
		r.show(Line{Kind: KindNote, Text: "An operation of this stack is running. usher follows it."})
		if err := r.follow(ctx, id, "", 0); err != nil {
			return err
		}
		if r.current == nil || r.current.StackStatus == types.StackStatusDeleteComplete {
			r.current = nil
			return nil
		}
		status = r.current.StackStatus
	}
	switch status {
	case types.StackStatusReviewInProgress: // a change set that was never executed
		r.current = nil
	case types.StackStatusImportRollbackComplete:
		return r.afterImport(ctx, id)
	case types.StackStatusRollbackComplete, types.StackStatusRollbackFailed, types.StackStatusCreateFailed, types.StackStatusDeleteFailed:
		r.show(Line{Kind: KindNote, Text: "The first deployment failed. Its resources are removed before another one."})
		if err := r.remove(ctx, id); err != nil {
			return err
		}
		r.current = nil
	case types.StackStatusUpdateRollbackFailed:
		r.show(Line{Kind: KindNote, Text: "The last update could not be undone. usher tries it again."})
		token := r.token()
		if _, err := r.cfn.ContinueUpdateRollback(ctx, &cloudformation.ContinueUpdateRollbackInput{StackName: aws.String(id), ClientRequestToken: aws.String(token)}); err != nil {
			return err
		}
		return r.followFrom(ctx, id, token, 0, []types.ResourceStatus{types.ResourceStatusUpdateRollbackInProgress})
	}
	return nil
}

// afterImport removes a stack whose import failed, if it has no resource.
func (r *run) afterImport(ctx context.Context, id string) error {
	all, err := r.cfn.ListStackResources(ctx, &cloudformation.ListStackResourcesInput{StackName: aws.String(id)})
	if err != nil || len(all.StackResourceSummaries) > 0 {
		return err
	}
	r.show(Line{Kind: KindNote, Text: "The earlier stack's data could not be taken over. The empty stack is removed."})
	if err := r.remove(ctx, id); err != nil {
		return err
	}
	r.current = nil
	return nil
}

// remove deletes a stack. Resources that cannot be deleted stay, such as an empty
// table of a first deployment, which has deletion protection.
func (r *run) remove(ctx context.Context, id string) error {
	for _, mode := range []types.DeletionMode{types.DeletionModeStandard, types.DeletionModeForceDeleteStack} {
		token := r.token()
		if _, err := r.cfn.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String(id), ClientRequestToken: aws.String(token), DeletionMode: mode}); err != nil {
			return err
		}
		err := r.follow(ctx, id, token, 0)
		if err == nil || r.current == nil || r.current.StackStatus != types.StackStatusDeleteFailed || mode == types.DeletionModeForceDeleteStack {
			return err
		}
		r.show(Line{Kind: KindNote, Text: "AWS could not delete everything. The stack is removed; the resources above that failed stay in your account."})
	}
	return nil
}
