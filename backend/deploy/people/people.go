// Package people administers the accounts of a user pool with the AWS credentials
// of an administrator. Passwords never pass through it: Cognito mails a temporary
// one.
//
// Questions and output are left to the commands, and the rights of a group to the grants.
package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"usher/backend/api/shape"
	"usher/backend/safetext"
)

// Person is an account.
type Person struct {
	Username string
	Email    string
	Enabled  bool
	Status   string // of Cognito, such as CONFIRMED
	Created  time.Time
	Groups   []string // only of a single person
}

// Group is a group of the pool.
type Group struct{ Name, About string }

// Error is a refusal that is no failure of AWS.
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

// Pool is a user pool.
type Pool struct {
	api *cognito.Client
	id  string
}

// New returns a pool. endpoint is empty for the region's.
func New(sdk aws.Config, region, id, endpoint string) (*Pool, error) {
	if !shape.Region(region) || !shape.PoolID(id, region) {
		return nil, errors.New("people: a region and a pool of it are needed")
	}
	return &Pool{cognito.NewFromConfig(sdk, func(o *cognito.Options) {
		o.Region = region
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
	}), id}, nil
}

// page is the number of accounts of a call. SPEC: Cognito API reference, ListUsers.
const page = 60

// List calls f for each account, of a group if one is given.
func (p *Pool) List(ctx context.Context, group string, f func(Person)) error {
	var next *string
	for {
		var found []types.UserType
		if group == "" {
			out, err := p.api.ListUsers(ctx, &cognito.ListUsersInput{UserPoolId: aws.String(p.id), Limit: aws.Int32(page), PaginationToken: next})
			if err != nil {
				return err
			}
			found, next = out.Users, out.PaginationToken
		} else {
			out, err := p.api.ListUsersInGroup(ctx, &cognito.ListUsersInGroupInput{UserPoolId: aws.String(p.id), GroupName: aws.String(group), Limit: aws.Int32(page), NextToken: next})
			if err != nil {
				return err
			}
			found, next = out.Users, out.NextToken
		}
		for _, u := range found {
			f(Person{Username: aws.ToString(u.Username), Email: attribute(u.Attributes, "email"), Enabled: u.Enabled, Status: string(u.UserStatus), Created: aws.ToTime(u.UserCreateDate)})
		}
		if next == nil {
			return nil
		}
	}
}

func attribute(all []types.AttributeType, name string) string {
	for _, a := range all {
		if aws.ToString(a.Name) == name {
			return aws.ToString(a.Value)
		}
	}
	return ""
}

// Add creates an account with the address as its name, and adds it to groups. The
// groups must exist. Cognito mails an invitation; resend mails it again.
func (p *Pool) Add(ctx context.Context, email string, groups []string, resend bool) (Person, error) {
	known, err := p.Groups(ctx)
	if err != nil {
		return Person{}, err
	}
	for _, g := range groups {
		if !slices.ContainsFunc(known, func(k Group) bool { return k.Name == g }) {
			return Person{}, &Error{fmt.Sprintf("There is no group %s. Add it with usher users groups --create %s.", safetext.Line(g), safetext.Line(g))}
		}
	}
	in := &cognito.AdminCreateUserInput{
		UserPoolId: aws.String(p.id), Username: aws.String(email), DesiredDeliveryMediums: []types.DeliveryMediumType{types.DeliveryMediumTypeEmail},
		UserAttributes: []types.AttributeType{{Name: aws.String("email"), Value: aws.String(email)}, {Name: aws.String("email_verified"), Value: aws.String("true")}},
	}
	if resend {
		in.MessageAction = types.MessageActionTypeResend
	}
	made, err := p.api.AdminCreateUser(ctx, in)
	var exists *types.UsernameExistsException
	var alias *types.AliasExistsException
	if errors.As(err, &exists) || errors.As(err, &alias) {
		return Person{}, &Error{safetext.Line(email) + " has an account already."}
	}
	if err != nil {
		return Person{}, err
	}
	return p.Change(ctx, aws.ToString(made.User.Username), groups, nil)
}

