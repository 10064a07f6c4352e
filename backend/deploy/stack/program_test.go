package stack_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api/shape"
	"usher/backend/deploy/stack"
	"usher/backend/deploy/stack/stacktest"
	"usher/backend/event"
	"usher/backend/serve"
)

// physical returns the value that AWS puts in place of a resource or an attribute.
func physical(resource, attribute string) string {
	switch {
	case resource == "Api" && attribute == "ApiEndpoint":
		return "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
	case resource == "UserPool":
		return "eu-west-1_AbCdEfGhI"
	case strings.HasSuffix(resource, "Client"):
		return "1example23456789" + strings.ToLower(resource)
	case resource == "SignInDomain":
		return "usher-0123456789ab"
	case attribute == "Arn":
		return "arn:aws:iam::111122223333:role/usher-" + resource + "-1ABCDEFGHIJKL"
	}
	return "usher-" + resource + "-1ABCDEFGHIJKL"
}

// environment returns the variables of a function.
func environment(t *testing.T, flat *stack.Template, function string) []string {
	t.Helper()
	variables, ok := stack.At(flat.Resources[function], "Properties", "Environment", "Variables").(map[string]any)
	if !ok {
		t.Fatalf("%s has no variables", function)
	}
	out := []string{"AWS_REGION=eu-west-1"}
	for name, value := range variables {
		out = append(out, fmt.Sprintf("%s=%v", name, value))
	}
	slices.Sort(out)
	return out
}

// The address of the pool's pages is that of the partition, in the environment and in
// the outputs.
func TestSignInAddressOfAPartition(t *testing.T) {
	now, err := stack.Current()
	if err != nil {
		t.Fatal(err)
	}
	for set, region := range map[string]string{"default": "eu-west-1", "another partition": "us-gov-west-1"} {
		flat, err := now.Evaluate(stack.Values{Parameters: stacktest.Sets()[set], Physical: physical})
		if err != nil {
			t.Fatal(err)
		}
		want := shape.SignInOrigin("usher-0123456789ab", region)
		variable, output := stack.At(flat.Resources["ApiFunction"], "Properties", "Environment", "Variables", "USHER_HOSTED_UI"), stack.At(flat.Outputs["HostedUi"], "Value")
		if variable != want || output != want {
			t.Errorf("%s: %v and %v, want %s", set, variable, output, want)
		}
		issuer, _ := shape.PoolIssuers(region, "eu-west-1_AbCdEfGhI")
		if got := stack.At(flat.Resources["ApiAuthorizer"], "Properties", "JwtConfiguration", "Issuer"); got != issuer {
			t.Errorf("%s: the issuer is %v, want %s", set, got, issuer)
		}
	}
}

// The program accepts the environment of its functions, for each set of
// parameters.
func TestProgramAcceptsItsEnvironment(t *testing.T) {
	now, err := stack.Current()
	if err != nil {
		t.Fatal(err)
	}
	deps := serve.Deps{Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.DiscardHandler)}
	for set, values := range stacktest.Sets() {
		flat, err := now.Evaluate(stack.Values{Parameters: values, Physical: physical})
		if err != nil {
			t.Fatalf("%s: %v", set, err)
		}
		api := environment(t, flat, "ApiFunction")
		// SPEC: AWS Lambda developer guide, "Lambda quotas": 4 KB.
		if size := len(strings.Join(api, "")); size > 2500 {
			t.Errorf("%s: the environment has %d bytes", set, size)
		}
		c, err := serve.FromEnvironment(api)
		if err != nil {
			t.Errorf("%s: %v", set, err)
			continue
		}
		if groups := strings.Split(values["FederatedGroups"], ","); values["FederatedGroups"] != "" && (len(c.FederatedGroups) != len(groups) || c.GroupsAttribute != "stamped") {
			t.Errorf("%s: the groups are %q", set, c.FederatedGroups)
		}
		for _, name := range []string{"StreamFunction", "SealFunction", "FederationFunction"} {
			if flat.Resources[name] == nil && name == "FederationFunction" {
				continue
			}
			if _, err := serve.NewFunction(t.Context(), environment(t, flat, name), deps); err != nil {
				t.Errorf("%s, %s: %v", set, name, err)
			}
		}
	}
}
