package api

import (
	"fmt"
	"net/http"
	"time"
)

// Code is a failure's name on the wire.
type Code string

const (
	BadRequest          Code = "bad_request"
	BadCursor           Code = "bad_cursor"
	Unauthenticated     Code = "unauthenticated"
	TokenExpired        Code = "token_expired"
	SessionRevoked      Code = "session_revoked"
	NotFound            Code = "not_found"
	LengthRequired      Code = "length_required"
	ObjectChanged       Code = "object_changed"
	ObjectArchived      Code = "object_archived"
	TooLarge            Code = "too_large"
	UnsupportedType     Code = "unsupported_type"
	WrongHost           Code = "wrong_host"
	RateLimited         Code = "rate_limited"
	HeaderTooLarge      Code = "header_too_large"
	Internal            Code = "internal"
	AuditUnavailable    Code = "audit_unavailable"
	IdentityUnavailable Code = "identity_unavailable"
	StorageUnavailable  Code = "storage_unavailable"
	ClockSkew           Code = "clock_skew"
	SlowQuery           Code = "slow_query"
	StorageRefused      Code = "storage_refused"
	GrantsConflict      Code = "grants_conflict"
	GrantsFixed         Code = "grants_fixed"
	RequestsFull        Code = "requests_full"
	RequestAnswered     Code = "request_answered"
)

// Exit codes, promised in the manual. 2 stays unused: a Go panic exits with 2.
const (
	ExitOK          = 0
	ExitMixed       = 1  // several failed for different causes
	ExitSignedOut   = 3  // not signed in
	ExitNotFound    = 4  // not found or not granted
	ExitIntegrity   = 5  // content changed or does not match its checksum
	ExitUnavailable = 6  // network or server
	ExitDisk        = 7  // the local disk
	ExitUsage       = 64 // the command line
	ExitBug         = 70 // usher's own mistake
	ExitInterrupted = 130
	ExitTerminated  = 143
)

// NoBucket is the sentence for an empty list of buckets, in the browser and in
// the commands.
const NoBucket = "You are signed in, but no bucket is open to your groups. Ask your administrator."

// Failure is one row of the table: the meaning of a code on each surface.
type Failure struct {
	Code     Code
	Status   int    // HTTP
	Exit     int    // of a command
	Sentence string // for the screen; without input and without text of AWS
	Retry    bool   // a later retry can succeed
}

// Failures returns the table for server, commands, browser and manual.
func Failures() []Failure {
	return []Failure{
		{BadRequest, http.StatusBadRequest, ExitUsage, "The server did not understand this request. Check the path, and that usher is up to date.", false},
		{BadCursor, http.StatusBadRequest, ExitUnavailable, "This listing is too old to continue. List the folder again.", false},
		{Unauthenticated, http.StatusUnauthorized, ExitSignedOut, "You are not signed in. Sign in and try again.", false},
		{TokenExpired, http.StatusUnauthorized, ExitSignedOut, "Your sign-in has ended. Sign in again.", false},
		{SessionRevoked, http.StatusUnauthorized, ExitSignedOut, "Your sign-in was ended by an administrator or from another place. Sign in again.", false},
		{NotFound, http.StatusNotFound, ExitNotFound, "There is nothing here that you can open.", false},
		{LengthRequired, http.StatusLengthRequired, ExitUnavailable, "The server refused a request without a length. A proxy between you and the server may be at fault.", false},
		{ObjectChanged, http.StatusPreconditionFailed, ExitIntegrity, "The file has changed since. Start this download again.", false},
		{ObjectArchived, http.StatusConflict, ExitNotFound, "This file is archived. Ask its owner to restore it first.", false},
		{TooLarge, http.StatusRequestEntityTooLarge, ExitUsage, "This request is too large. Ask for fewer files at once.", false},
		{UnsupportedType, http.StatusUnsupportedMediaType, ExitUnavailable, "The server does not accept this type of request. Check that usher is up to date.", false},
		{WrongHost, http.StatusMisdirectedRequest, ExitUnavailable, "This server does not serve that address. Check the server's address.", false},
		{RateLimited, http.StatusTooManyRequests, ExitUnavailable, "Too many requests. Wait a moment and try again.", true},
		{HeaderTooLarge, http.StatusRequestHeaderFieldsTooLarge, ExitUnavailable, "Your sign-in is too large to send, usually because you are in too many groups. Ask your administrator to remove you from some of them. A proxy that adds headers can be the cause too.", false},
		{Internal, http.StatusInternalServerError, ExitBug, "usher has a bug. Give the request ID to your administrator.", false},
		{AuditUnavailable, http.StatusServiceUnavailable, ExitUnavailable, "usher could not record this, so nothing was released. Try again.", true},
		{IdentityUnavailable, http.StatusServiceUnavailable, ExitUnavailable, "usher could not check your sign-in, so nothing was released. Try again.", true},
		{StorageUnavailable, http.StatusServiceUnavailable, ExitUnavailable, "The storage did not answer. Try again.", true},
		{ClockSkew, http.StatusServiceUnavailable, ExitUnavailable, "The server's clock is wrong, so it cannot check your sign-in or sign downloads. Your sign-in is kept. Ask your administrator to correct the server's clock.", false},
		{SlowQuery, http.StatusServiceUnavailable, ExitUnavailable, "This search of the audit log took too long. Narrow it: give a time, a person or a path.", false},
		{GrantsConflict, http.StatusConflict, ExitIntegrity, "Another admin changed the grants meanwhile, so this change was not made. Compare again with usher grants diff, and apply the file again.", false},
		{GrantsFixed, http.StatusConflict, ExitUsage, "The grants of this server are a file. Change the file on the server; it is read again within a second.", false},
		{RequestsFull, http.StatusConflict, ExitUsage, "You have too many open requests for access, or all people together have. Wait for an answer, or write to your administrator.", false},
		{RequestAnswered, http.StatusConflict, ExitIntegrity, "This request was answered or sent again meanwhile. List the requests again.", false},
		{StorageRefused, http.StatusBadGateway, ExitUnavailable, "The server was refused by the storage. Give the request ID to your administrator.", false},
	}
}

// Lookup returns the row of a code; that of Internal for an unknown code.
func Lookup(c Code) Failure {
	table := Failures()
	internal := Failure{}
	for _, f := range table {
		if f.Code == c {
			return f
		}
		if f.Code == Internal {
			internal = f
		}
	}
	return internal
}

// Error is a failure in an answer of the server. Its text is the sentence in the
// table with the request ID, never a text from the answer.
type Error struct {
	Code       Code          `json:"code"`
	Message    string        `json:"message"`
	RequestID  string        `json:"request_id"`
	RetryAfter time.Duration `json:"-"` // from the answer's header; 0: none
	Behind     time.Duration `json:"-"` // of clock_skew: the server's clock is behind by at least this; 0: unknown
}

func (e *Error) Error() string {
	s := Lookup(e.Code).Sentence
	if e.Behind > 0 {
		s += fmt.Sprintf(" It is at least %d s behind the clock of the sign-in service.", int(e.Behind.Seconds()))
	}
	if e.RequestID == "" {
		return s
	}
	return fmt.Sprintf("%s (request %s)", s, e.RequestID)
}

// Exit returns the exit code of a command that ends with this failure.
func (e *Error) Exit() int { return Lookup(e.Code).Exit }

// Is compares by code, for errors.Is(err, &api.Error{Code: api.NotFound}).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// ErrorBody is the JSON body of every answer with a status other than 200.
type ErrorBody struct {
	Error Error `json:"error"`
}
