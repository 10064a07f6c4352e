package reader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"usher/backend/grant"
	"usher/backend/object"
)

// MaxCalls is the greatest number of AssumeRole calls of one request. STS accepts
// 600 a second from an account and region.
const MaxCalls = 10

// ErrNoSession reports an object or a folder without a session: the policies of
// the request need more than MaxCalls calls, or one name is too long for a policy.
var ErrNoSession = errors.New("no session policy of this request covers it")

// Object names an object of a request.
type Object struct{ Bucket, Key string }

// known is a person's policy, for the same groups and grants and up to the next
// start or end of a grant.
type known struct {
	groups, version string
	until           time.Time // zero: without end
	policy          Policy
	roots           []grant.Root
}

// Reading has the sessions of one request of one person. Prepare and Folder are
// for one goroutine; Object is safe for concurrent use after them.
type Reading struct {
	s      *Sessions
	sub    string
	known  known
	whole  *aws.Credentials // covers all grants; nil: the policy is too large
	byName map[Object]*aws.Credentials
	calls  int
}

// Reading returns the sessions of a request. Nil Sessions return a Reading that
// leaves every context unchanged: the server reads with its own credentials.
func (s *Sessions) Reading(sub string, set *grant.Set, groups []string, now time.Time) (*Reading, error) {
	r := &Reading{s: s, sub: sub, byName: map[Object]*aws.Credentials{}}
	if s == nil {
		return r, nil
	}
	var err error
	r.known, err = s.policyOf(sub, set, groups, now)
	return r, err
}

// After returns the Reading with the calls of an earlier one of the same request,
// which may be nil.
func (r *Reading) After(earlier *Reading) *Reading {
	if earlier != nil {
		r.calls += earlier.calls
	}
	return r
}

// policyOf returns the policy of a person's grants in force.
func (s *Sessions) policyOf(sub string, set *grant.Set, groups []string, now time.Time) (known, error) {
	sorted := slices.Sorted(slices.Values(groups))
	k := known{groups: strings.Join(sorted, "\x00"), version: set.Version()}
	s.mu.Lock()
	old, ok := s.people[sub]
	s.mu.Unlock()
	if ok && old.groups == k.groups && old.version == k.version && (old.until.IsZero() || now.Before(old.until)) {
		return old, nil
	}
	k.roots = set.Tree(groups, now)
	k.until = set.NextChange(groups, now)
	var err error
	if k.policy, err = PolicyOf(s.partition, k.roots); err != nil {
		return k, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.people) >= maxKept {
		clear(s.people)
	}
	s.people[sub] = k
	return k, nil
}

// remote counts one call of STS.
func (r *Reading) remote() error {
	if r.calls >= MaxCalls {
		return ErrNoSession
	}
	r.calls++
	return nil
}

// session returns credentials under a policy.
func (r *Reading) session(ctx context.Context, p Policy) (*aws.Credentials, error) {
	return r.s.assume(ctx, r.sub, p, r.remote)
}

// Prepare gets the sessions for allowed objects. It returns those without one,
// which must not be released. Any other failure is object.ErrRefused or
// object.ErrUnavailable.
func (r *Reading) Prepare(ctx context.Context, objects []Object) (left []Object, err error) {
	if r.s == nil || len(objects) == 0 {
		return nil, nil
	}
	r.whole, err = r.session(ctx, r.known.policy)
	if err == nil || !errors.Is(err, errTooLarge) {
		return nil, err
	}
	return r.split(ctx, objects)
}

// Warm gets the session of all grants before its objects are known.
func (r *Reading) Warm(ctx context.Context) error {
	_, err := r.session(ctx, r.known.policy)
	return err
}

// split gets sessions under policies of single grants, several in one policy as
// far as they fit, and of single objects for a grant with too many denials.
func (r *Reading) split(ctx context.Context, objects []Object) (left []Object, err error) {
	var covered []batch
	var single []Object
	for _, o := range objects {
		i := slices.IndexFunc(r.known.roots, func(root grant.Root) bool { return covers(root.Grant, o) })
		if i < 0 {
			left = append(left, o)
			continue
		}
		p, err := PolicyOf(r.s.partition, r.known.roots[i:i+1])
		switch {
		case err != nil:
			return nil, err
		case !p.Fits():
			single = append(single, o)
		default:
			covered = r.join(covered, r.known.roots[i], o)
		}
	}
	for _, b := range covered {
		more, err := r.fetch(ctx, b, &single)
		if err != nil {
			return nil, err
		}
		left = append(left, more...)
	}
	more, err := r.singles(ctx, single)
	return append(left, more...), err
}

// batch is the objects of one session, with the grants of its policy.
type batch struct {
	roots   []grant.Root
	objects []Object
}

