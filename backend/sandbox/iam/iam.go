// Package iam evaluates AWS policies: effect, actions, resources, the condition
// operators of strings, and the policy variables for special characters. It is an
// evaluator of the sandbox, and independent of the one that writes the policies.
// A document with an element that it does not evaluate is refused, so no element
// is ignored in silence.
//
// SPEC: IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements
// reference".
package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Request is one call. Context holds condition keys in lower case.
type Request struct {
	Action, Resource string
	Context          map[string]string
}

// Policy is a parsed document.
type Policy struct{ statements []statement }

type statement struct {
	deny               bool
	actions, resources []string
	conditions         []condition
}

// condition is one operator with one key.
type condition struct {
	operator, key string
	values        []string
}

// Parse parses a document.
func Parse(text string) (*Policy, error) {
	var doc struct {
		Version   string
		ID        string `json:"Id"`
		Statement oneOrMore[struct {
			Sid, Effect      string
			Action, Resource oneOrMore[string]
			Condition        map[string]map[string]oneOrMore[string]
		}]
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("parsing a policy: %w", err)
	}
	if decoder.More() || doc.Version != "2012-10-17" || len(doc.Statement) == 0 {
		return nil, fmt.Errorf("parsing a policy: not one document of the version 2012-10-17")
	}
	p := &Policy{}
	for _, s := range doc.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action) == 0 || len(s.Resource) == 0 {
			return nil, fmt.Errorf("parsing a policy: a statement has an effect, an action and a resource")
		}
		out := statement{deny: s.Effect == "Deny", actions: s.Action, resources: s.Resource}
		for operator, keys := range s.Condition {
			if !slices.Contains([]string{"StringLike", "StringEquals", "StringNotLike"}, operator) {
				return nil, fmt.Errorf("parsing a policy: the operator %q is not evaluated", operator)
			}
			for key, values := range keys {
				out.conditions = append(out.conditions, condition{operator, strings.ToLower(key), values})
			}
		}
		p.statements = append(p.statements, out)
	}
	return p, nil
}

// oneOrMore is a JSON value or an array of them.
type oneOrMore[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore[T]) UnmarshalJSON(raw []byte) error {
	strict := func(into any) error {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		return d.Decode(into)
	}
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		return strict((*[]T)(o))
	}
	*o = make(oneOrMore[T], 1)
	return strict(&(*o)[0])
}

// Allows reports whether the policy allows the request: a statement allows it and
// none denies it.
func (p *Policy) Allows(r Request) bool {
	allowed := false
	for _, s := range p.statements {
		if !s.matches(r) {
			continue
		}
		if s.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

func (s statement) matches(r Request) bool {
	action := func(pattern string) bool { return like(strings.ToLower(pattern), strings.ToLower(r.Action)) }
	resource := func(pattern string) bool { return like(pattern, r.Resource) }
	return slices.ContainsFunc(s.actions, action) && slices.ContainsFunc(s.resources, resource) &&
		!slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(r.Context) })
}

// holds evaluates a condition. Without the key in the request only a negated
// operator holds.
func (c condition) holds(context map[string]string) bool {
	value, present := context[c.key]
	if !present {
		return c.operator == "StringNotLike"
	}
	found := slices.ContainsFunc(c.values, func(pattern string) bool {
		if c.operator == "StringEquals" {
			return literal(pattern) == value
		}
		return like(pattern, value)
	})
	return found != (c.operator == "StringNotLike")
}

// token is one element of a pattern: a character, or a wildcard.
type token struct {
	char rune
	wild bool
}

// tokens splits a pattern. The variables ${*}, ${?} and ${$} are characters.
func tokens(pattern string) []token {
	var out []token
	text := []rune(pattern)
	for i := 0; i < len(text); i++ {
		if text[i] == '$' && i+3 < len(text) && text[i+1] == '{' && text[i+3] == '}' && strings.ContainsRune("*?$", text[i+2]) {
			out = append(out, token{char: text[i+2]})
			i += 3
			continue
		}
		out = append(out, token{text[i], text[i] == '*' || text[i] == '?'})
	}
	return out
}

func literal(pattern string) string {
	var b strings.Builder
	for _, t := range tokens(pattern) {
		b.WriteRune(t.char)
	}
	return b.String()
}

// like matches * (any characters) and ? (one character).
func like(pattern, text string) bool {
	p, s := tokens(pattern), []rune(text)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i].wild && p[i].char == '*':
			star, mark, i = i, j, i+1
		case i < len(p) && (p[i].wild || p[i].char == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i].wild && p[i].char == '*' {
		i++
	}
	return i == len(p)
}
