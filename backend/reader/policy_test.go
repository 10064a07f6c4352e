package reader

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"usher/backend/grant"
	"usher/backend/sandbox/iam"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func setOf(t interface{ Fatal(...any) }, grants ...grant.Grant) *grant.Set {
	set, err := grant.NewSet(grants)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func policyFor(t interface{ Fatal(...any) }, set *grant.Set, groups ...string) (Policy, *iam.Policy) {
	p, err := PolicyOf("aws", set.Tree(groups, noon))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := iam.Parse(p.Text)
	if err != nil {
		t.Fatal(err)
	}
	return p, parsed
}

func get(bucket, key string) iam.Request {
	return iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::" + bucket + "/" + key}
}

func list(bucket, prefix string) iam.Request {
	return iam.Request{Action: "s3:ListBucket", Resource: "arn:aws:s3:::" + bucket, Context: map[string]string{"s3:prefix": prefix}}
}

// names generates paths of few ASCII characters, so that they often are prefixes
// of each other.
func names() *rapid.Generator[string] {
	return rapid.StringMatching(`[ab*?$\{}"\\/\x01\x7f ]{1,6}`)
}

func someGrants(t *rapid.T) []grant.Grant {
	n := rapid.IntRange(0, 8).Draw(t, "grants")
	var out []grant.Grant
	seen := map[string]bool{}
	for range n {
		g := grant.Grant{
			Group: rapid.SampledFrom([]string{"red", "blue", "other"}).Draw(t, "group"), Bucket: rapid.SampledFrom([]string{"one", "two.dots"}).Draw(t, "bucket"),
			Effect: rapid.SampledFrom([]grant.Effect{grant.Allow, grant.Allow, grant.Deny}).Draw(t, "effect"),
		}
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			g.Object = names().Draw(t, "object")
		case 1: // the whole bucket
		default:
			g.Prefix = names().Draw(t, "prefix") + "/"
		}
		switch rapid.IntRange(0, 5).Draw(t, "window") {
		case 0:
			g.Expires = noon
		case 1:
			g.Expires = noon.Add(time.Second)
		case 2:
			g.NotBefore = noon.Add(time.Second)
		}
		if g.Validate() == nil && !seen[g.String()] {
			seen[g.String()] = true
			out = append(out, g)
		}
	}
	return out
}

// For names in ASCII, policy and grants allow the same objects.
func TestPolicyIsTheGrants(t *testing.T) {
	allowed, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		set := setOf(t, someGrants(t)...)
		groups := []string{"red", "blue"}
		p, parsed := policyFor(t, set, groups...)
		if p.Unproven {
			t.Fatalf("unproven: %s", p.Text)
		}
		view := set.For(groups, noon)
		for range 20 {
			bucket, key := rapid.SampledFrom([]string{"one", "two.dots", "three"}).Draw(t, "in"), names().Draw(t, "key")
			if grants := set.Grants(); len(grants) > 0 && rapid.Bool().Draw(t, "near") {
				g := rapid.SampledFrom(grants).Draw(t, "beside")
				bucket, key = g.Bucket, g.Prefix+g.Object+rapid.SampledFrom([]string{"", "a", "/", "a/b"}).Draw(t, "more")
			}
			if key == "" {
				continue
			}
			want := view.Decide(bucket, key).Allowed
			if parsed.Allows(get(bucket, key)) != want {
				t.Fatalf("GET %s/%q: the grants give %v, the policy not: %s", bucket, key, want, p.Text)
			}
			if want {
				allowed++
			} else {
				refused++
			}
			folder := key[:strings.LastIndexByte(key, '/')+1]
			inside, listed := view.Visible(bucket, folder).Inside, parsed.Allows(list(bucket, folder))
			if inside && !listed || listed && !inside && !view.Decide(bucket, folder).Allowed {
				t.Fatalf("listing %s/%q: the grants give %v, the policy not: %s", bucket, folder, inside, p.Text)
			}
		}
	})
	least := 100
	if testing.Short() {
		least = 10
	}
	if allowed < least || refused < least {
		t.Errorf("%d allowed and %d refused objects prove little", allowed, refused)
	}
}

