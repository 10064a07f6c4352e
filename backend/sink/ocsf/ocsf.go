// Package ocsf translates audit events to the Open Cybersecurity Schema Framework,
// version 1.3, the newest version that Amazon Security Lake accepts.
//
// The package is pure. The transport to a SIEM is left to package sink.
//
// SPEC: https://schema.ocsf.io/1.3.0
package ocsf

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"path"
	"strings"

	"usher/backend/audit/tree"
	"usher/backend/event"
)

// Version is the version of the schema.
const Version = "1.3.0"

// Classes of events.
const (
	authentication = 3002
	groups         = 3006
	lifecycle      = 6002
	datastore      = 6005
	fileHosting    = 6006
)

// Activities of several classes.
const (
	logon, logoff                           = 1, 2
	assign, revoke, addUser, removeUser     = 1, 2, 3, 4
	start, stop                             = 3, 4
	query, list                             = 4, 8
	download, preview, share, open, otherID = 2, 9, 12, 14, 99
)

// Severities and status.
const (
	informational, low, medium, high = 1, 2, 3, 4
	success, failure                 = 1, 2
)

// usherName is the name of the product, of its log and of its service.
const usherName = "usher"

type object map[string]any

// activity is the class of an action with its activity.
type activity struct{ class, id int }

// activityOf returns the class and the activity of an event. Events of the server
// itself are of the application's lifecycle.
func activityOf(e event.Event) activity {
	switch e.Action {
	case event.Download:
		switch e.Purpose {
		case event.PurposePreview:
			return activity{fileHosting, preview}
		case event.PurposeLink:
			return activity{fileHosting, share}
		}
		return activity{fileHosting, download}
	case event.Completed:
		return activity{fileHosting, otherID}
	case event.Stat, event.Versions:
		return activity{fileHosting, open}
	case event.List:
		return activity{datastore, list}
	case event.AuditRead, event.AuditExport, event.AuditVerify, event.AuditReview, event.Explain, event.Search:
		return activity{datastore, query}
	case event.SessionStart, event.DeviceRefused, event.TokenRefused:
		return activity{authentication, logon}
	case event.SignOut, event.SignOutAll:
		return activity{authentication, logoff}
	case event.MembershipChanged:
		switch added, removed := changed(e); {
		case len(added) > 0 && len(removed) == 0:
			return activity{groups, addUser}
		case len(removed) > 0 && len(added) == 0:
			return activity{groups, removeUser}
		}
		return activity{groups, otherID}
	case event.GrantsChanged:
		switch {
		case e.GrantsAdded > 0 && e.GrantsRemoved == 0:
			return activity{groups, assign}
		case e.GrantsRemoved > 0 && e.GrantsAdded == 0:
			return activity{groups, revoke}
		}
		return activity{groups, otherID}
	case event.AccessRequested, event.AccessWithdrawn:
		return activity{groups, otherID}
	case event.AccessAnswered:
		if e.Grant != "" {
			return activity{groups, assign}
		}
		return activity{groups, otherID}
	case event.ServiceStart:
		return activity{lifecycle, start}
	case event.ServiceStop, event.UncleanStop:
		return activity{lifecycle, stop}
	}
	return activity{lifecycle, otherID}
}

// changed returns the groups that a membership-changed event added and removed.
func changed(e event.Event) (added, removed []string) {
	before := map[string]bool{}
	for _, g := range e.GroupNamesBefore {
		before[g] = true
	}
	for _, g := range e.GroupNames {
		if !before[g] {
			added = append(added, g)
		}
		delete(before, g)
	}
	for _, g := range e.GroupNamesBefore {
		if before[g] {
			removed = append(removed, g)
		}
	}
	return added, removed
}

