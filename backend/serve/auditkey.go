package serve

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"usher/backend/audit/checkpoint"
)

// publicSuffix is the end of the name of the file with the public key.
const publicSuffix = ".pub"

// auditSigner reads the key file of the audit log, or creates it at the first
// start, with mode 0600. The file has the secret key in its first line and the
// public key in its second one. A second file has the public key alone.
func auditSigner(c Config, random io.Reader) (*checkpoint.Signer, error) {
	if _, err := os.Lstat(c.AuditKey + nextSuffix); err == nil {
		return nil, errNextKey
	}
	s, err := readSigner(c.AuditKey)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createFirstKey(c, random); err != nil {
			return nil, fmt.Errorf("creating the key of the audit log: %w", err)
		}
		s, err = readSigner(c.AuditKey)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key of the audit log: %w", err)
	}
	if err := os.WriteFile(c.AuditKey+publicSuffix, []byte(s.Key()+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("writing the public key of the audit log: %w", err)
	}
	return s, nil
}

func readSigner(path string) (*checkpoint.Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is readable by other users: run chmod 600 %s", path, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	secret, public, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n")
	return checkpoint.NewSigner(secret, public)
}

// createFirstKey creates the key of the first log of a server.
func createFirstKey(c Config, random io.Reader) error {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return err
	}
	return createKey(c.AuditKey, u.Host+"/audit", random)
}

// createKey creates a key file. It never replaces one: a log has one key.
func createKey(path, name string, random io.Reader) error {
	secret, public, err := checkpoint.Generate(random, name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(secret + "\n" + public + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// auditVerifier returns the key that verifies the audit log: the text key, or the
// one in the file named key, or, if key is empty, the one beside the file of the
// configuration.
func auditVerifier(key string, c *Config) (*checkpoint.Verifier, error) {
	if key == "" && c == nil {
		return nil, nil
	}
	if key == "" {
		key = c.AuditKey + publicSuffix
	}
	if raw, err := os.ReadFile(key); err == nil {
		key = string(raw)
	} else if !strings.Contains(key, "+") || !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the public key of the audit log: %w", err)
	}
	return checkpoint.NewVerifier(key)
}
