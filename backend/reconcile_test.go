package backend_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/audit/reconcile"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// S3 delivers its log with losses, doubles and delays. Reads without usher are
// found, and no read through usher is taken for one.
func TestReconcileUnreliableDelivery(t *testing.T) {
	var log bytes.Buffer
	delivery := &demotest.Delivery{To: &log, Lost: 0.02, Doubled: 0.1, Late: 0.3, Random: rand.New(rand.NewPCG(3, 5))}
	w := demotest.Start(t, demo.Options{AccessLog: delivery, ReaderRole: true})
	const objects = 40
	for i := range objects {
		w.Put(t, "company-reports", fmt.Sprintf("annual/a b+%%20é%d.csv", i), "12345")
	}
	ada := w.SignIn(t, "ada")
	for i := range objects {
		item, err := releaseOne(t.Context(), ada, "company-reports", fmt.Sprintf("annual/a b+%%20é%d.csv", i))
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + i%3 {
			if status, body := get(t, item, nil); status != 200 {
				t.Fatalf("fetching object %d: %d %s", i, status, body)
			}
		}
	}
	delivery.Lost = 0 // of the reads without usher
	const others = 5
	for i := range others {
		out, err := w.S3().GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("company-reports"), Key: aws.String(fmt.Sprintf("annual/a b+%%20é%d.csv", i))})
		if err != nil {
			t.Fatal(err)
		}
		_ = out.Body.Close()
	}
	if err := delivery.Flush(); err != nil {
		t.Fatal(err)
	}
	c, err := reconcile.New(reconcile.Config{Life: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for l, err := range reconcile.Read("log", &log) {
		if err != nil {
			t.Fatal(err)
		}
		c.Add(l)
	}
	report, err := c.Compare([]reconcile.Signer{{Name: w.ReaderRole, PerPerson: true}}, func(yield func(event.Event, error) bool) {
		for _, e := range w.Events(t, "action:download") {
			if !yield(e, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d releases fetched, %d without a line, %d alarms", len(report.Fetched), len(report.Unseen), len(report.Alarms))
	if len(report.Alarms) != others {
		for _, a := range report.Alarms {
			t.Logf("%s: %+v", a.Reason, a.Line)
		}
		t.Errorf("%d alarms, want the %d reads without usher", len(report.Alarms), others)
	}
	if len(report.Fetched) < objects*8/10 || len(report.Fetched)+len(report.Unseen) > objects {
		t.Errorf("%d releases fetched and %d without a line, of %d", len(report.Fetched), len(report.Unseen), objects)
	}
	for _, f := range report.Fetched {
		if f.Bytes != int64(5*f.Requests) || f.User != "ada" {
			t.Errorf("fetched %+v, want 5 bytes a request", f)
		}
	}
}
