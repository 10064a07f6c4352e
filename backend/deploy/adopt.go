package deploy

import (
	"cmp"
	"context"
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

// Bounds of the search for an earlier stack. CloudFormation keeps deleted stacks
// for 90 days.
const (
	stackPages    = 50 // of ListStacks
	earlierStacks = 10 // of this name, newest first
)

// earlier is a deleted stack of this name whose data stayed in the account.
type earlier struct {
	at         time.Time
	kept       map[string]string // physical ids of its data, by logical id
	parameters []types.Parameter
}

// adopts decides whether the new stack takes over the data of an earlier one. The
// parameters of that stack are then those of the new one.
func (r *run) adopts(ctx context.Context) error {
	if r.current != nil || slices.Contains(r.o.Adopt, "no") {
		return nil
	}
	given, err := named(r.o.Adopt)
	if err != nil {
		return err
	}
	if len(given) > 0 {
		if r.adopted = whole(given, r.o.Parameters); len(r.adopted) != len(given) {
			return refuse("--adopt needs all resources of a group: %s.", groups())
		}
		return nil
	}
	found, err := r.earlier(ctx)
	if err != nil || found == nil {
		return err
	}
	names := strings.Join(slices.Sorted(maps.Keys(found.kept)), ", ")
	if !slices.Contains(r.o.Adopt, "yes") {
		answer, err := r.c.Screen.Ask(ctx, fmt.Sprintf("The stack %s that was deleted on %s left its data here: %s. Take it into the new stack? Type yes, or no for new ones", r.o.Stack, found.at.UTC().Format(time.DateOnly), safetext.Line(names)), "yes")
		if err != nil {
			return refuse("An earlier stack %s left its data here: %s. Give --adopt yes to take it into the new stack, or --adopt no for new ones.", r.o.Stack, safetext.Line(names))
		}
		if !strings.EqualFold(strings.TrimSpace(answer), "yes") {
			r.o.Adopt = []string{"no"}
			return nil
		}
	}
	r.adopted = found.kept
	for _, p := range found.parameters {
		name, value := aws.ToString(p.ParameterKey), aws.ToString(p.ParameterValue)
		if r.template.Parameters[name] != nil && value != "" && name != "CodeBucket" && name != "CodeKey" {
			r.parameters[name] = value
		}
	}
	return nil
}

// named returns the resources of --adopt NAME=ID.
func named(all []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range all {
		name, id, ok := strings.Cut(text, "=")
		switch {
		case ok && id != "" && slices.ContainsFunc(stack.Adoptable(), func(g []string) bool { return slices.Contains(g, name) }):
			out[name] = id
		case text != "yes" && text != "no" || len(all) > 1:
			return nil, refuse("--adopt is yes, no or NAME=ID of one of %s, not %s.", groups(), safetext.Line(text))
		}
	}
	return out, nil
}

func groups() string {
	var out []string
	for _, g := range stack.Adoptable() {
		out = append(out, strings.Join(g, ", "))
	}
	return strings.Join(out, "; ")
}

// whole returns the resources of the groups that are complete. A stack with a pool
// of the customer adopts none.
func whole(kept, parameters map[string]string) map[string]string {
	out := map[string]string{}
	for _, group := range stack.Adoptable() {
		if slices.ContainsFunc(group, func(name string) bool { return kept[name] == "" }) || slices.Contains(group, "UserPool") && parameters["ExistingUserPoolId"] != "" {
			continue
		}
		for _, name := range group {
			out[name] = kept[name]
		}
	}
	return out
}

// earlier returns the newest deleted stack of this name that left data, or nil.
func (r *run) earlier(ctx context.Context) (*earlier, error) {
	var deleted []types.StackSummary
	in := &cloudformation.ListStacksInput{StackStatusFilter: []types.StackStatus{types.StackStatusDeleteComplete}}
	for range stackPages {
		page, err := r.cfn.ListStacks(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, s := range page.StackSummaries {
			if aws.ToString(s.StackName) == r.o.Stack {
				deleted = append(deleted, s)
			}
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	slices.SortStableFunc(deleted, func(a, b types.StackSummary) int {
		return aws.ToTime(b.DeletionTime).Compare(aws.ToTime(a.DeletionTime))
	})
	for _, s := range deleted[:min(len(deleted), earlierStacks)] {
		left, err := r.left(ctx, aws.ToString(s.StackId))
		if err != nil {
			return nil, err
		}
		kept := whole(left, r.o.Parameters)
		if len(kept) == 0 {
			continue
		}
		at, err := r.find(ctx, aws.ToString(s.StackId))
		if err != nil {
			return nil, err
		}
		out := &earlier{at: aws.ToTime(s.DeletionTime), kept: kept}
		if at != nil {
			out.parameters = at.Parameters
		}
		return out, nil
	}
	return nil, nil
}

// left returns the resources that a deleted stack left, by logical id.
func (r *run) left(ctx context.Context, id string) (map[string]string, error) {
	out := map[string]string{}
	in := &cloudformation.ListStackResourcesInput{StackName: aws.String(id)}
	for {
		page, err := r.cfn.ListStackResources(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, s := range page.StackResourceSummaries {
			if s.ResourceStatus == types.ResourceStatusDeleteSkipped {
				out[aws.ToString(s.LogicalResourceId)] = aws.ToString(s.PhysicalResourceId)
			}
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return out, nil
		}
	}
}

// importAdopted makes a stack of the adopted resources. It changes none of them: the
// change set of the whole template follows.
func (r *run) importAdopted(ctx context.Context) error {
	if len(r.adopted) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(r.adopted))
	body, err := r.template.Import(names)
	if err != nil {
		return err
	}
	in := r.newChangeSet(body)
	in.ChangeSetType = types.ChangeSetTypeImport
	for _, name := range names {
		identifier, err := r.template.Identifier(name, r.adopted)
		if err != nil {
			return err
		}
		kind, _ := stack.At(r.template.Resources[name], "Type").(string)
		in.ResourcesToImport = append(in.ResourcesToImport, types.ResourceToImport{LogicalResourceId: aws.String(name), ResourceType: aws.String(kind), ResourceIdentifier: identifier})
	}
	made, err := r.cfn.CreateChangeSet(ctx, in)
	if err != nil {
		return err
	}
	id := aws.ToString(made.Id)
	changes, err := r.await(ctx, id)
	if err != nil {
		if derr := r.discard(ctx, id); derr != nil {
			r.show(Line{Kind: KindNote, Text: "The change set stays in AWS: " + safetext.Line(derr.Error())})
		}
		return err
	}
	r.showChanges(changes)
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
