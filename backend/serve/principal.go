package serve

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// callerLimit bounds the wait for STS, and callerPause is the pause after a failure.
const (
	callerLimit = 3 * time.Second
	callerPause = time.Minute
)

// callerIdentity is the call of STS that returns the principal of the caller.
type callerIdentity interface {
	GetCallerIdentity(ctx context.Context, in *sts.GetCallerIdentityInput, opts ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

// principal finds the principal of the server's requests of S3, when an auditor needs
// it. It is the reader role, or the caller by STS, which needs no permission.
type principal struct {
	role string // the reader role, or ""
	sts  callerIdentity
	loop *Loopback
	now  func() time.Time

	mu     sync.Mutex
	found  string
	failed time.Time // the last failure
}

// Principal implements backend.Principal.
func (p *principal) Principal(ctx context.Context) (arn string, perPerson bool) {
	if p.role != "" {
		return p.role, true
	}
	if p.loop != nil {
		return p.loop.Signer, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == "" && p.now().Sub(p.failed) >= callerPause {
		ctx, cancel := context.WithTimeout(ctx, callerLimit)
		defer cancel()
		if who, err := p.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err == nil {
			p.found = aws.ToString(who.Arn)
		} else {
			p.failed = p.now()
		}
	}
	return p.found, false
}
