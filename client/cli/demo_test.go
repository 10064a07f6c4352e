package cli

import (
	"bytes"
	"strings"
	"testing"
)

// A secret key from the environment is printed with --json alone, and only for
// a server on this machine.
func TestDemoPrintsNoSecretFromTheEnvironment(t *testing.T) {
	const secret = "secret-of-the-environment"
	for _, c := range []struct {
		name, endpoint string
		own            *DemoStorage
		json, printed  bool
	}{
		{"the demo's own S3", "http://127.0.0.1:9", nil, false, true},
		{"own storage, the demo's keys", "https://s3.example.com", &DemoStorage{}, false, true},
		{"own storage, for a person", "http://127.0.0.1:9", &DemoStorage{AccessKey: "a", SecretKey: secret}, false, false},
		{"own storage on this machine, for a program", "http://127.0.0.1:9", &DemoStorage{AccessKey: "a", SecretKey: secret}, true, true},
		{"own storage elsewhere, for a program", "https://s3.example.com", &DemoStorage{AccessKey: "a", SecretKey: secret}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{Program: Program{Out: &out}, json: c.json}
			a.introduceDemo(RunningDemo{Facts: DemoFacts{S3Endpoint: c.endpoint, S3AccessKey: "a", S3SecretKey: secret}}, DemoOptions{Storage: c.own})
			if strings.Contains(out.String(), secret) != c.printed {
				t.Errorf("printed the secret key: %t, want %t", !c.printed, c.printed)
			}
		})
	}
}
