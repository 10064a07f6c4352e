package deploy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trail "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/safetext"
)

// Check checks a deployed stack, and its buckets and pool. It changes nothing, and
// reports whether everything is in order.
func (d *Deployer) Check(ctx context.Context, o Options) (bool, error) {
	d.wrong = 0
	r := &run{Deployer: d, o: o, parameters: map[string]string{}}
	err := r.inspectAll(ctx)
	return err == nil && d.wrong == 0, Explain(ctx, err)
}

func (r *run) inspectAll(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	if r.current == nil {
		return refuse("There is no stack %s in %s. usher deploy creates it.", r.o.Stack, r.o.Region)
	}
	if status := string(r.current.StackStatus); strings.Contains(status, "FAILED") || strings.Contains(status, "IN_PROGRESS") {
		r.check("stack", statusFailed, "It is %s.", safetext.Line(status))
	} else {
		r.check("stack", statusOK, "%s", safetext.Line(status))
	}
	if err := r.quota(ctx); err != nil {
		return err
	}
	trails, err := r.selectors(ctx)
	if err != nil {
		return err
	}
	for _, bucket := range r.buckets() {
		if err := r.watched(ctx, bucket, trails); err != nil {
			return err
		}
	}
	return r.tokens(ctx, outputs(r.current.Outputs)["UserPoolId"])
}

// watched checks a bucket and its two records of reads: the access log of S3 and
// the data events of CloudTrail.
func (r *run) watched(ctx context.Context, bucket string, trails []selector) error {
	b, err := r.inspect(ctx, bucket)
	if err != nil {
		return err
	}
	if b.missing {
		r.check("bucket "+bucket, statusFailed, "It is gone, or belongs to another account that does not allow you to see it.")
		return nil
	}
	r.report(bucket, b)
	switch {
	case slices.Contains(b.hidden, partLogging):
		r.check("access log of "+bucket, statusWarning, "Your AWS credentials may not read it: allow s3:GetBucketLogging on the bucket.")
	case b.unlogged:
		r.check("access log of "+bucket, statusWarning, "Server access logging is off. It proves each download beside usher's own log: turn it on, with the bucket of the output AccessLogBucketName as target.")
	default:
		r.check("access log of "+bucket, statusOK, "on")
	}
	if slices.ContainsFunc(trails, func(s selector) bool { return s.covers(bucket) }) {
		r.check("data events of "+bucket, statusOK, "recorded")
	} else {
		r.check("data events of "+bucket, statusWarning, "No trail of CloudTrail records reads of its objects. They name the person of each session of the reader role, and cost $0.10 for 100,000.")
	}
	return nil
}

// selector is a selection of objects whose reads a trail records. all is every
// bucket.
type selector struct {
	all  bool
	arns []string
}

func (s selector) covers(bucket string) bool {
	return s.all || slices.ContainsFunc(s.arns, func(arn string) bool {
		return strings.HasSuffix(arn, ":::") || strings.HasSuffix(arn, ":::"+bucket+"/")
	})
}

// selectors returns the data events of S3 that the account's trails record.
func (r *run) selectors(ctx context.Context) ([]selector, error) {
	out, err := r.trails.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{})
	if err != nil {
		return nil, err
	}
	var all []selector
	for _, t := range out.TrailList {
		chosen, err := r.trails.GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: t.TrailARN}, func(o *cloudtrail.Options) {
			if home := aws.ToString(t.HomeRegion); home != "" {
				o.Region = home
			}
		})
		if denied(codeOf(err)) || has(err, "TrailNotFoundException") { // of an organization
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, s := range chosen.EventSelectors {
			if s.ReadWriteType == trail.ReadWriteTypeWriteOnly {
				continue
			}
			for _, resource := range s.DataResources {
				if aws.ToString(resource.Type) == "AWS::S3::Object" {
					all = append(all, selector{arns: resource.Values})
				}
			}
		}
		for _, s := range chosen.AdvancedEventSelectors {
			if found, ok := advanced(s); ok {
				all = append(all, found)
			}
		}
	}
	return all, nil
}

