package access

import (
	"errors"
	"fmt"

	"usher/backend/api"
	"usher/backend/grant"
	"usher/backend/grant/file"
)

// Parse returns the grants of a file, or its problems.
func Parse(text []byte) ([]grant.Grant, []api.GrantsProblem, error) {
	grants, err := file.Parse("grants", text)
	if err == nil {
		return grants, nil, nil
	}
	var all file.ParseErrors
	if !errors.As(err, &all) {
		return nil, nil, fmt.Errorf("reading grants: %w", err)
	}
	var problems []api.GrantsProblem
	for _, e := range all {
		problems = append(problems, api.GrantsProblem{Line: e.Line, Column: e.Column, Problem: e.Problem, Fix: e.Fix})
	}
	return nil, problems, nil
}

// Grants returns grants from their form on the wire, or their problems. The line
// of a problem is the number of the grant.
func Grants(all []api.Grant) ([]grant.Grant, []api.GrantsProblem) {
	var out []grant.Grant
	var problems []api.GrantsProblem
	for i, in := range all {
		problem := func(text, fix string) {
			problems = append(problems, api.GrantsProblem{Line: i + 1, Column: 1, Problem: text, Fix: fix})
		}
		g := grant.Grant{Group: in.Group, Bucket: in.Bucket, Object: in.Object, Effect: grant.Effect(in.Effect), Reason: in.Reason}
		if (in.Prefix == nil) == (in.Object == "") {
			problem("the grant needs a prefix or an object", "give one of the two")
		}
		if in.Prefix != nil {
			g.Prefix = *in.Prefix
		}
		if in.NotBefore != nil {
			g.NotBefore = *in.NotBefore
		}
		if in.Expires != nil {
			g.Expires = *in.Expires
		}
		for _, p := range g.Problems() {
			problem(p.Field+" "+p.Text, p.Fix)
		}
		out = append(out, g.Canonical())
	}
	return out, problems
}
