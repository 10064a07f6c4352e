package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"usher/client/cli"
)

var (
	anyTime   = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*"`)
	fixedTime = regexp.MustCompile(`^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"$`)
)

// strict decodes each line of a file as one of the documented shapes of a command,
// without other names. Its times have milliseconds.
func strict(ts *testscript.TestScript, args []string) {
	command := strings.Join(args[1:], " ")
	text := strings.TrimSpace(ts.ReadFile(args[0]))
	if text == "" {
		ts.Fatalf("%s is empty", args[0])
	}
	for _, line := range strings.Split(text, "\n") {
		fits := false
		var problem error
		for _, s := range cli.Shapes() {
			if s.Command != command {
				continue
			}
			d := json.NewDecoder(bytes.NewReader([]byte(line)))
			d.DisallowUnknownFields()
			if err := d.Decode(reflect.New(reflect.TypeOf(s.Value)).Interface()); err != nil {
				problem = err
			} else {
				fits = true
			}
		}
		if !fits {
			ts.Fatalf("usher %s: no documented shape has the line %s: %v", command, line, problem)
		}
		for _, t := range anyTime.FindAllString(line, -1) {
			if !fixedTime.MatchString(t) {
				ts.Fatalf("usher %s: the time %s has no milliseconds", command, t)
			}
		}
	}
}
