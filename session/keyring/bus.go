package keyring

import (
	"fmt"

	"github.com/godbus/dbus/v5"
)

// collections returns the places of go-keyring's items, in its order.
func collections() []dbus.ObjectPath {
	return []dbus.ObjectPath{"/org/freedesktop/secrets/collection/login", "/org/freedesktop/secrets/aliases/default"}
}

// unlocked checks the Secret Service without a prompt. go-keyring itself unlocks a
// locked collection, which opens a window.
// SPEC: Secret Service API, org.freedesktop.Secret.Collection, Locked.
func unlocked(address string) error {
	conn, err := dbus.Connect(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	defer func() { _ = conn.Close() }()
	for _, path := range collections() {
		value, err := conn.Object("org.freedesktop.secrets", path).GetProperty("org.freedesktop.Secret.Collection.Locked")
		if err != nil {
			continue
		}
		if locked, ok := value.Value().(bool); !ok || locked {
			return ErrLocked
		}
		return nil
	}
	return ErrAbsent
}
