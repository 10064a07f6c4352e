package cli

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// profileLine is a line of profiles list --json.
type profileLine struct {
	Name         string `json:"name"`
	Server       string `json:"server"`
	Organisation string `json:"organisation"`
	Default      bool   `json:"default"`
}

func (a *app) profilesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "profiles",
		SuggestFor: []string{"profile", "remotes", "contexts"},
		Short:      "Show and choose saved servers",
		GroupID:    "session",
		Long:       `Show the servers that are saved on this machine, choose the default, and remove one. usher configure saves a server.`,
		Example: `
usher profiles list
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			return unknown(cmd, args, "a command: list, use, show or remove")
		}),
	}
	named := func(use, short, long, example string, run func(name string) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Long: long, Example: example, ValidArgsFunction: a.completeProfiles,
			RunE: a.run(func(cmd *cobra.Command, args []string) error {
				if err := checkArgs(cmd, args, 1, 1, cmd.CommandPath()+" takes the NAME of a profile. usher profiles list shows them."); err != nil {
					return err
				}
				if _, err := a.Folders.LoadProfile(args[0]); err != nil {
					return err
				}
				return run(args[0])
			}),
		}
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the saved servers",
			Long: `List the saved servers, with "*" in front of the default. With --json: {"name","server","organisation","default"} for each.`,
			Example: `
usher profiles list
`,
			RunE: a.run(func(cmd *cobra.Command, args []string) error {
				if err := checkArgs(cmd, args, 0, 0, "profiles list takes no arguments."); err != nil {
					return err
				}
				return a.listProfiles()
			}),
		},
		named("use NAME", "Choose the default server", "Choose the server that commands use without --profile and --server.", "", func(name string) error {
			if err := a.Folders.SetDefault(name); err != nil {
				return err
			}
			a.hint("%s is the default now.", safe(name))
			return nil
		}),
		named("show NAME", "Show a saved server", `Show the settings of a saved server. With --json the output is that of usher configure --json.`, "", a.showProfile),
		named("remove NAME", "Forget a saved server", "Forget a server and the trust in it. Sign out first: usher logout --profile NAME. Downloaded files stay.", "", func(name string) error {
			if err := a.Folders.RemoveProfile(name); err != nil {
				return err
			}
			a.hint("%s is removed.", safe(name))
			return nil
		}),
	)
	return cmd
}

func (a *app) listProfiles() error {
	names, err := a.Folders.Profiles()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		a.hint("No server is saved. Run usher configure with the address that your administrator gave you.")
	}
	var t table
	for _, name := range names {
		p, err := a.Folders.LoadProfile(name)
		if err != nil {
			return err
		}
		line := profileLine{Name: name, Server: p.Server, Organisation: p.Config.Organisation, Default: name == a.Folders.Default()}
		if a.json {
			a.writeJSON(a.Out, line)
			continue
		}
		mark := " "
		if line.Default {
			mark = "*"
		}
		t.add(mark+" "+safe(name), safe(p.Server), safe(line.Organisation))
	}
	a.writeTable(&t)
	return nil
}

func (a *app) showProfile(name string) error {
	p, err := a.Folders.LoadProfile(name)
	if err != nil {
		return err
	}
	if a.json {
		a.writeJSON(a.Out, configureLine{p.Name, p.Server, p.Config})
		return nil
	}
	var t table
	for _, line := range [][2]string{{"name", p.Name}, {"server", p.Server}, {"organization", p.Config.Organisation}, {"region", p.Config.Region}, {"user pool", p.Config.UserPoolID}} {
		t.add(line[0], safe(line[1]))
	}
	t.add("default", map[bool]string{true: "yes", false: "no"}[name == a.Folders.Default()])
	a.writeTable(&t)
	return nil
}

// configValue is a line of usher config --json.
type configValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"`
}

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "config",
		Short:   "Show the settings in force, and where each comes from",
		GroupID: "session",
		Long: `Show the settings in force on this machine, and where each comes from: a flag, the environment, a saved profile, the file config.yaml or the default. With --json: {"name","value","from"} for each.

config.yaml in the config folder has your defaults. Flags come first, then the environment (USHER_ and the name in capitals, as USHER_OUTPUT), then the part of the profile, then the rest of the file:
  output: ~/Downloads    the folder of get and of the browser (-o)
  limit: 10M             bytes a second of get, sync and the browser (--limit)
  theme: dark            colors of the browser: dark or light
  notify: osc            for new files and ended downloads: bell, osc or off
  glyphs: ascii          characters: ascii or unicode (default: by the locale)
  motion: off            no blinking cursor, progress every 2 s
  mouse: on              the wheel moves, a click selects, a second one opens
  reader: on             lines for a screen reader; also with TERM=dumb
  keys:                  by action (docs/keys.md): one key or a list
    download: [ctrl+o, d]
    transfers.remove: delete
  profiles:
    work: {output: /data/work, limit: 50M}`,
		Example: `
usher config
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "config takes no arguments."); err != nil {
				return err
			}
			all, err := a.settings()
			if err != nil {
				return err
			}
			var t table
			for _, v := range all {
				if a.json {
					a.writeJSON(a.Out, v)
					continue
				}
				t.add(v.Name, safe(v.Value), v.From)
			}
			a.writeTable(&t)
			return nil
		}),
	}
}

// settings returns the settings in force.
func (a *app) settings() ([]configValue, error) {
	file, err := a.readSettings()
	if err != nil {
		return nil, err
	}
	chosen := func(name, flag, variable, otherwise, from string) configValue {
		switch v := a.Getenv(variable); {
		case flag != "":
			return configValue{name, flag, "--" + name}
		case v != "":
			return configValue{name, v, variable}
		}
		return configValue{name, otherwise, from}
	}
	profile := chosen("profile", a.profile, "USHER_PROFILE", a.Folders.Default(), "default")
	server := chosen("server", a.server, "USHER_SERVER", "", "default")
	if server.Value == "" && profile.Value != "" {
		if p, err := a.Folders.LoadProfile(profile.Value); err == nil {
			server.Value, server.From = p.Server, "profile "+safe(profile.Value)
		}
	}
	all := []configValue{profile, server}
	for _, name := range defaultNames() {
		all = append(all, a.setting(file, a.profileName(), name))
	}
	for _, action := range slices.Sorted(maps.Keys(file.Keys)) {
		all = append(all, configValue{"keys." + action, strings.Join(file.Keys[action], " "), settingsFile})
	}
	all = append(all, []configValue{
		{"config folder", a.Folders.Config, origin(a.Getenv, "XDG_CONFIG_HOME")},
		{"state folder", a.Folders.State, origin(a.Getenv, "XDG_STATE_HOME")},
		{"cache folder", a.Folders.Cache, origin(a.Getenv, "XDG_CACHE_HOME")},
	}...)
	for _, v := range []string{"HTTPS_PROXY", "NO_PROXY", "NO_COLOR"} {
		if value := a.Getenv(v); value != "" {
			all = append(all, configValue{v, withoutPassword(value), "environment"})
		}
	}
	return all, nil
}

// withoutPassword hides the password of a proxy's address.
func withoutPassword(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}

func origin(getenv func(string) string, variable string) string {
	if getenv(variable) != "" {
		return variable
	}
	return fmt.Sprintf("default (%s)", variable)
}
