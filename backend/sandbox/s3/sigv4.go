package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/backend/sandbox/iam"
)

const (
	algorithm   = "AWS4-HMAC-SHA256"
	amzDate     = "20060102T150405Z"
	maxSkew     = 15 * time.Minute
	maxLifetime = 7 * 24 * 60 * 60 // seconds; SPEC: API/sigv4-query-string-auth.html, X-Amz-Expires

	unsignedPayload        = "UNSIGNED-PAYLOAD"
	streamUnsignedTrailer  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	streamSigned           = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamSignedTrailer    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	signedPayloadHexLength = 64
)

// identity is the verified signer of a request and the signed payload hash.
type identity struct {
	accessKeyID string
	arn         string // "": the owner of the account
	readOnly    bool
	policies    []*iam.Policy
	query       bool   // presigned URL
	payload     string // the canonical payload hash
	chunks      *chunkSigner
}

// claim is an unverified signature of a request.
type claim struct {
	accessKeyID, date, region, service, terminal string
	when                                         string // X-Amz-Date
	signedHeaders, signature                     string
	token                                        string
	payload                                      string
	query                                        bool
}

// verifier verifies SigV4. equal is a field for a negative control: a test
// replaces the comparison and then expects the tampering cases to fail.
type verifier struct {
	region string
	keys   *Keyring
	equal  func(a, b []byte) bool
}

