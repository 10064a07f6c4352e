package download

import (
	"usher/client/download/fetch"
)

// bounds are the numbers of things that are open at once.
type bounds struct {
	small   int // small requests in flight
	large   int // places of large files, see largeWeight
	conns   int // connections for large files
	idle    int // connections kept for later
	folders int // folders kept open for later
}

// The descriptors for other uses, and the number that one small request may need: its
// file, its sidecar, its connection and its folder twice.
const (
	keptDescriptors = 24 // the terminal, the backend's connections, the log, the queue
	eachDescriptors = 5
)

// boundsFor fits the bounds to --parallel (0: not said) and to the number of
// descriptors that the process may have (0: not known).
func boundsFor(parallel, descriptors int) bounds {
	b := bounds{small: smallSlots, large: largeSlots, conns: fetch.MaxConns, idle: smallSlots + fetch.MaxConns, folders: maxIdleFolders}
	if parallel > 0 {
		b.small = min(parallel, smallSlots)
		b.conns = min(parallel, fetch.MaxConns)
		b.idle = max(b.small, b.conns)
	}
	const all = smallSlots*eachDescriptors + fetch.MaxConns + 4*largeSlots + 2*maxIdleFolders
	if have := descriptors - keptDescriptors; descriptors > 0 && have < all {
		part := func(n int) int { return max(n*have/all, 1) }
		b.large, b.conns, b.folders = part(largeSlots), min(b.conns, part(fetch.MaxConns)), part(maxIdleFolders)
		rest := have - b.conns - 4*b.large - 2*b.folders
		b.small = min(b.small, max(rest/eachDescriptors, 1))
		b.idle = min(b.idle, b.small+b.conns)
	}
	return b
}

const maxIdleFolders = 16
