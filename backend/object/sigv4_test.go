package object

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

// sdkURL returns the URL that the SDK's signer makes.
func sdkURL(t testing.TB, q *queryV4, creds aws.Credentials, date time.Time, life time.Duration, g get) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, q.base.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	path := "/" + g.key
	if q.pathStyle || dotted(g.bucket) {
		path = "/" + g.bucket + path
	} else {
		req.URL.Host = g.bucket + "." + q.base.Host
		req.Host = req.URL.Host
	}
	req.URL.Path, req.URL.RawPath = path, httpbinding.EscapePath(path, false)
	query := url.Values{"X-Amz-Expires": {fmt.Sprint(int(life / time.Second))}, eventParameter: {g.event}}
	if g.version != "" {
		query.Set("versionId", g.version)
	}
	req.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	for _, h := range g.headers {
		req.Header.Set(h[0], h[1])
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true // in S3 the signed path is the sent path, escaped once
		o.DisableHeaderHoisting = true
	})
	signed, _, err := signer.PresignHTTP(context.Background(), creds, req, "UNSIGNED-PAYLOAD", "s3", q.region, date)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// URLs are equal to those of the SDK's signer, for random objects, headers,
// credentials and dates.
func TestURLsAreTheSDKs(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 500
	}
	random := rand.New(rand.NewPCG(7, 7))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	text := func(size int) string {
		var b strings.Builder
		for range random.IntN(size) + 1 {
			b.WriteRune(pickRune(random))
		}
		return b.String()
	}
	for i := range n {
		base, err := url.Parse(pick("https://s3.eu-central-1.amazonaws.com", "https://s3.us-east-1.amazonaws.com:443",
			"http://127.0.0.1:9000", "http://localhost:80", "https://[::1]:9000", "https://s3.cn-north-1.amazonaws.com.cn/"))
		if err != nil {
			t.Fatal(err)
		}
		q := &queryV4{region: pick("eu-central-1", "us-east-1", "cn-north-1"), base: base, pathStyle: random.IntN(2) == 0}
		creds := aws.Credentials{AccessKeyID: "AKID" + pick("EXAMPLE", "OTHER"), SecretAccessKey: pick("secret/+", "x")}
		if random.IntN(2) == 0 {
			creds.SessionToken = pick("IQoJb3JpZ2luX2VjE//+==", "a b&c=d%", strings.Repeat("token/", 300))
		}
		g := get{bucket: pick("reports", "my.bucket-1"), key: text(60), event: "01M8H817H4EP3D7C78E0VQN5ED"}
		if random.IntN(3) == 0 {
			g.version = pick("null", "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", "v 1&")
		}
		if random.IntN(2) == 0 {
			g.headers = append(g.headers, [2]string{"if-match", pick(`"abc"`, `"0123456789abcdef-12"`, `"!~#$%&'()*+,/:;=?@[]"`)})
		}
		if random.IntN(2) == 0 {
			g.headers = append(g.headers, [2]string{"x-amz-checksum-mode", "ENABLED"})
		}
		date := time.Unix(1_700_000_000+random.Int64N(1<<28), random.Int64N(1e9)).UTC()
		life := time.Duration(15+random.IntN(900)) * time.Second
		want := sdkURL(t, q, creds, date, life, g)
		for range 2 { // with an empty cache, and with a full one
			if got := q.sign(creds, date, life, g); got != want {
				t.Fatalf("case %d:\n got %s\nwant %s", i, got, want)
			}
		}
	}
}

func pickRune(random *rand.Rand) rune {
	switch random.IntN(4) {
	case 0:
		return rune("/.-_~ +%?&=#'()*!:;@$,[]\"\\"[random.IntN(25)])
	case 1:
		return rune(0x20 + random.IntN(0x300))
	case 2:
		return '日'
	}
	return rune('a' + random.IntN(26))
}

// One presigner serves many credentials, dates and lives at the same time.
func TestStampsAreNotMixed(t *testing.T) {
	base, err := url.Parse("https://s3.eu-central-1.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	q := &queryV4{region: "eu-central-1", base: base}
	for i := range 1 << 8 { // each combination of two values of eight parts
		two := func(part int) int { return i >> part & 1 }
		creds := aws.Credentials{AccessKeyID: fmt.Sprint("A", two(2)), SecretAccessKey: fmt.Sprint("s", two(0)), SessionToken: fmt.Sprint(two(1))}
		date, life := time.Unix(1_800_000_000+int64(two(3)+2*two(4)+4*two(5))*40_000, 0), time.Duration(20+two(6)+2*two(7))*time.Second
		g := get{bucket: "b", key: "k", event: "e"}
		if got, want := q.sign(creds, date, life, g), sdkURL(t, q, creds, date, life, g); got != want {
			t.Fatalf("case %d:\n got %s\nwant %s", i, got, want)
		}
		if len(q.stamps) > maxStamps {
			t.Fatalf("%d stamps in memory", len(q.stamps))
		}
	}
}

// BenchmarkSign is beside the SDK's signer, its upper bound.
func BenchmarkSign(b *testing.B) {
	base, err := url.Parse("https://s3.eu-central-1.amazonaws.com")
	if err != nil {
		b.Fatal(err)
	}
	q := &queryV4{region: "eu-central-1", base: base}
	creds := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}
	g := get{bucket: "reports", key: "quarterly/many/report-000001.csv", event: "01M8H817H4EP3D7C78E0VQN5ED",
		headers: [][2]string{{"if-match", `"0123456789abcdef0123456789abcdef"`}, {"x-amz-checksum-mode", "ENABLED"}}}
	date := time.Unix(1_800_000_000, 0).UTC()
	b.Run("usher", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			q.sign(creds, date, time.Minute, g)
		}
	})
	b.Run("SDK", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sdkURL(b, q, creds, date, time.Minute, g)
		}
	})
}
