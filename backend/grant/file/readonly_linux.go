package file

import "golang.org/x/sys/unix"

// readOnly reports whether path is on a read-only file system, where modes do
// not matter. Kubernetes mounts configuration read-only, with mode 0777.
func readOnly(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}
