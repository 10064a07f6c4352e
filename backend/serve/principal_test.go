package serve

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// caller is an STS that fails, or returns an ARN.
type caller struct {
	arn   string
	calls int
}

func (c *caller) GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error) {
	if c.calls++; c.arn == "" {
		return nil, errors.New("no route")
	}
	return &sts.GetCallerIdentityOutput{Arn: aws.String(c.arn)}, nil
}

// The principal is the reader role, or the caller by STS. STS is called again after a
// failure, once a minute, and never after a success.
func TestPrincipal(t *testing.T) {
	const role, own = "arn:aws:iam::111122223333:role/usher-reader", "arn:aws:sts::111122223333:assumed-role/usher/i-1"
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	remote := &caller{}
	p := &principal{role: role, sts: remote, now: func() time.Time { return now }}
	if arn, perPerson := p.Principal(t.Context()); arn != role || !perPerson || remote.calls != 0 {
		t.Errorf("with a reader role: %q, %t, %d calls", arn, perPerson, remote.calls)
	}
	p.role = ""
	for range 2 {
		if arn, perPerson := p.Principal(t.Context()); arn != "" || perPerson || remote.calls != 1 {
			t.Errorf("without STS: %q, %t, %d calls", arn, perPerson, remote.calls)
		}
	}
	remote.arn = own
	now = now.Add(callerPause)
	for range 2 {
		if arn, perPerson := p.Principal(t.Context()); arn != own || perPerson || remote.calls != 2 {
			t.Errorf("with STS: %q, %t, %d calls", arn, perPerson, remote.calls)
		}
	}
	p = &principal{loop: &Loopback{Signer: own}}
	if arn, perPerson := p.Principal(t.Context()); arn != own || perPerson {
		t.Errorf("of a sandbox: %q, %t", arn, perPerson)
	}
}
