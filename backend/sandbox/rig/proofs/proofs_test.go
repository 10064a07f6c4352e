package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// readme returns a complete README: one judge, one claim for each area.
func readme() string {
	var b strings.Builder
	b.WriteString("# The rig\n\n| judge | description | test prefix |\n|---|---|---|\n| stranger | a server | `TestStranger` |\n\n")
	b.WriteString("| area | claim | judge | tests |\n|---|---|---|---|\n")
	for _, area := range areas() {
		fmt.Fprintf(&b, "| %s | it works | stranger | `TestStranger/%s` |\n", area, strings.ReplaceAll(area, " ", "_"))
	}
	return b.String()
}

// run returns a test run in which every test of readme passed.
func run() string {
	var b strings.Builder
	for _, area := range areas() {
		name := "TestStranger/" + strings.ReplaceAll(area, " ", "_")
		fmt.Fprintf(&b, "{\"Action\":\"output\",\"Test\":%q,\"Output\":\"    --- PASS: %s\\n\"}\n{\"Action\":\"pass\",\"Test\":%q}\n", name, name, name)
	}
	b.WriteString("{\"Action\":\"pass\",\"Test\":\"TestStranger\"}\n{\"Action\":\"output\",\"Output\":\"ok\\trig\\n\"}\n{\"Action\":\"pass\"}\n")
	return b.String()
}

func TestCompleteTableIsProved(t *testing.T) {
	var out strings.Builder
	if err := judge(readme(), strings.NewReader(run()), &out); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d claims, 1 judges, 0 known differences\n%d passed, 0 failed\n", len(areas()), len(areas()))
	if !strings.HasSuffix(out.String(), want) || !strings.Contains(out.String(), "ok\trig\n") {
		t.Errorf("%s", out.String())
	}
}

// The figures of a passed test are printed. Its other output is not.
func TestFiguresArePrinted(t *testing.T) {
	var out strings.Builder
	output := `{"Action":"output","Test":"TestStranger/SRP","Output":"    x_test.go:1: DOWNLOAD world=stranger cases=7\n"}
{"Action":"output","Test":"TestStranger/SRP","Output":"    x_test.go:2: by the way\n"}
`
	if err := judge(readme(), strings.NewReader(output+run()), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "cases=7") || strings.Contains(out.String(), "by the way") {
		t.Errorf("%s", out.String())
	}
}

// Every part that is removed from the table or the run causes an error.
func TestMissingPartsAreErrors(t *testing.T) {
	replace := func(s, old, with string) string {
		t.Helper()
		if !strings.Contains(s, old) {
			t.Fatalf("%q was not found to replace", old)
		}
		return strings.Replace(s, old, with, 1)
	}
	srp := "| SRP | it works | stranger | `TestStranger/SRP` |"
	for name, c := range map[string]struct{ readme, run, want string }{
		"a row without a judge":           {replace(readme(), srp, "| SRP | it works |  | `TestStranger/SRP` |"), run(), `no judge ""`},
		"a row with an unknown judge":     {replace(readme(), srp, "| SRP | it works | ourselves | `TestStranger/SRP` |"), run(), `no judge "ourselves"`},
		"a row without a test":            {replace(readme(), srp, "| SRP | it works | stranger | we looked |"), run(), "no test is named"},
		"a test of another judge":         {replace(readme(), srp, "| SRP | it works | stranger | `TestOurs/SRP` |"), run(), "is not a test of stranger"},
		"a test that does not exist":      {replace(readme(), srp, "| SRP | it works | stranger | `TestStranger/SRQ` |"), run(), "did not run"},
		"an area without a claim":         {replace(readme(), srp, ""), run(), "no claim in area SRP"},
		"an unknown area":                 {readme() + "| magic | it works | stranger | `TestStranger/SRP` |\n", run(), `"magic" is not an area`},
		"a judge without a claim":         {replace(readme(), "| stranger |", "| idler | a client | `TestIdler` |\n| stranger |"), run(), "idler has proved no claim"},
		"no table":                        {"# The rig\n", run(), "no claim in area"},
		"a test that did not run":         {readme(), replace(run(), `{"Action":"pass","Test":"TestStranger/SRP"}`, ""), "did not run"},
		"a known difference":              {readme(), replace(run(), `{"Action":"pass","Test":"TestStranger/SRP"}`, `{"Action":"skip","Test":"TestStranger/SRP"}`), "SRP: skip"},
		"a test that failed":              {readme(), replace(run(), `{"Action":"pass","Test":"TestStranger/SRP"}`, `{"Action":"fail","Test":"TestStranger/SRP"}`), "SRP: fail"},
		"a run that failed":               {readme(), replace(run(), `{"Action":"pass"}`, `{"Action":"fail"}`), "the test run failed"},
		"a truncated run":                 {readme(), replace(run(), `{"Action":"pass"}`, ""), "is incomplete"},
		"one package of two failed":       {readme(), `{"Action":"fail","Package":"first"}` + "\n" + run(), "the test run failed"},
		"one package of two is truncated": {readme(), `{"Action":"start","Package":"first"}` + "\n" + run(), "is incomplete"},
		"a package without tests":         {readme(), `{"Action":"skip","Package":"first"}` + "\n" + run(), "the test run failed"},
		"a run without tests":             {readme(), "{\"Action\":\"pass\"}\n", "no test ran"},
		"a compilation error":             {readme(), "x.go:1: undefined\n{\"Action\":\"fail\"}\n", "the test run failed"},
	} {
		err := judge(c.readme, strings.NewReader(c.run), io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
