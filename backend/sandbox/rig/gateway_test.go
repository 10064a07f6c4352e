package rig

import (
	"testing"
	"time"

	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
)

// patience is how long a test waits for something that should come soon.
const patience = 30 * time.Second

// onGateway is a whole usher whose S3 is versitygw: the sandbox's pool and
// people, the real backend, and somebody else's server for the objects.
// urlSeconds is the life of a URL.
func onGateway(t testing.TB, urlSeconds int) *demotest.Demo {
	t.Helper()
	return demotest.StartOn(t, func(box *sandbox.Sandbox) demotest.Storage {
		key, secret := box.Credentials() // the pool knows these too
		return demotest.Storage{
			Endpoint: demotest.Versitygw(t, tool(t, "USHER_RIG_VERSITYGW"), key, secret),
			Key:      key, Secret: secret, URLSeconds: urlSeconds,
			FileKeys: true, // versitygw keeps objects as files
		}
	})
}
