package object

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// reading replaces the SDK's parser of successful responses. The SDK's parser
// refuses a whole response for one date or number that does not parse. Requests,
// retries and error responses stay with the SDK.
func reading(result any, read func(*smithyhttp.Response) error) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			own := &reader{result: result, read: read}
			sdk, err := stack.Deserialize.Swap(own.ID(), own)
			own.sdk = sdk
			return err
		})
	}
}

type reader struct {
	sdk    middleware.DeserializeMiddleware
	result any
	read   func(*smithyhttp.Response) error
}

// ID returns the id of the SDK's parser, which reader replaces.
func (*reader) ID() string { return "OperationDeserializer" }

// HandleDeserialize parses successful responses, and leaves all others to the SDK.
func (r *reader) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || response.StatusCode < 200 || response.StatusCode > 299 {
		same := middleware.DeserializeHandlerFunc(func(context.Context, middleware.DeserializeInput) (
			middleware.DeserializeOutput, middleware.Metadata, error,
		) {
			return out, metadata, err
		})
		return r.sdk.HandleDeserialize(ctx, in, same)
	}
	defer func() { _ = response.Body.Close() }()
	out.Result = r.result
	if err := r.read(response); err != nil {
		return out, metadata, &smithy.DeserializationError{Err: err}
	}
	return out, metadata, nil
}

// joined adds the id of an audit event to a request, as in presigned URLs. Each
// line of S3's access log then belongs to one event.
func joined(event string) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(middleware.BuildMiddlewareFunc("usher event", func(
				ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler,
			) (middleware.BuildOutput, middleware.Metadata, error) {
				if r, ok := in.Request.(*smithyhttp.Request); ok {
					query := r.URL.Query()
					query.Set(eventParameter, event)
					r.URL.RawQuery = query.Encode()
				}
				return next.HandleBuild(ctx, in)
			}), middleware.After)
		})
	}
}
