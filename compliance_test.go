package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// failedSignIn is an event of CloudTrail.
const failedSignIn = `{"Records":[{"eventSource":"cognito-idp.amazonaws.com","eventName":"InitiateAuth","eventTime":"2026-11-28T10:00:00Z","sourceIPAddress":"203.0.113.9","errorCode":"NotAuthorizedException","requestID":"B","additionalEventData":{"sub":"s-1"}}]}`

// emergency is a grant with a reason and an end.
const emergency = "  - {group: engineering, bucket: company-reports, prefix: annual/, expires: 2099-01-01T00:00:00Z, reason: incident 7}\n"

// office is a demo in which people have worked, and the folders of these people.
type office struct {
	*demotest.Demo
	now *shifted
	dir string
}

// as returns the commands of a person.
func (o office) as(t *testing.T, name string) *commands {
	return &commands{t: t, home: filepath.Join(o.dir, name), server: o.Server}
}

// must runs a command of a person, which has no failure.
func (o office) must(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, errs := o.as(t, name).run("", args...); strings.Contains(errs, "usher:") {
		t.Fatalf("%s: usher %q: %s%s", name, args, out, errs)
	}
}

// login signs in a person.
func (o office) login(t *testing.T, name string) {
	t.Helper()
	args, stdin := []string{"login", "--username", name, "--password-stdin"}, ""
	for _, p := range o.People {
		if p.Username == name {
			stdin = p.Password + "\n"
			if p.TOTPSecret != "" {
				stdin, args = stdin+demotest.Code(t, p.TOTPSecret)+"\n", append(args, "--code-stdin")
			}
		}
	}
	if out, errs := o.as(t, name).run(stdin, args...); !strings.Contains(errs, "signed in") {
		t.Fatal(out, errs)
	}
}

// until waits until the log has an event of each query, and calls meanwhile between its
// looks.
func (o office) until(t *testing.T, meanwhile func(), queries ...string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		missing := ""
		for _, q := range queries {
			if len(o.Events(t, q)) == 0 {
				missing = q
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the log has no event of %s", missing)
		}
		meanwhile()
	}
}

