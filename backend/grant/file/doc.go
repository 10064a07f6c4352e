// Package file reads grants from a YAML file:
//
//	grants:
//	  - {group: finance-team, bucket: company-reports, prefix: quarterly/}
//	  - {group: external-auditors, bucket: company-reports, object: annual/letter.pdf, expires: 2026-12-31T00:00:00Z, reason: "audit 2026"}
//	  - {group: contractors, bucket: builds, prefix: "", effect: deny}
//
// A Store follows its file. A change takes effect within a second, at the next
// call of Current, and only after Config.Changed has recorded it. If the file is
// invalid or missing, or the change cannot be recorded, the previous grants stay
// in force and Problem returns the reason. A problem therefore never grants or
// revokes access. To revoke all grants, write grants: [].
//
// A file that every account of the machine can write is refused (Guarded).
//
// A file is accepted completely or not at all. Parse refuses ambiguous content:
// a prefix that does not end in "/", an unknown or repeated field, a grant with
// neither prefix nor object, a time window that ends before it starts, the same
// grant twice, anchors and tags, and invisible characters. Each error has the
// line and the fix.
//
// Decisions are left to package grant.
package file
