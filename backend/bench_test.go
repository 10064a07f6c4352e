package backend_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// BenchmarkRelease measures a released URL over real HTTP, client included:
// verify, live check, decide, durable record, sign. The difference to
// BenchmarkReleaseFloor is HTTP and the disk.
func BenchmarkRelease(b *testing.B) {
	for _, n := range []int{1, 250} {
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			now := &clock{}
			w := demotest.Start(b, demo.Options{Now: now.Now})
			w.Put(b, "company-reports", "annual/one.csv", "one")
			ada := w.SignIn(b, "ada")
			in := api.ReleaseRequest{}
			for range n {
				in.Objects = append(in.Objects, api.ReleaseObject{Bucket: "company-reports", Key: "annual/one.csv", ETag: `"0123456789abcdef0123456789abcdef"`})
			}
			urls := 0
			for b.Loop() {
				now.Pass(time.Duration(n) * time.Millisecond / 2) // refills the budget of objects
				out, err := ada.Release(context.Background(), in)
				if err != nil || out.Items[0].URL == "" {
					b.Fatal(err, out)
				}
				urls += n
			}
			b.ReportMetric(float64(urls)/b.Elapsed().Seconds(), "urls/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(urls), "ns/url")
		})
	}
}

// BenchmarkReleaseFloor measures the lower bound of a released URL: one RS256
// verification and one presigning.
func BenchmarkReleaseFloor(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte("a token"))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	signer := v4.NewSigner()
	creds := aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "secret"}
	for b.Loop() {
		sum := sha256.Sum256([]byte("a token"))
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
			b.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodGet, "https://s3.us-east-1.amazonaws.com/company-reports/annual/one.csv?X-Amz-Expires=60", nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := signer.PresignHTTP(context.Background(), creds, req, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
