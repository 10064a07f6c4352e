package serve

import (
	"errors"
	"reflect"
	"strings"
)

// unused is a setting that a way of deployment does not use. A server refuses it: an
// ignored setting, such as a sink without deliveries, looks like one in force.
type unused struct {
	setting string // path in the configuration
	when    func(Config) bool
	instead string // cause and next step
}

// Ways of deployment without the parts that some settings need.
func onLambda(c Config) bool   { return c.Unattended }
func oneTask(c Config) bool    { return c.Unattended && !c.rehearsal } // a rehearsal has all functions
func unsealed(c Config) bool   { return !c.Unattended && c.shared() && c.Seal.Bucket == "" }
func signsInKMS(c Config) bool { return !c.Unattended && !c.keyed() }

const (
	noListener = "needs a listener, and this server has none: remove it"
	ofSealTask = "belongs to the function with USHER_TASK=seal, which alone uses it: remove it here"
	// beside is a server that does the continuous work of a stack.
	beside  = "usher serve with the same tables and seal, on one machine beside the functions"
	archive = "the archive of the function with USHER_TASK=stream (USHER_FIREHOSE), which receives each event"
)

// unusedSettings has the settings that some ways of deployment do not use.
func unusedSettings() []unused {
	return []unused{
		{"listen", onLambda, noListener},
		{"metrics", onLambda, noListener},
		{"trusted_proxies", onLambda, noListener},
		{"tls.cert", onLambda, noListener},
		{"tls.key", onLambda, noListener},
		{"tls.proxy", onLambda, noListener},
		{"audit_key", onLambda, "is a file, and the files of a function do not last: USHER_SEAL_KMS_KEY of the function with USHER_TASK=seal signs its log"},
		{"sinks", onLambda, "does not work on AWS Lambda, where no process runs between requests: use " + archive + ", or " + beside},
		{"alerts", onLambda, "does not work on AWS Lambda, where no process runs between requests: use " + beside + ", or rules of your SIEM on " + archive},
		{"witnesses", onLambda, "does not work on AWS Lambda, where no process runs between requests: use " + beside},
		{"holds", oneTask, ofSealTask},
		{"seal.kms_key", oneTask, ofSealTask},
		{"sinks", unsealed, "needs an audit log in a file, or one in a table with seal"},
		{"alerts", unsealed, "needs an audit log in a file, or one in a table with seal"},
		{"witnesses", unsealed, "needs an audit log in a file, or one in a table with seal: a log without seal has no checkpoints"},
		{"audit_key", signsInKMS, "signs a log in a file, or one in a table with seal and without kms_key: remove it"},
	}
}

// checkUnused refuses settings that this server would ignore.
func (c *Config) checkUnused() error {
	for _, u := range unusedSettings() {
		if u.when(*c) && !settingOf(c, u.setting).IsZero() {
			return errors.New(c.nameOf(u.setting) + " " + u.instead)
		}
	}
	return nil
}

// nameOf returns the name of a setting where the administrator wrote it: in the file, or
// in the environment of a function.
func (c *Config) nameOf(setting string) string {
	if c.Unattended {
		return prefix + strings.ToUpper(strings.ReplaceAll(setting, ".", "_"))
	}
	return setting
}

// settingOf returns the field of a setting.
func settingOf(c *Config, path string) reflect.Value {
	at := reflect.ValueOf(c).Elem()
	for name := range strings.SplitSeq(path, ".") {
		for i := range at.NumField() {
			if tag, _, _ := strings.Cut(at.Type().Field(i).Tag.Get("yaml"), ","); tag == name {
				at = at.Field(i)
				break
			}
		}
	}
	return at
}