// A session decrypts for S3 only, in any region.
func TestDecryptsForStorageAlone(t *testing.T) {
	p, parsed := policyFor(t, setOf(t, grant.Grant{Group: "red", Bucket: "one", Prefix: "a/"}), "red")
	for service, want := range map[string]bool{
		"s3.eu-west-1.amazonaws.com": true, "s3.us-east-1.amazonaws.com": true, "dynamodb.eu-west-1.amazonaws.com": false, "": false,
	} {
		in := iam.Request{Action: "kms:Decrypt", Resource: "arn:aws:kms:eu-west-1:111122223333:key/one", Context: map[string]string{}}
		if service != "" {
			in.Context["kms:viaservice"] = service
		}
		if parsed.Allows(in) != want {
			t.Errorf("via %q: want %v: %s", service, want, p.Text)
		}
	}
}

// A policy ends at the last prefix before a character that STS refuses. It never
// denies a granted object.
func TestCharactersBeyondPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		grants     []grant.Grant
		in, out    []string // keys that the policy allows and refuses
		unproven   bool
		notInTexts string
	}{
		"Japanese prefix": {
			[]grant.Grant{{Group: "red", Bucket: "one", Prefix: "reports/日本/2026/"}},
			[]string{"reports/日本/2026/a", "reports/other"}, []string{"private/日本/2026/a", "report"}, true, "日",
		},
		"Japanese object": {
			[]grant.Grant{{Group: "red", Bucket: "one", Object: "日本.txt"}},
			[]string{"日本.txt", "anything"}, nil, true, "日",
		},
		"Japanese denial": {
			[]grant.Grant{{Group: "red", Bucket: "one", Prefix: "reports/"}, {Group: "red", Bucket: "one", Prefix: "reports/日本/", Effect: grant.Deny}},
			[]string{"reports/a", "reports/日本/a"}, []string{"a"}, true, "日",
		},
		"Latin-1": {
			[]grant.Grant{{Group: "red", Bucket: "one", Prefix: "Büro/ÿ/"}},
			[]string{"Büro/ÿ/a"}, []string{"Büro/a", "Buro/ÿ/a"}, false, "",
		},
		"a surrogate pair": {
			[]grant.Grant{{Group: "red", Bucket: "one", Prefix: "a/𝄞/"}},
			[]string{"a/𝄞/b"}, []string{"b/𝄞/b"}, true, "𝄞",
		},
	} {
		p, parsed := policyFor(t, setOf(t, c.grants...), "red")
		if p.Unproven != c.unproven || c.notInTexts != "" && strings.Contains(p.Text, c.notInTexts) {
			t.Errorf("%s: unproven %v: %s", name, p.Unproven, p.Text)
		}
		for _, r := range p.Text {
			if r < ' ' || r > 0xFF {
				t.Errorf("%s: %q in %s", name, r, p.Text)
			}
		}
		for _, key := range c.in {
			if !parsed.Allows(get("one", key)) {
				t.Errorf("%s: %q is refused: %s", name, key, p.Text)
			}
		}
		for _, key := range c.out {
			if parsed.Allows(get("one", key)) {
				t.Errorf("%s: %q is allowed: %s", name, key, p.Text)
			}
		}
	}
}

func TestPolicyOf2048And2049Characters(t *testing.T) {
	fits := map[int]bool{}
	of := func(key string) Policy {
		p, err := PolicyOf("aws", []grant.Root{{
			Grant: &grant.Grant{Bucket: "one", Prefix: "ü/"}, Except: []*grant.Grant{{Bucket: "one", Object: "ü/" + key, Effect: grant.Deny}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	base := utf8.RuneCountInString(of("").Text)
	for n := 2040; n < 2056; n++ {
		p := of(strings.Repeat("ü", n-base)) // the denied key occurs once
		if got := utf8.RuneCountInString(p.Text); got != n {
			t.Fatal(got, n)
		}
		fits[n] = p.Fits()
	}
	for n, ok := range fits {
		if ok != (n <= 2048) {
			t.Errorf("%d characters fit: %v", n, ok)
		}
	}
	if ok, known := fits[2048]; !ok || !known {
		t.Error("a policy of 2,048 characters was not tried or does not fit")
	}
	if ok, known := fits[2049]; ok || !known {
		t.Error("a policy of 2,049 characters was not tried or fits")
	}
}

func ExamplePolicyOf() {
	set, err := grant.NewSet([]grant.Grant{{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := PolicyOf("aws", set.Tree([]string{"finance-team"}, noon))
	fmt.Println(p.Text[:132], p.Fits(), err)
	// Output: {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":["arn:aws:s3:::com true <nil>
}
