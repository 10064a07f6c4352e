package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/goccy/go-yaml"

	"usher/backend/api/shape"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/stream"
)

// taskVariable makes a function do other work than requests.
const (
	taskVariable = prefix + "TASK"
	indexTask    = "index"  // the stream of the log without an archive
	streamTask   = "stream" // the stream of the log
	sealTask     = "seal"
)

// archiveVariable names the delivery stream of the archive.
const archiveVariable = prefix + "FIREHOSE"

// taskOf returns the task of a function, or "" for requests.
func taskOf(environ []string) string { return valueOf(environ, taskVariable) }

func valueOf(environ []string, name string) string {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// newTask returns the function of a task.
func newTask(ctx context.Context, environ []string, d Deps, loop *Loopback) (any, error) {
	c, err := taskConfig(environ)
	if err != nil {
		return nil, err
	}
	switch task := taskOf(environ); task {
	case sealTask:
		return SealFunction(ctx, c, d, loop)
	case streamTask, indexTask:
		archive := valueOf(environ, archiveVariable)
		if (archive == "") != (task == indexTask) {
			return nil, fmt.Errorf("%s is for %s=%s, which needs it", archiveVariable, taskVariable, streamTask)
		}
		return StreamFunction(ctx, c, archive, d, loop)
	}
	return nil, fmt.Errorf("%s must be %s, %s, %s or %s", taskVariable, streamTask, sealTask, indexTask, federationTask)
}

// taskVariables returns the variables that a task uses, without their prefix.
func taskVariables(task string) []string {
	all := []string{"TASK", "AUDIT", "AUDIT_DAYS", "RETENTION_DAYS"}
	if task == sealTask {
		return append(all, "HOLDS", "STATE", "PUBLIC_URL", "SEAL_BUCKET", "SEAL_PREFIX", "SEAL_KMS_KEY", "SEAL_PUBLIC_KEY")
	}
	return append(all, "FIREHOSE")
}

// taskConfig reads the configuration of a task from the variables that it uses. It
// refuses all others, so none is ignored.
func taskConfig(environ []string) (Config, error) {
	known := taskVariables(taskOf(environ))
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if short, ours := strings.CutPrefix(name, prefix); ours && !slices.Contains(known, short) && !slices.Contains(clientVariables, name) {
			return Config{}, fmt.Errorf("%s is no variable of this task: correct or remove it", name)
		}
	}
	value := func(name string) string { return valueOf(environ, prefix+name) }
	c := Config{
		Unattended: true, Audit: value("AUDIT"), State: value("STATE"), PublicURL: value("PUBLIC_URL"), Region: valueOf(environ, "AWS_REGION"),
		Seal: Seal{Bucket: value("SEAL_BUCKET"), Prefix: value("SEAL_PREFIX"), KMSKey: value("SEAL_KMS_KEY"), PublicKey: value("SEAL_PUBLIC_KEY")},
	}
	c.S3.Region = c.Region
	if !shape.Region(c.Region) {
		return c, errors.New("AWS_REGION is not an AWS region")
	}
	if !tableShape.Matches(table(c.Audit)) {
		return c, fmt.Errorf("%sAUDIT must be %sTABLE", prefix, tablePrefix)
	}
	for name, field := range map[string]*int{"AUDIT_DAYS": &c.AuditDays, "RETENTION_DAYS": &c.RetentionDays} {
		if days := value(name); days != "" {
			n, err := strconv.Atoi(days)
			if err != nil || n < 0 || n > 36_500 {
				return c, fmt.Errorf("%s%s must be 0 to 36500", prefix, name)
			}
			*field = n
		}
	}
	if text := value("HOLDS"); text != "" {
		if err := yaml.Unmarshal([]byte(text), &c.Holds); err != nil {
			return c, fmt.Errorf("%sHOLDS must be a list of filters: [a, b]", prefix)
		}
	}
	if err := c.checkRetention(time.Now()); err != nil {
		return c, err
	}
	return c, c.Seal.check(c)
}

// spare is the time before the end of a function in which no pass begins. A pass
// that is cut is repeated.
const spare = 5 * time.Second

// late reports whether no further pass can begin.
func late(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < spare
}

// Streamed is the function of the log table's stream.
type Streamed func(context.Context, events.DynamoDBEvent) (events.DynamoDBEventResponse, error)

// StreamFunction returns the function of the log table's stream. It extends the
// index, sends the events to the delivery stream archive ("" for none), and records
// an alarm for each change of the log that usher does not make. Any other event,
// such as that of a schedule, extends the index and repairs the archive.
func StreamFunction(ctx context.Context, c Config, archive string, d Deps, loop *Loopback) (Streamed, error) {
	client, err := newTables(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	log, err := openTable(c, client, d, nil)
	if err != nil {
		return nil, err
	}
	indexer := auditdynamo.NewIndexer(log)
	parts := stream.Config{Log: log, Index: indexer, Archive: auditdynamo.NewArchive(log), Server: d.Log}
	if archive != "" {
		if parts.Sink, err = newFirehose(ctx, c, archive, loop); err != nil {
			return nil, err
		}
	}
	handler, err := stream.New(parts)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, batch events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		out, err := handler.Handle(ctx, batch)
		if err != nil || len(out.BatchItemFailures) > 0 {
			return out, err
		}
		steps := []func(context.Context) (bool, error){indexer.Step}
		if len(batch.Records) == 0 {
			steps = append(steps, handler.Repair)
		}
		for _, step := range steps {
			for more := true; more && !late(ctx); {
				if more, err = step(ctx); err != nil {
					return out, err
				}
			}
		}
		return out, nil
	}, nil
}

// newFirehose returns the archive. It makes no call.
func newFirehose(ctx context.Context, c Config, name string, loop *Loopback) (*stream.Firehose, error) {
	sdk, err := awsConfig(ctx, c, loop)
	if err != nil {
		return nil, err
	}
	sdk.Region = c.Region
	return stream.NewFirehose(firehose.NewFromConfig(sdk, func(o *firehose.Options) {
		if loop != nil {
			o.BaseEndpoint = aws.String(loop.Firehose)
		}
	}), name)
}

// SealFunction returns the function that seals the log. Its event is that of a
// schedule. Any number of instances may run at once.
func SealFunction(ctx context.Context, c Config, d Deps, loop *Loopback) (func(context.Context, json.RawMessage) error, error) {
	switch {
	case c.Seal.Bucket == "" || c.Seal.KMSKey == "":
		return nil, fmt.Errorf("%s=%s needs %sSEAL_BUCKET and %sSEAL_KMS_KEY", taskVariable, sealTask, prefix, prefix)
	case !tableShape.Matches(table(c.State)):
		return nil, fmt.Errorf("%sSTATE must be %sTABLE", prefix, tablePrefix)
	}
	if _, err := c.origin(); err != nil {
		return nil, err
	}
	client, err := newTables(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	log, err := openTable(c, client, d, nil)
	if err != nil {
		return nil, err
	}
	s, err := newSealing(ctx, c, d, loop, client, log)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ json.RawMessage) error { return s.run(ctx) }, nil
}
