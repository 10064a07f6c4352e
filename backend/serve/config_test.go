package serve_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/grant/file"
	"usher/backend/serve"
)

// good is a complete configuration, by field, so a case can change one field.
var good = map[string]string{
	"listen": "127.0.0.1:8443", "public_url": "https://files.example.com", "region": "eu-central-1", "user_pool_id": "eu-central-1_AbCdEf", "client_id": "1example",
	"grants": "grants.yaml", "audit": "audit.db",
}

func load(t *testing.T, change map[string]string) (serve.Config, string, error) {
	t.Helper()
	lines := map[string]string{}
	for _, from := range []map[string]string{good, change} {
		for name, value := range from {
			lines[name] = value
		}
	}
	var text strings.Builder
	for name, value := range lines {
		if value != "" {
			text.WriteString(name + ": " + value + "\n")
		}
	}
	path := filepath.Join(t.TempDir(), "usher.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := serve.Load(path)
	return c, path, err
}

func TestLoad(t *testing.T) {
	c, path, err := load(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.URLSeconds != 60 || c.Instances != 1 || c.S3.Region != "eu-central-1" || c.AuditorsGroup != "usher-auditors" || c.AdminsGroup != "usher-admins" {
		t.Errorf("the defaults: %+v", c)
	}
	if want := filepath.Join(filepath.Dir(path), "grants.yaml"); c.Grants != want {
		t.Errorf("a relative path is %s, want %s", c.Grants, want)
	}
	key := "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for name, change := range map[string]map[string]string{
		"behind a proxy": {"listen": "0.0.0.0:8080", "tls": "{proxy: true}", "trusted_proxies": "[10.0.0.0/8, 192.0.2.1]"},
		"with TLS":       {"listen": "0.0.0.0:443", "tls": "{cert: c.pem, key: k.pem}"},
		"cursor keys":    {"cursor_keys": "[" + key + ", " + key + "]"},
		"tables":         {"audit": "dynamodb:usher-log", "grants": "dynamodb:usher-grants", "state": "dynamodb:usher-state", "instances": "8"},
		"a hosted UI":    {"hosted_ui": "https://sign-in.example.com"},
		"all ways to sign in": {"hosted_ui": "https://sign-in.example.com", "idle_minutes": "15",
			"sign_in": "{ways: [sso, password, code, device], sso_client_id: a1, device_client_id: b2, providers: [{name: Okta, label: Example Corp}], callback_ports: [41871], password: {length: 12}}"},
		"on loopback": {"public_url": "http://127.0.0.1:8443"},
		"sinks":       {"sinks": "[{name: siem, to: 'https://siem.example.com/in', format: ocsf, token_file: t}, {name: log, to: 'syslog+tls://log.example.com:6514', ca: ca.pem}, {name: file, to: 'file:events.jsonl'}]"},
	} {
		if _, _, err := load(t, change); err != nil {
			t.Errorf("%s is refused: %v", name, err)
		}
	}
}

// The error of a bad configuration names the file, the field and the correction.
func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change map[string]string
		want   []string // in the error
	}{
		"no address":              {map[string]string{"listen": ""}, []string{"listen is missing"}},
		"no public URL":           {map[string]string{"public_url": ""}, []string{"public_url is missing"}},
		"no region":               {map[string]string{"region": ""}, []string{"region is missing"}},
		"no pool":                 {map[string]string{"user_pool_id": ""}, []string{"user_pool_id is missing"}},
		"no client":               {map[string]string{"client_id": ""}, []string{"client_id is missing"}},
		"no grants":               {map[string]string{"grants": ""}, []string{"grants is missing"}},
		"no log":                  {map[string]string{"audit": ""}, []string{"audit is missing"}},
		"an unknown field":        {map[string]string{"issuer": "http://127.0.0.1:9/x"}, []string{"issuer"}},
		"a loopback pool":         {map[string]string{"loopback": "true"}, []string{"loopback"}},
		"not YAML":                {map[string]string{"listen": "[x"}, []string{"usher.yaml"}},
		"a number in words":       {map[string]string{"url_seconds": "sixty"}, []string{"usher.yaml:", "must be of the type int"}},
		"no port":                 {map[string]string{"listen": "127.0.0.1"}, []string{"listen must be address:port"}},
		"a short URL lifetime":    {map[string]string{"url_seconds": "14"}, []string{"url_seconds must be 15 to 900"}},
		"a long URL lifetime":     {map[string]string{"url_seconds": "901"}, []string{"url_seconds must be 15 to 900"}},
		"a negative lifetime":     {map[string]string{"url_seconds": "-60"}, []string{"url_seconds must be 15 to 900"}},
		"negative instances":      {map[string]string{"instances": "-1"}, []string{"instances must be 1 to 1000"}},
		"too many instances":      {map[string]string{"instances": "1001"}, []string{"instances must be 1 to 1000"}},
		"a public URL with path":  {map[string]string{"public_url": "https://files.example.com/usher"}, []string{"public_url must be an origin"}},
		"a public URL with user":  {map[string]string{"public_url": "https://a:b@files.example.com"}, []string{"public_url must be an origin"}},
		"a public URL, no scheme": {map[string]string{"public_url": "files.example.com"}, []string{"public_url must be an origin"}},
		"public, not encrypted":   {map[string]string{"public_url": "http://files.example.com"}, []string{"public_url must begin with https://"}},
		"open, not encrypted":     {map[string]string{"listen": "0.0.0.0:8080"}, []string{"listen is not on 127.0.0.1", "tls"}},
		"half a certificate":      {map[string]string{"tls": "{cert: c.pem}"}, []string{"tls needs both cert and key"}},
		"no such region":          {map[string]string{"region": "Europe"}, []string{"region", "Europe"}},
		"a pool of other region":  {map[string]string{"user_pool_id": "us-east-1_AbCdEf"}, []string{"user pool id", "eu-central-1"}},
		"a pool that is a URL":    {map[string]string{"user_pool_id": "http://127.0.0.1:9/eu-central-1_AbCdEf"}, []string{"user pool id"}},
		"a proxy by name":         {map[string]string{"trusted_proxies": "[proxy.internal]"}, []string{"trusted_proxies", "proxy.internal"}},
		"a short cursor key":      {map[string]string{"cursor_keys": "[c2hvcnQ=]"}, []string{"cursor_keys: entry 1 is not 32 bytes in base64"}},
		"three cursor keys":       {map[string]string{"cursor_keys": "[" + strings.Repeat("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,", 3) + "]"}, []string{"cursor_keys", "two"}},
		"instances with files":    {map[string]string{"instances": "2"}, []string{"shared stores", "dynamodb:TABLE"}},
		"state with files":        {map[string]string{"state": "dynamodb:usher-state"}, []string{"all be dynamodb:TABLE"}},
		"a state file":            {map[string]string{"state": "state.db"}, []string{"state must be dynamodb:TABLE"}},
		"expiry of a file":        {map[string]string{"audit_days": "400"}, []string{"audit_days needs audit: dynamodb:TABLE; for a file write retention_days"}},
		"a negative retention":    {map[string]string{"retention_days": "-1"}, []string{"retention_days must be 0 to 36500"}},
		"a hold of no field":      {map[string]string{"holds": "['whom:ada']"}, []string{"holds: whom:ada"}},
		"a hold of everything":    {map[string]string{"holds": "[' ']"}, []string{"a hold needs a filter"}},
		"a negative expiry":       {map[string]string{"audit_days": "-1"}, []string{"audit_days must be 0 to 36500"}},
		"only the log in a table": {map[string]string{"audit": "dynamodb:usher-log"}, []string{"all be dynamodb:TABLE"}},
		"one table for two":       {map[string]string{"audit": "dynamodb:usher", "grants": "dynamodb:usher", "state": "dynamodb:state"}, []string{"a table each"}},
		"no table":                {map[string]string{"audit": "'dynamodb:'", "grants": "dynamodb:grants", "state": "dynamodb:state"}, []string{"not the name of a table"}},
		"a sink without a name":   {map[string]string{"sinks": "[{to: 'file:x'}]"}, []string{"no name of its own"}},
		"two sinks of one name":   {map[string]string{"sinks": "[{name: a, to: 'file:x'}, {name: a, to: 'file:y'}]"}, []string{"no name of its own"}},
		"a sink over http":        {map[string]string{"sinks": "[{name: a, to: 'http://siem.example.com'}]"}, []string{"sinks: a: to is file:PATH"}},
		"a sink with a password":  {map[string]string{"sinks": "[{name: a, to: 'https://u:p@siem.example.com'}]"}, []string{"without a password"}},
		"a sink without a port":   {map[string]string{"sinks": "[{name: a, to: 'syslog+tls://log.example.com'}]"}, []string{"syslog+tls://HOST:PORT"}},
		"a sink of a format":      {map[string]string{"sinks": "[{name: a, to: 'file:x', format: cef}]"}, []string{"usher or ocsf"}},
		"a token for a file":      {map[string]string{"sinks": "[{name: a, to: 'file:x', token_file: t}]"}, []string{"token_file is for https"}},
		"a sink of a table":       {map[string]string{"sinks": "[{name: a, to: 'file:x'}]", "audit": "dynamodb:log", "grants": "dynamodb:grants", "state": "dynamodb:state"}, []string{"an audit log in a file"}},
		"an escape sequence":      {map[string]string{"organisation": `"Acme \e[2J"`}, []string{"organisation must be"}},
		"text that runs backward": {map[string]string{"organisation": `"Acme \u202Egnp.exe"`}, []string{"organisation must be"}},
		"a long organisation":     {map[string]string{"organisation": strings.Repeat("x", 101)}, []string{"organisation must be"}},
		"a group of two lines":    {map[string]string{"auditors_group": `"usher\nauditors"`}, []string{"auditors_group"}},
		"a group with an escape":  {map[string]string{"admins_group": `"a\e]0;x\ab"`}, []string{"admins_group"}},
		"a group with a space":    {map[string]string{"admins_group": "usher admins"}, []string{"admins_group"}},
		"a client with an escape": {map[string]string{"client_id": `"1\e[0m"`}, []string{"client_id"}},
		"a client with a quote":   {map[string]string{"client_id": `a"b`}, []string{"client_id"}},
		"an unknown way":          {map[string]string{"sign_in": "{ways: [magic]}"}, []string{"sign_in ways", "magic"}},
		"a way twice":             {map[string]string{"sign_in": "{ways: [password, password]}"}, []string{"sign_in ways", "twice"}},
		"sso without a client":    {map[string]string{"hosted_ui": "https://a.example.com", "sign_in": "{ways: [sso]}"}, []string{"sso_client_id"}},
		"sso without a domain":    {map[string]string{"sign_in": "{sso_client_id: a1}"}, []string{"hosted_ui"}},
		"a label with an escape":  {map[string]string{"sign_in": `{providers: [{name: a, label: "\e[2J"}]}`}, []string{"providers"}},
		"a privileged port":       {map[string]string{"hosted_ui": "https://a.example.com", "sign_in": "{sso_client_id: a1, callback_ports: [80]}"}, []string{"callback_ports"}},
		"rules of two characters": {map[string]string{"sign_in": "{password: {length: 2}}"}, []string{"length must be 6 to 99"}},
		"a negative idle time":    {map[string]string{"idle_minutes": "-1"}, []string{"idle_minutes must be 0 to 1440"}},
		"a hosted UI over HTTP":   {map[string]string{"hosted_ui": "http://sign-in.example.com"}, []string{"hosted_ui must be an origin"}},
	} {
		_, path, err := load(t, c.change)
		if err == nil {
			t.Errorf("%s is accepted", name)
			continue
		}
		for _, word := range append(c.want, path) {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q, want %q in it", name, err, word)
			}
		}
	}
	if _, err := serve.Load(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestAConfigurationThatOthersCanWriteIsRefused(t *testing.T) {
	_, path, err := load(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		mode os.FileMode
	}{{path, 0o666}, {filepath.Dir(path), 0o777}} {
		before, err := os.Stat(c.path)
		if err == nil {
			err = os.Chmod(c.path, c.mode)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := serve.Load(path); !errors.Is(err, file.ErrWritable) || !strings.Contains(err.Error(), "chmod o-w "+c.path) {
			t.Errorf("%s with mode %o: %v", c.path, c.mode, err)
		}
		if err := os.Chmod(c.path, before.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := serve.Load(path); err != nil {
		t.Errorf("after chmod: %v", err)
	}
}
