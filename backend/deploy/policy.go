package deploy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxAge is the greatest age of a signature that a bucket's policy should accept, in
// milliseconds. The output BucketStatements has it.
const maxAge = 900_000

// texts are one text or a list of texts in a policy.
type texts []string

// UnmarshalJSON reads a text, a number, a boolean, or a list of them.
func (t *texts) UnmarshalJSON(raw []byte) error {
	var one any
	if err := json.Unmarshal(raw, &one); err != nil {
		return err
	}
	list, ok := one.([]any)
	if !ok {
		list = []any{one}
	}
	for _, v := range list {
		*t = append(*t, fmt.Sprint(v))
	}
	return nil
}

// statement is a statement of a bucket's policy.
type statement struct {
	Effect    string
	Principal json.RawMessage
	Action    texts
	Resource  texts
	Condition map[string]map[string]texts
}

// guards reports whether a bucket's policy refuses unencrypted connections and caps
// the age of signatures, for all its objects.
func guards(bucket, policy string) bool {
	var list struct{ Statement []statement }
	if json.Unmarshal([]byte(policy), &list) != nil {
		var one struct{ Statement statement }
		if json.Unmarshal([]byte(policy), &one) != nil {
			return false
		}
		list.Statement = []statement{one.Statement}
	}
	tls, age := false, false
	for _, s := range list.Statement {
		if s.Effect == "Deny" && s.covers(bucket) {
			tls = tls || s.has("Bool", "aws:SecureTransport", func(v string) bool { return v == "false" }, 1)
			age = age || s.has("NumericGreaterThan", "s3:signatureAge", func(v string) bool {
				n, err := strconv.ParseFloat(v, 64)
				return err == nil && n <= maxAge
			}, 2)
		}
	}
	return tls && age
}

// covers reports whether a statement applies to each reader of an object.
func (s statement) covers(bucket string) bool {
	var of struct{ AWS texts }
	var all texts
	everyone := json.Unmarshal(s.Principal, &all) == nil && slices.Contains(all, "*") || json.Unmarshal(s.Principal, &of) == nil && slices.Contains(of.AWS, "*")
	reads := slices.ContainsFunc(s.Action, func(a string) bool {
		return slices.Contains([]string{"*", "s3:*", "s3:get*", "s3:getobject"}, strings.ToLower(a))
	})
	objects := slices.ContainsFunc(s.Resource, func(r string) bool { return r == "*" || strings.HasSuffix(r, ":::"+bucket+"/*") })
	return everyone && reads && objects
}

// has reports whether a condition has a key with an accepted value. A statement with
// more conditions than most applies to fewer requests.
func (s statement) has(operator, key string, accepted func(v string) bool, most int) bool {
	found, n := false, 0
	for op, keys := range s.Condition {
		for k, values := range keys {
			n++
			if strings.EqualFold(k, key) && strings.EqualFold(op, operator) {
				found = len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return !accepted(v) })
			}
		}
	}
	return found && n <= most
}
