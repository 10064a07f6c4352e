package deploy

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
)

// quota checks the quotas of the account that limit usher first.
func (r *run) quota(ctx context.Context) error {
	if err := r.concurrency(ctx); err != nil {
		return err
	}
	return r.questionsOfPool(ctx)
}

// value returns a quota, or its default if the account has no value of its own.
func (r *run) value(ctx context.Context, service, code string, usual int) (int, error) {
	out, err := r.quotas.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String(service), QuotaCode: aws.String(code)})
	if has(err, "NoSuchResourceException") {
		return usual, nil
	}
	if err != nil {
		return 0, err
	}
	return int(aws.ToFloat64(out.Quota.Value)), nil
}

// leastConcurrency is the concurrency below which downloads of a few people are
// throttled. SPEC: AWS Lambda developer guide: a new account has less than 1,000.
const leastConcurrency = 50

// concurrency checks the number of functions that can run at once.
//
// SPEC: Service Quotas, L-B99A9384: concurrent executions of Lambda.
func (r *run) concurrency(ctx context.Context) error {
	n, err := r.value(ctx, "lambda", "L-B99A9384", 1000)
	if err != nil {
		return err
	}
	reserved := 0
	_, _ = fmt.Sscan(r.parameter("ReservedConcurrency"), &reserved) // the template requires a number
	switch {
	case reserved > 0 && n-reserved < 100: // SPEC: AWS Lambda developer guide, "Configuring reserved concurrency"
		r.check("concurrency", statusFailed, "This account can run %d functions at once, and 100 must stay unreserved.", n)
		return refuse("ReservedConcurrency=%d is too much for this account. Leave it out, or raise the quota \"Concurrent executions\" of Lambda first.", reserved)
	case n < leastConcurrency:
		r.check("concurrency", statusWarning, "This account can run %d functions at once. That is enough to begin. Raise the quota \"Concurrent executions\" of Lambda for more than about ten people.", n)
	default:
		r.check("concurrency", statusOK, "%d functions at once", n)
	}
	return nil
}

// The default quotas of Cognito, in calls a second for all pools of the account, and
// the time between two checks of a downloading person, in seconds.
//
// SPEC: Amazon Cognito developer guide, "Quotas in Amazon Cognito".
const (
	usualUserRead         = 120
	usualUserResourceRead = 50
	checkedEvery          = 4.5 // identity.ReuseAge of the default release age
)

// questionsOfPool checks the quotas of the calls with which usher checks people.
//
// SPEC: Service Quotas, L-D6BD5178: Rate of UserRead requests; L-55545DC8: Rate of
// UserResourceRead requests.
func (r *run) questionsOfPool(ctx context.Context) error {
	alive, err := r.value(ctx, "cognito-idp", "L-D6BD5178", usualUserRead)
	if err != nil {
		return err
	}
	groups, err := r.value(ctx, "cognito-idp", "L-55545DC8", usualUserResourceRead)
	if err != nil {
		return err
	}
	chosen := 0
	_, _ = fmt.Sscan(r.parameter("Questions"), &chosen) // the template requires a number
	used, half := chosen, min(alive, groups)/2
	if used == 0 {
		used = usualUserResourceRead / 2
	}
	people := int(float64(used) * checkedEvery)
	text := fmt.Sprintf("Cognito allows %d UserRead and %d UserResourceRead calls a second. usher uses at most %d: enough for %d people who download at the same time.", alive, groups, used, people)
	switch {
	case used > half:
		r.check("Cognito", statusWarning, "%s That is more than half of a quota, and other applications of this account share it. Raise the quota in Service Quotas, or --set Questions=%d.", text, half)
	case chosen == 0 && half > used:
		r.check("Cognito", statusOK, "%s --set Questions=%d uses half of your raised quota.", text, half)
	default:
		r.check("Cognito", statusOK, "%s", text)
	}
	return nil
}
