package serve

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"usher/backend/audit/checkpoint"
)

// The ways of deployment.
const (
	wayFile   = "file"
	wayTables = "tables"
	waySealed = "sealed tables"
	wayLambda = "lambda"
)

// used is the entry of a setting that takes effect.
const used = ""

// row is a setting: its value, the settings that it needs, and the refusal of each way of
// deployment that does not use it.
type row struct {
	value string
	with  map[string]string
	// part of the error; "": used
	file, tables, sealed, lambda string
}

// everywhere is a setting that each way uses.
func everywhere(value string, with ...string) row {
	r := row{value: value, with: map[string]string{}}
	for i := 0; i < len(with); i += 2 {
		r.with[with[i]] = with[i+1]
	}
	return r
}

func settingRows(key string) map[string]row {
	const listener = "needs a listener"
	browser := []string{"hosted_ui", "https://sign-in.example.com", "sign_in.sso_client_id", "2example"}
	device := []string{"hosted_ui", "https://sign-in.example.com", "sign_in.device_client_id", "3example"}
	company := append([]string{"groups_attribute", "stamped", "federated_groups", "[finance-team]"}, browser...)
	onlySealed := func(value, lambda string) row {
		return row{value: value, tables: "needs an audit log in a file, or one in a table with seal", lambda: lambda}
	}
	seal := func(value, lambda string) row {
		return row{value: value, file: "seal is for a log in DynamoDB", tables: "seal: bucket is missing", lambda: lambda}
	}
	return map[string]row{
		"organisation": everywhere("Example"), "public_url": everywhere("https://a.example.com"), "region": everywhere("eu-west-1"),
		"user_pool_id": everywhere("eu-west-1_B"), "client_id": everywhere("b"), "hosted_ui": everywhere("https://sign-in.example.com"),
		"new_issuer": everywhere("true"), "auditors_group": everywhere("auditors"), "admins_group": everywhere("admins"),
		"listen":    {value: "127.0.0.1:8444", lambda: listener},
		"metrics":   {value: "127.0.0.1:9464", lambda: listener},
		"tls.cert":  {value: "c.pem", with: map[string]string{"tls.key": "k.pem"}, lambda: listener},
		"tls.key":   {value: "k.pem", with: map[string]string{"tls.cert": "c.pem"}, lambda: listener},
		"tls.proxy": {value: "true", lambda: listener}, "trusted_proxies": {value: "[10.0.0.0/8]", lambda: listener},
		"grants":     {value: "dynamodb:other-grants", file: "must all be dynamodb:TABLE"},
		"audit":      {value: "dynamodb:other-log", file: "must all be dynamodb:TABLE"},
		"state":      {value: "dynamodb:other-state", file: "must all be dynamodb:TABLE"},
		"audit_key":  {value: "a.key", tables: "signs a log in a file", sealed: used, lambda: "USHER_SEAL_KMS_KEY"},
		"witnesses":  onlySealed("w.policy", "usher serve with the same tables"),
		"sinks":      onlySealed("[{name: a, to: 'https://siem.example.com/in'}]", "USHER_FIREHOSE"),
		"alerts":     onlySealed("[{name: a, query: 'outcome:denied', minutes: 1, threshold: 2}]", "usher serve with the same tables"),
		"reviews":    everywhere("[{name: a, query: 'outcome:denied', days: 7}]"),
		"audit_days": {value: "400", file: "for a file write retention_days"}, "retention_days": everywhere("400"),
		"holds":     {value: "['who:ada']", tables: "holds with tables need seal", lambda: "USHER_TASK=seal"},
		"questions": everywhere("10"), "url_seconds": everywhere("120"), "idle_minutes": everywhere("15"),
		"instances":   {value: "2", file: "several instances need shared stores"},
		"cursor_keys": everywhere("[AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]"),
		"s3.region":   everywhere("eu-central-1"), "s3.regions": everywhere("[eu-central-1]"), "s3.endpoint": everywhere("https://s3.example.com"),
		"s3.path_style": everywhere("true"), "s3.exact_keys": everywhere("false"), "s3.reader_role": everywhere("arn:aws:iam::111122223333:role/b"),
		"sign_in.ways": everywhere("[password]"), "sign_in.sso_client_id": everywhere("2example", browser...),
		"sign_in.device_client_id": everywhere("3example", device...), "sign_in.providers": everywhere("[{name: Okta, label: Example}]", browser...),
		"sign_in.callback_ports": everywhere("[17851]", browser...), "sign_in.password": everywhere("{length: 12}"),
		"sign_in.device.number": everywhere("false", device...), "sign_in.device.from": everywhere("[10.0.0.0/8]", device...),
		"groups_attribute": everywhere("unstamped", company...), "groups_attribute_name": everywhere("custom:g", company...),
		"federated_groups": everywhere("[a]", company...),
		"seal.bucket":      {value: "usher-checkpoints", file: "seal is for a log in DynamoDB"},
		"seal.prefix":      seal("log/", used), "seal.public_key": seal(key, used),
		"seal.kms_key": seal("arn:aws:kms:eu-west-1:111122223333:key/1", "belongs to the function with USHER_TASK=seal"),
	}
}

