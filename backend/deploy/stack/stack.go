package stack

import (
	_ "embed" // the template
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// MaxTemplate is the greatest size of a template in a call, in bytes.
//
// SPEC: AWS CloudFormation user guide, "Understand CloudFormation quotas".
const MaxTemplate = 51_200

//go:embed template.yaml
var text string

// Text returns the template of this version.
func Text() string { return text }

// Template is a template as a tree: maps, lists, texts, numbers and booleans. An
// intrinsic function is a map with one key, such as Ref or Fn::Sub.
type Template struct {
	Parameters, Conditions, Resources, Outputs map[string]any
}

// Current returns the template of this version.
func Current() (*Template, error) { return Parse(text) }

// Parse reads a template in YAML with the short forms of intrinsic functions.
func Parse(yaml string) (*Template, error) {
	file, err := parser.ParseBytes([]byte(yaml), 0)
	if err != nil {
		return nil, fmt.Errorf("reading a template: %w", err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, errors.New("reading a template: it must be one document")
	}
	root, err := tree(file.Docs[0].Body)
	if err != nil {
		return nil, fmt.Errorf("reading a template: %w", err)
	}
	top, ok := root.(map[string]any)
	if !ok {
		return nil, errors.New("reading a template: it must be a map")
	}
	t := &Template{}
	for name, into := range map[string]*map[string]any{
		"Parameters": &t.Parameters, "Conditions": &t.Conditions, "Resources": &t.Resources, "Outputs": &t.Outputs,
	} {
		section, ok := top[name].(map[string]any)
		if !ok && top[name] != nil {
			return nil, fmt.Errorf("reading a template: %s must be a map", name)
		}
		*into = section
	}
	if len(t.Resources) == 0 {
		return nil, errors.New("reading a template: it has no resources")
	}
	return t, nil
}

// function returns the full name of a short form, like !Sub.
func function(tag string) string {
	name := strings.TrimPrefix(tag, "!")
	if name == "Ref" || name == "Condition" {
		return name
	}
	return "Fn::" + name
}

func tree(n ast.Node) (any, error) {
	switch n := n.(type) {
	case *ast.MappingNode:
		out := make(map[string]any, len(n.Values))
		for _, v := range n.Values {
			if err := entry(v, out); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *ast.MappingValueNode:
		out := map[string]any{}
		return out, entry(n, out)
	case *ast.SequenceNode:
		out := make([]any, len(n.Values))
		for i, v := range n.Values {
			var err error
			if out[i], err = tree(v); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *ast.TagNode:
		value, err := tree(n.Value)
		if err != nil {
			return nil, err
		}
		name := function(n.Start.Value)
		if s, ok := value.(string); ok && name == "Fn::GetAtt" {
			id, attribute, _ := strings.Cut(s, ".")
			value = []any{id, attribute}
		}
		return map[string]any{name: value}, nil
	case *ast.AliasNode: // CloudFormation has none
	case ast.ScalarNode:
		return n.GetValue(), nil
	}
	return nil, fmt.Errorf("line %d: %s is not possible in a template", n.GetToken().Position.Line, n.Type())
}

func entry(v *ast.MappingValueNode, into map[string]any) error {
	key, ok := v.Key.(ast.ScalarNode)
	if !ok {
		return fmt.Errorf("line %d: a key must be a text", v.GetToken().Position.Line)
	}
	name := fmt.Sprint(key.GetValue())
	if _, twice := into[name]; twice {
		return fmt.Errorf("line %d: %s is there twice", v.GetToken().Position.Line, name)
	}
	value, err := tree(v.Value)
	into[name] = value
	return err
}

// At returns the value at a path of keys, such as Properties, SSESpecification.
func At(node any, path ...string) any {
	for _, key := range path {
		m, ok := node.(map[string]any)
		if !ok {
			return nil
		}
		node = m[key]
	}
	return node
}

// Kept returns the resources with data, in order of their names: those that stay
// when the stack is deleted.
func (t *Template) Kept() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(t.Resources)), func(name string) bool {
		return At(t.Resources[name], "DeletionPolicy") == nil
	})
}
