// Package sts is the part of AWS STS that gets sessions of a role: AssumeRole
// over the Query protocol, with signatures, session policies and their limits.
// The sandbox serves it; the S3 server evaluates the policies of its sessions.
package sts

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"usher/backend/sandbox/iam"
	"usher/backend/sandbox/sigv4"
)

// Session is the result of an AssumeRole.
type Session struct {
	AccessKey, SecretKey, Token string
	Expires                     time.Time
	Name, SourceIdentity        string
	ARN                         string        // of the session
	Policies                    []*iam.Policy // of the role and of the session; each must allow
}

// Config configures a Server. All fields but Packed are required.
type Config struct {
	Region string
	Secret func(keyID string) (secret string, known bool) // keys that may assume the roles
	Roles  map[string]string                              // ARN to the role's own policy
	Now    func() time.Time
	Issued func(Session) // receives each session
	// Packed returns the size of a policy in percent of the limit. AWS does not
	// publish its packing; nil is half of the length in characters.
	Packed func(policy string) int
}

// Server is the http.Handler.
type Server struct {
	c     Config
	roles map[string]*iam.Policy
	key   sigv4.Config

	mu    sync.Mutex
	calls []Call
}

// Call is one accepted or refused AssumeRole.
type Call struct{ Name, Policy string }

// New returns a server. It refuses a missing field and an invalid policy.
func New(c Config) (*Server, error) {
	if c.Region == "" || c.Secret == nil || c.Now == nil || c.Issued == nil || len(c.Roles) == 0 {
		return nil, errors.New("sts: region, keys, roles, clock and the receiver of sessions are required")
	}
	if c.Packed == nil {
		c.Packed = func(policy string) int { return utf8.RuneCountInString(policy) * 50 / maxPolicy }
	}
	s := &Server{c: c, roles: map[string]*iam.Policy{}, key: sigv4.Config{Region: c.Region, Service: "sts", Secret: c.Secret}}
	for arn, text := range c.Roles {
		var err error
		if s.roles[arn], err = iam.Parse(text); err != nil {
			return nil, fmt.Errorf("sts: the policy of %s: %w", arn, err)
		}
	}
	return s, nil
}

// Calls returns all calls with a valid signature.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Call(nil), s.calls...)
}

const (
	maxBody   = 64 << 10
	maxPolicy = 2048 // characters
	shortest  = 900  // seconds
	longest   = 43200
	usual     = 3600
)

var (
	nameShape   = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	policyShape = regexp.MustCompile(`^[\t\n\r\x{20}-\x{FF}]+$`)
)

// fault is a refusal.
type fault struct {
	status        int
	code, message string
}

func (f *fault) Error() string { return f.code + ": " + f.message }

func invalid(message string) error { return &fault{http.StatusBadRequest, "ValidationError", message} }

// ServeHTTP serves POST /.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	session, packed, err := s.serve(w, r)
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Date", s.c.Now().UTC().Format(http.TimeFormat))
	if err != nil {
		refuse(w, err)
		return
	}
	var out response
	out.Result.Credentials.AccessKeyID, out.Result.Credentials.SecretAccessKey = session.AccessKey, session.SecretKey
	out.Result.Credentials.SessionToken = session.Token
	out.Result.Credentials.Expiration = session.Expires.UTC().Format("2006-01-02T15:04:05Z")
	out.Result.PackedPolicySize, out.Result.SourceIdentity = packed, session.SourceIdentity
	_ = xml.NewEncoder(w).Encode(out)
}

type response struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Result  struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      string
		}
		PackedPolicySize int
		SourceIdentity   string `xml:",omitempty"`
	} `xml:"AssumeRoleResult"`
}

