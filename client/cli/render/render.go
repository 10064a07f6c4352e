// Package render prints JSON values by a template or by an expression of jq.
//
// The values come from commands and hold untrusted texts. All output passes
// through safetext, so that it is safe for a terminal.
//
// The package leaves the fields of a value, and the flags, to the commands.
package render

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"strings"
	"text/template"

	"github.com/itchyny/gojq"

	"usher/backend/safetext"
)

// Renderer prints one JSON value.
type Renderer interface {
	// Render writes a value, in JSON, to w.
	Render(w io.Writer, value []byte) error
}

// NewTemplate returns a renderer for a template of Go. Fields have the names of the
// JSON output: {{.path}} {{.size}}. An absent field is "". Each value is a line.
// Values have one of the types of; a field that none of them has is an
// UnknownFieldError. Without types any field is accepted.
func NewTemplate(text string, of ...reflect.Type) (Renderer, error) {
	t, err := template.New("--format").Option("missingkey=zero").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"upper": strings.ToUpper, "lower": strings.ToLower,
		"join": func(sep string, list []any) string {
			texts := make([]string, len(list))
			for i, v := range list {
				texts[i] = fmt.Sprint(v)
			}
			return strings.Join(texts, sep)
		},
	}).Parse(strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text))
	if err != nil {
		return nil, err
	}
	for _, each := range t.Templates() {
		dot := scope(of)
		if each.Name() != t.Name() {
			dot = nil // of {{define}}: its caller decides
		}
		if err := (checker{dot}).list(each.Root, dot); err != nil {
			return nil, err
		}
	}
	return tmpl{t}, nil
}

type tmpl struct{ t *template.Template }

func (t tmpl) Render(w io.Writer, value []byte) error {
	v, err := decode(value)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.t.Execute(&b, escaped(v)); err != nil {
		return err
	}
	text := strings.ReplaceAll(b.String(), "<no value>", "")
	_, err = fmt.Fprintln(w, text)
	return err
}

// NewJQ returns a renderer for an expression of jq. Each result is a line: a text
// as it is, other values in JSON. The expression has no access to the environment,
// to files and to other values. The end of ctx ends an expression without an end.
func NewJQ(ctx context.Context, text string) (Renderer, error) {
	query, err := gojq.Parse(text)
	if err != nil {
		return nil, err
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, err
	}
	return jq{ctx, code}, nil
}

type jq struct {
	ctx  context.Context
	code *gojq.Code
}

func (j jq) Render(w io.Writer, value []byte) error {
	v, err := decode(value)
	if err != nil {
		return err
	}
	for results := j.code.RunWithContext(j.ctx, v); ; {
		r, ok := results.Next()
		if !ok {
			return nil
		}
		switch r := r.(type) {
		case error:
			if halt, ok := r.(*gojq.HaltError); ok && halt.Value() == nil {
				return nil
			}
			return r
		case string:
			_, err = fmt.Fprintln(w, safetext.Line(r))
		default:
			var line []byte
			if line, err = gojq.Marshal(r); err == nil {
				_, err = w.Write(append(Printable(line), '\n'))
			}
		}
		if err != nil {
			return err
		}
	}
}

// decode decodes JSON with exact whole numbers.
func decode(value []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return numbers(v), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return int(n)
		}
		if n, ok := new(big.Int).SetString(v.String(), 10); ok {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	}
	return v
}

// escaped returns a value with safe texts.
func escaped(v any) any {
	switch v := v.(type) {
	case string:
		return safetext.Line(v)
	case map[string]any:
		for k := range v {
			v[k] = escaped(v[k])
		}
	case []any:
		for i := range v {
			v[i] = escaped(v[i])
		}
	}
	return v
}
