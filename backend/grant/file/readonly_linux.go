package file

import "golang.org/x/sys/unix"

// readOnly reports a file system that no one can write, whatever the modes on
// it: Kubernetes mounts configuration that way, with mode 0777.
func readOnly(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}
