package serve_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"usher/backend/serve"
)

// Errors of a configuration name the file and the correction.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "usher-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "usher.yaml")
	text := `listen: 127.0.0.1:8443
public_url: https://files.example.com
region: eu-central-1
user_pool_id: eu-central-1_AbCdEf
client_id: 1example
grants: grants.yaml
audit: audit.db
url_seconds: 5
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	_, err = serve.Load(path)
	fmt.Println(strings.TrimPrefix(err.Error(), dir+string(filepath.Separator)))
	// Output: usher.yaml: url_seconds must be 15 to 900
}