// Get returns an account with its groups.
func (p *Pool) Get(ctx context.Context, username string) (Person, error) {
	u, err := p.api.AdminGetUser(ctx, &cognito.AdminGetUserInput{UserPoolId: aws.String(p.id), Username: aws.String(username)})
	if err != nil {
		return Person{}, p.absent(err, username)
	}
	out := Person{Username: aws.ToString(u.Username), Email: attribute(u.UserAttributes, "email"), Enabled: u.Enabled, Status: string(u.UserStatus), Created: aws.ToTime(u.UserCreateDate), Groups: []string{}}
	in := &cognito.AdminListGroupsForUserInput{UserPoolId: aws.String(p.id), Username: aws.String(username), Limit: aws.Int32(page)}
	for {
		groups, err := p.api.AdminListGroupsForUser(ctx, in)
		if err != nil {
			return Person{}, err
		}
		for _, g := range groups.Groups {
			out.Groups = append(out.Groups, aws.ToString(g.GroupName))
		}
		if in.NextToken = groups.NextToken; in.NextToken == nil {
			slices.Sort(out.Groups)
			return out, nil
		}
	}
}

// absent names a person or a group that does not exist.
func (p *Pool) absent(err error, name string) error {
	var user *types.UserNotFoundException
	var resource *types.ResourceNotFoundException
	switch {
	case errors.As(err, &user):
		return &Error{"There is no account " + safetext.Line(name) + "."}
	case errors.As(err, &resource):
		return &Error{"There is no group " + safetext.Line(name) + ", or no pool " + p.id + "."}
	}
	return err
}

// Enable enables or disables an account. A disabled person gets no URL after the
// server's bound, and is signed out everywhere.
func (p *Pool) Enable(ctx context.Context, username string, enabled bool) (Person, error) {
	var err error
	if enabled {
		_, err = p.api.AdminEnableUser(ctx, &cognito.AdminEnableUserInput{UserPoolId: aws.String(p.id), Username: aws.String(username)})
	} else {
		_, err = p.api.AdminDisableUser(ctx, &cognito.AdminDisableUserInput{UserPoolId: aws.String(p.id), Username: aws.String(username)})
		if err == nil {
			_, err = p.api.AdminUserGlobalSignOut(ctx, &cognito.AdminUserGlobalSignOutInput{UserPoolId: aws.String(p.id), Username: aws.String(username)})
		}
	}
	if err != nil {
		return Person{}, p.absent(err, username)
	}
	return p.Get(ctx, username)
}

// Change adds an account to groups and removes it from others.
func (p *Pool) Change(ctx context.Context, username string, add, remove []string) (Person, error) {
	for _, g := range add {
		if _, err := p.api.AdminAddUserToGroup(ctx, &cognito.AdminAddUserToGroupInput{UserPoolId: aws.String(p.id), Username: aws.String(username), GroupName: aws.String(g)}); err != nil {
			return Person{}, p.absent(err, or(err, username, g))
		}
	}
	for _, g := range remove {
		if _, err := p.api.AdminRemoveUserFromGroup(ctx, &cognito.AdminRemoveUserFromGroupInput{UserPoolId: aws.String(p.id), Username: aws.String(username), GroupName: aws.String(g)}); err != nil {
			return Person{}, p.absent(err, or(err, username, g))
		}
	}
	return p.Get(ctx, username)
}

// or returns the name that an error is about.
func or(err error, username, group string) string {
	var user *types.UserNotFoundException
	if errors.As(err, &user) {
		return username
	}
	return group
}

// Groups returns the groups of the pool, by name.
func (p *Pool) Groups(ctx context.Context) ([]Group, error) {
	out := []Group{}
	in := &cognito.ListGroupsInput{UserPoolId: aws.String(p.id), Limit: aws.Int32(page)}
	for {
		found, err := p.api.ListGroups(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, g := range found.Groups {
			out = append(out, Group{aws.ToString(g.GroupName), aws.ToString(g.Description)})
		}
		if in.NextToken = found.NextToken; in.NextToken == nil {
			slices.SortFunc(out, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
			return out, nil
		}
	}
}

// Create creates a group. An existing one is kept.
func (p *Pool) Create(ctx context.Context, group string) error {
	if !shape.CognitoName(group) {
		return &Error{safetext.Line(group) + " is not the name of a group: 1 to 128 characters without spaces."}
	}
	_, err := p.api.CreateGroup(ctx, &cognito.CreateGroupInput{UserPoolId: aws.String(p.id), GroupName: aws.String(group)})
	var exists *types.GroupExistsException
	if errors.As(err, &exists) {
		return nil
	}
	return err
}
