package serve

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"testing"

	"usher/backend/api"
	"usher/backend/grant"
)

// BenchmarkFunction measures a function of the sandbox: the parts after a cold
// start, the first request of an instance, and warm requests, with the calls of
// DynamoDB and their write units for each.
func BenchmarkFunction(b *testing.B) {
	c := newCloud(b)
	setup := c.instance(b, "v1", io.Discard)
	c.permit(b, setup, grant.Grant{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/", Effect: grant.Allow})
	token := c.token(b, "reader", "finance-team")
	var in api.ReleaseRequest
	for i := range api.MaxRelease {
		in.Objects = append(in.Objects, api.ReleaseObject{Bucket: "company-reports", Key: "quarterly/" + strconv.Itoa(i), ETag: `"0123456789abcdef0123456789abcdef"`})
	}
	many, err := json.Marshal(in)
	if err != nil {
		b.Fatal(err)
	}
	one, err := json.Marshal(api.ReleaseRequest{Objects: in.Objects[:1]})
	if err != nil {
		b.Fatal(err)
	}
	report := func(b *testing.B, calls, units, assumes int) {
		b.ReportMetric(float64(calls)/float64(b.N), "calls/op")
		b.ReportMetric(float64(units)/float64(b.N), "units/op")
		b.ReportMetric(float64(assumes)/float64(b.N), "assumes/op")
	}
	play := func(b *testing.B, f *function, verb, body string) {
		var out json.RawMessage
		if status := call(b, f, http.MethodPost, "/v1/"+verb, token, body, &out); status != http.StatusOK {
			b.Fatalf("%d %s", status, out)
		}
	}
	b.Run("init", func(b *testing.B) {
		for b.Loop() {
			c.instance(b, "v1", io.Discard)
		}
	})
	b.Run("first", func(b *testing.B) {
		play(b, setup, "release", string(one))
		before := len(c.STS.Calls())
		c.tables.Reset()
		for b.Loop() {
			play(b, c.instance(b, "v1", io.Discard), "release", string(one))
		}
		report(b, total(c.tables.Calls()), c.tables.WriteUnits(), len(c.STS.Calls())-before)
	})
	for name, r := range map[string][2]string{
		"whoami": {"whoami", "{}"}, "list": {"list", `{"bucket":"company-reports","prefix":"quarterly/"}`},
		"release of 1": {"release", string(one)}, "release of 250": {"release", string(many)},
		"page with URLs": {"list", `{"bucket":"company-reports","prefix":"quarterly/","recursive":true,"urls":100}`},
	} {
		b.Run("warm/"+name, func(b *testing.B) {
			// A person's budget for listings is 40 at once on each instance.
			const budget = 30
			var f *function
			calls, units, assumes := 0, 0, 0
			for i := 0; b.Loop(); i++ {
				if i%budget == 0 {
					b.StopTimer()
					f = c.instance(b, "v1", io.Discard)
					play(b, f, r[0], r[1])
					b.StartTimer()
				}
				c.tables.Reset()
				before := len(c.STS.Calls())
				play(b, f, r[0], r[1])
				calls, units, assumes = calls+total(c.tables.Calls()), units+c.tables.WriteUnits(), assumes+len(c.STS.Calls())-before
			}
			report(b, calls, units, assumes)
		})
	}
}

func total(calls map[string]int) (n int) {
	for _, count := range calls {
		n += count
	}
	return n
}
