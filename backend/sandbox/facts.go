// Package sandbox runs AWS-like services on this machine: a Cognito-compatible
// user pool and an S3 server, in process, on 127.0.0.1 only, with demo people
// and data. `usher demo` and tests use it. Production code does not, and a build
// with the tag nosandbox excludes it.
//
// The sandbox is not a mock. It implements the real protocols over real HTTP,
// and refuses the requests that AWS refuses. Package sandbox/rig verifies it
// against independent servers and clients.
package sandbox

import (
	"context"
	"io"
	"net"
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

	// Server is the origin of usher's backend. Without it, the app clients have
	// no redirect URI and no sign-out page there.
	Server string
	// CallbackPorts are the ports of the browser's return on this machine; nil
	// means shape.CallbackPorts.
	CallbackPorts []int
	// Inbound is the pool's inbound federation trigger; see hosted.Company.
	Inbound func(assertion map[string]string) (map[string]string, error)
	// Elsewhere is a second region with its own S3 server and no bucket yet. Not
	// with a Storage.
	Elsewhere string
	// Versions makes the bucket of reports keep versions, and some of its files have
	// earlier ones. Not with a Storage.
	Versions bool
	// ReaderRole starts an STS server, and the backend's keys have no right in S3:
	// they assume the reader role. Not with a Storage.
	ReaderRole bool
	// Stack starts the other services of a deployed stack; see Sandbox.Deploy. It
	// needs ReaderRole.
	Stack  bool
	Packed func(policy string) int // see sts.Config; may be nil

	S3Port, CognitoPort int                   // 0: a free port
	CodeWanted          func(username string) // see cognito.Config; may be nil
	Faults              []string              // see cognito.ParseFault
}

// Storage is an S3 server outside of the sandbox. With a Storage, the sandbox
// starts no S3 server and writes no objects.
type Storage struct {
	Endpoint             string // origin
	Region               string // "": Region
	AccessKey, SecretKey string // "": the sandbox's own pair
}

// Facts are the addresses, keys and accounts of a running sandbox. The S3 keys
// belong to the owner of the account: they authenticate S3 writes and Cognito's
// admin calls of any AWS tool.
type Facts struct {
	Region          string
	S3Region        string
	UserPoolID      string
	ClientID        string // of sign-ins with a password in usher
	SSOClientID     string // of sign-ins in a browser on the same machine
	DeviceClientID  string // of sign-ins in a browser on another device
	CognitoEndpoint string
	HostedUI        string // origin of the pages for a browser
	Provider        string // name of the company's identity provider
	Issuer          string
	S3Endpoint      string
	S3AccessKey     string
	S3SecretKey     string
	People          []Person
	Dir             string
	GrantsFile      string
	MailFile        string // the pool's mail, one JSON object per line
	Elsewhere       string // S3 endpoint of the second region; "" without Options.Elsewhere
	STSEndpoint     string // "" without Options.ReaderRole
	ReaderRole      string // ARN; "" without Options.ReaderRole
	BackendUser     string // ARN of the user of the backend's keys

	// Of a stack; all "" without Options.Stack.
	DynamoDBEndpoint, KMSEndpoint, FirehoseEndpoint string
	LogTable, SealBucket, SealKey, Delivery         string
	ArchiveDir                                      string // folder of the archive bucket
}

// Function is a function as AWS Lambda calls it.
type Function func(ctx context.Context, payload []byte) ([]byte, error)

// Functions are the functions of a stack, with the settings of their calls.
type Functions struct {
	API, Stream, Seal Function
	Listener          net.Listener  // of the HTTP API
	Every             time.Duration // interval of the schedules
	Now               func() time.Time
}

// Person is an account of the sandbox. Password is "" after a change: the
// sandbox stores only a verifier of the new one.
type Person struct {
	Username   string   `json:"username"`
	Password   string   `json:"password"`
	Groups     []string `json:"groups"`
	TOTPSecret string   `json:"totp_secret,omitempty"`
	Temporary  bool     `json:"temporary,omitempty"`  // must set a password at the first sign-in
	SetUpMFA   bool     `json:"set_up_mfa,omitempty"` // must set up an authenticator app at the first sign-in
	SSOOnly    bool     `json:"sso_only,omitempty"`   // of the company's directory: signs in there alone
	MailCodes  bool     `json:"mail_codes,omitempty"` // needs a code that is sent by mail
}

// people returns the accounts without passwords. A TOTPSecret other than ""
// marks an account with an authenticator app; Start replaces it.
func people() []Person {
	return []Person{
		{Username: "ada", Groups: []string{"finance-team"}},
		{Username: "grace", Groups: []string{"external-auditors", "usher-auditors"}},
		{Username: "alan", Groups: []string{"engineering"}, TOTPSecret: "yes"},
		{Username: "margaret", Groups: []string{"usher-admins", "finance-team"}},
		{Username: "edsger", Groups: []string{"engineering"}, Temporary: true},
		{Username: "barbara", Groups: []string{"finance-team", "engineering"}, SSOOnly: true},
		{Username: "joan", Groups: []string{"engineering"}, MailCodes: true},
		{Username: "katherine", Groups: []string{"engineering"}, SetUpMFA: true},
	}
}

const defaultGrants = `# Access by group. You can edit this file while the demo runs: changes take effect at once.
# A prefix ends in "/"; prefix "" is the whole bucket; object names exactly one.
# effect: deny always wins. Optional: not_before, expires, reason.
grants:
  - {group: finance-team, bucket: company-reports, prefix: quarterly/}
  - {group: finance-team, bucket: company-reports, prefix: annual/}
  - {group: external-auditors, bucket: company-reports, prefix: annual/audited/}
  - {group: engineering, bucket: builds, prefix: ""}
  - {group: engineering, bucket: datasets, prefix: public/}
`
