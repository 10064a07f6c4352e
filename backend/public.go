package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"usher/backend/api"
	"usher/backend/grant"
	"usher/backend/safetext"
)

// printable reports whether all texts in a JSON value can be shown on a screen.
func printable(value any) bool {
	switch v := value.(type) {
	case string:
		return len(v) <= maxPublic && !strings.ContainsRune(v, utf8.RuneError) && !safetext.New(v).Escaped()
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !printable(e) })
	case map[string]any:
		for _, e := range v {
			if !printable(e) {
				return false
			}
		}
	}
	return true
}

const maxPublic = 256 // bytes of one text of the public configuration

// public checks the configuration that anyone can read. Each text must be short,
// without control characters and invisible characters: clients show it unchanged.
func public(c api.Config) error {
	if len(c.AuditLog.Restarts) > api.MaxRestarts {
		return fmt.Errorf("backend: the audit log has more than %d restarts", api.MaxRestarts)
	}
	c.AuditLog.Restarts = nil // in base64
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("backend: the public configuration: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return fmt.Errorf("backend: the public configuration: %w", err)
	}
	for name, value := range fields {
		if !printable(value) {
			return fmt.Errorf("backend: %s has more than %d bytes or characters that a screen does not show", name, maxPublic)
		}
	}
	for name, group := range map[string]string{"auditors_group": c.AuditorsGroup, "admins_group": c.AdminsGroup} {
		if !grant.ValidGroup(group) {
			return fmt.Errorf("backend: %s is not the name of a Cognito group", name)
		}
	}
	return nil
}

// Public returns the response of GET config. Its hosts are those of all granted
// buckets.
func (b *Backend) Public(ctx context.Context) (api.Config, error) {
	c := b.c.Public
	if b.c.Places == nil {
		return c, nil
	}
	set, err := b.c.Grants.Current(ctx)
	if err != nil {
		return c, fail(api.StorageUnavailable, err)
	}
	hosts, err := b.c.Places.Hosts(ctx, set.Allowed())
	if err != nil {
		return c, fail(api.StorageUnavailable, err)
	}
	c.S3Hosts = slices.Clone(c.S3Hosts)
	for _, h := range hosts {
		if !slices.Contains(c.S3Hosts, h) {
			c.S3Hosts = append(c.S3Hosts, h)
		}
	}
	return c, nil
}
