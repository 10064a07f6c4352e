// Package sandbox is an AWS-like world on this machine: a Cognito-compatible
// user pool and an S3, in process, on 127.0.0.1 only, with people and data to
// play with. It serves `usher demo` and tests; production has no use for it,
// and a build with the tag nosandbox leaves it out.
//
// It is a faithful adversary and no mock: it speaks the real protocols over
// real HTTP and refuses what AWS refuses. sandbox/rig holds its judges.
package sandbox

import (
	"io"
	"time"
)

// Region of everything in the sandbox, unless a Storage has another.
const Region = "us-east-1"

// Options configure a sandbox. Dir and Now are required.
type Options struct {
	Dir             string
	Now             func() time.Time
	AccessLog       io.Writer     // S3's access log lines; may be nil
	AccessTokenLife time.Duration // 0: 10 minutes
	Storage         *Storage      // nil: the sandbox's own S3, filled with the demo's files

	S3Port, CognitoPort int                   // 0: a free port
	CodeWanted          func(username string) // see cognito.Config; may be nil
}

// Storage is an S3 server outside of the sandbox. The sandbox then starts no
// S3 of its own and writes nothing to this one.
type Storage struct {
	Endpoint             string // origin
	Region               string // "": Region
	AccessKey, SecretKey string // "": the sandbox's own pair
}

// Facts describe a running sandbox. The S3 keys belong to the owner of the
// account: any S3 tool can write objects with them, and any AWS tool can make
// Cognito's admin calls.
type Facts struct {
	Region          string
	S3Region        string
	UserPoolID      string
	ClientID        string
	CognitoEndpoint string
	Issuer          string
	S3Endpoint      string
	S3AccessKey     string
	S3SecretKey     string
	People          []Person
	Dir             string
	GrantsFile      string
	MailFile        string // what the pool would send, one JSON object a line
}

// Person is an account of the sandbox. Password is "" once it has been
// changed: the sandbox keeps a verifier alone.
type Person struct {
	Username   string   `json:"username"`
	Password   string   `json:"password"`
	Groups     []string `json:"groups"`
	TOTPSecret string   `json:"totp_secret,omitempty"`
	Temporary  bool     `json:"temporary,omitempty"`  // must set a password at the first sign-in
	SetUpMFA   bool     `json:"set_up_mfa,omitempty"` // must set up an authenticator app at the first sign-in
}

// people are the accounts; passwords and secrets are made up later. A set
// TOTPSecret stands for "has one".
func people() []Person {
	return []Person{
		{Username: "ada", Groups: []string{"finance-team"}},
		{Username: "grace", Groups: []string{"external-auditors", "usher-auditors"}},
		{Username: "alan", Groups: []string{"engineering"}, TOTPSecret: "yes"},
		{Username: "margaret", Groups: []string{"usher-admins", "finance-team"}},
		{Username: "edsger", Groups: []string{"engineering"}, Temporary: true},
		{Username: "katherine", Groups: []string{"engineering"}, SetUpMFA: true},
	}
}

const defaultGrants = `# Who may see what. Change this file while the demo runs: it takes effect at once.
# A prefix ends in "/"; prefix "" is the whole bucket; object names exactly one.
# effect: deny always wins. Optional: not_before, expires, reason.
grants:
  - {group: finance-team, bucket: company-reports, prefix: quarterly/}
  - {group: finance-team, bucket: company-reports, prefix: annual/}
  - {group: external-auditors, bucket: company-reports, prefix: annual/audited/}
  - {group: engineering, bucket: builds, prefix: ""}
  - {group: engineering, bucket: datasets, prefix: public/}
`
