package event

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"
)

// The documented bytes, written out.
func TestHashNames(t *testing.T) {
	sum := sha256.Sum256([]byte("7:annual/,5:a.csv,0:,"))
	if got, want := HashNames([]string{"annual/", "a.csv", ""}), base64.RawURLEncoding.EncodeToString(sum[:16]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if HashNames([]string{"ab", "c"}) == HashNames([]string{"a", "bc"}) || HashNames([]string{"a", "b"}) == HashNames([]string{"b", "a"}) {
		t.Error("different names have one hash")
	}
}

func TestHashGroupsIgnoresTheOrder(t *testing.T) {
	names := []string{"finance", "auditors", "finance"}
	if HashGroups(names) != HashNames([]string{"auditors", "finance"}) {
		t.Error("groups are not sorted, or not each once")
	}
	if names[0] != "finance" || names[1] != "auditors" {
		t.Error("the argument changed")
	}
}
