package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// readme is a whole README: one judge, one claim for each area.
func readme() string {
	var b strings.Builder
	b.WriteString("# The rig\n\n| judge | what it is | its tests begin with |\n|---|---|---|\n| stranger | a server | `TestStranger` |\n\n")
	b.WriteString("| area | claim | judge | tests |\n|---|---|---|---|\n")
	for _, area := range areas() {
		fmt.Fprintf(&b, "| %s | it works | stranger | `TestStranger/%s` |\n", area, strings.ReplaceAll(area, " ", "_"))
	}
	return b.String()
}

// run is a test run in which every test of readme passed.
func run() string {
	var b strings.Builder
	for _, area := range areas() {
		name := "TestStranger/" + strings.ReplaceAll(area, " ", "_")
		fmt.Fprintf(&b, "{\"Action\":\"output\",\"Test\":%q,\"Output\":\"    --- PASS: %s\\n\"}\n{\"Action\":\"pass\",\"Test\":%q}\n", name, name, name)
	}
	b.WriteString("{\"Action\":\"pass\",\"Test\":\"TestStranger\"}\n{\"Action\":\"output\",\"Output\":\"ok\\trig\\n\"}\n{\"Action\":\"pass\"}\n")
	return b.String()
}

func TestWholeTableHolds(t *testing.T) {
	var out strings.Builder
	if err := judge(readme(), strings.NewReader(run()), &out); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d claims, 1 judges, 0 known differences\n%d passed, 0 failed\n", len(areas()), len(areas()))
	if !strings.HasSuffix(out.String(), want) || !strings.Contains(out.String(), "ok\trig\n") {
		t.Errorf("%s", out.String())
	}
}

// What a test measured is printed although it passed; what else it said is not.
func TestFiguresArePrinted(t *testing.T) {
	var out strings.Builder
	said := `{"Action":"output","Test":"TestStranger/SRP","Output":"    x_test.go:1: DOWNLOAD world=stranger cases=7\n"}
{"Action":"output","Test":"TestStranger/SRP","Output":"    x_test.go:2: by the way\n"}
`
	if err := judge(readme(), strings.NewReader(said+run()), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "cases=7") || strings.Contains(out.String(), "by the way") {
		t.Errorf("%s", out.String())
	}
}

// Whatever is taken from the table or from the run must be missed.
func TestWhatIsMissingIsMissed(t *testing.T) {
	replace := func(s, old, with string) string {
		t.Helper()
		if !strings.Contains(s, old) {
			t.Fatalf("%q is not there to be replaced", old)
		}
		return strings.Replace(s, old, with, 1)
	}
	srp := "| SRP | it works | stranger | `TestStranger/SRP` |"
	for name, c := range map[string]struct{ readme, run, says string }{
		"a row without a judge":            {replace(readme(), srp, "| SRP | it works |  | `TestStranger/SRP` |"), run(), `no judge ""`},
		"a row whose judge is unknown":     {replace(readme(), srp, "| SRP | it works | ourselves | `TestStranger/SRP` |"), run(), `no judge "ourselves"`},
		"a row without a test":             {replace(readme(), srp, "| SRP | it works | stranger | we looked |"), run(), "no test is named"},
		"a test that is another's":         {replace(readme(), srp, "| SRP | it works | stranger | `TestOurs/SRP` |"), run(), "is not a test of stranger"},
		"a test that does not exist":       {replace(readme(), srp, "| SRP | it works | stranger | `TestStranger/SRQ` |"), run(), "did not run"},
		"an area that nobody judged":       {replace(readme(), srp, ""), run(), "nobody has judged: SRP"},
		"an area of its own":               {readme() + "| magic | it works | stranger | `TestStranger/SRP` |\n", run(), `"magic" is not an area`},
		"a judge who is never called":      {replace(readme(), "| stranger |", "| idler | a client | `TestIdler` |\n| stranger |"), run(), "idler has proved nothing"},
		"no table":                         {"# The rig\n", run(), "nobody has judged"},
		"a test that did not run":          {readme(), replace(run(), `{"Action":"pass","Test":"TestStranger/SRP"}`, ""), "did not run"},
		"a difference that is known":       {readme(), replace(run(), `{"Action":"pass","Test":"TestStranger/SRP"}`, `{"Action":"skip","Test":"TestStranger/SRP"}`), "SRP: skip"},
		"a test that failed":               {readme(), replace(run(), `{"Action":"pass","Test":"TestStranger/SRP"}`, `{"Action":"fail","Test":"TestStranger/SRP"}`), "SRP: fail"},
		"a run that failed":                {readme(), replace(run(), `{"Action":"pass"}`, `{"Action":"fail"}`), "the test run failed"},
		"a run that was cut short":         {readme(), replace(run(), `{"Action":"pass"}`, ""), "did not come to its end"},
		"one package of two failed":        {readme(), `{"Action":"fail","Package":"first"}` + "\n" + run(), "the test run failed"},
		"one package of two was cut short": {readme(), `{"Action":"start","Package":"first"}` + "\n" + run(), "did not come to its end"},
		"a package without tests":          {readme(), `{"Action":"skip","Package":"first"}` + "\n" + run(), "the test run failed"},
		"a run of nothing":                 {readme(), "{\"Action\":\"pass\"}\n", "nothing ran"},
		"a run that could not be compiled": {readme(), "x.go:1: undefined\n{\"Action\":\"fail\"}\n", "the test run failed"},
	} {
		err := judge(c.readme, strings.NewReader(c.run), io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