func constantTimeEqual(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// verify returns the signer of r, or the error of a refusal.
func (v *verifier) verify(r *http.Request, t target, now time.Time) (identity, error) {
	c, err := v.claimed(r, t, now)
	if err != nil {
		return identity{}, err
	}
	names := strings.Split(c.signedHeaders, ";")
	if err := checkSignedHeaders(r, c, names); err != nil {
		return identity{}, err
	}
	cred, ok := v.keys.get(c.accessKeyID)
	if !ok {
		return identity{}, fail("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.",
			field{"AWSAccessKeyId", c.accessKeyID})
	}
	if cred.SessionToken != "" && c.token == "" {
		// A temporary key is unknown without its token.
		return identity{}, fail("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.",
			field{"AWSAccessKeyId", c.accessKeyID})
	}
	if !v.equal([]byte(cred.SessionToken), []byte(c.token)) {
		return identity{}, fail("InvalidToken", "The provided token is malformed or otherwise invalid.")
	}
	key := signingKey(cred.Secret, c.date, v.region)
	scope := c.date + "/" + v.region + "/s3/aws4_request"
	sum := sha256.Sum256(canonicalRequest(r, t, c, names))
	want := mac(key, algorithm+"\n"+c.when+"\n"+scope+"\n"+hex.EncodeToString(sum[:]))
	got, err := hex.DecodeString(c.signature)
	if err != nil || c.signature != strings.ToLower(c.signature) || !v.equal(got, want) {
		return identity{}, fail("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
			field{"AWSAccessKeyId", c.accessKeyID})
	}
	if !cred.Expires.IsZero() && !now.Before(cred.Expires) {
		return identity{}, fail("ExpiredToken", "The provided token has expired.")
	}
	id := identity{accessKeyID: c.accessKeyID, arn: cred.ARN, readOnly: cred.ReadOnly, policies: cred.Policies, query: c.query, payload: c.payload}
	if c.payload == streamSigned || c.payload == streamSignedTrailer {
		id.chunks = &chunkSigner{key: key, when: c.when, scope: scope, previous: c.signature, equal: v.equal}
	}
	return id, nil
}

// claimed reads the signature from the header or the query. It checks everything
// that requires no secret: form, scope and dates.
func (v *verifier) claimed(r *http.Request, t target, now time.Time) (claim, error) {
	auth := r.Header.Values("Authorization")
	inQuery := t.query.has("X-Amz-Algorithm") || t.query.has("X-Amz-Signature") || t.query.has("X-Amz-Credential")
	switch {
	case len(auth) > 0 && inQuery:
		return claim{}, invalidArgument("Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified", "Authorization", "")
	case len(auth) > 1:
		return claim{}, fail("AuthorizationHeaderMalformed", "The authorization header is malformed; only one may be given.")
	case len(auth) == 1:
		return v.fromHeader(r, auth[0], now)
	case inQuery:
		return v.fromQuery(r, t.query, now)
	case t.query.has("AWSAccessKeyId"):
		return claim{}, fail("InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	}
	return claim{}, fail("AccessDenied", "Access Denied")
}

func (v *verifier) fromHeader(r *http.Request, auth string, now time.Time) (claim, error) {
	malformed := func(why string, extra ...field) error {
		return fail("AuthorizationHeaderMalformed", "The authorization header is malformed; "+why, extra...)
	}
	rest, ok := strings.CutPrefix(auth, algorithm)
	if !ok {
		return claim{}, fail("InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	}
	var c claim
	var credential string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		into := map[string]*string{"Credential": &credential, "SignedHeaders": &c.signedHeaders, "Signature": &c.signature}[name]
		if into == nil || *into != "" || value == "" {
			return claim{}, malformed("each of Credential, SignedHeaders and Signature must be given once.")
		}
		*into = value
	}
	if credential == "" || c.signedHeaders == "" || c.signature == "" {
		return claim{}, malformed("Credential, SignedHeaders and Signature are required.")
	}
	if why, extra := c.scope(credential, v.region); why != "" {
		return claim{}, malformed(why, extra...)
	}
	signed, err := headerDate(r, &c)
	if err != nil {
		return claim{}, err
	}
	if c.date != c.when[:8] {
		return claim{}, malformed("Invalid credential date \"" + c.date + "\". This date is not the same as X-Amz-Date: \"" + c.when[:8] + "\".")
	}
	if d := now.Sub(signed); d > maxSkew || d < -maxSkew {
		return claim{}, fail("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.",
			field{"RequestTime", c.when}, field{"ServerTime", now.UTC().Format(time.RFC3339)},
			field{"MaxAllowedSkewMilliseconds", strconv.FormatInt(maxSkew.Milliseconds(), 10)})
	}
	c.token = r.Header.Get("X-Amz-Security-Token")
	c.payload = r.Header.Get("X-Amz-Content-Sha256")
	if c.payload == "" {
		return claim{}, fail("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	}
	return c, checkPayloadHash(c.payload)
}

// headerDate reads x-amz-date or, without it, Date. c.when is the date in the
// format of the string to sign.
func headerDate(r *http.Request, c *claim) (time.Time, error) {
	if c.when = r.Header.Get("X-Amz-Date"); c.when == "" {
		t, err := http.ParseTime(r.Header.Get("Date"))
		c.when = t.UTC().Format(amzDate)
		if err != nil {
			return t, fail("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
		}
		return t, nil
	}
	t, err := parseAmzDate(c.when)
	if err != nil {
		return t, fail("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	}
	return t, nil
}

// parseAmzDate accepts exactly yyyyMMdd'T'HHmmss'Z'. time.Parse alone would
// accept fractions of a second.
func parseAmzDate(s string) (time.Time, error) {
	if len(s) != len(amzDate) {
		return time.Time{}, errors.New("not an ISO 8601 basic date")
	}
	return time.Parse(amzDate, s)
}

func (v *verifier) fromQuery(r *http.Request, q params, now time.Time) (claim, error) {
	bad := func(why string, extra ...field) error {
		return fail("AuthorizationQueryParametersError", why, extra...)
	}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if q.count(name) != 1 || q.get(name) == "" {
			return claim{}, bad("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
	}
	c := claim{query: true, when: q.get("X-Amz-Date"), signedHeaders: q.get("X-Amz-SignedHeaders"), signature: q.get("X-Amz-Signature")}
	if q.get("X-Amz-Algorithm") != algorithm {
		return claim{}, bad("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")
	}
	if why, extra := c.scope(q.get("X-Amz-Credential"), v.region); why != "" {
		return claim{}, bad("Error parsing the X-Amz-Credential parameter; "+why, extra...)
	}
	signed, err := parseAmzDate(c.when)
	if err != nil {
		return claim{}, bad("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	if c.date != c.when[:8] {
		return claim{}, bad("Invalid credential date \"" + c.date + "\". This date is not the same as X-Amz-Date: \"" + c.when[:8] + "\".")
	}
	life, err := strconv.Atoi(q.get("X-Amz-Expires"))
	switch {
	case err != nil:
		return claim{}, bad("X-Amz-Expires should be a number")
	case life < 0:
		return claim{}, bad("X-Amz-Expires must be non-negative")
	case life == 0:
		return claim{}, bad("X-Amz-Expires must be at least 1 second")
	case life > maxLifetime:
		return claim{}, bad("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	expires := signed.Add(time.Duration(life) * time.Second)
	if now.Before(signed.Add(-maxSkew)) {
		return claim{}, fail("AccessDenied", "Request is not valid yet", field{"ServerTime", now.UTC().Format(time.RFC3339)})
	}
	if now.After(expires) {
		return claim{}, fail("AccessDenied", "Request has expired", field{"X-Amz-Expires", strconv.Itoa(life)},
			field{"Expires", expires.UTC().Format(time.RFC3339)}, field{"ServerTime", now.UTC().Format(time.RFC3339)})
	}
	if c.token = q.get("X-Amz-Security-Token"); c.token == "" {
		c.token = r.Header.Get("X-Amz-Security-Token")
	}
	c.payload = unsignedPayload
	if s := r.Header.Get("X-Amz-Content-Sha256"); s != "" {
		c.payload = s
	} else if s := q.get("X-Amz-Content-Sha256"); s != "" {
		c.payload = s
	}
	return c, checkPayloadHash(c.payload)
}

// scope splits id/date/region/service/terminal from the right: only an id may
// contain a slash. why is the error text for an invalid scope, otherwise "".
func (c *claim) scope(s, region string) (why string, extra []field) {
	p := strings.Split(s, "/")
	n := len(p)
	if n < 5 || strings.Join(p[:n-4], "/") == "" {
		return "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".", nil
	}
	c.accessKeyID = strings.Join(p[:n-4], "/")
	c.date, c.region, c.service, c.terminal = p[n-4], p[n-3], p[n-2], p[n-1]
	switch {
	case c.region != region:
		return "the region '" + c.region + "' is wrong; expecting '" + region + "'", []field{{"Region", region}}
	case c.service != "s3":
		return "incorrect service \"" + c.service + "\". This endpoint belongs to \"s3\".", nil
	case c.terminal != "aws4_request":
		return "incorrect terminal \"" + c.terminal + "\". This endpoint uses \"aws4_request\".", nil
	}
	if _, err := time.Parse("20060102", c.date); err != nil {
		return "incorrect date format \"" + c.date + "\". This date in the credential must be in the format \"yyyyMMdd\".", nil
	}
	return "", nil
}

func checkPayloadHash(s string) error {
	switch s {
	case unsignedPayload, streamUnsignedTrailer, streamSigned, streamSignedTrailer:
		return nil
	}
	if _, err := hex.DecodeString(s); err == nil && len(s) == signedPayloadHexLength {
		return nil
	}
	return invalidArgument("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.", "x-amz-content-sha256", s)
}

// checkSignedHeaders requires that host and every x-amz-* header are signed. If
// Range is signed, If-Range must be signed too, because it changes the effect of
// Range.
func checkSignedHeaders(r *http.Request, c claim, names []string) error {
	var missing []string
	if !slices.Contains(names, "host") {
		missing = append(missing, "host")
	}
	for h := range r.Header {
		l := strings.ToLower(h)
		must := strings.HasPrefix(l, "x-amz-") || l == "if-range" && slices.Contains(names, "range")
		if must && !slices.Contains(names, l) {
			missing = append(missing, l)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fail("AccessDenied", "There were headers present in the request which were not signed",
		field{"HeadersNotSigned", strings.Join(missing, ", ")})
}

// canonicalRequest returns the text whose hash is signed.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func canonicalRequest(r *http.Request, t target, c claim, names []string) []byte {
	b := make([]byte, 0, 1024)
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = uriEncode(b, t.path, true)
	b = append(b, '\n')
	b = canonicalQuery(b, t.query, c.query)
	b = append(b, '\n')
	for _, name := range names {
		b = append(b, name...)
		b = append(b, ':')
		b = append(b, headerValue(r, name)...)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, c.signedHeaders...)
	b = append(b, '\n')
	return append(b, c.payload...)
}

// canonicalQuery appends the query sorted by encoded name, then by encoded value.
// It includes every parameter and every duplicate except the signature itself.
func canonicalQuery(b []byte, q params, presigned bool) []byte {
	type pair struct{ name, value string }
	pairs := make([]pair, 0, len(q))
	for _, p := range q {
		if presigned && p.name == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, pair{string(uriEncode(nil, p.name, false)), string(uriEncode(nil, p.value, false))})
	}
	slices.SortFunc(pairs, func(x, y pair) int {
		if c := strings.Compare(x.name, y.name); c != 0 {
			return c
		}
		return strings.Compare(x.value, y.value)
	})
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	return b
}

// headerValue returns the canonical value of a signed header: values joined by
// commas, with outer spaces trimmed and inner runs of spaces folded.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host": // net/http moves these three out of the header map
		return r.Host
	case "content-length":
		if r.ContentLength >= 0 {
			return strconv.FormatInt(r.ContentLength, 10)
		}
		return ""
	case "transfer-encoding":
		return strings.Join(r.TransferEncoding, ",")
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		v = strings.TrimSpace(v)
		for strings.Contains(v, "  ") {
			v = strings.ReplaceAll(v, "  ", " ")
		}
		values[i] = v
	}
	return strings.Join(values, ",")
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func signingKey(secret, date, region string) []byte {
	return mac(mac(mac(mac([]byte("AWS4"+secret), date), region), "s3"), "aws4_request")
}
