package deploy

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"usher/backend/api/shape"
	"usher/backend/deploy/stack"
	"usher/backend/safetext"
)

// Kinds of lines.
const (
	KindCheck    = "check"    // Status: ok, warning or failed
	KindChange   = "change"   // Status: added, adopted, changed, replaced or removed
	KindProgress = "progress" // Status: that of CloudFormation
	KindNote     = "note"
)

// Line is a line on the screen.
type Line struct {
	Kind    string `json:"kind"`
	Subject string `json:"subject,omitempty"` // part or resource
	Type    string `json:"type,omitempty"`    // of a resource
	Status  string `json:"status,omitempty"`
	Text    string `json:"text,omitempty"`
	Done    int    `json:"done,omitempty"`  // finished resources
	Total   int    `json:"total,omitempty"` // resources to change
}

// Screen shows the work and has the questions.
type Screen interface {
	// Ask returns an answer, or the suggestion for an empty one. It fails without a
	// person.
	Ask(ctx context.Context, question, suggestion string) (string, error)
	Show(line Line)
}

// Config has the parts of a Deployer. All are required.
type Config struct {
	AWS    aws.Config
	Now    func() time.Time
	Rand   io.Reader
	NewID  func(time.Time) string // ULIDs of events
	Wait   func(ctx context.Context, d time.Duration) error
	Screen Screen
}

// Deployer deploys one stack at a time.
type Deployer struct {
	c        Config
	cfn      *cloudformation.Client
	s3       *s3.Client
	sts      *sts.Client
	pool     *cognitoidentityprovider.Client
	quotas   *servicequotas.Client
	trails   *cloudtrail.Client
	template *stack.Template
	wrong    int // checks that are not in order
}

// New returns a Deployer. It refuses a missing part, and makes no call.
func New(c Config) (*Deployer, error) {
	if c.AWS.Credentials == nil || c.Now == nil || c.Rand == nil || c.NewID == nil || c.Wait == nil || c.Screen == nil {
		return nil, errors.New("deploy: credentials, clock, randomness, ids, pauses and a screen are needed")
	}
	now, err := stack.Current()
	if err != nil {
		return nil, err
	}
	return &Deployer{c: c, template: now}, nil
}

// connect makes the clients of a region.
func (d *Deployer) connect(region string) {
	d.c.AWS.Region = region
	d.cfn, d.sts, d.pool = cloudformation.NewFromConfig(d.c.AWS), sts.NewFromConfig(d.c.AWS), cognitoidentityprovider.NewFromConfig(d.c.AWS)
	d.quotas, d.trails = servicequotas.NewFromConfig(d.c.AWS), cloudtrail.NewFromConfig(d.c.AWS)
	d.s3 = s3.NewFromConfig(d.c.AWS, func(o *s3.Options) { o.UsePathStyle = d.c.AWS.BaseEndpoint != nil })
}

// Options of a deployment. An empty field is a question, or keeps its value.
type Options struct {
	Stack      string            // name of the stack
	Region     string            //
	Buckets    []string          // BUCKET or BUCKET/PREFIX/
	Admin      string            // e-mail address of the first person
	Program    string            // the zip of the program
	Parameters map[string]string // other parameters of the template
	Adopt      []string          // yes, no, or NAME=ID of data that an earlier stack left
	Yes        bool              // the changes are agreed; never for data
}

// Result is a deployed stack.
type Result struct {
	Stack, Region string
	URL           string
	Outputs       map[string]string
	Admin         string // the created person, or ""
}

// SPEC: AWS CloudFormation API reference, CreateChangeSet, StackName.
var stackShape = shape.NewForm(`^[a-zA-Z][-a-zA-Z0-9]{0,99}$`)

// run is one deployment.
type run struct {
	*Deployer
	o          Options
	account    string
	caller     caller
	current    *types.Stack // nil: no stack
	parameters map[string]string
	adopted    map[string]string // physical ids of an earlier stack's data, by logical id
	program    program
}

type caller struct{ arn, id string }

// Deploy creates or updates the stack, and creates the first person.
func (d *Deployer) Deploy(ctx context.Context, o Options) (Result, error) {
	r := &run{Deployer: d, o: o, parameters: map[string]string{}}
	out, err := r.deploy(ctx)
	return out, Explain(ctx, err)
}

func (r *run) deploy(ctx context.Context) (Result, error) {
	if err := r.open(ctx); err != nil {
		return Result{}, err
	}
	if err := r.settle(ctx); err != nil {
		return Result{}, err
	}
	if err := r.adopts(ctx); err != nil {
		return Result{}, err
	}
	if r.current == nil {
		if err := r.questions(ctx); err != nil {
			return Result{}, err
		}
	}
	if err := r.choose(); err != nil {
		return Result{}, err
	}
	var err error
	if r.program, err = open(r.o.Program, r.architecture()); err != nil {
		return Result{}, err
	}
	if err := r.preflight(ctx); err != nil {
		return Result{}, err
	}
	if err := r.upload(ctx); err != nil {
		return Result{}, err
	}
	if err := r.change(ctx); err != nil {
		return Result{}, err
	}
	return r.finish(ctx)
}

