package serve

import (
	"testing"
	"time"
)

// TestStorageEndpoint: URLs are signed for the host that the S3 client uses, and
// clients pin that host.
func TestStorageEndpoint(t *testing.T) {
	for name, c := range map[string]struct{ variable, region, host string }{
		"plain":      {"", "eu-west-1", "s3.eu-west-1.amazonaws.com"},
		"FIPS":       {"AWS_USE_FIPS_ENDPOINT", "us-gov-west-1", "s3-fips.us-gov-west-1.amazonaws.com"},
		"dual stack": {"AWS_USE_DUALSTACK_ENDPOINT", "eu-west-1", "s3.dualstack.eu-west-1.amazonaws.com"},
		"China":      {"", "cn-north-1", "s3.cn-north-1.amazonaws.com.cn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
			t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			if c.variable != "" {
				t.Setenv(c.variable, "true")
			}
			config := Config{Region: c.region, URLSeconds: 60, S3: S3{Region: c.region}}
			sdk, err := awsConfig(t.Context(), config, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := &checker{config: config, now: time.Now}
			if err := r.storage(sdk, nil); err != nil {
				t.Fatal(err)
			}
			if r.host != c.host || r.endpoint != "https://"+c.host {
				t.Errorf("host %q, endpoint %q", r.host, r.endpoint)
			}
			if config.S3.fileKeys(r.host) {
				t.Error("AWS is taken for a storage of files")
			}
		})
	}
}
