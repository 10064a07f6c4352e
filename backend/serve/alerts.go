package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"usher/backend/alert"
	"usher/backend/audit"
	"usher/backend/audit/checkpoint"
	"usher/backend/event"
	"usher/backend/safetext"
)

// Alert is a rule of the configuration: Threshold events that match Query within
// Minutes, of one value of By, are an event alert.
type Alert struct {
	Name      string `yaml:"name"` // of lower-case letters, digits and dashes
	Query     string `yaml:"query"`
	By        string `yaml:"by"` // a property of event.Bys but day and hour; empty: all events together
	Minutes   int    `yaml:"minutes"`
	Threshold int    `yaml:"threshold"`
}

// rule returns the rule of an alert.
func (a Alert) rule() (alert.Rule, error) {
	r := alert.Rule{Name: a.Name, Query: a.Query, By: event.By(a.By), Window: time.Duration(a.Minutes) * time.Minute, Threshold: a.Threshold}
	var err error
	if r.Filter, err = event.ParseFilter(a.Query, time.Now()); err != nil {
		return r, fmt.Errorf("alerts: the query of %s: %w", a.Name, err)
	}
	switch {
	case slices.ContainsFunc(r.Filter.Terms, func(t event.Term) bool { return t.Field == event.BySince || t.Field == event.ByUntil }):
		return r, fmt.Errorf("alerts: the query of %s has a time; minutes is the time of an alert", a.Name)
	case a.By != "" && (!slices.Contains(event.Bys(), r.By) || r.By == event.PerDay || r.By == event.PerHour):
		return r, fmt.Errorf("alerts: by of %s is who, file, folder, ip, session, grant or agent, or absent", a.Name)
	case a.Minutes < 1 || r.Window > alert.MaxWindow:
		return r, fmt.Errorf("alerts: minutes of %s is 1 to %d", a.Name, int(alert.MaxWindow.Minutes()))
	case a.Threshold < 1 || a.Threshold > alert.MaxThreshold:
		return r, fmt.Errorf("alerts: threshold of %s is 1 to %d", a.Name, alert.MaxThreshold)
	}
	return r, nil
}

// checkAlerts checks the configured alerts.
func (c *Config) checkAlerts() error {
	if len(c.Alerts) > alert.MaxRules {
		return fmt.Errorf("alerts has at most %d entries", alert.MaxRules)
	}
	names := map[string]bool{}
	for _, a := range c.Alerts {
		if !sinkName.Matches(a.Name) || names[a.Name] {
			return fmt.Errorf("alerts: %q is no name of its own, of lower-case letters, digits and dashes", safetext.Line(a.Name))
		}
		names[a.Name] = true
		if _, err := a.rule(); err != nil {
			return err
		}
	}
	return nil
}

// newAlerts returns the watch of a configuration's alerts, or nil.
func (p *parts) newAlerts(c Config, log *audit.Log) (*alert.Watch, error) {
	if len(c.Alerts) == 0 {
		return nil, nil
	}
	all, ok := recordsOf(p.store)
	if !ok {
		return nil, errors.New("alerts needs an audit log in a file, or one that is sealed")
	}
	var rules []alert.Rule
	for _, a := range c.Alerts {
		r, err := a.rule()
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return alert.New(alert.Config{
		Rules: rules, Records: all, Position: p.place(c, "alerts", p.logName()), Size: p.sealedSize, Log: log, Now: p.deps.Now, Report: p.deps.Log,
	})
}

// logName returns the name of the log for positions in it.
func (p *parts) logName() string {
	if proved, ok := p.store.(proved); ok && proved.Key() != "" {
		return proved.Key()
	}
	return "audit"
}

// sealedSize returns the number of records in the order of recording.
func (p *parts) sealedSize(ctx context.Context) (int64, error) {
	proved, ok := p.store.(proved)
	if !ok {
		return p.store.Count(ctx)
	}
	note, err := proved.Latest(ctx)
	if err != nil || note == nil {
		return 0, err
	}
	_, head, err := checkpoint.Unverified(note)
	return head.Size, err
}