// advanced returns an advanced selector of object events. One with conditions that
// usher cannot evaluate covers nothing.
func advanced(s trail.AdvancedEventSelector) (selector, bool) {
	objects, data := false, false
	found := selector{all: true}
	for _, f := range s.FieldSelectors {
		switch aws.ToString(f.Field) {
		case "eventCategory":
			data = slices.Contains(f.Equals, "Data")
		case "resources.type":
			objects = slices.Contains(f.Equals, "AWS::S3::Object")
		case "readOnly":
			if !slices.Contains(f.Equals, "true") {
				return selector{}, false
			}
		case "resources.ARN":
			found = selector{arns: slices.Concat(f.Equals, f.StartsWith)}
			if len(f.NotEquals)+len(f.NotStartsWith)+len(f.EndsWith)+len(f.NotEndsWith) > 0 {
				return selector{}, false
			}
		default:
			return selector{}, false
		}
	}
	return found, objects && data
}

// Limits of a request to an HTTP API.
//
// SPEC: API Gateway developer guide, "Quotas for HTTP API": 10,240 bytes for the
// request line and all headers. Amazon Cognito developer guide, "Quotas": 100
// groups for a user.
const (
	maxHead   = 10_240
	maxGroups = 100
	otherHead = 900 // request line, host, user agent, tracing and forwarding headers
)

// LargestToken returns the size in bytes of the largest access token of a person
// with these groups.
func LargestToken(groups []string) int {
	names := slices.Clone(groups)
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	names = names[:min(len(names), maxGroups)]
	uuid := "11111111-2222-3333-4444-555555555555"
	// SPEC: Amazon Cognito developer guide, "Understanding the access token".
	claims, err := json.Marshal(map[string]any{
		"sub": uuid, "origin_jti": uuid, "event_id": uuid, "jti": uuid, "device_key": "us-gov-west-1_" + uuid, "token_use": "access",
		"iss": "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_AbCdEfGhI", "client_id": strings.Repeat("a", 26), "version": 2,
		"scope": "aws.cognito.signin.user.admin openid email", "aud": "https://" + strings.Repeat("a", 64), "username": strings.Repeat("a", 128),
		"auth_time": 1_764_345_600, "iat": 1_764_345_600, "exp": 1_764_349_200, "cognito:groups": names,
	})
	if err != nil { // texts and numbers have a form in JSON
		return 0
	}
	const head, signature = 100, 342 // of RS256, encoded
	return head + base64.RawURLEncoding.EncodedLen(len(claims)) + signature + 2
}

// tokens checks the size of the largest token.
func (r *run) tokens(ctx context.Context, pool string) error {
	var groups []string
	in := &cognitoidentityprovider.ListGroupsInput{UserPoolId: aws.String(pool), Limit: aws.Int32(60)}
	for {
		out, err := r.pool.ListGroups(ctx, in)
		if err != nil {
			return err
		}
		for _, g := range out.Groups {
			groups = append(groups, aws.ToString(g.GroupName))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	token := LargestToken(groups)
	text := fmt.Sprintf("A person in the %d longest of %d groups has a token of %d bytes; with the other headers %d of %d.", min(len(groups), maxGroups), len(groups), token, token+otherHead, maxHead)
	if token+otherHead > maxHead {
		r.check("token", statusWarning, "%s API Gateway refuses such requests. Use fewer or shorter groups for one person.", text)
		return nil
	}
	r.check("token", statusOK, "%s", text)
	return nil
}

// Delete deletes the stack after a typed word. Data stays: tables, buckets, the
// user pool and the key of the seal.
func (d *Deployer) Delete(ctx context.Context, o Options) error {
	r := &run{Deployer: d, o: o, parameters: map[string]string{}}
	return Explain(ctx, r.delete(ctx))
}

func (r *run) delete(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	if r.current == nil {
		return refuse("There is no stack %s in %s.", r.o.Stack, r.o.Region)
	}
	kept := r.template.Kept()
	r.show(Line{Kind: KindNote, Text: "These stay in your account, with their data: " + strings.Join(kept, ", ") + "."})
	answer, err := r.c.Screen.Ask(ctx, fmt.Sprintf("Nobody can browse or download after this. Type the name of the stack, %s, to delete it", r.o.Stack), "")
	if err != nil {
		return err
	}
	if answer != r.o.Stack {
		return refuse("Nothing was deleted.")
	}
	return r.remove(ctx, aws.ToString(r.current.StackId))
}
