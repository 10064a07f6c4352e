package deploy

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"usher/backend/deploy/stack"
	"usher/backend/safetext"
)

// wordForData is typed before a resource with data is replaced or removed.
const wordForData = "replace data"

// change makes a change set, shows it, and executes it after an agreement.
func (r *run) change(ctx context.Context) error {
	if err := r.importAdopted(ctx); err != nil {
		return err
	}
	id, changes, err := r.changeSet(ctx)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		r.show(Line{Kind: KindNote, Text: "The stack is up to date."})
		return r.discard(ctx, id)
	}
	dangerous := r.showChanges(changes)
	if err := r.agree(ctx, dangerous); err != nil {
		if derr := r.discard(ctx, id); derr != nil {
			r.show(Line{Kind: KindNote, Text: "The change set stays in AWS: " + safetext.Line(derr.Error())})
		}
		return err
	}
	token := r.token()
	if _, err := r.cfn.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: aws.String(id), ClientRequestToken: aws.String(token)}); err != nil {
		return err
	}
	at, err := r.find(ctx, r.o.Stack)
	if err != nil || at == nil {
		return cmp.Or(err, service(nil, "The stack %s is no longer there. Run usher deploy again to create it.", r.o.Stack))
	}
	return r.follow(ctx, aws.ToString(at.StackId), token, len(changes))
}

// token names an operation in the events of the stack.
func (r *run) token() string { return "usher-" + r.c.NewID(r.c.Now()) }

// newChangeSet returns a change set of a template with the parameters of the run.
func (r *run) newChangeSet(template string) *cloudformation.CreateChangeSetInput {
	in := &cloudformation.CreateChangeSetInput{
		StackName: aws.String(r.o.Stack), ChangeSetName: aws.String(r.token()), ChangeSetType: types.ChangeSetTypeCreate,
		Description: aws.String("usher " + hex.EncodeToString(r.program.sum[:6])), TemplateBody: aws.String(template),
		Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	}
	if r.current != nil && r.current.StackStatus != types.StackStatusReviewInProgress {
		in.ChangeSetType = types.ChangeSetTypeUpdate
	}
	given := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(r.parameters)) {
		given[name] = true
		in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(r.parameters[name])})
	}
	if in.ChangeSetType == types.ChangeSetTypeUpdate {
		for _, p := range r.current.Parameters {
			name := aws.ToString(p.ParameterKey)
			if r.template.Parameters[name] != nil && !given[name] {
				in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: p.ParameterKey, UsePreviousValue: aws.Bool(true)})
			}
		}
	}
	return in
}

// changeSet returns the id of a change set and its changes. A change set without
// changes is empty.
func (r *run) changeSet(ctx context.Context) (string, []types.ResourceChange, error) {
	in := r.newChangeSet(stack.Text())
	made, err := r.cfn.CreateChangeSet(ctx, in)
	if err != nil {
		return "", nil, err
	}
	id := aws.ToString(made.Id)
	changes, err := r.await(ctx, id)
	return id, changes, err
}

// await waits for a change set and returns its changes.
func (r *run) await(ctx context.Context, id string) ([]types.ResourceChange, error) {
	pause := newPause(r.c.Wait)
	for {
		out, err := r.cfn.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: aws.String(id)})
		switch {
		case err != nil && !transient(ctx, err):
			return nil, err
		case err != nil:
			pause.slower()
		case out.Status == types.ChangeSetStatusCreateComplete:
			return r.rest(ctx, id, out)
		case out.Status == types.ChangeSetStatusFailed:
			// SPEC: CloudFormation has no code for a change set without changes.
			if reason := aws.ToString(out.StatusReason); !strings.Contains(reason, "didn't contain changes") && !strings.Contains(reason, "No updates are to be performed") {
				return nil, service(nil, "CloudFormation refused the changes: %s", safetext.Line(reason))
			}
			return nil, nil
		}
		if err := pause.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// rest reads the further pages of a change set.
func (r *run) rest(ctx context.Context, id string, out *cloudformation.DescribeChangeSetOutput) ([]types.ResourceChange, error) {
	var all []types.ResourceChange
	for {
		for _, c := range out.Changes {
			if c.ResourceChange != nil {
				all = append(all, *c.ResourceChange)
			}
		}
		if out.NextToken == nil {
			slices.SortStableFunc(all, func(a, b types.ResourceChange) int {
				return cmp.Or(strings.Compare(string(a.Action), string(b.Action)), strings.Compare(aws.ToString(a.LogicalResourceId), aws.ToString(b.LogicalResourceId)))
			})
			return all, nil
		}
		var err error
		if out, err = r.cfn.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: aws.String(id), NextToken: out.NextToken}); err != nil {
			return nil, err
		}
	}
}

