package render

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"
	"time"
)

// Field is a field of a JSON object.
type Field struct {
	Name     string
	Type     reflect.Type
	Optional bool // it can be absent
}

// Fields returns the fields of the JSON object of a struct, with those of embedded
// structs.
func Fields(t reflect.Type) iter.Seq[Field] {
	return func(yield func(Field) bool) { fields(t, yield) }
}

func fields(t reflect.Type, yield func(Field) bool) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case f.Anonymous && name == "":
			if !fields(f.Type, yield) {
				return false
			}
		case !yield(Field{name, f.Type, options != "" || f.Type.Kind() == reflect.Pointer}):
			return false
		}
	}
	return true
}

// UnknownFieldError is a field of a template that no value has.
type UnknownFieldError struct {
	Field string   // with the fields above it: error.nosuch
	Known []string // the fields of that object, sorted
}

func (e *UnknownFieldError) Error() string {
	return fmt.Sprintf("there is no field %s; the fields are %s", e.Field, strings.Join(e.Known, ", "))
}

// scope has the types that a value of the template can have; empty: any.
type scope []reflect.Type

// checker checks the fields of a template against the types of its values.
type checker struct{ root scope }

// list checks the nodes of a list, where dot has the types of a scope.
func (c checker) list(l *parse.ListNode, dot scope) error {
	if l == nil {
		return nil
	}
	for _, n := range l.Nodes {
		if err := c.node(n, dot); err != nil {
			return err
		}
	}
	return nil
}

func (c checker) node(n parse.Node, dot scope) error {
	switch n := n.(type) {
	case *parse.ActionNode:
		_, err := c.pipe(n.Pipe, dot)
		return err
	case *parse.IfNode:
		_, err := c.pipe(n.Pipe, dot)
		return first(err, c.list(n.List, dot), c.list(n.ElseList, dot))
	case *parse.WithNode:
		inner, err := c.pipe(n.Pipe, dot)
		return first(err, c.list(n.List, inner), c.list(n.ElseList, dot))
	case *parse.RangeNode:
		all, err := c.pipe(n.Pipe, dot)
		return first(err, c.list(n.List, all.elements()), c.list(n.ElseList, dot))
	}
	return nil
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pipe returns the types of the result of a pipe; empty: any.
func (c checker) pipe(p *parse.PipeNode, dot scope) (result scope, err error) {
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			if result, err = c.value(arg, dot); err != nil {
				return nil, err
			}
		}
		if len(cmd.Args) != 1 {
			result = nil // of a function
		}
	}
	return result, nil
}

func (c checker) value(n parse.Node, dot scope) (scope, error) {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot, nil
	case *parse.FieldNode:
		return dot.path(n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			return c.root.path(n.Ident[1:])
		}
	case *parse.PipeNode:
		return c.pipe(n, dot)
	case *parse.ChainNode:
		inner, err := c.value(n.Node, dot)
		if err != nil {
			return nil, err
		}
		return inner.path(n.Field)
	}
	return nil, nil
}

// path follows fields.
func (s scope) path(names []string) (scope, error) {
	for i, name := range names {
		known, next := map[string]bool{}, scope{}
		for _, t := range s {
			for t.Kind() == reflect.Pointer {
				t = t.Elem()
			}
			switch {
			case t.Kind() == reflect.Interface:
				return nil, nil
			case t.Kind() == reflect.Map:
				return scope{t.Elem()}, nil
			case t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]():
				continue
			}
			for f := range Fields(t) {
				if known[f.Name] = true; f.Name == name {
					next = append(next, f.Type)
				}
			}
		}
		if len(known) == 0 { // not an object: the template fails when it is used
			return nil, nil
		}
		if len(next) == 0 {
			return nil, &UnknownFieldError{strings.Join(names[:i+1], "."), slices.Sorted(maps.Keys(known))}
		}
		s = next
	}
	return s, nil
}

// elements returns the types of the elements of lists and objects.
func (s scope) elements() scope {
	var all scope
	for _, t := range s {
		switch t.Kind() {
		case reflect.Slice, reflect.Array, reflect.Map:
			all = append(all, t.Elem())
		default:
			return nil
		}
	}
	return all
}
