package deploy

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/dynamo"
	"usher/backend/event"
	"usher/backend/grant"
	grantdynamo "usher/backend/grant/dynamo"
	"usher/backend/safetext"
)

// firstGroup is the group with the first grants.
const firstGroup = "usher-readers"

// outputs returns the outputs of a stack.
func outputs(at []types.Output) map[string]string {
	out := map[string]string{}
	for _, o := range at {
		out[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return out
}

// finish creates the first grants and the first person, unless they exist.
func (r *run) finish(ctx context.Context) (Result, error) {
	at, err := r.find(ctx, r.o.Stack)
	if err != nil || at == nil {
		return Result{}, cmp.Or(err, service(nil, "The stack %s is no longer there. Run usher deploy again to create it.", r.o.Stack))
	}
	r.current = at
	out := Result{Stack: r.o.Stack, Region: r.o.Region, Outputs: outputs(at.Outputs)}
	out.URL = out.Outputs["Url"]
	if out.URL == "" || out.Outputs["UserPoolId"] == "" {
		return out, service(nil, "The stack %s has no address. Is it a stack of usher?", r.o.Stack)
	}
	if err := r.firstGrants(ctx, out.Outputs); err != nil {
		return out, err
	}
	out.Admin, err = r.firstPerson(ctx, out.Outputs["UserPoolId"], out.Outputs["AdminsGroupName"])
	return out, err
}

// firstPerson creates an admin, unless the pool has one and none is named.
func (r *run) firstPerson(ctx context.Context, pool, admins string) (string, error) {
	if r.o.Admin == "" {
		have, err := r.pool.ListUsersInGroup(ctx, &cognitoidentityprovider.ListUsersInGroupInput{UserPoolId: aws.String(pool), GroupName: aws.String(admins), Limit: aws.Int32(1)})
		if err != nil && !has(err, "ResourceNotFoundException") {
			return "", err
		}
		if err == nil && len(have.Users) > 0 {
			return "", nil
		}
		if err := r.askAdmin(ctx); err != nil {
			return "", err
		}
	}
	_, err := r.pool.AdminCreateUser(ctx, &cognitoidentityprovider.AdminCreateUserInput{
		UserPoolId: aws.String(pool), Username: aws.String(r.o.Admin), DesiredDeliveryMediums: []cognito.DeliveryMediumType{cognito.DeliveryMediumTypeEmail},
		UserAttributes: []cognito.AttributeType{
			{Name: aws.String("email"), Value: aws.String(r.o.Admin)}, {Name: aws.String("email_verified"), Value: aws.String("true")},
		},
	})
	created := err == nil
	if err != nil && !has(err, "UsernameExistsException") {
		return "", err
	}
	for group, about := range map[string]string{admins: "Change grants in usher", firstGroup: "Read the buckets of usher"} {
		if err := r.join(ctx, pool, group, about); err != nil {
			return "", err
		}
	}
	if created {
		r.show(Line{Kind: KindNote, Subject: "person", Text: "An invitation with a temporary password is on its way to " + safetext.Line(r.o.Admin) + "."})
	}
	return r.o.Admin, nil
}

// join adds the first person to a group, and creates the group if it is absent.
func (r *run) join(ctx context.Context, pool, group, about string) error {
	_, err := r.pool.CreateGroup(ctx, &cognitoidentityprovider.CreateGroupInput{UserPoolId: aws.String(pool), GroupName: aws.String(group), Description: aws.String(about)})
	if err != nil && !has(err, "GroupExistsException") {
		return err
	}
	_, err = r.pool.AdminAddUserToGroup(ctx, &cognitoidentityprovider.AdminAddUserToGroupInput{UserPoolId: aws.String(pool), GroupName: aws.String(group), Username: aws.String(r.o.Admin)})
	return err
}

// firstGrants puts grants in force that give the first group the chosen buckets,
// unless there are grants. The change and its event are one transaction.
func (r *run) firstGrants(ctx context.Context, outputs map[string]string) error {
	client, err := dynamo.New(dynamo.Config{AWS: r.c.AWS, Endpoint: aws.ToString(r.c.AWS.BaseEndpoint), Now: r.c.Now})
	if err != nil {
		return err
	}
	reader, err := dynamo.NewReader(client, r.c.Now)
	if err != nil {
		return err
	}
	log, err := auditdynamo.New(auditdynamo.Config{DB: client, Log: outputs["LogTableName"], Now: r.c.Now, Rand: r.c.Rand, Keep: r.keep()})
	if err != nil {
		return err
	}
	c := grantdynamo.Config{Client: client, Reader: reader, Table: outputs["GrantsTableName"], Now: r.c.Now, Log: slog.New(slog.DiscardHandler), Writes: log.Writes}
	now := r.c.Now().UTC()
	if err := grantdynamo.Init(ctx, c, r.c.NewID(now)); err != nil {
		return fmt.Errorf("preparing the grants: %w", err)
	}
	store, err := grantdynamo.New(c)
	if err != nil {
		return err
	}
	before, err := store.Current(ctx)
	if err != nil || before.Len() > 0 {
		return err
	}
	next, err := grant.NewSet(r.grants())
	if err != nil {
		return fmt.Errorf("the first grants: %w", err)
	}
	added, removed := grant.Count(before, next)
	e := event.Event{
		ID: r.c.NewID(now), Time: now, Action: event.GrantsChanged, Outcome: event.Allowed,
		User:         event.User{Sub: r.caller.id, Username: r.caller.arn},
		GrantsBefore: before.Version(), GrantsVersion: next.Version(), GrantsAdded: added, GrantsRemoved: removed,
		Reason: "first grants, by usher deploy",
	}
	if err := store.Apply(ctx, before.Version(), next, e); err != nil {
		return fmt.Errorf("putting the first grants in force: %w", err)
	}
	r.show(Line{Kind: KindNote, Subject: "grants", Text: fmt.Sprintf("The group %s may read %s.", firstGroup, strings.Join(r.buckets(), ", "))})
	return nil
}

// grants gives the first group the objects of the stack's parameters.
func (r *run) grants() []grant.Grant {
	var out []grant.Grant
	for arn := range strings.SplitSeq(r.parameter("ObjectArns"), ",") {
		_, place, ok := strings.Cut(strings.TrimSpace(arn), ":::")
		bucket, prefix, found := strings.Cut(strings.TrimSuffix(place, "*"), "/")
		if ok && found {
			out = append(out, grant.Grant{Group: firstGroup, Bucket: bucket, Prefix: prefix, Effect: grant.Allow})
		}
	}
	return out
}

// keep is the time until events expire; 0: never.
func (r *run) keep() time.Duration {
	days := 0
	_, _ = fmt.Sscan(r.parameter("AuditDays"), &days) // the template requires a number
	return time.Duration(days) * 24 * time.Hour
}
