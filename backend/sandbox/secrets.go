//go:build !nosandbox

package sandbox

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// secrets are the generated keys and accounts in a data directory.
type secrets struct {
	OwnerKey      string   `json:"owner_key"`
	OwnerSecret   string   `json:"owner_secret"`
	BackendKey    string   `json:"backend_key"`
	BackendSecret string   `json:"backend_secret"`
	People        []Person `json:"people"`
	reused        bool     // read from an earlier start's file
}

// openSecrets reads the file at path. It generates the secrets and writes the
// file if there is none.
func openSecrets(path string) (secrets, error) {
	var s secrets
	raw, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(raw, &s); err != nil || s.OwnerKey == "" || len(s.People) == 0 {
			return s, fmt.Errorf("sandbox: %s was not written by the demo; choose another directory", path)
		}
		s.reused = true
		return s, nil
	case !errors.Is(err, fs.ErrNotExist):
		return s, fmt.Errorf("sandbox: %w", err)
	}
	s = secrets{
		OwnerKey: "AKIA" + letters(16), OwnerSecret: letters(40),
		BackendKey: "AKIA" + letters(16), BackendSecret: letters(40),
	}
	for _, p := range people() {
		p.Password = password()
		if p.TOTPSecret != "" {
			p.TOTPSecret = letters(32)
		}
		s.People = append(s.People, p)
	}
	if raw, err = json.MarshalIndent(s, "", "  "); err != nil {
		return s, fmt.Errorf("sandbox: %w", err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return s, fmt.Errorf("sandbox: %w", err)
	}
	return s, nil
}

// letters returns n characters of A-Z and 2-7, with 5 random bits each.
func letters(n int) string {
	raw := make([]byte, (n*5+7)/8)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)[:n]
}

// password returns a password that is easy to type and meets the pool's policy.
// It has 60 random bits.
func password() string {
	l := strings.ToLower(letters(12))
	return "Demo1-" + l[:4] + "-" + l[4:8] + "-" + l[8:]
}
