//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package cli

import "os"

// hideInput leaves the terminal to ReadPassword, which turns off the echo itself.
func hideInput(*os.File) (restore func()) { return func() {} }
