package grant_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"usher/backend/grant"
	"usher/backend/grant/granttest"
)

// The text of a version gives the same version again, and no other text does.
func TestTextIsReadBack(t *testing.T) {
	at := time.Date(2026, 11, 28, 9, 0, 0, 5, time.UTC)
	grants := append(granttest.Samples(),
		grant.Grant{Group: "object", Bucket: "from", Prefix: "until object x/y/"},
		grant.Grant{Group: "until", Bucket: "company-reports", Object: "from object/b \"c\" \u00e9\x01", Reason: "line\nand \"quotes\" `x`"},
		grant.Grant{Group: "from", Bucket: "company-reports", NotBefore: at, Expires: at.Add(time.Hour), Effect: grant.Deny},
		grant.Grant{Group: "a", Bucket: "company-reports", Expires: at, Object: "until x/"[:7]},
	)
	var valid []grant.Grant
	for _, g := range grants {
		if _, err := grant.NewSet([]grant.Grant{g}); err == nil {
			valid = append(valid, g)
		}
	}
	if len(valid) < len(grants)-2 {
		t.Fatalf("%d of %d grants are valid", len(valid), len(grants))
	}
	set, err := grant.NewSet(valid)
	if err != nil {
		t.Fatal(err)
	}
	text := set.Text()
	again, err := grant.ParseText(text)
	if err != nil || again.Version() != set.Version() || again.Len() != len(valid) {
		t.Fatalf("%v\n%s", err, text)
	}
	for i, g := range again.Grants() {
		if want := set.Grants()[i]; g != want {
			t.Errorf("%+v, want %+v", g, want)
		}
	}
	lines := strings.SplitAfter(string(text), "\n")
	for name, other := range map[string]string{
		"no reason": `"allow a b/"` + "\n", "no quotes": "allow a b/ \n", "no end": strings.TrimSuffix(string(text), "\n"), "no path": `"allow a bucket" ""` + "\n",
		"another order": lines[1] + lines[0], "another time": `"allow a from yesterday company-reports/" ""` + "\n", "no effect": `"grant a company-reports/" ""` + "\n", "half": string(text[:len(text)/2]),
	} {
		if _, err := grant.ParseText([]byte(other)); !errors.Is(err, grant.ErrText) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
