//go:build !lambda.norpc

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"usher/backend/deploy"
	"usher/backend/deploy/people"
	"usher/backend/deploy/stack"
	"usher/backend/event"
	"usher/client/cli"
)

// deployer gives package deploy to the commands.
type deployer struct{}

// deployScreen shows the lines of a deployment on a screen of the commands.
type deployScreen struct{ cli.DeployScreen }

// Show shows a line.
func (s deployScreen) Show(l deploy.Line) { s.DeployScreen.Show(cli.DeployLine(l)) }

func (deployer) open(ctx context.Context, s cli.DeployScreen) (*deploy.Deployer, error) {
	sdk, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, deploy.Explain(ctx, err)
	}
	return deploy.New(deploy.Config{AWS: sdk, Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Wait: sleep, Screen: deployScreen{s}})
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Deploy creates or updates a stack.
func (d deployer) Deploy(ctx context.Context, o cli.DeployOptions, s cli.DeployScreen) (cli.Deployed, error) {
	real, err := d.open(ctx, s)
	if err != nil {
		return cli.Deployed{}, err
	}
	r, err := real.Deploy(ctx, deploy.Options(o))
	return cli.Deployed{Stack: r.Stack, Region: r.Region, URL: r.URL, Admin: r.Admin, Outputs: r.Outputs}, err
}

// Check checks a stack.
func (d deployer) Check(ctx context.Context, o cli.DeployOptions, s cli.DeployScreen) (bool, error) {
	real, err := d.open(ctx, s)
	if err != nil {
		return false, err
	}
	return real.Check(ctx, deploy.Options(o))
}

// Delete deletes a stack.
func (d deployer) Delete(ctx context.Context, o cli.DeployOptions, s cli.DeployScreen) error {
	real, err := d.open(ctx, s)
	if err != nil {
		return err
	}
	return real.Delete(ctx, deploy.Options(o))
}

// Template returns the template.
func (deployer) Template() string { return stack.Text() }

// userPool gives a user pool to the commands.
type userPool struct{ *people.Pool }

// users opens a user pool with the AWS credentials of the person.
func users(ctx context.Context, o cli.PoolOptions) (cli.People, error) {
	sdk, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, deploy.Explain(ctx, err)
	}
	p, err := people.New(sdk, o.Region, o.Pool, o.Endpoint)
	return userPool{p}, err
}

// said explains an error of AWS. A refusal of the pool has its own sentence.
func said(ctx context.Context, err error) error {
	var own *people.Error
	if errors.As(err, &own) {
		return deploy.Refuse(own.Error())
	}
	return deploy.Explain(ctx, err)
}

func (p userPool) List(ctx context.Context, group string, f func(cli.Person)) error {
	return said(ctx, p.Pool.List(ctx, group, func(u people.Person) { f(cli.Person(u)) }))
}

func (p userPool) Add(ctx context.Context, email string, groups []string, resend bool) (cli.Person, error) {
	u, err := p.Pool.Add(ctx, email, groups, resend)
	return cli.Person(u), said(ctx, err)
}

func (p userPool) Get(ctx context.Context, username string) (cli.Person, error) {
	u, err := p.Pool.Get(ctx, username)
	return cli.Person(u), said(ctx, err)
}

func (p userPool) Enable(ctx context.Context, username string, enabled bool) (cli.Person, error) {
	u, err := p.Pool.Enable(ctx, username, enabled)
	return cli.Person(u), said(ctx, err)
}

func (p userPool) Change(ctx context.Context, username string, add, remove []string) (cli.Person, error) {
	u, err := p.Pool.Change(ctx, username, add, remove)
	return cli.Person(u), said(ctx, err)
}

func (p userPool) Groups(ctx context.Context) ([]cli.PoolGroup, error) {
	found, err := p.Pool.Groups(ctx)
	out := make([]cli.PoolGroup, len(found))
	for i, g := range found {
		out[i] = cli.PoolGroup(g)
	}
	return out, said(ctx, err)
}

func (p userPool) Create(ctx context.Context, group string) error {
	return said(ctx, p.Pool.Create(ctx, group))
}
