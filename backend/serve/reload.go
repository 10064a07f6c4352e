package serve

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"usher/backend/safetext"
)

// changeable are the fields of a configuration that a reload takes over. The
// others are the server's place and its sources of trust, and need a restart.
var changeable = []string{"organisation", "auditors_group", "admins_group", "url_seconds", "trusted_proxies", "cursor_keys", "tls"}

// ReloadFile reads the configuration again, and with it the grants and the
// certificate. What cannot be taken over is in the server's log, and everything
// before stays in force: a reload never ends the server.
func (s *Server) ReloadFile(ctx context.Context, path string) {
	c, err := Load(path)
	if err == nil {
		err = s.Reload(ctx, c)
	}
	if err != nil {
		s.log.Error("the configuration is refused, and the one before stays in force", "error", safetext.New(err.Error()))
	}
}

// Reload takes over the fields of c that can change, reads the grants and the
// certificate again, and logs which fields need a restart. On an error the
// configuration before is in force, whole.
func (s *Server) Reload(ctx context.Context, c Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if err := c.complete(); err != nil {
		return err
	}
	next, changed, restart := merge(s.config, c)
	if err := next.complete(); err != nil { // the two may not fit together
		return err
	}
	before := s.made.config
	if err := s.made.changeable(next); err != nil {
		s.made.config = before
		return err
	}
	b, err := s.live.Load().With(s.made.config)
	if err != nil {
		s.made.config = before
		return fmt.Errorf("reloading: %w", err)
	}
	if s.certificates != nil {
		if err := s.certificates.use(next.TLS); err != nil {
			s.made.config = before
			return err
		}
	}
	s.live.Store(b)
	s.config = next
	attrs := []slog.Attr{slog.Any("changed", changed), slog.Any("need_restart", restart)}
	if err := s.made.grants.Reload(ctx); err != nil {
		attrs = append(attrs, slog.Any("grants_refused", safetext.New(err.Error())))
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "reloaded", attrs...)
	return nil
}

// merge is the configuration in force with the changeable fields of another,
// and the names of the fields that differ, in two lists.
func merge(now, next Config) (merged Config, changed, restart []string) {
	merged = now
	old, wanted, out := reflect.ValueOf(now), reflect.ValueOf(next), reflect.ValueOf(&merged).Elem()
	changed, restart = []string{}, []string{}
	for i := range old.NumField() {
		name := old.Type().Field(i).Tag.Get("yaml")
		if name == "-" || reflect.DeepEqual(old.Field(i).Interface(), wanted.Field(i).Interface()) {
			continue
		}
		if !slices.Contains(changeable, name) || name == "tls" && !now.TLS.alike(next.TLS) || name == "cursor_keys" && len(next.CursorKeys) == 0 {
			restart = append(restart, name)
			continue
		}
		changed = append(changed, name)
		out.Field(i).Set(wanted.Field(i))
	}
	return merged, changed, restart
}

// alike reports whether both end TLS here, or both do not.
func (t TLS) alike(other TLS) bool {
	return (t.Cert == "") == (other.Cert == "") && t.Proxy == other.Proxy
}
