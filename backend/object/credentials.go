package object

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
)

type credentialsKey struct{}

// WithCredentials returns a context whose calls of S3 and signatures use these
// credentials, for clients and presigners with ContextCredentials.
func WithCredentials(ctx context.Context, c aws.Credentials) context.Context {
	return context.WithValue(ctx, credentialsKey{}, &c)
}

// ContextCredentials is a provider of the credentials in the context of each call.
// Without any it fails with ErrCredentials: the server's own credentials are never
// used in their place.
type ContextCredentials struct{}

// Retrieve implements aws.CredentialsProvider.
func (ContextCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, ok := ctx.Value(credentialsKey{}).(*aws.Credentials)
	if !ok {
		return aws.Credentials{}, fmt.Errorf("no session of the reader role: %w", ErrCredentials)
	}
	return *c, nil
}
