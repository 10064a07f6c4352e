package main

import (
	"crypto/rand"
	"log/slog"
	"os"
	"time"

	"usher/backend/event"
	"usher/backend/serve"
)

var version = "0.1.0" // set by the release build

// serveDeps returns the dependencies of a server.
func serveDeps() serve.Deps {
	return serve.Deps{
		Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
		Version: version, Commit: source().hash,
	}
}
