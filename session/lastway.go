package session

import (
	"slices"

	"usher/backend/api"
)

// LastWay returns the way of the last sign-in with a profile; "" if there was
// none, or if the server no longer offers it.
func LastWay(f Folders, p Profile) api.Way {
	raw, err := f.LoadState(wayFile(p))
	if err != nil {
		return ""
	}
	if w := api.Way(raw); slices.Contains(p.Config.Offer().Ways, w) {
		return w
	}
	return ""
}

// wayFile is the name of the state file with a profile's last way. The names of
// profiles are safe in file names.
func wayFile(p Profile) string { return "way-" + p.Name }
