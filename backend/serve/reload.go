package serve

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"usher/backend/safetext"
)

// reloadable are the fields of a configuration that a reload applies. The others
// are addresses and sources of trust, and need a restart.
var reloadable = []string{"organisation", "auditors_group", "admins_group", "url_seconds", "trusted_proxies", "cursor_keys", "tls", "idle_minutes", "retention_days", "holds"}

// ReloadFile reads the configuration, the grants and the certificate again. If
// the new configuration is refused, the cause is logged and the previous one
// stays in force.
func (s *Server) ReloadFile(ctx context.Context, path string) {
	c, err := Load(path)
	if err == nil {
		err = s.Reload(ctx, c)
	}
	if err != nil {
		s.log.Error("configuration refused; the previous one stays in force", "error", safetext.New(err.Error()))
	}
}

// Reload applies the reloadable fields of c, reads the grants and the
// certificate again, and logs the fields that need a restart. On an error the
// previous configuration stays in force completely.
func (s *Server) Reload(ctx context.Context, c Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if err := c.complete(); err != nil {
		return err
	}
	next, changed, restart := merge(s.config, c)
	if err := next.complete(); err != nil { // old and new fields may conflict
		return err
	}
	before := s.parts.config
	if err := s.parts.setReloadable(next); err != nil {
		s.parts.config = before
		return err
	}
	b, err := s.live.Load().With(s.parts.config)
	if err != nil {
		s.parts.config = before
		return fmt.Errorf("reloading: %w", err)
	}
	if s.certificates != nil {
		if err := s.certificates.use(next.TLS); err != nil {
			s.parts.config = before
			return err
		}
	}
	s.live.Store(b)
	s.config = next
	attrs := []slog.Attr{slog.Any("changed", changed), slog.Any("need_restart", restart)}
	if err := s.parts.grants.Reload(ctx); err != nil {
		attrs = append(attrs, slog.Any("grants_refused", safetext.New(err.Error())))
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "reloaded", attrs...)
	return nil
}

// merge returns the configuration in force with the reloadable fields of next,
// and the names of the fields that differ: those applied, and those that need a
// restart.
func merge(now, next Config) (merged Config, changed, restart []string) {
	merged = now
	old, wanted, out := reflect.ValueOf(now), reflect.ValueOf(next), reflect.ValueOf(&merged).Elem()
	changed, restart = []string{}, []string{}
	for i := range old.NumField() {
		field := old.Type().Field(i)
		name := field.Tag.Get("yaml")
		if name == "-" || !field.IsExported() || reflect.DeepEqual(old.Field(i).Interface(), wanted.Field(i).Interface()) {
			continue
		}
		if !slices.Contains(reloadable, name) || name == "tls" && !now.TLS.sameMode(next.TLS) || name == "cursor_keys" && len(next.CursorKeys) == 0 {
			restart = append(restart, name)
			continue
		}
		changed = append(changed, name)
		out.Field(i).Set(wanted.Field(i))
	}
	return merged, changed, restart
}

// sameMode reports whether both terminate TLS in usher, or both do not.
func (t TLS) sameMode(other TLS) bool {
	return (t.Cert == "") == (other.Cert == "") && t.Proxy == other.Proxy
}