// word returns the meaning of a change, and whether the resource's data is lost to
// the stack.
func (r *run) word(c types.ResourceChange) (string, bool) {
	data := slices.Contains(r.template.Kept(), aws.ToString(c.LogicalResourceId)) || c.PolicyAction == types.PolicyActionRetain || c.PolicyAction == types.PolicyActionReplaceAndRetain
	switch {
	case c.Action == types.ChangeActionAdd:
		return "added", false
	case c.Action == types.ChangeActionImport:
		return "adopted", false
	case c.Action == types.ChangeActionRemove && c.PolicyAction == types.PolicyActionRetain:
		return "left", data
	case c.Action == types.ChangeActionRemove:
		return "removed", data
	case c.Replacement == types.ReplacementTrue:
		return "replaced", data
	case c.Replacement == types.ReplacementConditional:
		return "changed or replaced", data
	}
	return "changed", false
}

// showChanges shows the changes in words and returns the names of resources whose
// data is affected.
func (r *run) showChanges(changes []types.ResourceChange) []string {
	var dangerous []string
	for _, c := range changes {
		word, data := r.word(c)
		var properties []string
		for _, d := range c.Details {
			if d.Target != nil && d.Target.Name != nil && !slices.Contains(properties, *d.Target.Name) {
				properties = append(properties, *d.Target.Name)
			}
		}
		name := safetext.Line(aws.ToString(c.LogicalResourceId))
		l := Line{Kind: KindChange, Subject: name, Type: safetext.Line(aws.ToString(c.ResourceType)), Status: word, Text: safetext.Line(strings.Join(properties, ", "))}
		if data {
			dangerous = append(dangerous, name)
			l.Text = strings.TrimPrefix(l.Text+"; it has data", "; ")
		}
		r.show(l)
	}
	return dangerous
}

// agree needs the agreement. Data needs its own word, which no flag gives.
func (r *run) agree(ctx context.Context, dangerous []string) error {
	if len(dangerous) > 0 {
		answer, err := r.c.Screen.Ask(ctx, fmt.Sprintf("The stack would leave the data of %s behind; the data itself stays in your account. Type %q to continue", strings.Join(dangerous, ", "), wordForData), "")
		if err != nil {
			return refuse("The stack would leave the data of %s behind. Run usher deploy in a terminal to agree.", strings.Join(dangerous, ", "))
		}
		if answer != wordForData {
			return refuse("Nothing was changed.")
		}
		return nil
	}
	if r.o.Yes {
		return nil
	}
	answer, err := r.c.Screen.Ask(ctx, "Deploy these changes? Type yes", "")
	if err != nil {
		return err
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "yes") {
		return refuse("Nothing was changed.")
	}
	return nil
}

// discard deletes a change set. The stack of a first one that was not executed is
// deleted too: it has no resources.
func (r *run) discard(ctx context.Context, id string) error {
	ctx = context.WithoutCancel(ctx)
	if _, err := r.cfn.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: aws.String(id)}); err != nil {
		return err
	}
	if r.current != nil && r.current.StackStatus != types.StackStatusReviewInProgress {
		return nil
	}
	at, err := r.find(ctx, r.o.Stack)
	if err != nil || at == nil || at.StackStatus != types.StackStatusReviewInProgress {
		return err
	}
	_, err = r.cfn.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: at.StackId})
	return err
}

// pauses between two polls, each of two calls.
const (
	shortPause = 2 * time.Second
	longPause  = 30 * time.Second
)

// pause is the time between polls. It grows while AWS refuses calls.
type pause struct {
	sleep func(ctx context.Context, d time.Duration) error
	d     time.Duration
}

func newPause(sleep func(ctx context.Context, d time.Duration) error) *pause {
	return &pause{sleep, shortPause}
}

func (p *pause) slower() { p.d = min(2*p.d, longPause) }

func (p *pause) wait(ctx context.Context) error {
	if err := p.sleep(ctx, p.d); err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	return nil
}
