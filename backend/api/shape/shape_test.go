package shape_test

import (
	"strings"
	"testing"

	"usher/backend/api/shape"
)

func TestShapes(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.8.9.10": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "127.0.0.1:80": false, "localhost.": false, "localhost.example.com": false, "127.1": false, "0.0.0.0": false, "10.0.0.1": false,
	} {
		if got := shape.Loopback(host); got != want {
			t.Errorf("Loopback(%q) = %v", host, got)
		}
	}
	for id, want := range map[string]bool{
		"eu-central-1_AbCd12345": true, "eu-central-1_" + strings.Repeat("a", 42): true,
		"eu-central-1_" + strings.Repeat("a", 43): false, "eu-central-1_": false, "eu-west-1_AbC": false, "eu-central-1_a-b": false,
	} {
		if got := shape.PoolID(id, "eu-central-1"); got != want {
			t.Errorf("PoolID(%q) = %v", id, got)
		}
	}
	for region, want := range map[string]bool{
		"eu-central-1": true, "us-gov-west-1": true, "ap-southeast-12": true, "": false, "EU-west-1": false, "eu-west-1/": false, "eu-west": false,
	} {
		if got := shape.Region(region); got != want {
			t.Errorf("Region(%q) = %v", region, got)
		}
	}
}
