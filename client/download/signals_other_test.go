//go:build !unix

package download

// signalFaults has no rows: other systems have neither these signals nor a pty.
func signalFaults() []fault { return nil }
