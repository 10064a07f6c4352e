// Package grant evaluates grants: may a person in these groups read this
// object, and which folders are visible to them? It is the only evaluator.
// Listings, presigned URLs, searches and administrators' queries use the same
// Set.
//
// A grant lets a group read (list and download) one bucket below a prefix that
// ends in "/", one exact object, or a whole bucket; or, with the effect deny,
// takes that away. Nothing is allowed without a grant. A deny that reaches an
// object wins over every allow, regardless of the length of their prefixes. Names are
// literal bytes: nothing is cleaned, decoded, folded or normalized. There are
// no patterns, and finance/ never reaches finance-secret/.
//
//	set, err := grant.NewSet(grants)
//	ada := set.For([]string{"finance-team"}, now)
//	ada.Decide("company-reports", "quarterly/q3.csv").Allowed
//	ada.Visible("company-reports", "").Next // folders that lead to a grant
//
// The package is pure. It leaves to others the clock (the instant is an
// argument), the store of grants (grant/file), group membership, and the
// existence of objects. Texts in grants are raw bytes; a caller that displays
// them uses safetext.
package grant