// join adds an object to the last batch, or to a new one if the policy of the last
// would be too large.
func (r *Reading) join(all []batch, root grant.Root, o Object) []batch {
	for i := range all {
		if slices.ContainsFunc(all[i].roots, func(have grant.Root) bool { return have.Grant == root.Grant }) {
			all[i].objects = append(all[i].objects, o)
			return all
		}
	}
	if n := len(all) - 1; n >= 0 {
		roots := append(slices.Clone(all[n].roots), root)
		if p, err := PolicyOf(r.s.partition, roots); err == nil && p.Fits() {
			all[n] = batch{roots, append(all[n].objects, o)}
			return all
		}
	}
	return append(all, batch{[]grant.Root{root}, []Object{o}})
}

// fetch gets the session of a batch. The objects of a policy that STS cannot pack
// become single.
func (r *Reading) fetch(ctx context.Context, b batch, single *[]Object) (left []Object, err error) {
	p, err := PolicyOf(r.s.partition, b.roots)
	if err != nil {
		return nil, err
	}
	creds, err := r.session(ctx, p)
	switch {
	case errors.Is(err, ErrNoSession):
		return b.objects, nil
	case errors.Is(err, errTooLarge):
		*single = append(*single, b.objects...)
		return nil, nil
	case err != nil:
		return nil, err
	}
	r.keep(b.objects, creds)
	return nil, nil
}

// singles gets sessions under policies of the objects themselves, as many in one
// policy as fit.
func (r *Reading) singles(ctx context.Context, objects []Object) (left []Object, err error) {
	for len(objects) > 0 {
		n := len(objects)
		for ; n > 0; n = n / 2 { // half as many characters each time
			creds, err := r.single(ctx, objects[:n])
			if err == nil {
				r.keep(objects[:n], creds)
				break
			}
			if errors.Is(err, ErrNoSession) {
				return append(left, objects...), nil
			}
			if !errors.Is(err, errTooLarge) {
				return nil, err
			}
		}
		if n == 0 { // one name alone is too long
			left, n = append(left, objects[0]), 1
		}
		objects = objects[n:]
	}
	return left, nil
}

func (r *Reading) single(ctx context.Context, objects []Object) (*aws.Credentials, error) {
	p, err := objectsPolicy(r.s.partition, objects)
	if err != nil {
		return nil, err
	}
	return r.session(ctx, p)
}

func (r *Reading) keep(objects []Object, creds *aws.Credentials) {
	for _, o := range objects {
		r.byName[o] = creds
	}
}

func covers(g *grant.Grant, o Object) bool {
	return g.Bucket == o.Bucket && (g.Object == o.Key || g.Object == "" && strings.HasPrefix(o.Key, g.Prefix))
}

// Object returns a context with the credentials for an object of Prepare. Without
// a session the context has none, and calls with it fail.
func (r *Reading) Object(ctx context.Context, bucket, key string) context.Context {
	switch {
	case r.s == nil:
		return ctx
	case r.whole != nil:
		return object.WithCredentials(ctx, *r.whole)
	}
	if creds := r.byName[Object{bucket, key}]; creds != nil {
		return object.WithCredentials(ctx, *creds)
	}
	return ctx
}

// Folder returns a context with the credentials for the listing of a prefix inside
// a grant.
func (r *Reading) Folder(ctx context.Context, bucket, prefix string) (context.Context, error) {
	if r.s == nil {
		return ctx, nil
	}
	creds := r.whole
	if creds == nil {
		var err error
		creds, err = r.session(ctx, r.known.policy)
		if err == nil {
			r.whole = creds
		}
		if errors.Is(err, errTooLarge) {
			creds, err = r.folder(ctx, bucket, prefix)
		}
		if err != nil {
			return ctx, err
		}
	}
	return object.WithCredentials(ctx, *creds), nil
}

// folder gets a session for the grant of one prefix. If its denials are too many
// for a policy, the policy allows the listing of this prefix and nothing else.
func (r *Reading) folder(ctx context.Context, bucket, prefix string) (*aws.Credentials, error) {
	i := slices.IndexFunc(r.known.roots, func(root grant.Root) bool { return covers(root.Grant, Object{bucket, prefix}) })
	if i < 0 {
		return nil, noSession(bucket, prefix)
	}
	p, err := PolicyOf(r.s.partition, r.known.roots[i:i+1])
	if err == nil {
		var creds *aws.Credentials
		if creds, err = r.session(ctx, p); err == nil {
			return creds, nil
		}
	}
	if errors.Is(err, errTooLarge) {
		b := builder{partition: r.s.partition}
		b.allowed.list(bucket, b.pattern(prefix, false))
		if p, err = b.policy(); err == nil {
			var creds *aws.Credentials
			if creds, err = r.session(ctx, p); err == nil {
				return creds, nil
			}
		}
	}
	if errors.Is(err, errTooLarge) || errors.Is(err, ErrNoSession) {
		return nil, noSession(bucket, prefix)
	}
	return nil, err
}

func noSession(bucket, prefix string) error {
	return fmt.Errorf("listing %s/%s: %w: %w", bucket, prefix, ErrNoSession, object.ErrRefused)
}
