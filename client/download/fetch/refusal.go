package fetch

import (
	"net/http"

	"usher/backend/api"
)

// archivedCode is S3's for an object in an archive that was not restored.
// SPEC: S3 API reference, GetObject, InvalidObjectState.
const archivedCode = "InvalidObjectState"

// refuses reports whether the storage will not give the object with any URL
// that the server can sign: a missing right to a key (KMS), an object under a
// customer's key, a bucket of another region. 408 and 429 pass.
func (e *s3Error) refuses() bool {
	switch e.status {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusPreconditionFailed,
		http.StatusRequestedRangeNotSatisfiable:
		return false
	}
	return e.code == "PermanentRedirect" || e.status >= 400 && e.status < 500 || e.status == http.StatusNotImplemented
}

// failure is the error of a response that is not requested again. It has the id of
// the release, which the administrator finds in the server's log.
func (e *s3Error) failure() error {
	code, request := api.StorageUnavailable, e.request
	switch {
	case e.status == http.StatusNotFound:
		code, request = api.NotFound, ""
	case e.status == http.StatusPreconditionFailed:
		code, request = api.ObjectChanged, ""
	case e.code == archivedCode:
		code, request = api.ObjectArchived, ""
	case e.refuses():
		code = api.StorageRefused
	}
	return &api.Error{Code: code, RequestID: request}
}
