package render_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"usher/client/cli/render"
)

const line = `{"path":"lab/a\u001b[31m.csv","size":9007199254740993,"tags":["x","y"]}`

func TestRender(t *testing.T) {
	for _, row := range []struct{ kind, text, want string }{
		{"format", `{{.path}}\t{{.size}}`, "lab/a\\u{1b}[31m.csv\t9007199254740993\n"},
		{"format", `{{.none}}|{{join "," .tags}}|{{json .tags}}`, "|x,y|[\"x\",\"y\"]\n"},
		{"format", `{{if gt .size 5}}large{{end}}`, "large\n"},
		{"jq", `.path`, "lab/a\\u{1b}[31m.csv\n"},
		{"jq", `.size`, "9007199254740993\n"},
		{"jq", `.tags[]`, "x\ny\n"},
		{"jq", `{p: .path}`, "{\"p\":\"lab/a\\u001b[31m.csv\"}\n"},
		{"jq", `select(.size < 5)`, ""},
		{"jq", `env | length`, "0\n"},
		{"jq", `$ENV | length`, "0\n"},
	} {
		make := func(text string) (render.Renderer, error) { return render.NewJQ(t.Context(), text) }
		if row.kind == "format" {
			make = func(text string) (render.Renderer, error) { return render.NewTemplate(text) }
		}
		r, err := make(row.text)
		if err != nil {
			t.Errorf("%s: %v", row.text, err)
			continue
		}
		var out strings.Builder
		if err := r.Render(&out, []byte(line)); err != nil || out.String() != row.want {
			t.Errorf("%s %s: %q, %v; want %q", row.kind, row.text, out.String(), err, row.want)
		}
	}
	for _, text := range []string{".[", "nofunc", "input_filename(1)"} {
		if _, err := render.NewJQ(t.Context(), text); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	if _, err := render.NewTemplate("{{"); err == nil {
		t.Error("an open template is accepted")
	}
	r, err := render.NewJQ(t.Context(), ".path | keys")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Render(&strings.Builder{}, []byte(line)); err == nil {
		t.Error("a failed expression is no error")
	}
}

// A template with a field that no value has is refused, with the fields of the object.
func TestTemplateFields(t *testing.T) {
	type inner struct {
		Code string `json:"code"`
	}
	type one struct {
		inner
		Path  string            `json:"path"`
		Error *inner            `json:"error,omitempty"`
		List  []inner           `json:"list"`
		By    map[string]inner  `json:"by"`
		Any   any               `json:"any"`
		At    time.Time         `json:"at"`
		Tags  map[string]string `json:"tags"`
	}
	type two struct {
		Files int `json:"files"`
	}
	for text, unknown := range map[string]string{
		`{{.path}} {{.files}} {{.code}} {{.at}} {{"}}"}}`:                  "",
		`{{.error.code}}{{.any.x.y}}{{.by.x.code}}{{.tags.x}}`:             "",
		`{{with .error}}{{.code}}{{else}}{{.path}}{{end}}`:                 "",
		`{{range .list}}{{.code}}{{$.path}}{{end}}`:                        "",
		`{{range $i, $x := .list}}{{$i}}{{$x.code}}{{end}}`:                "",
		`{{define "x"}}{{.nosuch}}{{end}}{{template "x" .error}}{{.path}}`: "",
		`{{with json .list}}{{.}}{{end}}`:                                  "",
		`{{.nosuch}}`:                                                      "nosuch",
		`{{if .nosuch}}x{{end}}`:                                           "nosuch",
		`{{if .path}}{{else}}{{.nosuch}}{{end}}`:                           "nosuch",
		`{{.error.nosuch}}`:                                                "error.nosuch",
		`{{with .error}}{{.path}}{{end}}`:                                  "path",
		`{{range .list}}{{.path}}{{end}}`:                                  "path",
		`{{range .by}}{{$.nosuch}}{{end}}`:                                 "nosuch",
		`{{json (upper .nosuch)}}`:                                         "nosuch",
		`{{(.error).nosuch}}`:                                              "nosuch",
		`{{.path | upper | printf "%s %s" .nosuch}}`:                       "nosuch",
		`{{.Path}}`: "Path",
	} {
		_, err := render.NewTemplate(text, reflect.TypeFor[one](), reflect.TypeFor[two]())
		var refused *render.UnknownFieldError
		switch errors.As(err, &refused); {
		case unknown == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case unknown != "" && (refused == nil || refused.Field != unknown || len(refused.Known) == 0):
			t.Errorf("%s: %v, want %s", text, err, unknown)
		}
		if _, err := render.NewTemplate(text); err != nil {
			t.Errorf("without types, %s: %v", text, err)
		}
	}
}

func ExampleNewJQ() {
	r, err := render.NewJQ(context.Background(), `"\(.size) \(.path)"`)
	if err != nil {
		panic(err)
	}
	if err := r.Render(os.Stdout, []byte(`{"path":"lab/a.csv","size":4}`)); err != nil {
		fmt.Println(err)
	}
	// Output: 4 lab/a.csv
}

// The end of the context ends an expression that has no end.
func TestEndlessExpression(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r, err := render.NewJQ(ctx, "def f: f; f")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Render(&strings.Builder{}, []byte(line)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
