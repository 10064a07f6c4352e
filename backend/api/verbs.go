package api

// Verb is the name of a call: POST /v1/<verb>.
type Verb string

// The verbs.
const (
	VerbWhoami       Verb = "whoami"
	VerbList         Verb = "list"
	VerbStat         Verb = "stat"
	VerbSearch       Verb = "search"
	VerbVersions     Verb = "versions"
	VerbRelease      Verb = "release"
	VerbComplete     Verb = "complete"
	VerbSignout      Verb = "signout"
	VerbSignoutAll   Verb = "signout/everywhere"
	VerbDeviceDone   Verb = "device/done"
	VerbAuditQuery   Verb = "audit/query"
	VerbAuditSummary Verb = "audit/summary"
	VerbAuditBy      Verb = "audit/by"
	VerbAuditPolicy  Verb = "audit/policy"
	VerbCheckpoint   Verb = "audit/checkpoint"
	VerbAuditExport  Verb = "audit/export"
	VerbAuditReview  Verb = "audit/review"
	VerbAuditReviews Verb = "audit/reviews"
	VerbVerified     Verb = "audit/verified"
	VerbExplain      Verb = "access/explain"
	VerbWho          Verb = "access/who"
	VerbCan          Verb = "access/can"
	VerbReview       Verb = "access/review"
	VerbGrantsList   Verb = "grants/list"
	VerbGrantsDiff   Verb = "grants/diff"
	VerbGrantsApply  Verb = "grants/apply"
	VerbGrantsEdit   Verb = "grants/edit"

	VerbExplainRequest Verb = "access/request"

	VerbAsk      Verb = "access/ask"
	VerbAsked    Verb = "access/asked"
	VerbWithdraw Verb = "access/withdraw"
	VerbAsking   Verb = "access/asking"
	VerbAnswer   Verb = "access/answer"
)

// Path returns the URL path of a verb on the server.
func (v Verb) Path() string { return "/v1/" + string(v) }