func severity(e event.Event) int {
	switch {
	case e.Action == event.Alarm, e.Action == event.Alert, e.Action == event.AuditGap, e.Implausible:
		return high
	case e.Action == event.UncleanStop, e.Action == event.TokenRefused, e.Action == event.DeviceRefused:
		return medium
	case e.Outcome == event.Denied, e.Outcome == event.Failed, e.Action == event.Suppressed:
		return low
	}
	return informational
}

// Encode returns an event as one JSON object. index is the number of its record
// in the log, from 0 on, and canonical its canonical bytes: with them the receiver
// can prove the event against a checkpoint.
func Encode(index int64, canonical []byte, e event.Event) ([]byte, error) {
	a := activityOf(e)
	leaf := tree.Leaf(canonical)
	out := object{
		"class_uid": a.class, "category_uid": a.class / 1000, "activity_id": a.id, "type_uid": a.class*100 + a.id,
		"activity_name": e.Action, "time": e.Time.UnixMilli(), "severity_id": severity(e), "status_id": success, "message": message(e),
		"metadata": object{
			"version": Version, "uid": e.ID, "sequence": index, "correlation_uid": cmp.Or(e.RequestID, e.ID),
			"log_name": "audit", "product": object{"name": usherName, "vendor_name": usherName},
		},
		"unmapped": object{usherName: object{
			"index": index, "leaf": base64.StdEncoding.EncodeToString(leaf[:]), "event": json.RawMessage(canonical),
		}},
	}
	if e.Outcome != event.Allowed {
		out["status_id"], out["status_detail"] = failure, cmp.Or(e.Reason, e.Outcome)
	}
	if e.Count > 0 {
		out["count"] = e.Count
	}
	person(out, e, a.class)
	subject(out, e, a.class)
	return json.Marshal(out)
}

func message(e event.Event) string {
	if p := e.Path(); p != "" {
		return e.Action + " " + e.Outcome + ": " + p
	}
	return e.Action + " " + e.Outcome
}

// person adds the user and the addresses.
func person(out object, e event.Event, class int) {
	user := object{"name": cmp.Or(e.User.Username, e.User.Sub, "unknown")}
	if e.User.Sub != "" {
		user["uid"] = e.User.Sub
	}
	if e.User.Email != "" {
		user["email_addr"] = e.User.Email
	}
	source := object{"name": "unknown"}
	if e.SourceIP != "" {
		source = object{"ip": e.SourceIP}
	}
	actor := object{"user": user}
	if e.Session != "" {
		actor["session"] = object{"uid": e.Session}
	}
	if class != lifecycle && class != groups {
		out["src_endpoint"] = source
	}
	switch class {
	case authentication:
		out["user"], out["service"] = user, object{"name": usherName}
	case groups:
		out["user"] = user
	case datastore, fileHosting:
		out["actor"] = actor
	}
}

// subject adds the object of the action.
func subject(out object, e event.Event, class int) {
	switch class {
	case fileHosting:
		file := object{"name": name(e.Key), "path": e.Path(), "type_id": 1} // a regular file
		if e.Size != nil {
			file["size"] = *e.Size
		}
		if e.Version != "" {
			file["version"] = e.Version
		}
		out["file"] = file
	case datastore:
		if e.Bucket == "" {
			out["database"] = object{"name": usherName, "type_id": otherID, "type": "audit log and grants"}
			return
		}
		out["databucket"] = object{"name": e.Bucket, "type_id": 1, "file": object{"name": name(e.Key), "path": e.Path(), "type_id": 2}}
	case groups:
		if e.Action == event.GrantsChanged {
			out["group"] = object{"name": "grants", "uid": e.GrantsVersion}
			out["privileges"] = append([]string{}, e.GrantsDiff...)
			return
		}
		added, removed := changed(e)
		out["group"] = object{"name": strings.Join(append(added, removed...), ", ")}
	case lifecycle:
		out["app"] = object{"name": usherName, "vendor_name": usherName}
	}
}

// name returns the last part of a key; "/" for the root of a bucket.
func name(key string) string { return path.Base("/" + key) }
