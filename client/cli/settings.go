package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"usher/backend/api"
)

// settingsFile is the file of a person's defaults, in the config folder.
const settingsFile = "config.yaml"

// defaults are a person's defaults for flags. "": none.
type defaults struct {
	Output string `yaml:"output"` // folder of downloads
	Limit  string `yaml:"limit"`  // bytes a second of downloads
	Theme  string `yaml:"theme"`  // dark or light
	Notify string `yaml:"notify"` // off, bell or osc
	Glyphs string `yaml:"glyphs"` // ascii or unicode
	Motion string `yaml:"motion"` // on or off
	Mouse  string `yaml:"mouse"`  // on or off
	Reader string `yaml:"reader"` // on or off; 1 or 0

	keys map[string][]string // of actions, for all profiles
}

// value returns a pointer to the default of a name, nil for an unknown name.
func (d *defaults) value(name string) *string {
	return map[string]*string{
		"output": &d.Output, "limit": &d.Limit, "theme": &d.Theme, "notify": &d.Notify,
		"glyphs": &d.Glyphs, "motion": &d.Motion, "mouse": &d.Mouse, "reader": &d.Reader,
	}[name]
}

// defaultNames returns the names of all defaults, in the order of usher config.
func defaultNames() []string {
	return []string{"output", "limit", "theme", "notify", "glyphs", "motion", "mouse", "reader"}
}

// settings is the content of the file: defaults for all servers, and for single
// profiles.
type settings struct {
	All      defaults            `yaml:",inline"`
	Keys     map[string]keyList  `yaml:"keys"` // of actions of the browser
	Profiles map[string]defaults `yaml:"profiles"`
}

// keyList is one key, or a list of keys.
type keyList []string

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (k *keyList) UnmarshalYAML(decode func(any) error) error {
	var one string
	if err := decode(&one); err == nil {
		*k = keyList{one}
		return nil
	}
	var list []string
	if err := decode(&list); err != nil {
		return err
	}
	*k = list
	return nil
}

// remapped returns the chosen keys of actions.
func (s settings) remapped() map[string][]string {
	to := make(map[string][]string)
	for action, list := range s.Keys {
		to[action] = list
	}
	return to
}

// readSettings reads the file. Without one there are no defaults.
func (a *app) readSettings() (s settings, err error) {
	raw, err := a.Folders.LoadConfig(settingsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	path := filepath.Join(a.Folders.Config, settingsFile)
	if err := yaml.UnmarshalWithOptions(raw, &s, yaml.Strict()); err != nil {
		text, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
		return s, &failedError{text: fmt.Sprintf("%s can't be read: %s.", safe(path), safe(text)), exit: api.ExitUsage, cause: err}
	}
	for name, d := range s.Profiles {
		if err := d.check(path, "profiles."+name+"."); err != nil {
			return s, err
		}
	}
	if len(s.Keys) > 0 {
		if err := a.CheckKeys(s.remapped()); err != nil {
			text := err.Error()
			if !strings.HasSuffix(text, "?") {
				text += "."
			}
			return s, usagef("%s: keys: %s", safe(path), safe(text))
		}
	}
	return s, s.All.check(path, "")
}

// check refuses values that no command accepts.
func (d defaults) check(path, lead string) error {
	problem := ""
	switch {
	case d.Output == "-" || d.Output != "" && !filepath.IsAbs(expandHome(d.Output)):
		problem = lead + "output is a folder: an absolute path, or one that begins with ~/"
	case !oneOf(d.Theme, "dark", "light"):
		problem = lead + "theme is dark or light"
	case !oneOf(d.Notify, "off", "bell", "osc"):
		problem = lead + "notify is off, bell or osc"
	case !oneOf(d.Glyphs, "ascii", "unicode"):
		problem = lead + "glyphs is ascii or unicode"
	case !oneOf(d.Motion, "on", "off"):
		problem = lead + "motion is on or off"
	case !oneOf(d.Mouse, "on", "off"):
		problem = lead + "mouse is on or off"
	case !oneOf(d.Reader, "on", "off", "1", "0"):
		problem = lead + "reader is on or off"
	case d.Limit != "":
		if _, err := bytesOf(d.Limit); err != nil {
			problem = lead + "limit is bytes a second, like 800k or 10M"
		}
	}
	if problem == "" {
		return nil
	}
	return usagef("%s: %s.", safe(path), safe(problem))
}

// oneOf reports whether a value is absent or one of a list.
func oneOf(value string, list ...string) bool { return value == "" || slices.Contains(list, value) }

// screenOf returns the settings of full-screen pages.
func (a *app) screenOf(d defaults) Screen {
	return Screen{Glyphs: d.Glyphs, Still: d.Motion == "off", Mouse: d.Mouse == "on", Lines: linear(d.Reader, a.Getenv), Keys: d.keys}
}

// expandHome replaces ~/ at the beginning of a path. Without a home folder it
// returns the path unchanged.
func expandHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	home, err := os.UserHomeDir()
	if !ok || err != nil {
		return path
	}
	return filepath.Join(home, rest)
}

// setting returns one setting and its origin: the environment, then the profile's
// part of the file, then the file. A flag comes before all of them.
func (a *app) setting(s settings, profile, name string) configValue {
	of := func(d defaults) string { return *d.value(name) }
	variable := "USHER_" + strings.ToUpper(name)
	if v := a.Getenv(variable); v != "" {
		return configValue{name, v, variable}
	}
	if v := of(s.Profiles[profile]); v != "" {
		return configValue{name, v, fmt.Sprintf("%s, profile %s", settingsFile, safe(profile))}
	}
	if v := of(s.All); v != "" {
		return configValue{name, v, settingsFile}
	}
	return configValue{name, "", "default"}
}

// profileName returns the name of the profile in use, or "".
func (a *app) profileName() string {
	switch {
	case a.profile != "":
		return a.profile
	case a.Getenv("USHER_PROFILE") != "":
		return a.Getenv("USHER_PROFILE")
	case a.server != "" || a.Getenv("USHER_SERVER") != "":
		return ""
	}
	return a.Folders.Default()
}

// inForce returns the settings of the profile in use, checked.
func (a *app) inForce() (defaults, error) {
	s, err := a.readSettings()
	if err != nil {
		return defaults{}, err
	}
	var d defaults
	for _, name := range defaultNames() {
		*d.value(name) = a.setting(s, a.profileName(), name).Value
	}
	if err := d.check("The environment or "+settingsFile, ""); err != nil {
		return defaults{}, err
	}
	d.Output = expandHome(d.Output)
	d.keys = s.remapped()
	return d, nil
}
