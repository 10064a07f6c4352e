package deploy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/safetext"
)

// The states of a check.
const (
	statusOK      = "ok"
	statusWarning = "warning"
	statusFailed  = "failed"
)

// check shows a line. Each that is not in order is counted.
func (d *Deployer) check(subject, status, format string, args ...any) {
	if status != statusOK {
		d.wrong++
	}
	d.c.Screen.Show(Line{Kind: KindCheck, Subject: safetext.Line(subject), Status: status, Text: fmt.Sprintf(format, args...)})
}

// preflight checks the account before anything changes. It fails only for a
// state that would fail the deployment.
func (r *run) preflight(ctx context.Context) error {
	if err := r.quota(ctx); err != nil {
		return err
	}
	var regions, keys []string
	failed := ""
	for _, bucket := range r.buckets() {
		b, err := r.inspect(ctx, bucket)
		if err != nil {
			return err
		}
		if b.missing {
			r.check("bucket "+bucket, statusFailed, "There is no bucket of this name, or it belongs to another account that does not allow you to see it.")
			failed = bucket
			continue
		}
		if b.region != r.o.Region && !slices.Contains(regions, b.region) {
			regions = append(regions, b.region)
		}
		if b.key != "" && !slices.Contains(keys, b.key) {
			keys = append(keys, b.key)
		}
		r.report(bucket, b)
	}
	if failed != "" {
		return refuse("The bucket %s was not found. Correct its name; for a bucket of another account see docs/deploy.md.", safetext.Line(failed))
	}
	for name, found := range map[string][]string{"BucketRegions": regions, "DataKeyArns": keys} {
		if _, chosen := r.parameters[name]; !chosen && len(found) > 0 {
			slices.Sort(found)
			r.parameters[name] = strings.Join(found, ",")
		}
	}
	return r.retained(ctx)
}

// bucketFacts are the facts of a bucket of the customer.
type bucketFacts struct {
	missing  bool
	region   string
	key      string   // KMS key of its default encryption
	public   bool     // public access is not blocked
	noPolicy bool     // no statement refuses unencrypted connections, or none caps the age of URLs
	unlogged bool     // no server access logging
	hidden   []string // parts that the credentials may not read
}

// Parts of a bucket's configuration.
const (
	partPublic  = "public access block"
	partPolicy  = "policy"
	partLogging = "access logging"
)

// inspect reads the facts of a bucket. The credentials may not read all of them, for
// instance if the bucket belongs to another account.
func (d *Deployer) inspect(ctx context.Context, bucket string) (bucketFacts, error) {
	name := aws.String(bucket)
	head, err := d.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: name})
	if has(err, "NotFound", "NoSuchBucket") {
		return bucketFacts{missing: true}, nil
	}
	elsewhere := has(err, "MovedPermanently", "PermanentRedirect", "BadRequest")
	if err != nil && !elsewhere && !denied(codeOf(err)) {
		return bucketFacts{}, err
	}
	var f bucketFacts
	if err == nil {
		f.region = aws.ToString(head.BucketRegion)
	}
	at, lerr := d.s3.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: name})
	switch {
	case lerr == nil: // SPEC: S3 API reference, GetBucketLocation: empty and EU are old names
		f.region = cmp.Or(map[string]string{"": "us-east-1", "EU": "eu-west-1"}[string(at.LocationConstraint)], string(at.LocationConstraint))
	case !denied(codeOf(lerr)):
		return f, lerr
	}
	f.region = cmp.Or(f.region, d.c.AWS.Region)
	there := func(o *s3.Options) { o.Region = f.region }
	return f, d.details(ctx, name, there, &f)
}

// details reads the configuration of a bucket in its region.
func (d *Deployer) details(ctx context.Context, name *string, there func(*s3.Options), f *bucketFacts) error {
	block, err := d.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: name}, there)
	switch c := has(err, "NoSuchPublicAccessBlockConfiguration"); {
	case c:
		f.public = true
	case err == nil:
		b := block.PublicAccessBlockConfiguration
		f.public = !aws.ToBool(b.BlockPublicAcls) || !aws.ToBool(b.BlockPublicPolicy) || !aws.ToBool(b.IgnorePublicAcls) || !aws.ToBool(b.RestrictPublicBuckets)
	case !denied(codeOf(err)):
		return err
	default:
		f.hidden = append(f.hidden, partPublic)
	}
	policy, err := d.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: name}, there)
	switch {
	case has(err, "NoSuchBucketPolicy"):
		f.noPolicy = true
	case err == nil:
		f.noPolicy = !guards(aws.ToString(name), aws.ToString(policy.Policy))
	case !denied(codeOf(err)):
		return err
	default:
		f.hidden = append(f.hidden, partPolicy)
	}
	logging, err := d.s3.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: name}, there)
	switch {
	case err == nil:
		f.unlogged = logging.LoggingEnabled == nil
	case !denied(codeOf(err)):
		return err
	default:
		f.hidden = append(f.hidden, partLogging)
	}
	encryption, err := d.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: name}, there)
	if err != nil {
		if !denied(codeOf(err)) && !has(err, "ServerSideEncryptionConfigurationNotFoundError") {
			return err
		}
		return nil
	}
	for _, rule := range encryption.ServerSideEncryptionConfiguration.Rules {
		if by := rule.ApplyServerSideEncryptionByDefault; by != nil && strings.HasPrefix(aws.ToString(by.KMSMasterKeyID), "arn:") {
			f.key = aws.ToString(by.KMSMasterKeyID)
		}
	}
	return nil
}

