package rig

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"usher/backend/grant"
	"usher/backend/reader"
	"usher/backend/sandbox/iam"
)

// evaluation is a policy with requests, for iam.mjs.
type evaluation struct {
	Policy   string       `json:"policy"`
	Requests []iamRequest `json:"requests"`
}

type iamRequest struct {
	Action   string            `json:"action"`
	Resource string            `json:"resource"`
	Context  map[string]string `json:"context"`
}

// TestCloudCopilot compares the session policies of random grants with the
// grants, by an independent evaluator of policies. The sandbox's evaluator must
// agree with it.
func TestCloudCopilot(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(11, 12))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	name := func() string {
		var s string
		for range 1 + random.IntN(4) {
			s += pick("a", "b", "a?", "$", "${a}", "x{y", "ü", "A", " ", `"`, `\`)
		}
		return s
	}
	now := time.Now()
	var all []evaluation
	var want [][]bool
	for range 80 {
		var grants []grant.Grant
		seen := map[string]bool{}
		for range 1 + random.IntN(6) {
			g := grant.Grant{Group: "red", Bucket: pick("one-bucket", "two.buckets"), Effect: grant.Allow}
			if random.IntN(3) == 0 {
				g.Effect = grant.Deny
			}
			switch random.IntN(3) {
			case 0:
				g.Object = name() + pick("", "*")
			default:
				g.Prefix = name() + pick("/", "*/", "/"+name()+"/")
			}
			if !seen[g.String()] {
				seen[g.String()] = true
				grants = append(grants, g)
			}
		}
		set, err := grant.NewSet(grants)
		must(t, err)
		p, err := reader.PolicyOf("aws", set.Tree([]string{"red"}, now))
		must(t, err)
		e := evaluation{Policy: p.Text}
		var expected []bool
		view := set.For([]string{"red"}, now)
		for range 25 {
			g := grants[random.IntN(len(grants))]
			key := pick(g.Prefix+g.Object, g.Prefix, name()) + pick("", "a", "/", "b/a", name())
			bucket := pick(g.Bucket, g.Bucket, "one-bucket", "other-bucket")
			if strings.Contains(key, "*") { // the judge reads a star in a request as all names
				key = strings.ReplaceAll(key, "*", pick("Z", "zz/z"))
			}
			if key == "" {
				continue
			}
			e.Requests = append(e.Requests, iamRequest{pick("s3:GetObject", "s3:GetObjectVersion"), "arn:aws:s3:::" + bucket + "/" + key, map[string]string{}})
			expected = append(expected, view.Decide(bucket, key).Allowed)
			e.Requests = append(e.Requests, iamRequest{"s3:PutObject", "arn:aws:s3:::" + bucket + "/" + key, map[string]string{}})
			expected = append(expected, false)
			folder := key[:strings.LastIndexByte(key, '/')+1]
			if folder == "" || view.Decide(bucket, folder).Allowed && !view.Visible(bucket, folder).Inside {
				continue
			}
			e.Requests = append(e.Requests, iamRequest{"s3:ListBucket", "arn:aws:s3:::" + bucket, map[string]string{"s3:prefix": folder}})
			expected = append(expected, view.Visible(bucket, folder).Inside)
		}
		all, want = append(all, e), append(want, expected)
	}
	input, err := json.Marshal(all)
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "node", "iam.mjs")
	cmd.Stdin = bytes.NewReader(input)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("iam.mjs: %v\n%s", err, errs.String())
	}
	var got [][]bool
	must(t, json.Unmarshal(raw, &got))
	allowed, refused := 0, 0
	for i, e := range all {
		own, err := iam.Parse(e.Policy)
		must(t, err)
		for j, r := range e.Requests {
			if got[i][j] != want[i][j] {
				t.Errorf("%s %s %v: the judge gives %v, the grants %v: %s", r.Action, r.Resource, r.Context, got[i][j], want[i][j], e.Policy)
			}
			if ours := own.Allows(iam.Request{Action: r.Action, Resource: r.Resource, Context: r.Context}); ours != got[i][j] {
				t.Errorf("%s %s %v: the judge gives %v, the sandbox %v: %s", r.Action, r.Resource, r.Context, got[i][j], ours, e.Policy)
			}
			if got[i][j] {
				allowed++
			} else {
				refused++
			}
		}
	}
	t.Logf("POLICIES world=foreign policies=%d allowed=%d refused=%d", len(all), allowed, refused)
	if allowed < 200 || refused < 200 {
		t.Errorf("%d allowed and %d refused requests prove little", allowed, refused)
	}
}
