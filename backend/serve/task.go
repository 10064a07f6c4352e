package serve

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/dynamo"
)

// taskVariable makes a function do other work than requests. It has one value.
const (
	taskVariable = prefix + "TASK"
	indexTask    = "index"
)

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

// taskConfig reads the configuration of the index task: USHER_AUDIT,
// USHER_AUDIT_DAYS and AWS_REGION.
func taskConfig(environ []string) (Config, error) {
	c := Config{Unattended: true, Audit: valueOf(environ, prefix+"AUDIT"), Region: valueOf(environ, "AWS_REGION")}
	if task := taskOf(environ); task != indexTask {
		return c, fmt.Errorf("%s must be %s", taskVariable, indexTask)
	}
	if !tableShape.MatchString(table(c.Audit)) {
		return c, fmt.Errorf("%sAUDIT must be %sTABLE", prefix, tablePrefix)
	}
	if days := valueOf(environ, prefix+"AUDIT_DAYS"); days != "" {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36_500 {
			return c, fmt.Errorf("%sAUDIT_DAYS must be 0 to 36500", prefix)
		}
		c.AuditDays = n
	}
	return c, nil
}

// spare is the time before the end of a function in which no pass begins. A pass
// that is cut is repeated.
const spare = 5 * time.Second

// IndexFunction returns the function that extends the index of a log in DynamoDB.
// Its event is a batch of the log table's stream, whose rows it writes at once, or
// any other, such as that of a schedule. A failed batch is delivered again.
func IndexFunction(ctx context.Context, c Config, d Deps, loop *Loopback) (func(context.Context, events.DynamoDBEvent) error, error) {
	client, err := newTables(ctx, c, d, loop)
	if err != nil {
		return nil, err
	}
	log, err := openTable(c, client, d, nil)
	if err != nil {
		return nil, err
	}
	indexer := auditdynamo.NewIndexer(log)
	return func(ctx context.Context, batch events.DynamoDBEvent) error {
		var images []map[string]types.AttributeValue
		for _, r := range batch.Records {
			if r.EventName == string(events.DynamoDBOperationTypeInsert) {
				images = append(images, imageOf(r.Change.NewImage))
			}
		}
		if err := indexer.Items(ctx, images...); err != nil {
			return err
		}
		for more := true; more; {
			if end, ok := ctx.Deadline(); ok && time.Until(end) < spare {
				return nil
			}
			if more, err = indexer.Step(ctx); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// imageOf returns an item of the log as the client reads it.
func imageOf(image map[string]events.DynamoDBAttributeValue) map[string]types.AttributeValue {
	item := make(map[string]types.AttributeValue, len(image))
	for name, value := range image {
		switch value.DataType() {
		case events.DataTypeString:
			item[name] = dynamo.Text(value.String())
		case events.DataTypeBinary:
			item[name] = dynamo.Bytes(value.Binary())
		case events.DataTypeNumber:
			item[name] = &types.AttributeValueMemberN{Value: value.Number()}
		}
	}
	return item
}