// refuseToken starts and stops a server in a directory. A request with a bad token is
// refused meanwhile.
func refuseToken(t *testing.T, dir string, now func() time.Time) {
	t.Helper()
	before, err := demo.Start(t.Context(), demo.Options{Dir: dir, NewID: event.IDs(rand.Reader), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, before.Server+"/v1/whoami", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer bad")
	req.Header.Set("Content-Type", "application/json")
	if res := demotest.Do(t, req); res.Status != http.StatusUnauthorized {
		t.Fatalf("a bad token: %d", res.Status)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
}

// compliant starts a demo in which ada and alan have worked, ada was removed from her
// group, an emergency grant was used, and the log took no records for a moment.
func compliant(t *testing.T) office {
	t.Helper()
	o := office{now: &shifted{}, dir: t.TempDir()}
	world := t.TempDir()
	refuseToken(t, world, o.now.Now)
	o.Demo = demotest.Start(t, demo.Options{Dir: world, Now: o.now.Now})
	for _, name := range []string{"ada", "alan", "margaret", "grace"} {
		if err := os.Mkdir(filepath.Join(o.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		o.login(t, name)
	}
	o.Put(t, "company-reports", "annual/one.csv", "one")
	for _, args := range []string{"ls company-reports/annual/", "search one company-reports", "stat company-reports/annual/one.csv", "versions company-reports/annual/one.csv",
		"head company-reports/annual/one.csv", "url company-reports/annual/one.csv", "get company-reports/annual/one.csv -o one.csv", "logout"} {
		o.must(t, "ada", strings.Fields(args)...)
	}
	o.login(t, "ada")
	o.gap(t)

	grants, err := os.ReadFile(o.GrantsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.GrantsFile, append(grants, emergency...), 0o600); err != nil {
		t.Fatal(err)
	}
	o.until(t, func() { o.as(t, "alan").run("", "ls", "company-reports/") }, "action:grants-changed")
	o.must(t, "alan", "get", "company-reports/annual/one.csv", "-o", "one.csv")
	if _, err := o.Admin().AdminRemoveUserFromGroup(t.Context(), &cognitoidentityprovider.AdminRemoveUserFromGroupInput{
		UserPoolId: aws.String(o.UserPoolID), Username: aws.String("ada"), GroupName: aws.String("finance-team"),
	}); err != nil {
		t.Fatal(err)
	}
	o.now.Pass(time.Minute) // a live check is older then than a listing allows
	o.until(t, func() { o.as(t, "ada").run("", "ls", "company-reports/annual/") }, "who:ada action:membership-changed", "who:ada outcome:denied")
	for name, text := range map[string]string{"trail.json": failedSignIn, "key.pub": o.Profile.Config.AuditLog.Key} {
		if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// gap has a listing while the log takes no records. Nothing is listed, and the health
// page is not ok.
func (o office) gap(t *testing.T) {
	t.Helper()
	unlock := o.LockLog(t)
	out, errs := o.as(t, "ada").run("", "ls", "company-reports/annual/")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.Server+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	health := demotest.Do(t, req)
	unlock()
	if strings.Contains(out, "one.csv") || !strings.Contains(errs, "record") {
		t.Errorf("a listing without a log: %s%s", out, errs)
	}
	if health.Status != http.StatusServiceUnavailable || !strings.Contains(string(health.Body), `"ok":false`) {
		t.Errorf("the health page of a server without a log: %d %s", health.Status, health.Body)
	}
	o.until(t, func() { o.as(t, "ada").run("", "ls", "company-reports/annual/") }, "action:audit-gap")
}

// run runs one line of the page, as grace.
func (o office) run(t *testing.T, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-ec", "set -o pipefail\nas() { local home=$HOMES/$1; shift; HOME=$home \"$@\"; }\n"+line)
	cmd.Dir = o.dir
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(o.dir, "grace"), "HOMES="+o.dir, "USHER_SERVER="+o.Server, "SERVER="+o.Server, "LANG=C.UTF-8", "TZ=UTC",
		"LOG="+filepath.Join(o.Sandbox.Dir, "audit.db"), "KEY="+filepath.Join(o.dir, "key.pub"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// maxOpen is the greatest number of checks that may be open.
const maxOpen = 2

// Every command of docs/compliance.md runs and prints the texts of the page, and its
// answers have the facts of the demo. At most two of the twenty checks are open, and
// the section of each has the reason.
func TestComplianceChecks(t *testing.T) {
	if testing.Short() {
		t.Skip("make test runs the checks")
	}
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "grep", "tail"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	raw, err := os.ReadFile("docs/compliance.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	open := regexp.MustCompile(`(?m)^\| \[(C\d+)\].*\| open[^|]*\|$`).FindAllStringSubmatch(text, -1)
	if len(open) > maxOpen {
		t.Errorf("%d checks are open", len(open))
	}
	sections := strings.Split(text, "\n## C")[1:]
	if len(sections) != 20 {
		t.Fatalf("%d checks, want 20", len(sections))
	}
	o := compliant(t)
	proofs := o.proofs()
	for _, section := range sections {
		name, body, _ := strings.Cut(section, "\n")
		t.Run("C"+name, func(t *testing.T) {
			isOpen := strings.Contains(body, "\nOpen")
			if listed := strings.Contains(text, "| [C"+name+"](#c"+name+")"); !listed {
				t.Errorf("the table has no row for this check")
			}
			for _, row := range open {
				if row[1] == "C"+name && !isOpen {
					t.Error("the table says open, and the section does not")
				}
			}
			block := regexp.MustCompile("(?s)```bash\n(.*?)```").FindStringSubmatch(body)
			shows := regexp.MustCompile("(?m)^Shows: (.*)$").FindStringSubmatch(body)
			if block == nil || shows == nil || proofs[name] == nil {
				t.Fatal("the check has no command, no result, or no proof")
			}
			var answers []string
			for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
				answers = append(answers, o.run(t, line))
			}
			for _, want := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(shows[1], -1) {
				if !strings.Contains(strings.Join(answers, ""), want[1]) {
					t.Errorf("no %q in\n%s", want[1], strings.Join(answers, ""))
				}
			}
			if err := proofs[name](answers); err != nil {
				t.Errorf("%v\n%s", err, strings.Join(answers, ""))
			}
		})
	}
}