// Each setting of the configuration is used by a way of deployment, or refused by it with
// the next step: none is ignored.
func TestNoSettingIsIgnored(t *testing.T) {
	fields := map[string]reflect.Value{}
	variables(reflect.ValueOf(&Config{}).Elem(), "", fields)
	_, key, err := checkpoint.Generate(rand.Reader, "files.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	rows := settingRows(key)
	paths := map[string]string{} // by variable
	for path := range rows {
		paths[strings.ToUpper(strings.ReplaceAll(path, ".", "_"))] = path
	}
	for name := range fields {
		if _, ok := paths[name]; !ok {
			t.Errorf("the setting %s has no row: is it used, or refused?", name)
		}
	}
	if len(rows) != len(fields) {
		t.Errorf("%d rows for %d settings", len(rows), len(fields))
	}
	for path, r := range rows {
		for way, want := range map[string]string{wayFile: r.file, wayTables: r.tables, waySealed: r.sealed, wayLambda: r.lambda} {
			t.Run(path+" "+way, func(t *testing.T) {
				values := valuesOf(way)
				for name, value := range r.with {
					values[name] = value
				}
				values[path] = r.value
				if strings.HasPrefix(path, "seal.") && way == wayLambda {
					values["seal.bucket"] = "usher-checkpoints"
				}
				c, err := configure(t, way, values)
				switch {
				case want == used && err != nil:
					t.Errorf("refused: %v", err)
				case want != used && (err == nil || !strings.Contains(err.Error(), want)):
					t.Errorf("the error is %v, want one with %q", err, want)
				case want == used && settingOf(&c, path).IsZero() && r.value != "false":
					t.Error("the value did not arrive")
				}
			})
		}
	}
}

// Each setting of the configuration is described in a document for administrators.
func TestEachSettingIsDocumented(t *testing.T) {
	var text string
	for _, name := range []string{"serve.md", "audit.md", "sso.md"} {
		data, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text += string(data)
	}
	rows := settingRows("")
	for path := range rows {
		name := path[strings.LastIndexByte(path, '.')+1:]
		if !regexp.MustCompile(`\b` + name + `:`).MatchString(text) {
			t.Errorf("no document has the setting %s", path)
		}
	}
	if len(rows) < 30 {
		t.Errorf("only %d settings", len(rows))
	}
}

// valuesOf returns a smallest configuration of a way.
func valuesOf(way string) map[string]string {
	values := map[string]string{"public_url": "https://files.example.com", "region": "eu-west-1", "user_pool_id": "eu-west-1_A", "client_id": "a"}
	if way == wayFile {
		values["grants"], values["audit"] = "grants.yaml", "audit.db"
	} else {
		values["grants"], values["audit"], values["state"] = "dynamodb:usher-grants", "dynamodb:usher-log", "dynamodb:usher-state"
	}
	switch way {
	case waySealed:
		values["seal.bucket"] = "usher-checkpoints"
	case wayLambda:
		values["s3.reader_role"] = "arn:aws:iam::111122223333:role/a"
	}
	if way != wayLambda {
		values["listen"] = "127.0.0.1:8443"
	}
	return values
}

// configure reads a configuration as a way of deployment does.
func configure(t *testing.T, way string, values map[string]string) (Config, error) {
	t.Helper()
	if way == wayLambda {
		var environ []string
		for path, value := range values {
			environ = append(environ, prefix+strings.ToUpper(strings.ReplaceAll(path, ".", "_"))+"="+value)
		}
		return FromEnvironment(environ)
	}
	tree := map[string]any{}
	for path, value := range values {
		at := tree
		names := strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		var v any
		if err := yaml.Unmarshal([]byte(value), &v); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", path, err))
		}
		at[names[len(names)-1]] = v
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "usher.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(file)
}
