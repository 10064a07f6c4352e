package grant_test

import (
	"strings"
	"testing"
	"time"

	"usher/backend/grant"
)

func TestValidate(t *testing.T) {
	good := grant.Grant{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/"}
	if err := good.Validate(); err != nil {
		t.Fatalf("a good grant is refused: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*grant.Grant)
		field  string // "" for a grant that is good
	}{
		"whole bucket":          {func(g *grant.Grant) { g.Prefix = "" }, ""},
		"one object":            {func(g *grant.Grant) { g.Prefix, g.Object = "", "a/b.pdf" }, ""},
		"object ending in /":    {func(g *grant.Grant) { g.Prefix, g.Object = "", "a/" }, ""},
		"prefix / alone":        {func(g *grant.Grant) { g.Prefix = "/" }, ""},
		"dot segments":          {func(g *grant.Grant) { g.Prefix = "a/../b//" }, ""},
		"longest prefix":        {func(g *grant.Grant) { g.Prefix = strings.Repeat("a", 1023) + "/" }, ""},
		"deny":                  {func(g *grant.Grant) { g.Effect = grant.Deny }, ""},
		"window":                {func(g *grant.Grant) { g.NotBefore, g.Expires = epoch, epoch.Add(1) }, ""},
		"group in Greek":        {func(g *grant.Grant) { g.Group = "λογιστές" }, ""},
		"empty group":           {func(g *grant.Grant) { g.Group = "" }, "group"},
		"group with space":      {func(g *grant.Grant) { g.Group = "finance team" }, "group"},
		"group with newline":    {func(g *grant.Grant) { g.Group = "finance\n" }, "group"},
		"group too long":        {func(g *grant.Grant) { g.Group = strings.Repeat("g", 129) }, "group"},
		"group not UTF-8":       {func(g *grant.Grant) { g.Group = "g\xff" }, "group"},
		"empty bucket":          {func(g *grant.Grant) { g.Bucket = "" }, "bucket"},
		"ARN":                   {func(g *grant.Grant) { g.Bucket = "arn:aws:s3:::b" }, "bucket"},
		"no slash":              {func(g *grant.Grant) { g.Prefix = "finance" }, "prefix"},
		"pattern":               {func(g *grant.Grant) { g.Prefix = "finance/*" }, "prefix"},
		"prefix too long":       {func(g *grant.Grant) { g.Prefix = strings.Repeat("a", 1024) + "/" }, "prefix"},
		"prefix with NUL":       {func(g *grant.Grant) { g.Prefix = "a\x00/" }, "prefix"},
		"prefix not UTF-8":      {func(g *grant.Grant) { g.Prefix = "a\xff/" }, "prefix"},
		"prefix and object":     {func(g *grant.Grant) { g.Object = "a" }, "object"},
		"object too long":       {func(g *grant.Grant) { g.Prefix, g.Object = "", strings.Repeat("a", 1025) }, "object"},
		"unknown effect":        {func(g *grant.Grant) { g.Effect = "Deny" }, "effect"},
		"ends as it starts":     {func(g *grant.Grant) { g.NotBefore, g.Expires = epoch, epoch }, "expires"},
		"ends before it starts": {func(g *grant.Grant) { g.NotBefore, g.Expires = epoch, epoch.Add(-1) }, "expires"},
		"year 10000":            {func(g *grant.Grant) { g.Expires = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "expires"},
		"year 1969":             {func(g *grant.Grant) { g.NotBefore = time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC) }, "not_before"},
		"reason too long":       {func(g *grant.Grant) { g.Reason = strings.Repeat("r", 1025) }, "reason"},
	} {
		g := good
		c.change(&g)
		problems := g.Problems()
		_, setErr := grant.NewSet([]grant.Grant{g})
		switch {
		case c.field == "" && (len(problems) > 0 || setErr != nil):
			t.Errorf("%s: refused: %v, %v", name, problems, setErr)
		case c.field != "" && (len(problems) != 1 || problems[0].Field != c.field || problems[0].Text == "" || problems[0].Fix == ""):
			t.Errorf("%s: problems %q, want one of field %s with a fix", name, problems, c.field)
		case c.field != "" && (setErr == nil || g.Validate() == nil):
			t.Errorf("%s: a set accepts it", name)
		}
	}
}

func TestValidBucket(t *testing.T) {
	for name, want := range map[string]bool{
		"company-reports": true, "abc": true, "my.example.s3.bucket": true, "1a1": true, strings.Repeat("a", 63): true, "1.2.3.4.5": true, "192.168.5.a": true,
		"": false, "ab": false, strings.Repeat("a", 64): false, "Abc": false, "a_b": false, "a..b": false, "-abc": false, "abc-": false, ".abc": false, "abc.": false,
		"192.168.5.4": false, "xn--abc": false, "sthree-abc": false, "amzn-s3-demo-bucket": false, "abc-s3alias": false, "abc--ol-s3": false, "abc.mrap": false,
		"abc--x-s3": false, "abc--table-s3": false, "a/b": false, "abc/../def": false, "äbc": false, "abc\n": false,
	} {
		if got := grant.ValidBucket(name); got != want {
			t.Errorf("ValidBucket(%q) = %v", name, got)
		}
	}
}

func TestValidKeyAndPrefix(t *testing.T) {
	for key, want := range map[string][2]bool{
		"": {false, true}, "a": {true, false}, "a/": {true, true}, "/": {true, true}, "a/../b": {true, false}, "a\x00/": {false, false}, "\xff/": {false, false},
		strings.Repeat("é", 512): {true, false}, strings.Repeat("é", 512) + "a": {false, false}, strings.Repeat("a", 1023) + "/": {true, true},
		"\xed\xa0\x80": {false, false}, "a\n\x1b": {true, false},
	} {
		if got := [2]bool{grant.ValidKey(key), grant.ValidPrefix(key)}; got != want {
			t.Errorf("ValidKey and ValidPrefix of %q = %v, want %v", key, got, want)
		}
	}
}

func TestString(t *testing.T) {
	for want, g := range map[string]grant.Grant{
		"allow finance-team company-reports/quarterly/":                                 {Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/", Reason: "r"},
		"deny contractors builds/":                                                      {Group: "contractors", Bucket: "builds", Effect: grant.Deny},
		"allow g from 2026-11-01T00:00:00Z until 2026-11-01T00:00:00.5Z object bkt/a b": {Group: "g", Bucket: "bkt", Object: "a b", NotBefore: epoch, Expires: epoch.Add(time.Second / 2)},
	} {
		if got := g.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}

func TestNewSet(t *testing.T) {
	a := grant.Grant{Group: "g", Bucket: "bkt", Prefix: "a/"}
	b := grant.Grant{Group: "g", Bucket: "bkt", Object: "a/", Expires: epoch}
	if mustSet(t, a, b).Version() != mustSet(t, b, a).Version() {
		t.Error("the order of grants changes the version")
	}
	spelled := a
	spelled.Effect = grant.Allow
	elsewhere := b
	elsewhere.Expires = epoch.In(time.FixedZone("", 3600))
	if mustSet(t, a, b).Version() != mustSet(t, spelled, elsewhere).Version() {
		t.Error("another spelling of the same grants changes the version")
	}
	reasoned := a
	reasoned.Reason = "audit"
	versions := map[string]bool{}
	for _, set := range []*grant.Set{mustSet(t), mustSet(t, a), mustSet(t, b), mustSet(t, a, b), mustSet(t, reasoned)} {
		versions[set.Version()] = true
	}
	if len(versions) != 5 {
		t.Errorf("five different sets have %d versions", len(versions))
	}
	if _, err := grant.NewSet([]grant.Grant{a, b, reasoned}); err == nil {
		t.Error("a repeated grant is accepted")
	}
	given := []grant.Grant{a}
	set := mustSet(t, given...)
	given[0].Prefix = ""
	set.Grants()[0].Prefix = ""
	if set.Decide([]string{"g"}, "bkt", "b", epoch).Allowed || set.Grants()[0] != spelled || set.Len() != 1 {
		t.Error("a set changes with the slice of NewSet or of Grants")
	}
	if set := mustSet(t); set.Decide([]string{"g", ""}, "bkt", "a", epoch).Allowed || set.Buckets([]string{"g"}, epoch) != nil {
		t.Error("no grants allow something")
	}
}

// TestDecisionGrant: a decision names the longest allow or the shortest deny,
// regardless of the order of the person's groups. Audit events quote this grant.
func TestDecisionGrant(t *testing.T) {
	set := mustSet(t,
		grant.Grant{Group: "a", Bucket: "bkt", Prefix: ""},
		grant.Grant{Group: "b", Bucket: "bkt", Prefix: "x/"},
		grant.Grant{Group: "c", Bucket: "bkt", Prefix: "x/"},
		grant.Grant{Group: "b", Bucket: "bkt", Object: "x/1"},
		grant.Grant{Group: "d", Bucket: "bkt", Prefix: "x/y/", Effect: grant.Deny},
		grant.Grant{Group: "d", Bucket: "bkt", Object: "x/y/2", Effect: grant.Deny},
	)
	for _, c := range []struct{ groups, key, want string }{
		{"a b c", "x/1", "allow b object bkt/x/1"},
		{"c b a", "x/2", "allow b bkt/x/"},
		{"c a", "x/2", "allow c bkt/x/"},
		{"a b", "y", "allow a bkt/"},
		{"a b d", "x/y/2", "deny d bkt/x/y/"},
		{"d", "x/y/", "deny d bkt/x/y/"},
		{"d", "x/y", ""},
		{"", "x/1", ""},
	} {
		d := set.Decide(strings.Fields(c.groups), "bkt", c.key, epoch)
		got := ""
		if d.Grant != nil {
			got = d.Grant.String()
		}
		if got != c.want || d.Allowed != strings.HasPrefix(c.want, "allow") {
			t.Errorf("groups %q, key %s: %v by %q, want %q", c.groups, c.key, d.Allowed, got, c.want)
		}
	}
}

// TestManyGroupsOnOnePrefix covers the binary search for prefixes with many
// grants.
func TestManyGroupsOnOnePrefix(t *testing.T) {
	var grants []grant.Grant
	for _, g := range strings.Split("a b c d e f g h i j k l m n o p", " ") {
		grants = append(grants, grant.Grant{Group: g, Bucket: "bkt", Prefix: "x/", Expires: epoch})
	}
	grants = append(grants, grant.Grant{Group: "m", Bucket: "bkt", Prefix: "x/", NotBefore: epoch},
		grant.Grant{Group: "p", Bucket: "bkt", Prefix: "x/", Effect: grant.Deny, NotBefore: epoch})
	set := mustSet(t, grants...)
	for _, c := range []struct {
		groups string
		now    time.Time
		want   bool
	}{
		{"m", epoch, true}, {"m", epoch.Add(-1), true}, {"q m", epoch, true}, {"a", epoch, false}, {"a", epoch.Add(-1), true},
		{"m p", epoch, false}, {"p m", epoch, false}, {"p m", epoch.Add(-1), true}, {"q", epoch.Add(-1), false},
	} {
		if got := set.Decide(strings.Fields(c.groups), "bkt", "x/1", c.now).Allowed; got != c.want {
			t.Errorf("%s at %v: %v, want %v", c.groups, c.now, got, c.want)
		}
	}
}

// TestDeepKeys decides about the deepest possible path. The cost must be linear
// in its length, without recursion.
func TestDeepKeys(t *testing.T) {
	deep := strings.Repeat("/", 1024)
	set := mustSet(t, grant.Grant{Group: "g", Bucket: "bkt", Prefix: deep[:1023]}, grant.Grant{Group: "h", Bucket: "bkt", Object: deep})
	for group, key := range map[string]string{"g": deep[:1023] + "a", "h": deep} {
		if !set.Decide([]string{group}, "bkt", key, epoch).Allowed {
			t.Errorf("%s may not read a key of 1023 empty segments", group)
		}
	}
	if v := set.Visible([]string{"g"}, "bkt", deep[:1000], epoch); v.Inside || len(v.Next) != 1 || v.Next[0].Name != "/" {
		t.Errorf("on the way through empty segments there is %+v", v)
	}
}
