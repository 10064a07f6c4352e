package stack

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Values are the inputs of an evaluation. Pseudo parameters have the names
// AWS::Region and so on; those without a value are kept.
type Values struct {
	Parameters map[string]string
	// Physical returns the value of a resource or of its attribute; "" for the
	// attribute is its reference. nil keeps these functions.
	Physical func(resource, attribute string) string
}

// noValue removes the property that has it.
type noValue struct{}

// evaluation resolves one template. The first problem is in err.
type evaluation struct {
	t        *Template
	values   map[string]any
	physical func(resource, attribute string) string
	err      error
}

// Evaluate returns the template with these values: without parameters and
// conditions, and without the resources whose condition is false.
func (t *Template) Evaluate(v Values) (*Template, error) {
	e := &evaluation{t: t, values: map[string]any{}, physical: v.Physical}
	for name, value := range v.Parameters {
		if !strings.HasPrefix(name, "AWS::") && t.Parameters[name] == nil {
			return nil, fmt.Errorf("the template has no parameter %s", name)
		}
		e.values[name] = value
	}
	for name, p := range t.Parameters {
		if _, given := e.values[name]; !given {
			if e.values[name] = At(p, "Default"); e.values[name] == nil {
				return nil, fmt.Errorf("the parameter %s has no value", name)
			}
		}
		switch At(p, "Type") {
		case "CommaDelimitedList":
			e.values[name] = list(fmt.Sprint(e.values[name]))
		case "Number":
			n, err := strconv.ParseInt(fmt.Sprint(e.values[name]), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("the parameter %s must be a number", name)
			}
			e.values[name] = n
		}
	}
	out := &Template{Resources: e.section(t.Resources), Outputs: e.section(t.Outputs)}
	return out, e.err
}

// list returns the items of a parameter. An empty text has one empty item, as in
// CloudFormation.
func list(text string) []any {
	var out []any
	for item := range strings.SplitSeq(text, ",") {
		out = append(out, strings.TrimSpace(item))
	}
	return out
}

func (e *evaluation) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// section evaluates resources or outputs.
func (e *evaluation) section(in map[string]any) map[string]any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if c, ok := At(in[name], "Condition").(string); ok && !e.condition(c) {
			continue
		}
		m, ok := e.value(in[name]).(map[string]any)
		if !ok {
			e.fail("%s is no map", name)
			continue
		}
		delete(m, "Condition")
		out[name] = m
	}
	return out
}

// condition evaluates a condition of the template.
func (e *evaluation) condition(name string) bool {
	c, ok := e.t.Conditions[name]
	if !ok {
		e.fail("the template has no condition %s", name)
	}
	return ok && e.boolean(c)
}

func (e *evaluation) boolean(node any) bool {
	m, _ := node.(map[string]any)
	for name, value := range m {
		args, _ := value.([]any)
		switch name {
		case "Condition":
			return e.condition(fmt.Sprint(value))
		case "Fn::Not":
			return len(args) == 1 && !e.boolean(args[0])
		case "Fn::And":
			return !slices.ContainsFunc(args, func(a any) bool { return !e.boolean(a) })
		case "Fn::Or":
			return slices.ContainsFunc(args, e.boolean)
		case "Fn::Equals":
			return len(args) == 2 && fmt.Sprint(e.value(args[0])) == fmt.Sprint(e.value(args[1]))
		}
	}
	e.fail("%v is no condition", node)
	return false
}

func (e *evaluation) value(node any) any {
	switch n := node.(type) {
	case []any:
		out := []any{}
		for _, item := range n {
			if v := e.value(item); v != (noValue{}) {
				out = append(out, v)
			}
		}
		return out
	case map[string]any:
		if len(n) == 1 {
			for name, arg := range n {
				if name == "Ref" || strings.HasPrefix(name, "Fn::") {
					return e.call(name, arg)
				}
			}
		}
		out := map[string]any{}
		for key, item := range n {
			if v := e.value(item); v != (noValue{}) {
				out[key] = v
			}
		}
		return out
	}
	return node
}

