package rig

import (
	"testing"
	"time"

	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
)

// waitLimit bounds the start and the end of a program.
const waitLimit = 30 * time.Second

// onGateway starts a whole usher with versitygw as its S3: the sandbox's pool and
// people, the real backend, and an independent server for the objects. urlSeconds
// is the life of a URL.
func onGateway(t testing.TB, urlSeconds int) *demotest.Demo {
	t.Helper()
	return demotest.StartOn(t, func(box *sandbox.Sandbox) demotest.Storage {
		key, secret := box.Credentials() // valid for the pool too
		return demotest.Storage{
			Endpoint: demotest.Versitygw(t, tool(t, "USHER_RIG_VERSITYGW"), key, secret),
			Key:      key, Secret: secret, URLSeconds: urlSeconds,
			FileKeys: true, // versitygw stores objects as files
		}
	})
}
