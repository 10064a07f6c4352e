package demo_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/federation"
	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/cognito/hosted"
)

// On a stack, the federation function gives the groups of the company, and S3's log
// of the reads is a folder.
func TestCompanyGroupsOnAStack(t *testing.T) {
	d := demotest.Start(t, demo.Options{Stack: true})
	barbara := d.SignInBrowser(t, "barbara")
	who, err := barbara.Whoami(t.Context())
	if err != nil || !slices.Contains(who.Groups, "engineering") || !slices.Contains(who.Groups, "finance-team") {
		t.Fatalf("her groups are %q, %v", who.Groups, err)
	}
	if _, err := barbara.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "quarterly/"}); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(d.AccessLog)
	if err != nil || len(files) == 0 {
		t.Errorf("%d objects in %s, %v", len(files), d.AccessLog, err)
	}
}

// barbara's groups come from the company's directory, at each sign-in.
func TestCompanyGroups(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	pool := d.UserPoolID + "_" + d.Provider
	barbara := d.SignInBrowser(t, "barbara")
	groups := func(a demotest.Actor) []string {
		t.Helper()
		who, err := a.Whoami(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(who.Groups, func(g string) bool { return g == pool })
	}
	if got := groups(barbara); !slices.Equal(got, []string{"engineering", "finance-team"}) {
		t.Fatalf("her groups are %q", got)
	}
	page, err := barbara.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "quarterly/"})
	if err != nil || len(page.Entries) == 0 {
		t.Errorf("her folder: %d entries, %v", len(page.Entries), err)
	}
	// A person of the pool, in a browser, has the pool's groups.
	if got := groups(d.SignInBrowser(t, "grace")); !slices.Equal(got, []string{"external-auditors", "usher-auditors"}) {
		t.Errorf("grace's groups are %q", got)
	}

	employee := hosted.Employee{Username: "barbara", Email: "barbara@example.com"}
	for _, p := range d.People {
		if p.Username == "barbara" {
			employee.Password = p.Password
		}
	}
	// The company gives no admin's group, and a claim that is no longer sent is no
	// group.
	employee.Groups = []string{"engineering", "usher-admins", "elsewhere"}
	d.Sandbox.Company.Put(employee)
	if got := groups(d.SignInBrowser(t, "barbara")); !slices.Equal(got, []string{"engineering"}) {
		t.Errorf("with an admin's group: %q", got)
	}
	employee.Groups, employee.NoGroups = nil, true
	d.Sandbox.Company.Put(employee)
	if got := groups(d.SignInBrowser(t, "barbara")); len(got) != 0 {
		t.Errorf("without the claim: %q", got)
	}

	// A value of an earlier sign-in counts as no groups.
	d.SignIn(t, "ada")
	_, err = d.Admin().AdminUpdateUserAttributes(t.Context(), &cognitoidentityprovider.AdminUpdateUserAttributesInput{
		UserPoolId: aws.String(d.UserPoolID), Username: aws.String("barbara"),
		UserAttributes: []types.AttributeType{{Name: aws.String(cognito.GroupsAttribute),
			Value: aws.String(federation.Format(time.Now().Add(-time.Hour), []string{"finance-team"}))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	employee.NoGroups = false
	if got := groups(d.SignInBrowser(t, "barbara")); len(got) != 0 {
		t.Errorf("with a value of an earlier sign-in: %q", got)
	}
}

// A person cannot write the groups of the company, in no kind of session.
func TestGroupsAttributeIsNotWritable(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	for name, a := range map[string]demotest.Actor{"a password": d.SignIn(t, "ada"), "a browser": d.SignInBrowser(t, "barbara")} {
		token, err := a.Session.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Admin().UpdateUserAttributes(t.Context(), &cognitoidentityprovider.UpdateUserAttributesInput{
			AccessToken:    aws.String(token),
			UserAttributes: []types.AttributeType{{Name: aws.String(cognito.GroupsAttribute), Value: aws.String("[finance-team]")}},
		})
		var refused *types.NotAuthorizedException
		if !errors.As(err, &refused) {
			t.Errorf("with the session of %s: %v", name, err)
		}
	}
}

func TestSignedOutPage(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	resp, err := http.Get(d.HostedUI + "/logout?client_id=" + d.SSOClientID + "&logout_uri=" + d.Server + "/signed-out")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "You are signed out") || resp.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
}
