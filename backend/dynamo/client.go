// Package dynamo is the connection to DynamoDB: the client with its time limits
// and error classes, the form of the four tables, a lease, and the clock of
// DynamoDB. Packages that store events, grants and shared state build on it.
//
// Every table has the same keys: a text as partition key, a text as sort key,
// and a number of Unix seconds as the time of expiry.
//
// The meaning of an item is left to these packages.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// Limits of one call. A call on a warm connection takes 5 to 10 ms on AWS.
const (
	attemptTime = time.Second // of one attempt, connection included
	attempts    = 3           // of one call
	callTimes   = 4           // times an attempt: one call with its retries and pauses
	maxPause    = 300 * time.Millisecond
)

// The classes of errors. Each error of a Client is of one class.
var (
	// ErrCondition: the condition of a write was false, and nothing was written
	// by this attempt. An earlier attempt of the same call may have been applied
	// although its response was lost, so the caller reads the item back.
	ErrCondition = errors.New("a condition of the write is false")
	// ErrThrottled: DynamoDB refused the call because of its rate, also after the
	// retries. It is an ErrUnavailable too.
	ErrThrottled = fmt.Errorf("too many requests: %w", ErrUnavailable)
	// ErrUnavailable: there is no result. A write may have been applied.
	ErrUnavailable = errors.New("DynamoDB is unavailable")
)

// Config has the parts of a Client. Only Endpoint and Attempt may be empty.
type Config struct {
	AWS      aws.Config       // region and credentials; an HTTP client is optional
	Endpoint string           // empty: the endpoint of the region
	Now      func() time.Time // the wall clock of this machine
	Attempt  time.Duration    // greatest time of one attempt; 0: 1 s. For a slow replacement in tests
}

// Client calls DynamoDB. Each attempt and each call has a time limit, and each
// error has a class. Safe for concurrent use.
type Client struct {
	api   *dynamodb.Client
	clock *clock
	limit time.Duration // of one call
}

// New returns a client. It makes no call.
func New(c Config) (*Client, error) {
	if c.AWS.Region == "" || c.AWS.Credentials == nil || c.Now == nil {
		return nil, errors.New("dynamo: region, credentials and clock are needed")
	}
	if c.Attempt <= 0 {
		c.Attempt = attemptTime
	}
	clock := &clock{now: c.Now}
	return &Client{clock: clock, limit: callTimes * c.Attempt, api: dynamodb.NewFromConfig(c.AWS, func(o *dynamodb.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
		if o.HTTPClient == nil {
			o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 128 })
		}
		o.HTTPClient = &watched{next: o.HTTPClient, clock: clock, limit: c.Attempt}
		o.RetryMaxAttempts = 0 // the retryer has the number
		o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) {
			s.MaxAttempts, s.MaxBackoff = attempts, maxPause
			s.Retryables = append(s.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{"TransactionConflictException": {}}})
		})
	})}, nil
}

// watched limits the time of each attempt and reads the clock of DynamoDB from
// the responses.
type watched struct {
	next interface {
		Do(*http.Request) (*http.Response, error)
	}
	clock *clock
	limit time.Duration
}

func (w *watched) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), w.limit, errAttempt)
	sent := w.clock.now()
	response, err := w.next.Do(r.WithContext(ctx))
	if err != nil {
		cancel()
		if r.Context().Err() == nil && ctx.Err() != nil {
			return nil, errAttempt // without the context's error, which stops the retries
		}
		return nil, err
	}
	w.clock.observe(sent, w.clock.now(), response.Header.Get("Date"))
	response.Body = &body{ReadCloser: response.Body, attempt: ctx, caller: r.Context(), cancel: cancel}
	return response, nil
}

// attemptError is the end of an attempt by its time limit. The SDK repeats it,
// because it is a timeout of the network.
type attemptError struct{}

var errAttempt = attemptError{}

func (attemptError) Error() string   { return "no response in time" }
func (attemptError) Timeout() bool   { return true }
func (attemptError) Temporary() bool { return true }

// call runs one operation within the time limit and gives its error a class.
func call[In, Out any](ctx context.Context, c *Client, name string, in *In, run func(context.Context, *In, ...func(*dynamodb.Options)) (*Out, error)) (*Out, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	out, err := run(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, classified(err))
	}
	return out, nil
}

// classError is an error with its class. Its text has the cause alone.
type classError struct{ class, cause error }

func (e *classError) Error() string   { return e.class.Error() + ": " + e.cause.Error() }
func (e *classError) Unwrap() []error { return []error{e.class, e.cause} }

func classified(err error) error {
	class := ErrUnavailable
	var canceled *types.TransactionCanceledException
	var coded smithy.APIError
	switch {
	case errors.As(err, &canceled):
		class = canceledClass(canceled)
	case errors.As(err, &coded):
		class = codeClass(coded.ErrorCode())
	}
	return &classError{class, err}
}

func codeClass(code string) error {
	switch code {
	case "ConditionalCheckFailedException", "ConditionalCheckFailed":
		return ErrCondition
	case "ProvisionedThroughputExceededException", "ProvisionedThroughputExceeded", "ThrottlingException", "ThrottlingError",
		"RequestLimitExceeded", "TransactionConflictException", "TransactionConflict", "TransactionInProgressException":
		return ErrThrottled
	}
	return ErrUnavailable
}

// canceledClass returns the class of a canceled transaction. A false condition
// decides: a repetition would not help.
func canceledClass(e *types.TransactionCanceledException) error {
	class := ErrUnavailable
	for _, r := range e.CancellationReasons {
		switch found := codeClass(aws.ToString(r.Code)); found {
		case ErrCondition:
			return found
		case ErrThrottled:
			class = found
		}
	}
	return class
}

// PutItem writes one item.
func (c *Client) PutItem(ctx context.Context, in *dynamodb.PutItemInput) (*dynamodb.PutItemOutput, error) {
	return call(ctx, c, "PutItem", in, c.api.PutItem)
}

// GetItem reads one item.
func (c *Client) GetItem(ctx context.Context, in *dynamodb.GetItemInput) (*dynamodb.GetItemOutput, error) {
	return call(ctx, c, "GetItem", in, c.api.GetItem)
}

// UpdateItem changes one item.
func (c *Client) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput) (*dynamodb.UpdateItemOutput, error) {
	return call(ctx, c, "UpdateItem", in, c.api.UpdateItem)
}

// DeleteItem deletes one item.
func (c *Client) DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput) (*dynamodb.DeleteItemOutput, error) {
	return call(ctx, c, "DeleteItem", in, c.api.DeleteItem)
}

// Query reads one page of a partition.
func (c *Client) Query(ctx context.Context, in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	return call(ctx, c, "Query", in, c.api.Query)
}

// Scan reads one page of a table.
func (c *Client) Scan(ctx context.Context, in *dynamodb.ScanInput) (*dynamodb.ScanOutput, error) {
	return call(ctx, c, "Scan", in, c.api.Scan)
}

// TransactWriteItems writes up to 100 items, or none.
func (c *Client) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput) (*dynamodb.TransactWriteItemsOutput, error) {
	return call(ctx, c, "TransactWriteItems", in, c.api.TransactWriteItems)
}