// report shows the facts of a bucket.
func (d *Deployer) report(bucket string, f bucketFacts) {
	var wrong []string
	if f.public {
		wrong = append(wrong, "block public access is not on")
	}
	if f.noPolicy {
		wrong = append(wrong, "its policy has not the statements of the output BucketStatements")
	}
	if hidden := slices.DeleteFunc(slices.Clone(f.hidden), func(part string) bool { return part == partLogging }); len(hidden) > 0 {
		wrong = append(wrong, "your AWS credentials may not read its "+strings.Join(hidden, " and "))
	}
	if len(wrong) > 0 {
		d.check("bucket "+bucket, statusWarning, "%s; %s", safetext.Line(f.region), strings.Join(wrong, "; "))
		return
	}
	d.check("bucket "+bucket, statusOK, "%s", safetext.Line(f.region))
}

// poolPages bounds the search for a pool of an earlier stack: 60 pools a page.
const poolPages = 20

// retained finds the user pool that an earlier stack of this name left.
func (r *run) retained(ctx context.Context) error {
	if r.current != nil || r.parameter("ExistingUserPoolId") != "" || r.adopted["UserPool"] != "" || slices.Contains(r.o.Adopt, "no") {
		return nil
	}
	in := &cognitoidentityprovider.ListUserPoolsInput{MaxResults: aws.Int32(60)}
	for range poolPages {
		out, err := r.pool.ListUserPools(ctx, in)
		if err != nil {
			return err
		}
		for _, p := range out.UserPools {
			if aws.ToString(p.Name) == r.o.Stack {
				return r.adopt(ctx, aws.ToString(p.Id))
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return nil
		}
	}
	return nil
}

// adopt offers the pool that an earlier stack left.
func (r *run) adopt(ctx context.Context, id string) error {
	answer, err := r.c.Screen.Ask(ctx, "The user pool "+safetext.Line(id)+" of an earlier stack "+r.o.Stack+" is still there. Use it with its people? Type yes, or no for a new pool", "yes")
	if err != nil {
		return refuse("The user pool %s of an earlier stack %s is still there. Give --set ExistingUserPoolId=%s and its clients, or another --stack.", safetext.Line(id), r.o.Stack, safetext.Line(id))
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "yes") {
		return nil
	}
	pool, err := r.pool.DescribeUserPool(ctx, &cognitoidentityprovider.DescribeUserPoolInput{UserPoolId: aws.String(id)})
	if err != nil {
		return err
	}
	clients, err := r.clients(ctx, id)
	if err != nil {
		return err
	}
	r.parameters["ExistingUserPoolId"] = id
	for _, c := range clients {
		if parameter := map[string]string{"native": "ExistingClientId", "sso": "ExistingSsoClientId", "device": "ExistingDeviceClientId"}[aws.ToString(c.ClientName)]; parameter != "" {
			r.parameters[parameter] = aws.ToString(c.ClientId)
		}
	}
	if r.parameters["ExistingClientId"] == "" {
		return &Error{text: "The user pool " + safetext.Line(id) + " has no app client with the name native.", exit: api.ExitUsage}
	}
	if domain := aws.ToString(pool.UserPool.Domain); domain != "" {
		r.parameters["ExistingHostedUi"] = shape.SignInOrigin(domain, r.o.Region)
	} else { // sign-ins in a browser need a domain
		delete(r.parameters, "ExistingSsoClientId")
		delete(r.parameters, "ExistingDeviceClientId")
	}
	r.check("user pool", statusOK, "%s of the earlier stack", safetext.Line(id))
	return nil
}

func (r *run) clients(ctx context.Context, pool string) ([]cognito.UserPoolClientDescription, error) {
	var all []cognito.UserPoolClientDescription
	in := &cognitoidentityprovider.ListUserPoolClientsInput{UserPoolId: aws.String(pool), MaxResults: aws.Int32(60)}
	for {
		out, err := r.pool.ListUserPoolClients(ctx, in)
		if err != nil {
			return nil, err
		}
		all = append(all, out.UserPoolClients...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return all, nil
		}
	}
}
