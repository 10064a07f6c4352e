package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each setting of a company's groups that cannot work is refused, with the name
// of the setting.
func TestFederatedSettings(t *testing.T) {
	const base = `
listen: 127.0.0.1:8443
public_url: http://127.0.0.1:8443
region: eu-central-1
user_pool_id: eu-central-1_Ab3dEf9Gh
client_id: 1example23456789
grants: grants.yaml
audit: audit.db
hosted_ui: https://sign-in.example.com
`
	const sso = "sign_in: {sso_client_id: 2example34567890}\n"
	for name, row := range map[string]struct{ text, want string }{
		"none":           {sso, ""},
		"stamped":        {sso + "groups_attribute: stamped\nfederated_groups: [finance-team]\n", ""},
		"unstamped":      {sso + "groups_attribute: unstamped\ngroups_attribute_name: custom:roles\nfederated_groups: [finance-*, usher-admins]\n", ""},
		"a name":         {sso + "groups_attribute: custom:groups\nfederated_groups: [x]\n", "groups_attribute_name"},
		"no list":        {sso + "groups_attribute: stamped\n", "federated_groups"},
		"a list alone":   {sso + "federated_groups: [x]\n", "groups_attribute"},
		"a bad entry":    {sso + "groups_attribute: stamped\nfederated_groups: [a b]\n", "federated_groups"},
		"without a way":  {"groups_attribute: stamped\nfederated_groups: [x]\n", "sso_client_id"},
		"another key":    {sso + "group_attribute: stamped\n", "group_attribute"},
		"a list as text": {sso + "groups_attribute: [stamped]\n", "type string"},
	} {
		file := filepath.Join(t.TempDir(), "usher.yaml")
		if err := os.WriteFile(file, []byte(base+row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file)
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: %v, want %q in it", name, err, row.want)
		case name == "unstamped":
			f, err := c.federated()
			if err != nil || !f.Unstamped || f.Attribute != "custom:roles" || len(f.Allow.Filter([]string{"finance-x", "usher-admins", "usher-auditors"})) != 2 {
				t.Errorf("%s: %+v, %v", name, f, err)
			}
		}
	}
}
