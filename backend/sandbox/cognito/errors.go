package cognito

import "net/http"

// Error is a refusal in the service's words. Code is the exception's name on
// the wire. The in-process helpers return it too.
type Error struct {
	Code    string
	Message string
	status  int // HTTP status; 0 means 400
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func (e *Error) httpStatus() int {
	if e.status == 0 {
		return http.StatusBadRequest // the status of nearly every exception in JSON 1.1
	}
	return e.status
}

func notAuthorized(message string) *Error {
	return &Error{Code: "NotAuthorizedException", Message: message}
}

func invalidParameter(message string) *Error {
	return &Error{Code: "InvalidParameterException", Message: message}
}

func userNotFound() *Error {
	return &Error{Code: "UserNotFoundException", Message: "User does not exist."}
}

func notFound(message string) *Error {
	return &Error{Code: "ResourceNotFoundException", Message: message}
}

// missing returns the service's error for an absent required member.
func missing(member string) *Error {
	return invalidParameter("1 validation error detected: Value at '" + member +
		"' failed to satisfy constraint: Member must not be null")
}

// wrongPassword returns the common error of a wrong password and an unknown
// username.
func wrongPassword() *Error { return notAuthorized("Incorrect username or password.") }
