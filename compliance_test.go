package main

import (
	"context"
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
)

// failedSignIn is an event of CloudTrail.
const failedSignIn = `{"Records":[{"eventSource":"cognito-idp.amazonaws.com","eventName":"InitiateAuth","eventTime":"2026-11-28T10:00:00Z","sourceIPAddress":"203.0.113.9","errorCode":"NotAuthorizedException","requestID":"B","additionalEventData":{"sub":"s-1"}}]}`

// compliant starts a demo in which ada and others have worked, and ada was removed from
// her group.
func compliant(t *testing.T) (env []string, dir string) {
	t.Helper()
	now := &shifted{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	dir = t.TempDir()
	for _, name := range []string{"ada", "margaret", "grace"} {
		c := commands{t: t, home: filepath.Join(dir, name), server: w.Server}
		if err := os.Mkdir(c.home, 0o700); err != nil {
			t.Fatal(err)
		}
		args, stdin := []string{"login", "--username", name, "--password-stdin"}, ""
		for _, p := range w.People {
			if p.Username == name {
				stdin = p.Password + "\n"
				if p.TOTPSecret != "" {
					stdin, args = stdin+demotest.Code(t, p.TOTPSecret)+"\n", append(args, "--code-stdin")
				}
			}
		}
		if out, errs := c.run(stdin, args...); !strings.Contains(errs, "signed in") {
			t.Fatal(out, errs)
		}
	}
	w.Put(t, "company-reports", "annual/one.csv", "one")
	ada := commands{t: t, home: filepath.Join(dir, "ada"), server: w.Server}
	if out, errs := ada.run("", "get", "company-reports/annual/one.csv", "-o", "one.csv"); strings.Contains(errs, "usher:") {
		t.Fatal(out, errs)
	}
	grants, err := os.ReadFile(w.GrantsFile)
	if err != nil {
		t.Fatal(err)
	}
	emergency := "  - {group: engineering, bucket: company-reports, prefix: annual/, expires: 2099-01-01T00:00:00Z, reason: incident 7}\n"
	if err := os.WriteFile(w.GrantsFile, append(grants, emergency...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Admin().AdminRemoveUserFromGroup(t.Context(), &cognitoidentityprovider.AdminRemoveUserFromGroupInput{
		UserPoolId: aws.String(w.UserPoolID), Username: aws.String("ada"), GroupName: aws.String("finance-team"),
	}); err != nil {
		t.Fatal(err)
	}
	now.Pass(time.Minute) // a live check is older then than a listing allows
	for until := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if len(w.Events(t, "who:ada action:membership-changed")) > 0 && len(w.Events(t, "who:ada outcome:denied")) > 0 && len(w.Events(t, "action:grants-changed")) > 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the changes are not in the log")
		}
		ada.run("", "ls", "company-reports/annual/")
	}
	for name, text := range map[string]string{"trail.json": failedSignIn, "key.pub": w.Profile.Config.AuditLog.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return append(os.Environ(), "HOME="+filepath.Join(dir, "grace"), "HOMES="+dir, "USHER_SERVER="+w.Server, "SERVER="+w.Server, "LANG=C.UTF-8", "TZ=UTC",
		"LOG="+filepath.Join(w.Sandbox.Dir, "audit.db"), "KEY="+filepath.Join(dir, "key.pub")), dir
}

// maxOpen is the greatest number of checks that may be open.
const maxOpen = 2

// Every command of docs/compliance.md runs and prints the lines of the page. At most
// two of the twenty checks are open, and the section of each has the reason.
func TestComplianceChecks(t *testing.T) {
	if testing.Short() {
		t.Skip("make test runs the checks")
	}
	for _, tool := range []string{"bash", "curl", "grep"} {
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
	env, dir := compliant(t)
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
			if block == nil || shows == nil {
				t.Fatal("the check has no command or no result")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-ec", "as() { local home=$HOMES/$1; shift; HOME=$home \"$@\"; }\n"+block[1])
			cmd.Dir, cmd.Env = dir, env
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(shows[1], -1) {
				if !strings.Contains(string(out), want[1]) {
					t.Errorf("no %q in\n%s", want[1], out)
				}
			}
		})
	}
}
