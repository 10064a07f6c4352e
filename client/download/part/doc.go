// Package part writes downloads to the local file system. A file is a part with
// a name of its own until it is complete and verified; then it gets its final
// name, which never replaces another file unless the caller wants that.
//
// A Disk opens the folders below a destination without following a link, and
// shares them between transfers. A Folder opens Files (the parts), reads the
// sidecars that an interrupted run left, and reports the free space. A Syncer
// makes many small files durable with one sync.
//
// The package knows neither connections nor objects: a caller brings the bytes
// and decides which part belongs to which content.
package part
