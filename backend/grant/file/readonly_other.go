//go:build !linux

package file

func readOnly(string) bool { return false }