func refuse(w http.ResponseWriter, err error) {
	f := &fault{http.StatusForbidden, "AccessDenied", "Access Denied"}
	var signature *sigv4.Error
	if !errors.As(err, &f) && errors.As(err, &signature) {
		f = &fault{http.StatusForbidden, strings.TrimSuffix(signature.Code, "Exception"), signature.Message}
	}
	type detail struct{ Type, Code, Message string }
	w.WriteHeader(f.status)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Error   detail
	}{Error: detail{"Sender", f.code, f.message}})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) (Session, int, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" {
		return Session{}, 0, invalid("not a Query request")
	}
	if err := s.key.Check(s.c.Now(), r, body); err != nil {
		return Session{}, 0, err
	}
	in, err := url.ParseQuery(string(body))
	if err != nil {
		return Session{}, 0, invalid("the body is no form")
	}
	if in.Get("Action") != "AssumeRole" {
		return Session{}, 0, &fault{http.StatusBadRequest, "InvalidAction", "Could not find operation"}
	}
	s.mu.Lock()
	s.calls = append(s.calls, Call{in.Get("RoleSessionName"), in.Get("Policy")})
	s.mu.Unlock()
	return s.assume(in)
}

// assume checks the parameters and makes a session.
func (s *Server) assume(in url.Values) (Session, int, error) {
	role, known := s.roles[in.Get("RoleArn")]
	seconds, err := strconv.Atoi(in.Get("DurationSeconds"))
	if in.Get("DurationSeconds") == "" {
		seconds, err = usual, nil
	}
	text, source := in.Get("Policy"), in.Get("SourceIdentity")
	switch {
	case !known:
		return Session{}, 0, &fault{http.StatusForbidden, "AccessDenied", "User is not authorized to perform: sts:AssumeRole on resource: " + in.Get("RoleArn")}
	case err != nil || seconds < shortest || seconds > longest:
		return Session{}, 0, invalid("DurationSeconds must be between 900 and 43200")
	case !nameShape.MatchString(in.Get("RoleSessionName")):
		return Session{}, 0, invalid("Value at 'roleSessionName' failed to satisfy constraint")
	case source != "" && (!nameShape.MatchString(source) || strings.HasPrefix(source, "aws:")):
		return Session{}, 0, invalid("Value at 'sourceIdentity' failed to satisfy constraint")
	case utf8.RuneCountInString(text) > maxPolicy:
		return Session{}, 0, invalid("Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048")
	case text != "" && !policyShape.MatchString(text):
		return Session{}, 0, invalid("Value at 'policy' failed to satisfy constraint: Member must satisfy regular expression pattern")
	}
	policies := []*iam.Policy{role}
	packed := 0
	if text != "" {
		p, err := iam.Parse(text)
		if err != nil {
			return Session{}, 0, &fault{http.StatusBadRequest, "MalformedPolicyDocument", err.Error()}
		}
		if packed = s.c.Packed(text); packed > 100 {
			return Session{}, 0, &fault{http.StatusBadRequest, "PackedPolicyTooLarge", fmt.Sprintf("Packed policy consumes %d%% of allotted space, please use smaller policy.", packed)}
		}
		policies = append(policies, p)
	}
	out := Session{
		AccessKey: "ASIA" + letters(16), SecretKey: letters(40), Token: letters(800),
		Expires: s.c.Now().Add(time.Duration(seconds) * time.Second).Truncate(time.Second),
		Name:    in.Get("RoleSessionName"), SourceIdentity: source, Policies: policies,
		ARN: sessionARN(in.Get("RoleArn"), in.Get("RoleSessionName")),
	}
	s.c.Issued(out)
	return out, packed, nil
}

// sessionARN returns the ARN of a session of a role.
// SPEC: IAM user guide, "IAM identifiers": it has the name of the role without the path.
func sessionARN(role, session string) string {
	account, path, _ := strings.Cut(role, ":role/")
	return strings.Replace(account, ":iam:", ":sts:", 1) + ":assumed-role/" + path[strings.LastIndexByte(path, '/')+1:] + "/" + session
}

// letters returns n random characters of A-Z and 2-7.
func letters(n int) string {
	raw := make([]byte, (n*5+7)/8)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)[:n]
}
