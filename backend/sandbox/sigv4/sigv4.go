// Package sigv4 verifies Signature Version 4 of POST requests to AWS services
// other than S3. It has no SDK, so it is independent of the clients under test.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	timeForm  = "20060102T150405Z"
	window    = 15 * time.Minute
)

// Error is a refusal in the words of AWS.
type Error struct{ Code, Message string }

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Config names the service and its keys.
type Config struct {
	Region, Service string
	Secret          func(keyID string) (secret string, known bool)
}

// Check verifies the signature of a call. It returns nil for a good one.
//
// SPEC: IAM user guide, reference_sigv-create-signed-request. The request is
// always POST / without a query, so those lines of the canonical request are
// fixed.
func (c Config) Check(now time.Time, r *http.Request, body []byte) *Error {
	err := c.check(now, r, body)
	if err == nil {
		return nil
	}
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return refused
	}
	return &Error{Code: "InternalFailure", Message: "The signature could not be checked."}
}

func (c Config) check(now time.Time, r *http.Request, body []byte) error {
	if len(r.Header.Values("Authorization")) != 1 {
		return &Error{Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
	}
	auth, ok := parseAuthorization(r.Header.Get("Authorization"))
	if !ok {
		return &Error{Code: "IncompleteSignatureException", Message: "Authorization header is not a complete signature"}
	}
	if r.URL.RawQuery != "" {
		return badSignature("A query cannot be signed here.")
	}
	if err := c.checkScope(now, r, auth); err != nil {
		return err
	}
	secret, known := c.Secret(auth.keyID)
	if !known || r.Header.Get("X-Amz-Security-Token") != "" { // these keys have no session token
		return &Error{Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
	}
	bodyHash := sha256.Sum256(body)
	payload := hex.EncodeToString(bodyHash[:])
	if claimed := r.Header.Get("X-Amz-Content-Sha256"); claimed != "" && claimed != payload {
		return badSignature("The payload hash is not that of the payload.")
	}
	canonical, err := canonicalRequest(r, auth.signedHeaders, payload)
	if err != nil {
		return err
	}
	requestHash := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{algorithm, r.Header.Get("X-Amz-Date"), auth.scope(),
		hex.EncodeToString(requestHash[:])}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{auth.date, auth.region, auth.service, "aws4_request", toSign} {
		key = sum(key, part)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(key)), []byte(auth.signature)) {
		return badSignature("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

func sum(key []byte, part string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(part))
	return m.Sum(nil)
}

func badSignature(message string) *Error {
	return &Error{Code: "InvalidSignatureException", Message: message}
}

// checkScope checks the date against now, and the credential scope against the
// region and the service.
func (c Config) checkScope(now time.Time, r *http.Request, a authorization) error {
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(timeForm, date)
	if err != nil || at.Format(timeForm) != date {
		return &Error{Code: "IncompleteSignatureException", Message: "X-Amz-Date is not in the form of Signature Version 4"}
	}
	switch {
	case now.Sub(at) > window:
		return badSignature("Signature expired: " + date + " is now earlier than " +
			now.Add(-window).UTC().Format(timeForm) + " (" + now.UTC().Format(timeForm) + " - 15 min.)")
	case at.Sub(now) > window:
		return badSignature("Signature not yet current: " + date + " is still later than " +
			now.Add(window).UTC().Format(timeForm) + " (" + now.UTC().Format(timeForm) + " + 15 min.)")
	case a.date != date[:8]:
		return badSignature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")
	case a.region != c.Region:
		return badSignature("Credential should be scoped to a valid region.")
	case a.service != c.Service:
		return badSignature("Credential should be scoped to correct service: '" + c.Service + "'.")
	}
	return nil
}

// authorization is a parsed Authorization header.
type authorization struct {
	keyID, date, region, service string
	signedHeaders                []string
	signature                    string
}

func (a authorization) scope() string {
	return strings.Join([]string{a.date, a.region, a.service, "aws4_request"}, "/")
}

func parseAuthorization(header string) (authorization, bool) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return authorization{}, false
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !ok || twice {
			return authorization{}, false
		}
		fields[name] = value
	}
	credential := strings.Split(fields["Credential"], "/")
	if len(fields) != 3 || len(credential) != 5 || credential[4] != "aws4_request" ||
		credential[0] == "" || len(fields["Signature"]) != 64 || fields["SignedHeaders"] == "" {
		return authorization{}, false
	}
	return authorization{keyID: credential[0], date: credential[1], region: credential[2], service: credential[3],
		signedHeaders: strings.Split(fields["SignedHeaders"], ";"), signature: fields["Signature"]}, true
}

// canonicalRequest returns the signed text. host and every X-Amz header must be
// signed: otherwise an intermediary could change them.
func canonicalRequest(r *http.Request, signed []string, payload string) (string, error) {
	if !slices.IsSorted(signed) || !slices.Contains(signed, "host") {
		return "", badSignature("'Host' must be a 'SignedHeader' and signed headers must be sorted.")
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			return "", badSignature("There were headers present in the request which were not signed: " + strconv.Quote(lower))
		}
	}
	var b strings.Builder
	b.WriteString("POST\n/\n\n")
	for _, name := range signed {
		var values []string
		switch name {
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		default:
			values = slices.Clone(r.Header.Values(name))
		}
		if len(values) == 0 {
			return "", badSignature("A signed header is not in the request: " + strconv.Quote(name))
		}
		for i, v := range values {
			values[i] = strings.Join(strings.Fields(v), " ")
		}
		b.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + payload)
	return b.String(), nil
}
