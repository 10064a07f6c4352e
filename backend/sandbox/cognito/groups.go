package cognito

import (
	"maps"
	"slices"
	"time"
)

// The owner's calls on groups.

type group struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Precedence  *int      `json:"precedence,omitempty"`
	Created     time.Time `json:"created"`
	Modified    time.Time `json:"modified"`
}

type groupShape struct {
	GroupName        string
	UserPoolId       string
	Description      string `json:",omitempty"`
	Precedence       *int   `json:",omitempty"`
	CreationDate     float64
	LastModifiedDate float64
}

func (p *Pool) groupShape(g *group) groupShape {
	return groupShape{GroupName: g.Name, UserPoolId: p.cfg.PoolID, Description: g.Description,
		Precedence: g.Precedence, CreationDate: seconds(g.Created), LastModifiedDate: seconds(g.Modified)}
}

type groupInput struct {
	UserPoolId, GroupName, Username string
	Description                     *string
	Precedence                      *int
}

func (p *Pool) createGroup(now time.Time, in *groupInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	if !validName(in.GroupName) {
		return nil, invalidParameter("1 validation error detected: Value at 'groupName' failed to satisfy constraint")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.groups[in.GroupName] != nil {
		return nil, &Error{Code: "GroupExistsException", Message: "A group with the name already exists."}
	}
	g := &group{Name: in.GroupName, Precedence: in.Precedence, Created: now, Modified: now}
	if in.Description != nil {
		g.Description = *in.Description
	}
	p.groups[g.Name] = g
	p.changed++
	return struct{ Group groupShape }{p.groupShape(g)}, nil
}

// checkGroup requires that the caller holds p.mu.
func (p *Pool) checkGroup(name string) error {
	if name == "" {
		return missing("groupName")
	}
	if p.groups[name] == nil {
		return notFound("Group not found.")
	}
	return nil
}

// adminAddUserToGroup adds a membership. It shows in the next tokens; existing
// tokens keep the groups in their claims.
func (p *Pool) adminAddUserToGroup(now time.Time, in *groupInput) (any, error) {
	return nil, p.withNamed(adminInput{in.UserPoolId, in.Username}, func(u *user) error {
		if err := p.checkGroup(in.GroupName); err != nil {
			return err
		}
		if len(u.Groups) >= maxGroupsPerUser && !slices.Contains(u.Groups, in.GroupName) {
			return &Error{Code: "LimitExceededException", Message: "The user is in as many groups as can be."}
		}
		u.join(in.GroupName)
		p.touch(now, u)
		return nil
	})
}

func (p *Pool) adminRemoveUserFromGroup(now time.Time, in *groupInput) (any, error) {
	return nil, p.withNamed(adminInput{in.UserPoolId, in.Username}, func(u *user) error {
		if err := p.checkGroup(in.GroupName); err != nil {
			return err
		}
		u.leave(in.GroupName)
		p.touch(now, u)
		return nil
	})
}

type listInput struct {
	UserPoolId, GroupName, Username, NextToken string
	Limit                                      *int
}

type groupsOutput struct {
	Groups    []groupShape
	NextToken string `json:",omitempty"`
}

// groupsPage requires that the caller holds p.mu.
func (p *Pool) groupsPage(op string, names []string, in *listInput) (*groupsOutput, error) {
	names, next, err := page(op, names, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &groupsOutput{Groups: []groupShape{}, NextToken: next}
	for _, name := range names {
		out.Groups = append(out.Groups, p.groupShape(p.groups[name]))
	}
	return out, nil
}

func (p *Pool) adminListGroupsForUser(_ time.Time, in *listInput) (any, error) {
	var out *groupsOutput
	err := p.withNamed(adminInput{in.UserPoolId, in.Username}, func(u *user) (err error) {
		out, err = p.groupsPage("AdminListGroupsForUser "+u.Sub, u.Groups, in)
		return err
	})
	return out, err
}

func (p *Pool) listGroups(_ time.Time, in *listInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.groupsPage("ListGroups", slices.Sorted(maps.Keys(p.groups)), in)
}

func (p *Pool) listUsersInGroup(_ time.Time, in *listInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.checkGroup(in.GroupName); err != nil {
		return nil, err
	}
	var names []string
	for _, u := range p.users {
		if slices.Contains(u.Groups, in.GroupName) {
			names = append(names, u.Username)
		}
	}
	slices.Sort(names)
	names, next, err := page("ListUsersInGroup "+in.GroupName, names, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := struct {
		Users     []userShape
		NextToken string `json:",omitempty"`
	}{Users: []userShape{}, NextToken: next}
	for _, name := range names {
		out.Users = append(out.Users, p.users[name].shape())
	}
	return out, nil
}

func (p *Pool) getGroup(_ time.Time, in *groupInput) (any, error) {
	return p.withGroup(in, func(*group) {})
}

func (p *Pool) updateGroup(now time.Time, in *groupInput) (any, error) {
	if in.Precedence != nil && *in.Precedence < 0 {
		return nil, invalidParameter("1 validation error detected: Value at 'precedence' failed to satisfy constraint: " +
			"Member must have value greater than or equal to 0")
	}
	return p.withGroup(in, func(g *group) {
		if in.Description != nil {
			g.Description = *in.Description
		}
		if in.Precedence != nil {
			g.Precedence = in.Precedence
		}
		g.Modified = now
		p.changed++
	})
}

// withGroup runs f on the group that a call names, and returns the group.
func (p *Pool) withGroup(in *groupInput, f func(*group)) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.checkGroup(in.GroupName); err != nil {
		return nil, err
	}
	g := p.groups[in.GroupName]
	f(g)
	return struct{ Group groupShape }{p.groupShape(g)}, nil
}

// deleteGroup removes a group and the memberships in it.
func (p *Pool) deleteGroup(now time.Time, in *groupInput) (any, error) {
	_, err := p.withGroup(in, func(g *group) {
		for _, u := range p.users {
			if slices.Contains(u.Groups, g.Name) {
				u.leave(g.Name)
				p.touch(now, u)
			}
		}
		delete(p.groups, g.Name)
		p.changed++
	})
	return nil, err
}
