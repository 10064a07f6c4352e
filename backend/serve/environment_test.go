package serve

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// lambdaEnvironment is the environment of a function.
func lambdaEnvironment(more ...string) []string {
	return append([]string{
		"AWS_REGION=eu-west-1", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "PATH=/usr/bin", "USHER_PROFILE=work",
		"USHER_PUBLIC_URL=https://files.example.com", "USHER_USER_POOL_ID=eu-west-1_AbCdEfGhI", "USHER_CLIENT_ID=1example23456789",
		"USHER_AUDIT=dynamodb:usher-log", "USHER_GRANTS=dynamodb:usher-grants", "USHER_STATE=dynamodb:usher-state",
		"USHER_S3_READER_ROLE=arn:aws:iam::111122223333:role/usher-reader",
	}, more...)
}

func TestFromEnvironment(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	c, err := FromEnvironment(lambdaEnvironment(
		"USHER_ORGANISATION=Example: Ltd", "USHER_URL_SECONDS=120", "USHER_CURSOR_KEYS=["+key+"]", "USHER_S3_EXACT_KEYS=true",
		"USHER_NEW_ISSUER=true", "USHER_S3_REGION=eu-central-1", "USHER_SIGN_IN_WAYS=[password]",
	))
	if err != nil {
		t.Fatal(err)
	}
	if c.Region != "eu-west-1" || c.S3.Region != "eu-central-1" || c.Organisation != "Example: Ltd" || c.URLSeconds != 120 || !c.NewIssuer ||
		!slices.Equal(c.CursorKeys, []string{key}) || c.S3.ExactKeys == nil || !*c.S3.ExactKeys || len(c.SignIn.Ways) != 1 || !c.Unattended {
		t.Errorf("%+v", c)
	}
	if hosts := c.hosts(nil); !slices.Equal(hosts, []string{"files.example.com", "files.example.com:443"}) {
		t.Errorf("%q", hosts)
	}
	whole := 0
	for _, entry := range lambdaEnvironment("USHER_ORGANISATION=" + strings.Repeat("o", 100)) {
		whole += len(entry) + 1
	}
	if whole > 4<<10 {
		t.Errorf("a whole configuration has %d bytes, over Lambda's limit", whole)
	}
}

func TestFromEnvironmentRefuses(t *testing.T) {
	for more, want := range map[string]string{
		"USHER_PUBLIC_URl=x":                        "USHER_PUBLIC_URl is no variable",
		"USHER_S3=x":                                "USHER_S3 is no variable",
		"USHER_URL_SECONDS=many":                    "USHER_URL_SECONDS must be of the type int",
		"USHER_URL_SECONDS=":                        "USHER_URL_SECONDS must be of the type int",
		"USHER_URL_SECONDS=1":                       "url_seconds must be",
		"USHER_LISTEN=0.0.0.0:8443":                 "USHER_LISTEN needs a listener",
		"USHER_TRUSTED_PROXIES=[10.0.0.0/8]":        "USHER_TRUSTED_PROXIES needs a listener",
		"USHER_METRICS=127.0.0.1:9464":              "USHER_METRICS needs a listener",
		"USHER_TLS_PROXY=true":                      "USHER_TLS_PROXY needs a listener",
		"USHER_AUDIT=/tmp/audit.db":                 "USHER_AUDIT must be dynamodb:TABLE",
		"USHER_GRANTS=grants.yaml":                  "USHER_GRANTS must be dynamodb:TABLE",
		"USHER_STATE=state.db":                      "USHER_STATE must be dynamodb:TABLE",
		"USHER_PUBLIC_URL=http://127.0.0.1":         "public_url must begin with https://",
		"USHER_PUBLIC_URL=https://a.example.com/v1": "public_url must be an origin",
		"USHER_S3_READER_ROLE=":                     "USHER_S3_READER_ROLE is missing",
		"USHER_S3_READER_ROLE=role":                 "reader_role must be the ARN",
		"USHER_USER_POOL_ID=":                       "user_pool_id is missing",
	} {
		_, err := FromEnvironment(lambdaEnvironment(more))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", more, err)
		}
	}
}
