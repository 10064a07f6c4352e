// Package download is the transfer engine: it turns "these objects, into that
// directory" into verified files, over presigned URLs, straight from S3.
//
// It promises:
//   - The final name never holds a byte that was not verified. Bytes go to a
//     part file beside the target, are checked, synced and renamed into place
//     without overwriting, except with Overwrite.
//   - Nothing is written outside the destination directory, for any name of an
//     object; no symbolic link below it is followed (name/, part/).
//   - Versions are never mixed: every request carries If-Match, and a part
//     belongs to one ETag.
//   - A download continues after a lost connection, the end of a URL or of a
//     sign-in, and kill -9. Only bytes that were not kept are fetched again.
//   - An error or an event has no URL, and texts of a bucket only in escaped form.
//
// It leaves to others: the identity of a person (no token comes here), the
// decision (the backend decides at every URL), and drawing.
//
//	e, err := download.New(download.Config{Releaser: c, Lister: c, S3Hosts: hosts})
//	e.Add(download.Request{Bucket: "builds", Key: "nightly/", Folder: true, Dir: "."})
//	err = e.Wait(ctx)
//	for _, t := range e.Snapshot().Transfers { fmt.Println(t.Dest, t.State, t.Verified) }
//	err = e.Close()
//
// PerUser (peruser.go) is an engine whose queue belongs to the person at the screen.
//
// The path of one file: admission (admit.go) → one attempt (attempt.go), which
// looks at the disk (plan.go), releases a URL (release.go, ticket/), fetches and
// verifies (fetch/), and gives the part its name (deliver.go, part/) → the shared sync of small
// files (run.go) → the end, counted and reported (finish.go). Every state passes
// transition (states.go).
package download
