package identitytest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"usher/backend/identity/identitytest"
)

// With changes one claim of a good token.
func TestWithChangesOneClaim(t *testing.T) {
	f := identitytest.New(t, "https://pool.example.com", "client1", "https://files.example.com")
	_, rest, _ := strings.Cut(f.With("client_id", "client2"), ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got["client_id"] != "client2" || got["username"] != f.Claims()["username"] {
		t.Errorf("claims %v", got)
	}
}

func ExampleForge_Header() {
	f := &identitytest.Forge{KID: "key1="}
	fmt.Println(f.Header())
	// Output: {"alg":"RS256","kid":"key1="}
}