func (e *evaluation) call(name string, arg any) any {
	args, _ := arg.([]any)
	kept := map[string]any{name: arg}
	switch {
	case name == "Ref":
		return e.ref(fmt.Sprint(arg), kept)
	case name == "Fn::GetAtt" && len(args) == 2:
		if e.physical != nil {
			return e.physical(fmt.Sprint(args[0]), fmt.Sprint(args[1]))
		}
		return kept
	case name == "Fn::If" && len(args) == 3:
		if e.condition(fmt.Sprint(args[0])) {
			return e.value(args[1])
		}
		return e.value(args[2])
	case name == "Fn::Sub":
		return e.sub(arg)
	case name == "Fn::Join" && len(args) == 2:
		return e.join(fmt.Sprint(args[0]), e.value(args[1]))
	case name == "Fn::Split" && len(args) == 2:
		if s, ok := e.value(args[1]).(string); ok {
			var out []any
			for part := range strings.SplitSeq(s, fmt.Sprint(args[0])) {
				out = append(out, part)
			}
			return out
		}
	case name == "Fn::Select" && len(args) == 2:
		items, ok := e.value(args[1]).([]any)
		var i int
		if _, err := fmt.Sscan(fmt.Sprint(args[0]), &i); ok && err == nil && i >= 0 && i < len(items) {
			return items[i]
		}
	}
	e.fail("%s of %v cannot be evaluated", name, arg)
	return kept
}

func (e *evaluation) ref(id string, kept any) any {
	if id == "AWS::NoValue" {
		return noValue{}
	}
	if v, ok := e.values[id]; ok {
		return v
	}
	if strings.HasPrefix(id, "AWS::") {
		return kept
	}
	if e.t.Resources[id] == nil {
		e.fail("%s is neither a parameter nor a resource", id)
		return kept
	}
	if e.physical != nil {
		return e.physical(id, "")
	}
	return kept
}

// join joins texts. A list with an unresolved function is kept.
func (e *evaluation) join(by string, items any) any {
	var texts []string
	all, _ := items.([]any)
	for _, item := range all {
		if _, unresolved := item.(map[string]any); unresolved {
			return map[string]any{"Fn::Join": []any{by, items}}
		}
		texts = append(texts, fmt.Sprint(item))
	}
	return strings.Join(texts, by)
}

// Variables calls f for each ${NAME} of a Fn::Sub text, and puts its result in
// place of it. ${!NAME} is a text.
func Variables(text string, f func(name string) string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		switch {
		case !closed:
			out.WriteString("${" + rest)
			return out.String()
		case strings.HasPrefix(name, "!"):
			out.WriteString("${" + name + "}")
		default:
			out.WriteString(f(name))
		}
		text = after
	}
}

// sub evaluates Fn::Sub. Variables of resources stay if there is no Physical.
func (e *evaluation) sub(arg any) any {
	text, own := arg, map[string]any{}
	if args, ok := arg.([]any); ok && len(args) == 2 {
		text = args[0]
		own, _ = args[1].(map[string]any)
	}
	s, ok := text.(string)
	if !ok {
		e.fail("Fn::Sub needs a text")
		return nil
	}
	rest := map[string]any{}
	open := false
	s = Variables(s, func(name string) string {
		id, attribute, _ := strings.Cut(name, ".")
		var v any
		switch given, has := own[name]; {
		case has:
			v = e.value(given)
		case attribute != "" && e.physical != nil:
			v = e.physical(id, attribute)
		case attribute != "":
			v = map[string]any{}
		default:
			v = e.ref(id, map[string]any{})
		}
		if m, unresolved := v.(map[string]any); unresolved {
			open = true
			if len(m) > 0 {
				rest[name] = m
			}
			return "${" + name + "}"
		}
		return fmt.Sprint(v)
	})
	switch {
	case !open:
		return strings.ReplaceAll(s, "${!", "${")
	case len(rest) > 0:
		return map[string]any{"Fn::Sub": []any{s, rest}}
	}
	return map[string]any{"Fn::Sub": s}
}