// open chooses the region, and finds the caller and the stack.
func (r *run) open(ctx context.Context) (err error) {
	if r.o.Stack == "" {
		r.o.Stack = "usher"
	}
	if !stackShape.Matches(r.o.Stack) {
		return refuse("The name of a stack has at most 100 letters, digits and hyphens, and begins with a letter.")
	}
	if r.o.Region == "" {
		if r.o.Region, err = r.c.Screen.Ask(ctx, "Region of AWS", r.c.AWS.Region); err != nil {
			return err
		}
	}
	if !shape.Region(r.o.Region) {
		return refuse("%s is not a region of AWS, like eu-west-1.", safetext.Line(r.o.Region))
	}
	if strings.HasPrefix(r.o.Region, "cn-") { // SPEC: Amazon Web Services in China user guide, "Amazon Cognito"
		return refuse("%s is in China, where Amazon Cognito has no user pools. Choose another region.", r.o.Region)
	}
	r.connect(r.o.Region)
	who, err := r.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	r.account, r.caller = aws.ToString(who.Account), caller{aws.ToString(who.Arn), aws.ToString(who.UserId)}
	r.show(Line{Kind: KindCheck, Subject: "account", Status: statusOK, Text: r.account + " in " + r.o.Region + " as " + safetext.Line(r.caller.arn)})
	r.current, err = r.find(ctx, r.o.Stack)
	return err
}

func (r *run) show(l Line) { r.c.Screen.Show(l) }

// find returns a stack, or nil. A stack's name or id is accepted.
func (d *Deployer) find(ctx context.Context, name string) (*types.Stack, error) {
	out, err := d.cfn.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String(name)})
	if has(err, "ValidationError") && strings.Contains(err.Error(), "does not exist") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(out.Stacks) != 1 {
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// questions reads the buckets and the first person of a new stack.
func (r *run) questions(ctx context.Context) error {
	known := r.parameters["BucketArns"] != "" // of an adopted stack
	if len(r.o.Buckets) == 0 && !known {
		text, err := r.c.Screen.Ask(ctx, "Buckets that people may browse, with commas between them (BUCKET or BUCKET/PREFIX/)", "")
		if err != nil {
			return err
		}
		for b := range strings.SplitSeq(text, ",") {
			if b = strings.TrimSpace(b); b != "" {
				r.o.Buckets = append(r.o.Buckets, b)
			}
		}
	}
	if len(r.o.Buckets) == 0 && !known {
		return refuse("A new stack needs at least one bucket: --bucket NAME.")
	}
	if r.adopted["UserPool"] != "" { // its admins are known after the deployment
		return nil
	}
	return r.askAdmin(ctx)
}

// askAdmin reads the address of the first person.
func (r *run) askAdmin(ctx context.Context) (err error) {
	if r.o.Admin == "" {
		if r.o.Admin, err = r.c.Screen.Ask(ctx, "E-mail address of the first person, an admin", ""); err != nil {
			return err
		}
	}
	return Address(r.o.Admin)
}

// Address refuses a text that is not one plain e-mail address. Cognito's user
// names have at most 128 characters.
func Address(text string) error {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || a.Name != "" || len(text) > 128 || safetext.New(text).Escaped() {
		return refuse("%s is not an e-mail address.", safetext.Line(text))
	}
	return nil
}

// choose computes the parameters that differ from the current ones.
func (r *run) choose() error {
	maps.Copy(r.parameters, r.o.Parameters)
	for name := range r.parameters {
		if r.template.Parameters[name] == nil {
			return refuse("There is no parameter %s. usher deploy --print-template shows all.", safetext.Line(name))
		}
	}
	if len(r.o.Buckets) == 0 {
		return nil
	}
	var buckets, objects []string
	for _, text := range r.o.Buckets {
		bucket, prefix, err := place(text)
		if err != nil {
			return err
		}
		arn := "arn:" + r.partition() + ":s3:::" + bucket
		if !slices.Contains(buckets, arn) {
			buckets = append(buckets, arn)
		}
		objects = append(objects, arn+"/"+prefix+"*")
	}
	r.parameters["BucketArns"], r.parameters["ObjectArns"] = strings.Join(buckets, ","), strings.Join(objects, ",")
	return nil
}

// partition returns the partition of the caller.
func (r *run) partition() string {
	if parts := strings.Split(r.caller.arn, ":"); len(parts) > 2 && parts[1] != "" {
		return parts[1]
	}
	return "aws"
}

// place splits BUCKET/PREFIX/. The characters of a policy's wildcards and of a
// list are refused.
func place(text string) (bucket, prefix string, err error) {
	bucket, prefix, _ = strings.Cut(strings.TrimPrefix(text, "s3://"), "/")
	switch {
	case shape.BucketProblem(bucket) != "":
		return "", "", refuse("%s is not the name of a bucket.", safetext.Line(bucket))
	case prefix != "" && !strings.HasSuffix(prefix, "/"):
		return "", "", refuse("%s must end in /: BUCKET/PREFIX/.", safetext.Line(text))
	case strings.ContainsAny(prefix, "*?$,"):
		return "", "", refuse("%s has one of the characters * ? $ and comma. Use the folder above it.", safetext.Line(text))
	}
	return bucket, prefix, nil
}

// parameter returns a parameter's value: the chosen, the current or the default
// one.
func (r *run) parameter(name string) string {
	if v, ok := r.parameters[name]; ok {
		return v
	}
	if r.current != nil {
		for _, p := range r.current.Parameters {
			if aws.ToString(p.ParameterKey) == name {
				return aws.ToString(p.ParameterValue)
			}
		}
	}
	v, _ := stack.At(r.template.Parameters[name], "Default").(string)
	return v
}

func (r *run) architecture() string { return r.parameter("Architecture") }

// buckets returns the names of the buckets.
func (r *run) buckets() []string {
	var out []string
	for arn := range strings.SplitSeq(r.parameter("BucketArns"), ",") {
		if _, name, ok := strings.Cut(strings.TrimSpace(arn), ":::"); ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
